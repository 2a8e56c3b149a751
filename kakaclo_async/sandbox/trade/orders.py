"""Orders as they are, without the wire: money, parcels, states."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from typing import TYPE_CHECKING

from attrs import evolve, field, frozen

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


NOT_YET = "NULL"
"""How the API writes a state that was not reached."""


@frozen
class Item:
    """A SKU in an order, delivered from one country.

    Attributes:
        number: `id` and `itemId`.
        taken: Pieces by warehouse.
        refunding: Pieces whose refund is pending.
        refunded: Pieces whose refund was settled.
        shipped: Whether its parcel has left.
    """

    number: str
    sku: str
    name: str
    image: str
    options: Mapping[str, str | None]
    price: Decimal
    country: str
    taken: Mapping[str, int]
    refunding: int = 0
    refunded: int = 0
    shipped: bool = False

    @property
    def quantity(self) -> int:
        """Pieces ordered."""
        return sum(self.taken.values())

    @property
    def open(self) -> int:
        """Pieces that no refund was asked for."""
        return self.quantity - self.refunding - self.refunded

    def origins(self, first: int, pieces: int) -> Counter[str]:
        """Tell from which warehouses the pieces from number `first` on were taken."""
        taken = [warehouse for warehouse, qty in self.taken.items() for _ in range(qty)]
        return Counter(taken[first : first + pieces])

    @property
    def total(self) -> Decimal:
        """Price of all pieces."""
        return self.price * self.quantity

    @property
    def refund_status(self) -> str:
        """`refundStatus` of the item."""
        return _refund_status(
            refunding=self.refunding > 0, refunded=self.refunded, left=self.quantity - self.refunded
        )


@frozen
class Parcel:
    """What left one country: the API's fulfillment."""

    number: str
    carrier: str
    tracking: str
    left: float
    items: tuple[str, ...]


@frozen
class Order:
    """One order, in one state; changes make another.

    Attributes:
        number: `id`.
        custom_order_id: The client's own number, which nothing keeps unique.
        address: As it was sent.
        freight: Cost of all parcels.
        refunded: US dollars given back.
        created: In seconds since 1970; so are the other times.
    """

    number: str
    custom_order_id: str | None
    remark: str | None
    address: Mapping[str, str | None] = field(repr=False)
    warehouse_id: int
    items: tuple[Item, ...]
    freight: Decimal
    created: float
    modified: float
    parcels: tuple[Parcel, ...] = ()
    refunded: Decimal = Decimal(0)
    completed: float | None = None
    refunded_at: float | None = None

    @property
    def subtotal(self) -> Decimal:
        """Price of all items."""
        return sum((item.total for item in self.items), Decimal(0))

    @property
    def final(self) -> Decimal:
        """What was paid."""
        return self.subtotal + self.freight

    @property
    def cancelled(self) -> bool:
        """Whether all of it was refunded."""
        return all(item.refunded == item.quantity for item in self.items)

    @property
    def status(self) -> str:
        """`status`, as V2 has it."""
        if self.cancelled:
            return "cancel"
        return "processing" if self.completed is None else "completed"

    @property
    def fulfillment_status(self) -> str:
        """`fulfillmentStatus`."""
        if self.cancelled:
            return NOT_YET
        if self.completed is not None:
            return "completed"
        if not self.parcels:
            return "waiting_to_ship"
        return (
            "partially_shipped"
            if any(item.open and not item.shipped for item in self.items)
            else "fully_shipped"
        )

    def fulfillment_of(self, item: Item) -> str:
        """Return the `fulfillmentStatus` of an item."""
        if item.shipped:
            return "fully_shipped" if self.completed is None else "completed"
        return "waiting_to_ship" if item.open else NOT_YET

    @property
    def status_v1(self) -> str:
        """`status`, as V1 has it: one for everything."""
        if self.refund_status == "refunding":
            return "refunding"
        if self.cancelled:
            return "refunded"
        return {
            "waiting_to_ship": "waiting_to_ship",
            "partially_shipped": "partial_shipped",
            "fully_shipped": "shipped",
            "completed": "delivered",
        }[self.fulfillment_status]

    @property
    def refund_status(self) -> str:
        """`refundStatus` of the order."""
        left = sum(item.quantity - item.refunded for item in self.items)
        refunding = any(item.refunding for item in self.items)
        return _refund_status(
            refunding=refunding, refunded=sum(item.refunded for item in self.items), left=left
        )

    def item(self, number: str) -> Item | None:
        """Return the item under a number."""
        return next((item for item in self.items if item.number == number), None)

    def with_items(self, changed: Iterable[Item], modified: float) -> Order:
        """Return the order with some items in another state."""
        by_number = {item.number: item for item in changed}
        items = tuple(by_number.get(item.number, item) for item in self.items)
        return evolve(self, items=items, modified=modified)


def _refund_status(*, refunding: bool, refunded: int, left: int) -> str:
    if refunding:
        return "refunding"
    if not refunded:
        return NOT_YET
    return "partial_refund" if left else "refund"


@frozen
class Refund:
    """A refund, asked for or settled.

    Attributes:
        pieces: Pieces by item number.
        amount: US dollars that come back.
        status: "pending_review", "refund_successfully" or "refund_failed".
    """

    number: str
    order: str
    remark: str | None
    reason: str
    pieces: Mapping[str, int]
    amount: Decimal
    asked: float
    status: str = "pending_review"


@frozen
class Placed:
    """One accepted POST: what was paid for, however often the client believes it has asked.

    Attributes:
        custom_order_id: The client's own number.
        orders: Numbers of the orders that were made of it.
        paid: US dollars.
        at: In seconds since 1970.
    """

    custom_order_id: str | None
    orders: tuple[str, ...]
    paid: Decimal
    at: float
