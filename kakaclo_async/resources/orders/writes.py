"""Orders for a journal: place one, and look up many of which nobody knows what became."""

from __future__ import annotations

import json
from collections import Counter
from datetime import timedelta
from itertools import combinations
from typing import TYPE_CHECKING, Final, cast

from kakaclo_async.codec import to_wire_time
from kakaclo_async.errors import Conflict, IncompletePull, OutcomeUnknown
from kakaclo_async.models.family import pieces
from kakaclo_async.models.freight import Item
from kakaclo_async.resources.orders.errors import about_order, check_price
from kakaclo_async.resources.orders.reads import list_orders
from kakaclo_async.resources.orders.requests import ORDERS_PATH, place_request
from kakaclo_async.resources.writes import Reconciliation

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from kakaclo_async.models.order import Order
    from kakaclo_async.protocol import Request
    from kakaclo_async.resources.writes import Attempt, UnknownWrite
    from kakaclo_async.sending import Sender


_MARGIN: Final = timedelta(minutes=10)
"""How far KakaClo's clock may be behind ours for a quick look to find an order."""

_THOROUGH_MARGIN: Final = timedelta(days=1)
"""The same for the look that decides: times in a wrong zone must not make an order absent."""

_LARGEST_FAMILY: Final = 12
"""Orders of one custom order id that are tried in all combinations: more than there are warehouses."""


class OrderWrites:
    """Places orders; a key is a custom order id, a payload the body of `POST /v2/order/orders`."""

    kind = "order"

    def __init__(self, sender: Sender) -> None:
        self._sender = sender

    @property
    def timeout(self) -> float:
        """Seconds that one attempt takes at most."""
        return self._sender.options.timeout

    async def send(self, attempt: Attempt) -> str:
        """Place an order and return its number."""
        return await place(self._sender, attempt.key, attempt.payload, may_leave=attempt.may_leave)

    async def look(self, doubts: Sequence[UnknownWrite], *, thorough: bool) -> Reconciliation:
        """Read the orders made since the oldest doubt, and match custom order ids and items.

        `GET /v2/order/orders?createStartTime=`, 250 rows per request, in the bulk lane
        """
        margin = _THOROUGH_MARGIN if thorough else _MARGIN
        start = min(doubt.sent_from for doubt in doubts) - margin
        wanted = {doubt.key for doubt in doubts}
        families: dict[str, list[Order]] = {}
        complete = True
        try:
            # Without an end: a server whose clock is ahead of ours makes orders in our future.
            async for order in list_orders(self._sender, created_from=start).rows():
                if order.custom_order_id in wanted:
                    families.setdefault(order.custom_order_id, []).append(order)
        except IncompletePull:
            complete = False
        found: dict[str, str] = {}
        unclear: dict[str, str] = {}
        for doubt in doubts:
            orders = sorted(families.get(doubt.key, []), key=by_number)
            if ours := _made_of(doubt.payload, orders):
                found[doubt.key] = ours[0].id
            elif orders:
                numbers = ", ".join(order.id for order in orders)
                unclear[doubt.key] = f"order {numbers} carries this custom order id, with other items"
        return Reconciliation(found=found, unclear=unclear, complete=complete)

    def spare(self, payload: bytes) -> bytes:
        """Return the items alone."""
        return json.dumps({"orderItemsList": _lines(payload)}).encode()

    def in_doubt(self, key: str, text: str, settles_at: datetime) -> OutcomeUnknown:
        """Make the error for an order in doubt."""
        return OutcomeUnknown(
            f"order {key!r} may or may not have been placed: {text}; submit it again with the same journal,"
            f" never without: it can be settled at {to_wire_time(settles_at)}",
            custom_order_id=key,
            settles_at=settles_at,
        )

    def conflict(self, key: str) -> Conflict:
        """Make the error for a custom order id that came with another order."""
        return Conflict(
            f"the journal knows another order under the custom order id {key!r}: give this one an id of its own",
            custom_order_id=key,
        )


async def place(
    sender: Sender, custom_order_id: str, body: bytes, *, may_leave: Callable[[], None] = lambda: None
) -> str:
    """Place an order with one POST, and return its number.

    Args:
        sender: sends it.
        custom_order_id: names the order.
        body: of the request.
        may_leave: raises if the request must not leave any more; called when its permit is there.
    """

    def build() -> Request[str]:
        may_leave()
        return place_request(ORDERS_PATH, body, custom_order_id)

    with about_order(custom_order_id, body):
        await check_price(sender, custom_order_id, body)
        number = await sender.send(build)
        if not number.strip():
            raise OutcomeUnknown(
                f"KakaClo took order {custom_order_id!r} and named no number: look for this custom order id before"
                " sending it again",
                custom_order_id=custom_order_id,
            )
    return number


def asked_items(payload: bytes) -> tuple[Item, ...]:
    """Return what a payload asks for, equal SKUs added up."""
    asked = Counter[str]()
    for line in _lines(payload):
        asked[str(line["sku"])] += int(str(line["quantity"]))
    return tuple(Item(sku, quantity) for sku, quantity in asked.items())


def _lines(payload: bytes) -> list[dict[str, object]]:
    return cast("list[dict[str, object]]", json.loads(payload)["orderItemsList"])


def _made_of(payload: bytes, orders: Sequence[Order]) -> tuple[Order, ...]:
    """Return the first orders that together hold what was asked, and nothing else; none if there are no such.

    Others may use the same custom order id, and a part of a family may not show yet.
    """
    asked = Counter({item.sku: item.quantity for item in asked_items(payload)})
    parts = [order for order in orders if pieces([order]) <= asked][:_LARGEST_FAMILY]
    for size in range(1, len(parts) + 1):
        for family in combinations(parts, size):
            if pieces(family) == asked:
                return family
    return ()


def by_number(order: Order) -> tuple[int, str]:
    """Sort orders by their numbers, which grow: the first of a family is the one that KakaClo answers with."""
    return (len(order.id), order.id)
