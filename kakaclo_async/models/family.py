"""A family: all orders that KakaClo made of one request, seen as the one order that was asked for."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from enum import Enum, StrEnum
from itertools import combinations
from typing import Final

import attrs

from kakaclo_async.models.freight import Item, item_as_read
from kakaclo_async.models.order import Fulfillment, FulfillmentStatus, Order, OrderStatus, ShippingAddress
from kakaclo_async.travel.shown import Tabled


class FamilyStatus(StrEnum):
    """Where a family stands as a whole; what is not good or not done counts more."""

    NOT_FOUND = "not_found"
    ABNORMAL = "abnormal"
    WAITING_PAYMENT = "waiting_payment"
    WAITING_TO_SHIP = "waiting_to_ship"
    PARTIALLY_SHIPPED = "partially_shipped"
    SHIPPED = "shipped"
    COMPLETED = "completed"
    CANCELLED = "cancelled"


@attrs.frozen(kw_only=True)
class Family(Tabled):
    """All orders with one custom order id, oldest first.

    Attributes:
        custom_order_id: your own number.
        orders: as KakaClo has them now; orders that were just placed may take some minutes to show up.
        asked: what was asked for; None when not known.
    """

    _shown = ("custom_order_id", "orders", "asked")
    _rows = "orders"

    custom_order_id: str
    orders: tuple[Order, ...]
    asked: tuple[Item, ...] | None = None

    @property
    def status(self) -> FamilyStatus:
        """One status for all."""
        if not self.orders:
            return FamilyStatus.NOT_FOUND
        statuses = {order.status for order in self.orders}
        if OrderStatus.ABNORMAL_ORDER in statuses:
            return FamilyStatus.ABNORMAL
        if OrderStatus.WAITING_PAYMENT in statuses:
            return FamilyStatus.WAITING_PAYMENT
        alive = [order for order in self.orders if order.status is not OrderStatus.CANCEL]
        if not alive:
            return FamilyStatus.CANCELLED
        if all(order.status is OrderStatus.COMPLETED for order in alive):
            return FamilyStatus.COMPLETED
        if all(order.fulfillment_status in _SHIPPED for order in alive):
            return FamilyStatus.SHIPPED
        if any(order.fulfillment_status in _BEGUN for order in alive):
            return FamilyStatus.PARTIALLY_SHIPPED
        return FamilyStatus.WAITING_TO_SHIP

    @property
    def items(self) -> tuple[Item, ...]:
        """The items of all orders, added up by SKU."""
        return _items(pieces(self.orders))

    @property
    def missing(self) -> tuple[Item, ...]:
        """What was asked for and is in no order; empty when `asked` is not known."""
        return () if self.asked is None else _items(_counted(self.asked) - pieces(self.orders))

    @property
    def surplus(self) -> tuple[Item, ...]:
        """What the orders hold beyond what was asked for: most likely a second order of the same."""
        return () if self.asked is None else _items(pieces(self.orders) - _counted(self.asked))

    @property
    def freight(self) -> Decimal:
        """The freight of all orders in US dollars."""
        return _sum(order.freight_amount for order in self.orders)

    @property
    def final_amount(self) -> Decimal:
        """What all orders cost in US dollars."""
        return _sum(order.final_amount for order in self.orders)

    @property
    def refunded_amount(self) -> Decimal | None:
        """What was given back of all orders, in US dollars; None when one of them does not say."""
        amounts = [order.refunded_amount for order in self.orders]
        told = [amount for amount in amounts if amount is not None]
        return _sum(told) if len(told) == len(amounts) else None

    @property
    def packages(self) -> tuple[Fulfillment, ...]:
        """The packages of all orders."""
        return tuple(package for order in self.orders for package in order.fulfillments)

    @property
    def tracking_codes(self) -> tuple[str, ...]:
        """The codes under which the packages can be followed, each once."""
        codes: list[str | None] = []
        for package in self.packages:
            codes += [package.tracking_code, *(info.tracking_code for info in package.tracking_infos)]
        return tuple(dict.fromkeys(code for code in codes if code))

    @property
    def problems(self) -> tuple[str, ...]:
        """What does not add up: pieces and money, a sentence each."""
        found: list[str] = []
        if not self.orders:
            found.append(f"no order carries the custom order id {self.custom_order_id!r}")
        elif self.missing:
            found.append(f"not ordered: {_list(self.missing)}")
        if self.surplus:
            found.append(f"ordered without being asked for: {_list(self.surplus)}")
        return (*found, *(problem for order in self.orders for problem in money_problems(order)))

    @property
    def complete(self) -> bool:
        """Whether the orders hold exactly what was asked for; without knowing what was, whether there is one."""
        return bool(self.orders) and not self.missing and not self.surplus


_SHIPPED = {FulfillmentStatus.FULLY_SHIPPED, FulfillmentStatus.COMPLETED}
_BEGUN = _SHIPPED | {FulfillmentStatus.PARTIALLY_SHIPPED}


def pieces(orders: Iterable[Order]) -> Counter[str]:
    """Return how many pieces of each SKU some orders hold together."""
    counted = Counter[str]()
    for order in orders:
        for item in order.order_items:
            if item.sku_code is not None:
                counted[item.sku_code] += item.product_num
    return counted


_LARGEST_FAMILY: Final = 12
"""Orders of one custom order id that are tried in all combinations: more than there are warehouses."""


def match_family(asked: Counter[str], orders: Sequence[Order]) -> tuple[Order, ...]:
    """Return the first orders that together contain exactly the requested pieces; empty without any.

    Others may use the same custom order id, and a part of a family may not show yet.
    """
    parts = [order for order in orders if pieces([order]) <= asked][:_LARGEST_FAMILY]
    for size in range(1, len(parts) + 1):
        for family in combinations(parts, size):
            if pieces(family) == asked:
                return family
    return ()


class Likeness(Enum):
    """How the address that a list shows compares with one that was sent."""

    SAME = "same"
    UNKNOWN = "unknown"
    MIXED = "mixed"
    OTHER = "other"


_TELLING: Final = ("country", "recipient", "phone", "street1", "zip", "city")
_PERSONAL: Final = {"recipient", "phone", "street1"}


def likeness(sent: Mapping[str, object], shown: ShippingAddress | None) -> Likeness:
    """Compare an address with the one that a list shows, which may leave parts out, hide them, or write them anew.

    Args:
        sent: by the fields of `Address`.
        shown: None when the list shows none.
    """
    same: set[str] = set()
    other: set[str] = set()
    for field in _TELLING:
        ours, theirs = _plain(field, sent.get(field)), _plain(field, getattr(shown, field, None))
        if ours and theirs:
            (same if _is_same(ours, theirs) else other).add(field)
    if not same and not other:
        return Likeness.UNKNOWN
    if not other or ("recipient" in same and same & {"phone", "street1"} and "country" not in other):
        return Likeness.SAME
    return Likeness.OTHER if len(other) > 1 and not same & _PERSONAL else Likeness.MIXED


_CUT: Final = 6  # characters from which a part of a text is likely that text, cut


def _is_same(one: str, other: str) -> bool:
    shorter, longer = sorted((one, other), key=len)
    return one == other or (len(shorter) >= _CUT and shorter in longer)


def _plain(field: str, text: object) -> str:
    """Return what two ways to write a part of an address have in common; empty when it is hidden or named otherwise."""
    if not isinstance(text, str) or "*" in text or (field == "country" and len(text.strip()) != 2):
        return ""
    if field == "phone":
        return re.sub(r"\D", "", text).lstrip("0")
    return "".join(c for c in unicodedata.normalize("NFKD", text).casefold() if c.isalnum())


def money_problems(order: Order) -> tuple[str, ...]:
    """Return where the amounts of an order contradict each other; amounts that are missing contradict nothing.

    The documents say: final = sub total + freight - coupon, sub total = the sum of the items' totals, and
    refundable = final - refunded.
    """
    coupon, refunded = order.coupon_amount or Decimal(0), order.refunded_amount or Decimal(0)
    sub_total, final = order.sub_total_amount, order.final_amount
    totals = _sum(item.total for item in order.order_items) if order.order_items else sub_total
    sums = (
        ("final_amount", final, sub_total + order.freight_amount - coupon),
        ("sub_total_amount", sub_total, totals),
        ("refundable_amount", order.refundable_amount, final - refunded),
    )
    return tuple(
        f"order {order.id}: {name} is {stated}, its parts make {computed}"
        for name, stated, computed in sums
        if stated is not None and stated != computed
    )


def _sum(amounts: Iterable[Decimal]) -> Decimal:
    return sum(amounts, Decimal(0))


def _counted(items: Iterable[Item]) -> Counter[str]:
    counted = Counter[str]()
    for item in items:
        counted[item.sku] += item.quantity
    return counted


def _items(counted: Counter[str]) -> tuple[Item, ...]:
    return tuple(item_as_read(sku, quantity) for sku, quantity in sorted(counted.items()) if quantity > 0)


def _list(items: Iterable[Item]) -> str:
    return ", ".join(f"{item.quantity} of {item.sku}" for item in items)
