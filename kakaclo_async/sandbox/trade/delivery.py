"""What freight costs, how long it takes, and which warehouse delivers what."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated

import msgspec
from attrs import frozen

from kakaclo_async.sandbox.trade.orders import Item
from kakaclo_async.sandbox.wire import Code, Refusal
from kakaclo_async.sandbox.world.goods import SELLING
from kakaclo_async.sandbox.world.places import COUNTRY_OF, WAREHOUSES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from kakaclo_async.sandbox.world.catalog import Catalog
    from kakaclo_async.sandbox.world.goods import Product, Sku, StockRow


_COUNTRIES = ("CN", "US")
"""The countries that deliver, in the order in which they are asked for stock."""

_ZONES = (
    ("US CN HK TW", "1.00", 0),
    ("GB DE FR NL BE AT PL CZ IT ES PT IE LU", "1.12", 1),
    ("CA AU NZ JP KR SG MY TH", "1.25", 2),
    ("SE DK FI NO CH GR HU RO BG HR SK SI EE LV LT IL AE SA", "1.40", 3),
    ("MX BR CL CO PE AR VE ZA NG EG IN RU TR UA", "1.75", 5),
)
_ZONE_OF = {
    country: (Decimal(factor), days) for countries, factor, days in _ZONES for country in countries.split()
}
_DOMESTIC = Decimal("0.62")
"""From a warehouse in the country of the customer."""


@frozen
class _Level:
    name: str
    code: str
    label: str
    base: Decimal
    per_kg: Decimal
    days: tuple[int, int]


LEVELS = {
    level.name: level
    for level in (
        _Level(
            "Standard", "WB001", "Economy line (general goods)", Decimal("2.35"), Decimal("9.40"), (8, 12)
        ),
        _Level("Express", "WB003", "Priority line", Decimal("3.10"), Decimal("11.90"), (6, 9)),
        _Level("Expedited", "WB004", "Courier", Decimal("15.80"), Decimal("31.50"), (3, 4)),
    )
}
"""By channel type, cheapest and slowest first."""


class Line(msgspec.Struct):
    """A SKU and how many of it."""

    sku: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    quantity: Annotated[int, msgspec.Meta(gt=0, lt=10**16)]  # "int[16]" in the documents


def check_country(country: str) -> None:
    """Refuse a country that nothing is shipped to."""
    if country not in _ZONE_OF:
        raise Refusal(Code.UNKNOWN_COUNTRY, f"nothing is shipped to country {country!r}")


def price(grams: int, country: str, channel_type: str, origin: str = "CN") -> Decimal:
    """Return the freight in US dollars, with cents.

    Args:
        grams: Total weight.
        country: Country of the customer.
        channel_type: "Standard", "Express" or "Expedited".
        origin: Country of the warehouse.
    """
    level, (factor, _) = LEVELS[channel_type], _ZONE_OF[country]
    if origin == country:
        factor *= _DOMESTIC
    return ((level.base + level.per_kg * grams / 1000) * factor).quantize(Decimal("0.01"))


def delivery_time(country: str, channel_type: str, origin: str = "CN") -> str:
    """Return how long a parcel takes, as the documents write it."""
    first, last = LEVELS[channel_type].days
    extra = _ZONE_OF[country][1]
    if origin == country:
        return f"{max(1, first // 2)}~{max(2, last // 2)} Business Days"
    return f"{first + extra}~{last + extra} Business Days"


def look_up(catalog: Catalog, sku: str) -> tuple[Product, Sku, tuple[StockRow, ...]]:
    """Return a SKU with its product and stock; refuse an unknown SKU."""
    try:
        return catalog.find(sku)
    except LookupError:
        raise Refusal(Code.UNKNOWN_SKU, f"there is no SKU {sku!r}") from None


def weigh(catalog: Catalog, lines: Iterable[Line | Item]) -> int:
    """Return the total weight in grams; refuse unknown SKUs."""
    return sum(look_up(catalog, line.sku)[1].weight * line.quantity for line in lines)


def allocate(catalog: Catalog, lines: Sequence[Line], numbers: Iterator[int]) -> dict[str, list[Item]]:
    """Split the lines of an order over the countries that have the stock; take nothing yet.

    Args:
        catalog: Where the stock is.
        lines: What was ordered; a line that one country cannot fill becomes an item of each.
        numbers: Where items get their numbers.

    Returns:
        The items by country.

    Raises:
        Refusal: A SKU is unknown, not on sale, or short.
    """
    left: defaultdict[tuple[str, str], int] = defaultdict(int)
    for code in {line.sku for line in lines}:
        for row in look_up(catalog, code)[2]:
            left[code, row.warehouse] = row.qty if WAREHOUSES[row.warehouse].enabled else 0
    items: dict[str, list[Item]] = {}
    for line in lines:
        product, sku, rows = look_up(catalog, line.sku)
        if sku.status not in SELLING:
            raise Refusal(Code.OFF_THE_SHELF, f"SKU {line.sku} is not on sale: its status is {sku.status}")
        missing = line.quantity
        for country in _COUNTRIES:
            taken = _take(rows, country, line.sku, missing, left)
            if taken:
                missing -= sum(taken.values())
                number = str(next(numbers))
                item = Item(number, line.sku, product.name, sku.image, sku.options, sku.price, country, taken)
                items.setdefault(country, []).append(item)
        if missing:
            raise Refusal(
                Code.OUT_OF_STOCK, f"SKU {line.sku} is short of {missing} of {line.quantity} pieces"
            )
    return items


def _take(
    rows: Sequence[StockRow], country: str, sku: str, wanted: int, left: dict[tuple[str, str], int]
) -> dict[str, int]:
    taken: dict[str, int] = {}
    for row in rows:
        pieces = min(wanted, left[sku, row.warehouse])
        if COUNTRY_OF[row.warehouse] == country and pieces:
            taken[row.warehouse] = pieces
            left[sku, row.warehouse] -= pieces
            wanted -= pieces
    return taken
