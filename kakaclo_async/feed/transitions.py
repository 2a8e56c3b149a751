"""What an order shows that was not told of it yet: pure, so that every history of orders can be tried."""

from __future__ import annotations

import json
from collections import Counter
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Final

import attrs

from kakaclo_async.errors import InvalidRequest
from kakaclo_async.feed.events import (
    FeedEvent,
    OrderCancelled,
    OrderCompleted,
    OrderPaid,
    OrderShipped,
    RefundSettled,
)
from kakaclo_async.models.family import pieces
from kakaclo_async.models.freight import Item
from kakaclo_async.models.order import FinancialStatus, OrderStatus, PackageStatus, RefundState
from kakaclo_async.travel import write_time

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kakaclo_async.models.order import Fulfillment, Order


_UNDER_WAY: Final = {PackageStatus.SHIPPED, PackageStatus.COMPLETED}
_LONG_AGO: Final = datetime(1970, 1, 1, tzinfo=UTC)

FIRST_PAUSE: Final = 30.0
LONGEST_PAUSE: Final = 86_400.0
_SHARE: Final = 60
"""An order is looked at again after this part of the time since it last changed."""


@attrs.frozen
class Fact:
    """Something to tell of an order.

    Attributes:
        key: what it is told once by.
        kind: the event that tells it.
        fields: of the event.
        happened_at: when it happened, as far as KakaClo says.
    """

    key: str
    kind: type[FeedEvent]
    fields: dict[str, object] = attrs.field(factory=dict[str, object])
    happened_at: datetime | None = None


@attrs.frozen(kw_only=True)
class Seen:
    """What is remembered of an order.

    Attributes:
        told: keys of what was told.
        refunded: US dollars that were told to have come back.
        refunding: whether a refund was under way.
        updated: the latest update of the order that was seen: by an older answer no refund is called declined.
        pieces: of each SKU; None before the first look.
        made_at: when KakaClo made it, in seconds since 1970.
    """

    told: tuple[str, ...] = ()
    refunded: Decimal = Decimal(0)
    refunding: bool = False
    updated: str | None = None
    pieces: Counter[str] | None = None
    made_at: float | None = None

    def to_text(self) -> str:
        """Write it for the database."""
        plain = {"told": self.told, "refunded": str(self.refunded), "refunding": self.refunding}
        return json.dumps(
            {**plain, "updated": self.updated, "pieces": self.pieces, "made_at": self.made_at},
            separators=(",", ":"),
        )

    @classmethod
    def from_text(cls, text: str) -> Seen:
        """Read it."""
        plain = json.loads(text)
        return cls(
            told=tuple(plain["told"]),
            refunded=Decimal(plain["refunded"]),
            refunding=plain["refunding"],
            updated=plain["updated"],
            pieces=None if plain["pieces"] is None else Counter[str](plain["pieces"]),
            made_at=plain["made_at"],
        )


def look(order: Order, seen: Seen) -> tuple[list[Fact], Seen]:
    """Return what is new of an order, in its natural order, and what to remember of it from now on.

    What was told stays told, whatever a stale answer shows; an unknown status tells nothing.
    """
    updated = None if order.update_date is None else write_time(order.update_date)
    # It may be of a replica that is behind, or its time was set back: what is new in it is new all the same.
    is_older = updated is not None and seen.updated is not None and updated < seen.updated
    refund, refunded = _refund(order, seen, is_older=is_older)
    facts = [*_paid(order), *_shipped(order), *refund, *_end(order)]
    new = [fact for fact in facts if fact.key not in seen.told]
    made = order.create_date or order.purchase_date
    return new, Seen(
        told=(*seen.told, *(fact.key for fact in new)),
        refunded=refunded,
        refunding=seen.refunding if is_older else order.refund_status is RefundState.REFUNDING,
        updated=seen.updated if is_older else updated or seen.updated,
        pieces=pieces([order]),
        made_at=seen.made_at if made is None else made.timestamp(),
    )


