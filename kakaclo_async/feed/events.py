"""The events of the feed: frozen values that travel, and come back by the name of their class."""

import json
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Final, cast

import attrs

from kakaclo_async.errors import InvalidRequest
from kakaclo_async.models.freight import Item
from kakaclo_async.travel.shown import Shown


@attrs.frozen(kw_only=True)
class FeedEvent(Shown):
    """Something that happened to an order, or to the balance.

    Attributes:
        seq: its place in the feed: later events have larger ones. Some numbers are left out.
        id: the same whenever it is told: drop what you have had by it.
        at: when the feed saw it, UTC.
        happened_at: when it happened, as far as KakaClo says.
        shop: the name that the feed was given.
        order_id: KakaClo's number of the order; None for what is about no order.
        custom_order_id: your own number of it.
    """

    seq: int
    id: str
    at: datetime
    happened_at: datetime | None = None
    shop: str | None = None
    order_id: str | None = None
    custom_order_id: str | None = None

    @property
    def type(self) -> str:
        """The name of its class."""
        return type(self).__name__

    @property
    def document(self) -> dict[str, object]:
        """`to_dict` with its type: what is stored, printed and posted."""
        return {"type": self.type, **self.to_dict()}


@attrs.frozen(kw_only=True)
class OrderPaid(FeedEvent):
    """An order is paid.

    Attributes:
        amount: what it cost, in US dollars.
    """

    amount: Decimal


@attrs.frozen(kw_only=True)
class OrderSplit(FeedEvent):
    """KakaClo made several orders of one; it comes before any event of those that it brings.

    Attributes:
        numbers: all of them, as far as they are known; a later split names more.
    """

    numbers: tuple[str, ...]


@attrs.frozen(kw_only=True)
class OrderShipped(FeedEvent):
    """A package is under way: an event for each, and another one if it gets another tracking code.

    Attributes:
        package: KakaClo's number of it.
        carrier: as KakaClo names it.
        tracking_code: None for a package that has arrived without one.
        url: where to follow it.
        items: what is in it.
    """

    package: str
    carrier: str | None = None
    tracking_code: str | None = None
    url: str | None = None
    items: tuple[Item, ...] = ()


@attrs.frozen(kw_only=True)
class RefundSettled(FeedEvent):
    """A refund was decided.

    Attributes:
        amount: what came back by it, in US dollars; 0: it was declined. None when KakaClo does not say.
        total: what came back of this order so far; None likewise.
    """

    amount: Decimal | None
    total: Decimal | None


@attrs.frozen(kw_only=True)
class OrderCompleted(FeedEvent):
    """An order has arrived."""


@attrs.frozen(kw_only=True)
class OrderCancelled(FeedEvent):
    """An order was cancelled."""


@attrs.frozen(kw_only=True)
class BalanceLow(FeedEvent):
    """The balance fell below a limit; it is told once, until it has been above in between.

    Attributes:
        amount: what is left, in US dollars.
        below: the limit.
    """

    amount: Decimal
    below: Decimal


KINDS: Final[Mapping[str, type[FeedEvent]]] = {
    kind.__name__: kind
    for kind in (
        OrderPaid,
        OrderSplit,
        OrderShipped,
        RefundSettled,
        OrderCompleted,
        OrderCancelled,
        BalanceLow,
    )
}
"""Every kind of event by its name."""


_ALL: Final[tuple[type[FeedEvent], ...]] = (FeedEvent, *KINDS.values())
_READABLE: Final = {kind: frozenset(field.name for field in attrs.fields(kind)) for kind in _ALL}


def read_event(document: Mapping[str, object] | str | bytes) -> FeedEvent:
    """Read an event, as it was posted or printed.

    Args:
        document: its JSON, or what that holds. Fields and types that this version does not know are left out: an event
            of a newer type becomes a `FeedEvent`.

    Raises:
        InvalidRequest: it is no event.
    """
    if isinstance(document, (str, bytes)):
        try:
            read = cast("object", json.loads(document))
        except ValueError:
            raise InvalidRequest("this is no event of the feed: it is no JSON") from None
        if not isinstance(read, dict):
            raise InvalidRequest("this is no event of the feed: it is no JSON object")
        document = cast("dict[str, object]", read)
    kind = KINDS.get(str(document.get("type")), FeedEvent)
    return kind.from_dict({name: value for name, value in document.items() if name in _READABLE[kind]})
