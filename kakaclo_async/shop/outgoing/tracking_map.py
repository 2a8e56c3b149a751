"""What the items of a shop's order are made of at KakaClo, and the way back."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING, Final, NamedTuple

from kakaclo_async.errors import InvalidRequest
from kakaclo_async.models.freight import Item

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from kakaclo_async.shop.incoming.order_file import Sold
    from kakaclo_async.shop.incoming.skus import SkuMap


_MOST_TRIED: Final = 10_000


class ShopLine(NamedTuple):
    """An item of a shop's order.

    Attributes:
        shop_sku: its SKU in the shop.
        order_item_id: the shop's own number for it, as Amazon gives one; None where there is none.
        quantity: how many were sold.
        items: what was ordered for all of them together at KakaClo; none: it is no affair of KakaClo's.
    """

    shop_sku: str
    order_item_id: str | None
    quantity: int
    items: Sequence[Item]


def counted(items: Iterable[Item]) -> Counter[str]:
    """Return how many pieces of each SKU some items are."""
    found = Counter[str]()
    for item in items:
        found[item.sku] += item.quantity
    return found


def shop_lines(
    sold: Iterable[Sold], sku_map: SkuMap | None, ordered: Mapping[str, Counter[str]]
) -> dict[str, list[ShopLine]]:
    """Return the items of a shop's orders, as they were ordered at KakaClo.

    A file that was exported later says of items that they are not due any more: all of an order's items count, where
    they are what was ordered, and those that are due are not.

    Args:
        sold: the items of a file.
        sku_map: what they are made of; None: they go by KakaClo's SKUs.
        ordered: the pieces that KakaClo has, by custom order id.
    """
    by_order: dict[str, list[tuple[ShopLine, bool]]] = {}
    for item in sold:
        if item.order in ordered:
            name = item.sku or f"{item.title} {item.variant}".strip()
            line = ShopLine(name, item.item_id or None, item.quantity, _made_of(item, sku_map))
            by_order.setdefault(item.order, []).append((line, item.is_due))
    found: dict[str, list[ShopLine]] = {}
    for number, lines in by_order.items():
        every, due = [line for line, _ in lines], [line for line, is_due in lines if is_due]
        fits = next((some for some in (due, every) if _pieces(some) == ordered[number]), None)
        found[number] = fits or due or every
    return found


def _made_of(item: Sold, sku_map: SkuMap | None) -> list[Item]:
    if sku_map is None:
        with suppress(InvalidRequest):  # KakaClo has no such SKU
            return [Item(item.sku, item.quantity)]
        return []
    parts = sku_map.find(item.sku, item.title, item.variant) or ()
    return [Item(part.sku, part.pieces * item.quantity) for part in parts]


def _pieces(lines: Iterable[ShopLine]) -> Counter[str]:
    return counted(item for line in lines for item in line.items)


def merged(lines: Iterable[ShopLine]) -> list[ShopLine]:
    """Add up items that nothing tells apart: their rows would be one."""
    found: dict[tuple[str, str | None], ShopLine] = {}
    for line in lines:
        key = (line.shop_sku, line.order_item_id)
        before = found.get(key)
        found[key] = (
            line
            if before is None
            else line._replace(quantity=before.quantity + line.quantity, items=(*before.items, *line.items))
        )
    return list(found.values())


def read_back(total: Counter[str], sku_map: Mapping[str, Sequence[Item]] | None) -> list[ShopLine] | None:
    """Return what a shop must have sold; None when it may have been several things."""
    made_of = {code: counted(items) for code, items in (sku_map or {}).items() if items}
    made_of = {code: unit for code, unit in made_of.items() if unit <= total}
    mapped = {sku for unit in made_of.values() for sku in unit}
    for sku in total:
        if sku not in mapped:
            made_of[sku] = Counter({sku: 1})
    ways: list[dict[str, int]] = []
    for tried, way in enumerate(_ways(total, list(made_of.items()))):
        if way is not None:
            ways.append(way)
        if len(ways) > 1 or tried > _MOST_TRIED:
            return None
    if len(ways) != 1:
        return None
    return [
        ShopLine(code, None, count, _items(made_of[code], count)) for code, count in ways[0].items() if count
    ]


def _ways(
    total: Counter[str], made_of: Sequence[tuple[str, Counter[str]]]
) -> Iterator[dict[str, int] | None]:
    """Yield each way to make up a sum of pieces, and None for each that leads nowhere."""
    if not made_of:
        yield None if total else {}
        return
    (code, unit), *others = made_of
    for count in range(min(total[sku] // pieces_of_one for sku, pieces_of_one in unit.items()) + 1):
        rest = total - Counter({sku: count * pieces_of_one for sku, pieces_of_one in unit.items()})
        for way in _ways(rest, others):
            yield None if way is None else {code: count} | way


def _items(unit: Counter[str], count: int) -> list[Item]:
    return [Item(sku, pieces_of_one * count) for sku, pieces_of_one in unit.items()]
