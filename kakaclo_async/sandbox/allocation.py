"""Which warehouse delivers what."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from kakaclo_async.sandbox.freight import look_up
from kakaclo_async.sandbox.goods import SELLING
from kakaclo_async.sandbox.orders import Item
from kakaclo_async.sandbox.places import COUNTRY_OF, WAREHOUSES
from kakaclo_async.sandbox.wire import Code, Refusal

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from kakaclo_async.sandbox.catalog import Catalog
    from kakaclo_async.sandbox.freight import Line
    from kakaclo_async.sandbox.goods import StockRow


_COUNTRIES = ("CN", "US")
"""The countries that deliver, in the order in which they are asked for stock."""


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
