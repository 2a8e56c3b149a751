"""Files of products for shops, written from a mirror: row by row, and whole or not at all."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Mapping
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import attrs
from sqlalchemy import ColumnElement, Select, func, or_, select

from kakaclo_async.catalog import schema
from kakaclo_async.catalog.database import MirrorDatabase
from kakaclo_async.catalog.export import into_file, not_run
from kakaclo_async.database import in_thread
from kakaclo_async.database.migrations import among
from kakaclo_async.errors import InvalidRequest
from kakaclo_async.models._checks import check_known_country
from kakaclo_async.shop.outgoing.listings_goods import Goods, listed, option_count
from kakaclo_async.shop.outgoing.listings_text import read_codes
from kakaclo_async.shop.outgoing.prices import PriceRule
from kakaclo_async.shop.outgoing.targets import TARGETS
from kakaclo_async.shop.outgoing.targets_columns import PLACEHOLDERS, Settings
from kakaclo_async.travel.shown import Shown

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from kakaclo_async.database.engines import Reader
    from kakaclo_async.shop.outgoing.targets_columns import Cell, Columns, Target


_product, _sku, _stock = schema.product.c, schema.sku.c, schema.stock.c

_BATCH: Final = 500
"""SKUs read at a time."""

_OF_PRODUCT: Final = (
    "product_name", "description", "size_image_path", "full_category_name", "sku_img_url",
)  # fmt: skip
_OPTIONS: Final = ("option1", "option2", "option3")
_OF_SKU: Final = ("sku", "main_img", "price", "package_weight", "sku_status", "gone_since", *_OPTIONS)


@attrs.frozen(kw_only=True)
class ListingReport(Shown):
    """What a file of products holds.

    Attributes:
        rows: lines of the file, apart from the first.
        products: products of which something is listed.
        skus: SKUs that are listed.
        left_out: why SKUs are not listed, and how many.
        unknown: the codes of `only` that the mirror does not know, in order.
    """

    rows: int = 0
    products: int = 0
    skus: int = 0
    left_out: Mapping[str, int] = attrs.field(factory=dict[str, int])
    unknown: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class _Choice:
    """Which SKUs are read, and how they are counted."""

    only: frozenset[str] | None
    category: str | None
    country: str | None

    def select(self, *of_sku: str, of_product: Sequence[str] = ()) -> Select[Any]:
        """Read SKUs with their products, in the order of their codes."""
        columns: list[ColumnElement[Any]] = [_product.spu, *(_product[name] for name in of_product)]
        columns += [_sku[name] for name in of_sku]
        if of_product:
            columns.append(self._stock().label("stock"))
        found = select(*columns).join_from(schema.product, schema.sku).order_by(_product.spu, _sku.sku)
        if self.category is not None:
            name, wanted = func.lower(_product.full_category_name), self.category.lower().strip("/ ")
            found = found.where(or_(name == wanted, name.startswith(f"{wanted}/", autoescape=True)))
        if self.only is not None:
            codes = sorted(self.only)
            of_skus = select(_sku.spu).where(among(_sku.sku, codes))
            found = found.where(or_(among(_product.spu, codes), _product.spu.in_(of_skus)))
        return found

    def _stock(self) -> ColumnElement[Any]:
        if self.country is None:
            return _sku.stock
        held = select(func.coalesce(func.sum(_stock.qty), 0)).where(
            _stock.sku == _sku.sku, func.upper(func.trim(_stock.country_code)) == self.country
        )
        return held.scalar_subquery()


async def export_listings(
    db_url: str,
    path: str | Path | BinaryIO,
    *,
    target: str = "shopify",
    only: Iterable[str] | Path | None = None,
    category: str | None = None,
    country: str | None = None,
    price: PriceRule | str | Path | None = None,
    buffer: int = 0,
    for_spreadsheet: bool = False,
    explain: Callable[[str], object] | None = None,
    settings: Settings | None = None,
) -> ListingReport:
    """Write the products of a mirror as a file that a shop reads; the file appears when it is whole.

    SKUs that are gone, deleted or discontinued are left out; in an inventory they stay, with 0. What is off the shelf
    or sold out stays with 0.

    Args:
        db_url: the mirror's database; it may be written to meanwhile.
        path: the file, one that exists is replaced; or a binary stream, which stays open.
        target: shopify, shopify-inventory, woocommerce or google.
        only: these SKUs and SPUs alone, or a file of them: one a line, or a column `sku` or `spu`.
        category: only this category and what is below it: "Women/Bottoms".
        country: count only what lies in this country's warehouses, "US"; None: in all.
        price: a rule, a text such as "x2.5 +3 end .99 min-margin 4", or a file of rules; None: what KakaClo asks.
        buffer: pieces of each SKU that are kept back.
        for_spreadsheet: keep a spreadsheet from running texts as formulas, and mark the file as UTF-8 for it; a shop
            should get the texts as they are.
        explain: called with a line for each SKU: how its price is made, or why it is left out.
        settings: vendor, location and link.

    Returns:
        What the file holds.

    Raises:
        InvalidRequest: no such target, a price rule or a file of codes that makes no sense, no link for google.
        ConfigurationError: there is no mirror, or the file cannot be written.
    """
    if target not in TARGETS:
        raise InvalidRequest(f"target must be one of {', '.join(TARGETS)}, not {target!r}")
    kind, constants = TARGETS[target], settings or Settings()
    if kind.needs_link and not any(name in constants.link for name in PLACEHOLDERS):
        raise InvalidRequest(
            f"{target} needs the address of a product as its link: https://shop.example/{{handle}}; also"
            " {spu} or {sku}"
        )
    if isinstance(buffer, bool) or buffer < 0:
        raise InvalidRequest(f"buffer must be 0 or more pieces, not {buffer!r}")
    choice = _Choice(
        only=None if only is None else await in_thread(read_codes, only),
        category=category,
        country=None if country is None else check_known_country(country),
    )
    listing = _Listing(
        kind=kind,
        settings=constants,
        rule=await in_thread(PriceRule.of, price),
        buffer=buffer,
        only=choice.only,
        guard=not_run if for_spreadsheet else str,
        mark=for_spreadsheet,
    )

    async def copy(file: BinaryIO) -> ListingReport:
        async with MirrorDatabase(db_url).reading() as connection:
            return await _copy(connection, choice, listing, file, explain)

    return await into_file(path, copy, mirror=db_url)


def listing_rows(
    goods: Sequence[Goods], target: str = "shopify", settings: Settings | None = None
) -> list[dict[str, str]]:
    """Return the rows of a file for some products, by its columns.

    Raises:
        InvalidRequest: no such target.
    """
    if target not in TARGETS:
        raise InvalidRequest(f"target must be one of {', '.join(TARGETS)}, not {target!r}")
    kind = TARGETS[target]
    columns = _columns(kind, max((len(each.option_names) for each in goods), default=1))
    return [row for each in goods for row in _rows(kind, columns, each, settings or Settings())]


def _columns(kind: Target, options: int) -> Columns:
    most = kind.most_options or options
    return kind.columns(most if kind.all_options else min(max(1, options), most))


def _rows(kind: Target, columns: Columns, goods: Goods, settings: Settings) -> Iterator[dict[str, str]]:
    for line in kind.lines(goods, settings):
        yield {name: cell(line) for name, cell in columns.items()}


@attrs.define(kw_only=True, eq=False)
class _Listing:
    """What is written, and what was written so far."""

    kind: Target
    settings: Settings
    rule: PriceRule
    buffer: int
    only: frozenset[str] | None
    guard: Callable[[str], str]
    mark: bool
    columns: Columns = attrs.field(factory=dict[str, "Cell"], init=False)
    report: ListingReport = attrs.field(factory=ListingReport, init=False)
    _met: set[str] = attrs.field(factory=set[str], init=False)
    _left_out: Counter[str] = attrs.field(factory=Counter[str], init=False)
    _most_options: int | None = attrs.field(default=None, init=False)

    def start(self, text: io.TextIOWrapper, options: int) -> csv.DictWriter[str]:
        """Write the first line."""
        self.columns = _columns(self.kind, options)
        self._most_options = self.kind.most_options or options
        if not self.kind.all_options:
            self._most_options = min(self._most_options, max(1, options))
        if self.mark:
            text.write("\ufeff")
        writer = csv.DictWriter(text, list(self.columns), delimiter=self.kind.delimiter)
        writer.writeheader()
        return writer

    def write(self, writer: csv.DictWriter[str], products: Sequence[list[dict[str, Any]]]) -> list[str]:
        """Write the rows of some products, and return what is to be told about them."""
        told: list[str] = []
        rows = count = skus = 0
        for product in products:
            found = listed(
                product[0],
                product,
                rule=self.rule,
                buffer=self.buffer,
                most_options=self._most_options,
                with_dead=self.kind.with_dead,
                only=self.only,
            )
            told += found.told
            self._left_out.update(found.left_out)
            if self.only is not None:
                codes = (product[0]["spu"], *(row["sku"] for row in product))
                self._met.update(code for code in codes if code in self.only)
            if found.goods is not None:
                count, skus = count + 1, skus + len(found.goods.variants)
                for row in _rows(self.kind, self.columns, found.goods, self.settings):
                    writer.writerow({name: self.guard(cell) for name, cell in row.items()})
                    rows += 1
        before = self.report
        self.report = attrs.evolve(
            before, rows=before.rows + rows, products=before.products + count, skus=before.skus + skus
        )
        return told

    def finish(self) -> ListingReport:
        """Return what the file holds."""
        unknown = sorted((self.only or frozenset()) - self._met)
        return attrs.evolve(self.report, left_out=dict(self._left_out), unknown=tuple(unknown))


async def _copy(
    connection: Reader,
    choice: _Choice,
    listing: _Listing,
    file: BinaryIO,
    explain: Callable[[str], object] | None,
) -> ListingReport:
    options = await _most_options(connection, choice, listing.kind)
    text = io.TextIOWrapper(file, encoding="utf-8", newline="", errors="replace")
    try:
        writer = await in_thread(listing.start, text, options)
        found = choice.select(*_OF_SKU, of_product=_OF_PRODUCT)
        async with aclosing(_products(connection, found)) as batches:
            async for products in batches:
                for line in await in_thread(listing.write, writer, products):
                    if explain is not None:
                        explain(line)
    finally:
        await in_thread(text.detach)  # and flush
    return listing.finish()


async def _most_options(connection: Reader, choice: _Choice, kind: Target) -> int:
    """Return how many options a product has at most, as far as the target takes more: they are columns."""
    most = 1
    if kind.all_options:
        return most
    async with aclosing(_products(connection, choice.select(*_OPTIONS))) as batches:
        async for products in batches:
            most = max(most, *map(option_count, products))
            if kind.most_options is not None and most >= kind.most_options:
                break
    return most


async def _products(
    connection: Reader, statement: Select[Any]
) -> AsyncGenerator[list[list[dict[str, Any]]], None]:
    """Read whole products, each the rows of its SKUs, as many at a time as some rows hold."""
    begun: list[dict[str, Any]] = []
    async with aclosing(connection.batches(statement, _BATCH)) as batches:
        async for batch in batches:
            whole: list[list[dict[str, Any]]] = []
            for row in (found._asdict() for found in batch):
                if begun and begun[0]["spu"] != row["spu"]:
                    whole.append(begun)
                    begun = []
                begun.append(row)
            if whole:
                yield whole
    if begun:
        yield [begun]
