"""What a shop lists of a product: which variants, with what options, pictures, price and stock; no file format."""

from __future__ import annotations

import json
from collections import Counter
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Final, cast

import attrs

from kakaclo_async.errors import InvalidRequest
from kakaclo_async.models.common import Option
from kakaclo_async.models.product import FOR_GOOD, ON_SALE, ProductStatus
from kakaclo_async.shop.outgoing.listings_text import handle_of, safe_html, web_address

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping, Sequence

    from kakaclo_async.shop.outgoing.prices import PriceRule


_NO_VALUE: Final = "-"


@attrs.frozen(kw_only=True)
class Variant:
    """A SKU as a shop shows it.

    Attributes:
        sku: its code.
        options: a value for each of its product's option names.
        cost: what KakaClo asks for it, in US dollars; None when not known.
        price: what the shop asks; None when no price can be made.
        quantity: what the shop may promise, never below 0.
        weight: grams; None when not known.
        pictures: those that show it, the best first.
        dead: why it is not sold any more, empty when it is.
    """

    sku: str
    options: tuple[str, ...]
    cost: Decimal | None
    price: Decimal | None
    quantity: int
    weight: Decimal | None
    pictures: tuple[str, ...]
    dead: str = ""


@attrs.frozen(kw_only=True)
class Goods:
    """A product as a shop shows it.

    Attributes:
        spu: its code.
        handle: its part of the shop's addresses.
        title: its name.
        text: its description as KakaClo sends it.
        html: the same as harmless HTML, with the size chart.
        category: the names from the top down.
        option_names: in order; empty for a single SKU without options.
        variants: those that are listed.
        pictures: of those variants, each once.
        grouped: whether the product has more SKUs than one, listed or not.
    """

    spu: str
    handle: str
    title: str
    text: str
    html: str
    category: tuple[str, ...]
    option_names: tuple[str, ...]
    variants: tuple[Variant, ...]
    pictures: tuple[str, ...]
    grouped: bool


@attrs.frozen(kw_only=True)
class Listed:
    """The goods of a product, and what became of each of its SKUs.

    Attributes:
        goods: None when nothing of it is listed.
        told: how each price was made, or why a SKU is left out, a line each.
        left_out: the reasons, and how many SKUs they concern.
    """

    goods: Goods | None
    told: tuple[str, ...] = ()
    left_out: Mapping[str, int] = attrs.field(factory=dict[str, int])


def listed(
    product: Mapping[str, object],
    skus: Iterable[Mapping[str, object]],
    *,
    rule: PriceRule,
    buffer: int = 0,
    most_options: int | None = None,
    with_dead: bool = False,
    only: Container[str] | None = None,
) -> Listed:
    """Make goods of plain data under the names of the mirror's columns.

    Args:
        product: the row of the product.
        skus: the rows of its SKUs; `stock` is what is counted.
        rule: makes the prices.
        buffer: pieces kept back.
        most_options: options that the shop takes; further ones are joined into the last.
        with_dead: keep what is not sold any more, with 0 pieces, and ask for no price.
        only: SKUs or SPUs; the others are not spoken of.
    """
    rows = list(skus)
    spu = str(product["spu"])
    names, values = aligned([(str(row["sku"]), options_of(row)) for row in rows], most_options)
    shown = _pictures(product)
    told: list[str] = []
    left_out = Counter[str]()
    kept: list[Variant] = []
    for row in rows:
        sku = str(row["sku"])
        if only is not None and sku not in only and spu not in only:
            continue
        variant, how = _variant(row, values[sku], shown, rule, buffer)
        reason = "" if with_dead else variant.dead or ("" if variant.price else how)
        if reason:
            left_out[reason] += 1
            told.append(f"{sku}: left out: {reason}")
        else:
            kept.append(variant)
            told.append(f"{sku}: {f'{variant.dead}, 0 pieces' if variant.dead else how}")
    goods = None
    if kept:
        pictures = _of_variants(shown, kept)
        goods = Goods(
            spu=spu,
            handle=handle_of(spu),
            title=" ".join(_text(product.get("product_name")).split()) or spu,
            text=_text(product.get("description")),
            html=safe_html(
                _text(product.get("description")), cast("str | None", product.get("size_image_path"))
            ),
            category=tuple(
                part.strip() for part in _text(product.get("full_category_name")).split("/") if part.strip()
            ),
            option_names=names,
            variants=tuple(kept),
            pictures=pictures,
            grouped=len(rows) > 1,
        )
    return Listed(goods=goods, told=tuple(told), left_out=left_out)


def why_dead(sku: Mapping[str, object]) -> str:
    """Return why a SKU will never be sold again: gone, deleted, discontinued; empty when it may be."""
    if sku.get("gone_since"):
        return "gone"
    status = sku.get("sku_status")
    return ProductStatus(int(str(status))).name.lower() if status in FOR_GOOD else ""


