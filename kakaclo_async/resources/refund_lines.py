"""Which lines of an order a refund names, pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kakaclo_async.errors import InvalidRequest
from kakaclo_async.models import RefundItem

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kakaclo_async.models import Item, Order

__all__ = ["fill_lines"]


def fill_lines(order: Order, items: Iterable[Item]) -> tuple[RefundItem, ...]:
    """Turn SKUs and numbers of pieces into the order's own lines.

    One SKU may stand in several lines, for the order was split over warehouse countries; its lines are used
    up in their order, and one line is named once.

    Raises:
        InvalidRequest: a SKU that the order does not hold, or more pieces of it than were bought.
    """
    wanted: dict[str, int] = {}
    for item in items:
        wanted[item.sku] = wanted.get(item.sku, 0) + item.quantity
    lines: list[RefundItem] = []
    for sku, quantity in wanted.items():
        bought = [line for line in order.order_items if line.sku_code == sku]
        if not bought:
            raise InvalidRequest(f"order {order.id} holds no SKU {sku!r}")
        left = quantity
        for line in bought:
            taken = min(left, line.product_num or 0)
            if taken > 0:
                lines.append(
                    RefundItem(
                        item_id=line.item_id or line.id or "",
                        sku_code=sku,
                        quantity=taken,
                        country_code=line.country_code,
                    )
                )
                left -= taken
        if left > 0:
            raise InvalidRequest(
                f"order {order.id} holds {quantity - left} of SKU {sku!r}, not the {quantity} to refund"
            )
    return tuple(lines)
