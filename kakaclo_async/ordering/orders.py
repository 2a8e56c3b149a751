"""Orders for a journal: place one, and read back many whose outcome is unknown."""

from __future__ import annotations

import json
from collections import Counter
from datetime import timedelta
from itertools import combinations
from typing import TYPE_CHECKING, Final

from kakaclo_async.codec import to_wire_time
from kakaclo_async.errors import Conflict, IncompletePull, OutcomeUnknown
from kakaclo_async.models.family import pieces
from kakaclo_async.models.freight import Item
from kakaclo_async.models.order import Address, NewOrder
from kakaclo_async.ordering.leases import Writes
from kakaclo_async.ordering.writes import Reconciliation
from kakaclo_async.resources.orders.placing import place
from kakaclo_async.resources.orders.reads import by_number, list_orders

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from kakaclo_async.models.order import Order
    from kakaclo_async.ordering.leases import Attempt
    from kakaclo_async.ordering.writes import Entry
    from kakaclo_async.sending import Sender


_MARGIN: Final = timedelta(minutes=10)
"""How far KakaClo's clock may be behind ours for a quick look to find an order."""

_THOROUGH_MARGIN: Final = timedelta(days=1)
"""The same for the look that decides: times in a wrong zone must not make an order absent."""

_LARGEST_FAMILY: Final = 12
"""Orders of one custom order id that are tried in all combinations: more than there are warehouses."""


class OrderWrites(Writes):
    """Places orders; a key is a custom order id, a payload the body of `POST /v2/order/orders`.

    Args:
        sender: sends, and looks.
        order: the one to place; None: as the journal has it.
    """

    kind = "order"

    def __init__(self, sender: Sender, order: NewOrder | None = None) -> None:
        super().__init__(sender)
        self._order = order

    async def send(self, attempt: Attempt) -> str:
        """Place the order and return its number."""
        order = self._order or read_order(attempt.payload)
        return await place(self._sender, order, attempt.payload, check_lease=attempt.lease.check)

    async def reconcile(self, unknown: Sequence[Entry], *, thorough: bool) -> Reconciliation:
        """Read the orders made since the oldest unknown one, and match custom order ids and items.

        `GET /v2/order/orders?createStartTime=`, 250 rows per request, in the bulk lane
        """
        margin = _THOROUGH_MARGIN if thorough else _MARGIN
        start = min(entry.sent_from or entry.created_at for entry in unknown) - margin
        wanted = {entry.key for entry in unknown}
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
        for entry in unknown:
            orders = sorted(families.get(entry.key, []), key=by_number)
            if matched := _match(entry.items, orders):
                found[entry.key] = matched[0].id
            elif orders:
                numbers = ", ".join(order.id for order in orders)
                unclear[entry.key] = f"order {numbers} carries this custom order id, with other items"
        return Reconciliation(found=found, unclear=unclear, complete=complete)

    def redact(self, payload: bytes) -> bytes:
        """Return the items alone."""
        return json.dumps({"orderItemsList": json.loads(payload)["orderItemsList"]}).encode()

    def unknown(self, key: str, why: str, settles_at: datetime) -> OutcomeUnknown:
        """Make the error for an order that may have been placed."""
        return OutcomeUnknown(
            f"order {key!r} may or may not have been placed: {why}; submit it again with the same journal,"
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


def read_order(payload: bytes) -> NewOrder:
    """Return the order of a payload that holds all of it."""
    body = json.loads(payload)
    return NewOrder(
        address=Address(**body["orderAddresses"]),
        items=[Item(**line) for line in body["orderItemsList"]],
        channel_type=body["channelType"],
        custom_order_id=body["customOrderId"],
        remark=body.get("remark"),
        sale_platform=body.get("salePlatform"),
    )


def _match(items: Iterable[Item], orders: Sequence[Order]) -> tuple[Order, ...]:
    """Return the first orders that together contain exactly the requested items; empty without any.

    Others may use the same custom order id, and a part of a family may not show yet.
    """
    asked = Counter({item.sku: item.quantity for item in items})
    parts = [order for order in orders if pieces([order]) <= asked][:_LARGEST_FAMILY]
    for size in range(1, len(parts) + 1):
        for family in combinations(parts, size):
            if pieces(family) == asked:
                return family
    return ()
