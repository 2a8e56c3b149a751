"""What a file of products is made of: lines, and columns that fill their cells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

import attrs

from kakaclo_async.shop.outgoing.prices import plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from decimal import Decimal

    from kakaclo_async.shop.outgoing.listings_goods import Goods, Variant


PLACEHOLDERS: Final = ("{handle}", "{spu}", "{sku}")


@attrs.frozen(kw_only=True)
class Settings:
    """What is the same in all rows.

    Attributes:
        vendor: who sells it, for Shopify.
        location: where the stock lies, for Shopify's inventory: a location of the shop, by its name.
        link: the address of a product in the shop, with `{handle}`, `{spu}` or `{sku}` in it, for Google.
    """

    vendor: str = "KakaClo"
    location: str = "KakaClo"
    link: str = ""


@attrs.frozen
class Line:
    """What a row of a file is about.

    Attributes:
        goods: the product.
        variant: None where the row is about the product as a whole, or about one more picture.
        number: from 0, of the rows of this product.
        settings: what is the same in all rows.
    """

    goods: Goods
    variant: Variant | None
    number: int
    settings: Settings


Cell: TypeAlias = "Callable[[Line], str]"
Columns: TypeAlias = "dict[str, Cell]"


@attrs.frozen(kw_only=True)
class Target:
    """A kind of file.

    Attributes:
        columns: makes the columns for so many options.
        lines: makes the rows of a product, in order.
        most_options: options that the shop takes; None: any number.
        all_options: always give columns for `most_options`.
        with_dead: whether what is not sold any more stays in it, with 0 pieces.
        delimiter: between two cells.
        needs_link: whether `Settings.link` must be given.
    """

    columns: Callable[[int], Columns]
    lines: Callable[[Goods, Settings], Iterator[Line]]
    most_options: int | None = None
    all_options: bool = False
    with_dead: bool = False
    delimiter: str = ","
    needs_link: bool = False


def of_variant(cell: Callable[[Goods, Variant], str]) -> Cell:
    """Fill a cell in rows about a variant alone."""
    return lambda line: "" if line.variant is None else cell(line.goods, line.variant)


def of_first(cell: Callable[[Line], str]) -> Cell:
    """Fill a cell in the first row of a product alone."""
    return lambda line: "" if line.number else cell(line)


def same(text: str) -> Cell:
    """Write the same into each row about a variant."""
    return of_variant(lambda _goods, _variant: text)


def one_each(goods: Goods, settings: Settings) -> Iterator[Line]:
    """Make a row for each variant."""
    for number, variant in enumerate(goods.variants):
        yield Line(goods, variant, number, settings)


def money(amount: Decimal | None) -> str:
    """Write an amount with its cents; nothing where it is not known."""
    return "" if amount is None else plain(amount, cents=True)


def at(values: Sequence[str], number: int) -> str:
    """Return one of some texts, counted from 0; nothing beyond the last."""
    return values[number] if number < len(values) else ""