def _variant(
    row: Mapping[str, object],
    options: tuple[str, ...],
    shown: Sequence[tuple[tuple[str, ...], tuple[str, ...]]],
    rule: PriceRule,
    buffer: int,
) -> tuple[Variant, str]:
    sku, dead, cost = str(row["sku"]), why_dead(row), _decimal(row.get("price"))
    price, how = None, "it has no price"
    if cost is not None:
        try:
            made = rule.made_of(cost)
        except InvalidRequest as problem:
            how = str(problem)
        else:
            price, how = made.price, made.how
    status = row.get("sku_status")
    sold = not dead and (status is None or status in ON_SALE)
    pictures = [address for skus, addresses in shown if sku in skus for address in addresses]
    main = web_address(row.get("main_img"))
    return Variant(
        sku=sku,
        options=options,
        cost=cost,
        price=price,
        quantity=max(0, int(str(row.get("stock") or 0)) - buffer) if sold else 0,
        weight=_decimal(row.get("package_weight")),
        pictures=tuple(dict.fromkeys(pictures)) or ((main,) if main else ()),
        dead=dead,
    ), how


def aligned(
    skus: Sequence[tuple[str, Sequence[tuple[str, str]]]], most: int | None = None
) -> tuple[tuple[str, ...], dict[str, tuple[str, ...]]]:
    """Give all SKUs of a product the same options in the same order, and no two of them the same values.

    Names are the same whatever their case. A SKU that lacks an option which others have gets "-". SKUs that differ in
    nothing are told apart by their codes, of which the first keeps its values.

    Args:
        skus: codes, each with the options that have a value.
        most: options that there may be; further ones are joined into the last.

    Returns:
        The options' names, and the values of each SKU.
    """
    names: dict[str, str] = {}
    for _, options in skus:
        for name, _ in options:
            names.setdefault(name.casefold(), name)
    if not names and len(skus) == 1:
        return (), {skus[0][0]: ()}
    titles, rows = tuple(names.values()), dict[str, tuple[str, ...]]()
    for code, options in skus:
        held = {name.casefold(): value for name, value in reversed(options)}
        rows[code] = tuple(held.get(name, _NO_VALUE) for name in names)
    if not titles:
        return ("SKU",), {code: (code,) for code, _ in skus}
    if most is not None and len(titles) > most:
        titles = (*titles[: most - 1], " / ".join(titles[most - 1 :]))
        rows = {code: (*row[: most - 1], " / ".join(row[most - 1 :])) for code, row in rows.items()}
    taken = set[tuple[str, ...]]()
    for code in sorted(rows):
        while _like(rows[code]) in taken:
            rows[code] = (*rows[code][:-1], f"{rows[code][-1]} ({code})")
        taken.add(_like(rows[code]))
    return titles, rows


def _like(values: tuple[str, ...]) -> tuple[str, ...]:
    """Return values as shops compare them."""
    return tuple(value.casefold() for value in values)


def option_count(skus: Iterable[Mapping[str, object]]) -> int:
    """Return how many options the SKUs of a product have together; at least one."""
    return max(1, len({name.casefold() for sku in skus for name, _ in options_of(sku)}))


def options_of(sku: Mapping[str, object]) -> tuple[tuple[str, str], ...]:
    """Return the names and values of a SKU's options that have a value."""
    found: list[tuple[str, str]] = []
    number = 1
    while (key := f"option{number}") in sku:
        option = sku[key]
        if isinstance(option, str):
            option = _parsed(option)
        if isinstance(option, Option):
            option = {"name": option.name, "value": option.value}
        if isinstance(option, dict):
            fields = cast("dict[str, object]", option)
            name, value = _text(fields.get("name")).strip(), _text(fields.get("value")).strip()
            if value:
                found.append((name or key, value))
        number += 1
    return tuple(found)


@lru_cache(maxsize=4096)  # a catalog repeats its colours and sizes
def _parsed(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _pictures(product: Mapping[str, object]) -> list[tuple[tuple[str, ...], tuple[str, ...]]]:
    held = product.get("sku_img_url")
    groups = _parsed(held) if isinstance(held, str) else held
    found: list[tuple[tuple[str, ...], tuple[str, ...]]] = []
    for group in cast("list[object]", groups) if isinstance(groups, list | tuple) else ():
        if isinstance(group, dict):
            fields = cast("dict[str, object]", group)
            skus, addresses = fields.get("skus"), fields.get("imgUrl")
            if isinstance(skus, list | tuple) and isinstance(addresses, list | tuple):
                found.append(
                    (
                        tuple(map(str, cast("list[object]", skus))),
                        tuple(filter(None, map(web_address, cast("list[object]", addresses)))),
                    )
                )
    return found


def _of_variants(
    shown: Sequence[tuple[tuple[str, ...], tuple[str, ...]]], variants: Sequence[Variant]
) -> tuple[str, ...]:
    listed_skus = {variant.sku for variant in variants}
    pictures = [
        address for skus, addresses in shown if listed_skus.intersection(skus) for address in addresses
    ]
    pictures += [address for variant in variants for address in variant.pictures]
    return tuple(dict.fromkeys(pictures))


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _decimal(value: object) -> Decimal | None:
    return None if value is None or value == "" else Decimal(str(value))
