"""What changed: the events that a shop wires to its own catalog."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, cast

import attrs

if TYPE_CHECKING:
    from datetime import datetime

    from kakaclo_async.catalog.rows import Row


class ChangeKind(StrEnum):
    """What happened to a product or a SKU; each step of a value is one event."""

    PRODUCT_ADDED = "product_added"
    SKU_ADDED = "sku_added"
    PRICE_CHANGED = "price_changed"
    COST_CHANGED = "cost_changed"
    STOCK_CHANGED = "stock_changed"
    SOLD_OUT = "sold_out"
    BACK_IN_STOCK = "back_in_stock"
    STATUS_CHANGED = "status_changed"
    GONE = "gone"


@attrs.frozen(kw_only=True)
class Change:
    """One event.

    Attributes:
        id: counts up; keep the last one that you handled, and ask for what comes after it.
        at: when the mirror saw it, UTC.
        kind: what happened.
        spu: the product, None when stock came of a SKU whose product is not known yet.
        sku: the SKU, None when it is about the product as a whole.
        old: the value before, as text; None when there was none.
        new: the value now.
    """

    id: int
    at: datetime
    kind: ChangeKind
    spu: str | None
    sku: str | None
    old: str | None
    new: str | None


def product_changes(old: Row | None, new: Row) -> list[Row]:
    """Return the events of a product, apart from its SKUs.

    Args:
        old: the stored row, None for a new product.
        new: the row that replaces it.
    """
    if old is None or old["gone_since"] is not None:
        return [_event(ChangeKind.PRODUCT_ADDED, new)]
    if old["spu_status"] == new["spu_status"]:
        return []
    return [_event(ChangeKind.STATUS_CHANGED, new, old["spu_status"], new["spu_status"])]


def sku_changes(old: Row | None, new: Row, *, new_product: bool) -> list[Row]:
    """Return the events of a SKU that came with its product.

    Args:
        old: the stored row, None for a new SKU.
        new: the row that replaces it.
        new_product: the product itself is new, which is one event for all its SKUs.
    """
    if old is None or old["gone_since"] is not None:
        return [] if new_product else [_event(ChangeKind.SKU_ADDED, new)]
    events = [
        _event(kind, new, old[name], new[name])
        for name, kind in (
            ("price", ChangeKind.PRICE_CHANGED),
            ("cost", ChangeKind.COST_CHANGED),
            ("sku_status", ChangeKind.STATUS_CHANGED),
        )
        if old[name] != new[name]
    ]
    return events + stock_change(old, new)


def stock_change(old: Row, new: Row) -> list[Row]:
    """Return the event of a SKU's stock over all warehouses."""
    before, now = cast("int | None", old["stock"]), cast("int | None", new["stock"])
    if before == now:
        return []
    was_there, is_there = (before or 0) > 0, (now or 0) > 0
    kind = ChangeKind.STOCK_CHANGED
    if was_there and not is_there:
        kind = ChangeKind.SOLD_OUT
    elif is_there and not was_there and before is not None:
        kind = ChangeKind.BACK_IN_STOCK
    return [_event(kind, new, before, now)]


def gone(row: Row) -> Row:
    """Return the event of a product or SKU that KakaClo does not know any more."""
    return _event(ChangeKind.GONE, row)


def _event(kind: ChangeKind, row: Row, old: object = None, new: object = None) -> Row:
    return {
        "kind": kind.value,
        "spu": row["spu"],
        "sku": row.get("sku"),
        "old": None if old is None else str(old),
        "new": None if new is None else str(new),
    }