def is_over(order: Order) -> bool:
    """Tell whether nothing more will happen to an order."""
    if order.refund_status is RefundState.REFUNDING or (_is_refunded(order) and order.refunded_amount == 0):
        return False  # what came back is still to be told
    if _is_completed(order):
        return True
    if not _is_cancelled(order):
        return False
    if order.refunded_amount is None or order.final_amount == 0 or not _is_paid(order):
        return True
    return order.refunded_amount >= order.final_amount or _is_refunded(order)


def pause(age: float) -> float:
    """Return the seconds until the next look at an order that last changed so many seconds ago."""
    return min(max(age / _SHARE, FIRST_PAUSE), LONGEST_PAUSE)


def _is_paid(order: Order) -> bool:
    return order.financial_status is FinancialStatus.PAID or order.pay_date is not None


def _is_refunded(order: Order) -> bool:
    return order.refund_status is not None and order.refund_status.is_refunded


def _is_completed(order: Order) -> bool:
    # In the older shape the status is one of V1's, which is unknown here: then the times tell.
    dated = not order.status.is_known and order.completed_date is not None
    return order.status is OrderStatus.COMPLETED or dated


def _is_cancelled(order: Order) -> bool:
    dated = not order.status.is_known and order.cancel_date is not None
    return order.status is OrderStatus.CANCEL or dated


def _paid(order: Order) -> Iterator[Fact]:
    if _is_paid(order):
        yield Fact("paid", OrderPaid, {"amount": order.final_amount}, order.pay_date)


def _end(order: Order) -> Iterator[Fact]:
    if _is_completed(order):
        yield Fact("completed", OrderCompleted, {}, order.completed_date)
    if _is_cancelled(order):
        yield Fact("cancelled", OrderCancelled, {}, order.cancel_date)


def _shipped(order: Order) -> Iterator[Fact]:
    numbered = list(enumerate(order.fulfillments))
    numbered.sort(key=lambda entry: (entry[1].delivery_time or _LONG_AGO, entry[0]))
    for place, package in numbered:
        code = _code(package)
        has_arrived = package.status is PackageStatus.COMPLETED or _is_completed(order)
        # A shop that is told of a package wants its number: without one, it is told of what has arrived.
        if not _is_under_way(package) or not (code or has_arrived):
            continue
        name = package.id or package.pack_id or code or f"{order.id}-{place + 1}"
        fields: dict[str, object] = {
            "package": name,
            "carrier": package.carrier,
            "tracking_code": code,
            "url": package.logistics_search_url,
            "items": _items(package),
        }
        yield Fact(f"shipped:{name}:{code or ''}", OrderShipped, fields, package.delivery_time)


def _code(package: Fulfillment) -> str | None:
    codes = (package.tracking_code, *(leg.tracking_code for leg in package.tracking_infos))
    return next((code for code in codes if code), None)


def _is_under_way(package: Fulfillment) -> bool:
    if package.status is None or not package.status.is_known:
        return package.delivery_time is not None
    return package.status in _UNDER_WAY


def _items(package: Fulfillment) -> tuple[Item, ...]:
    counted = Counter[str]()
    for line in package.items:
        if line.sku_code and line.product_num > 0:
            counted[line.sku_code] += line.product_num
    found: list[Item] = []
    for sku, quantity in counted.items():
        with suppress(InvalidRequest):  # no order can name it, and the package is told all the same
            found.append(Item(sku, quantity))
    return tuple(found)


def _refund(order: Order, seen: Seen, *, is_older: bool) -> tuple[list[Fact], Decimal]:
    total = order.refunded_amount
    if total is not None and total > seen.refunded:
        fields: dict[str, object] = {"amount": total - seen.refunded, "total": total}
        return [Fact(f"refund:{total.normalize():f}", RefundSettled, fields, order.refund_date)], total
    if total is None and _is_refunded(order):
        return [
            Fact("refund:", RefundSettled, {"amount": None, "total": None}, order.refund_date)
        ], seen.refunded
    is_back = order.refund_status is None or (order.refund_status is RefundState.PARTIAL_REFUND and total)
    if seen.refunding and is_back and total is not None and not is_older:
        before = sum(key.startswith("declined:") for key in seen.told)
        fields = {"amount": Decimal(0), "total": total}
        return [Fact(f"declined:{before + 1}", RefundSettled, fields)], seen.refunded
    return [], seen.refunded
