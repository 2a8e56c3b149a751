"""Refunds: what to ask for, how it stands, and which lines of an order KakaClo can still refund."""

from collections.abc import Iterable, Sequence
from decimal import Decimal

import attrs

from kakaclo_async.errors import InvalidRequest, Rejected
from kakaclo_async.models._checks import as_tuple, each, optional_text, positive, text, without_locals
from kakaclo_async.models.common import OpenStrEnum, Record
from kakaclo_async.models.freight import Item
from kakaclo_async.models.order import FulfillmentStatus, Order, OrderItem, OrderStatus, PackageStatus
from kakaclo_async.travel.shown import Shown


class RefundReason(OpenStrEnum):
    """Why a refund is asked for."""

    OTHER = "Other"
    DONT_WANT_ANYMORE = "Don't Want Anymore"
    SELECTION_ERROR = "Product Selection Error/Multiple Selection"
    INCORRECT_ADDRESS = "Incorrect Address Information"
    OUT_OF_STOCK = "Out Of Stock"


class RefundStatus(OpenStrEnum):
    """How a refund stands; it settles within a day, usually within an hour."""

    PENDING_REVIEW = "pending_review"
    REFUND_SUCCESSFULLY = "refund_successfully"
    REFUND_FAILED = "refund_failed"


@attrs.frozen(kw_only=True)
class RefundItem(Shown):
    """A line to refund, with the facts of the queried `OrderItem`.

    Attributes:
        quantity: above 0, at most what was ordered.
        country_code: "CN" or "US": the country of the warehouse that delivers the item.

    Raises:
        InvalidRequest: when a limit is broken.
    """

    item_id: str = attrs.field(validator=text())
    sku_code: str = attrs.field(validator=text(64))
    quantity: int = attrs.field(validator=positive)
    country_code: str | None = attrs.field(default=None, validator=optional_text(32))


def _items_tuple(items: Iterable[RefundItem]) -> tuple[RefundItem, ...]:
    return as_tuple(items)


@without_locals
@attrs.frozen(kw_only=True)
class NewRefund(Shown):
    """A refund to ask for (`POST /v2/order/orders/{id}/refund`), possible until the order is shipped.

    Attributes:
        refund_reason: a `RefundReason`, or any other text; without one the server takes "Other".
        order_items: the lines to refund; none: the whole order.

    Raises:
        InvalidRequest: when a limit is broken.
    """

    remark: str | None = attrs.field(default=None, validator=optional_text(), repr=False)
    refund_reason: str | None = attrs.field(default=None, validator=optional_text())
    order_items: tuple[RefundItem, ...] = attrs.field(
        default=(), converter=_items_tuple, validator=each(RefundItem)
    )


@attrs.frozen(kw_only=True)
class Refund(Record):
    """A refund of an order (`GET /v2/order/orders/refund/{id}`).

    Attributes:
        id: the order's number.
    """

    refund_no: str | None = None
    id: str | None = None
    remark: str | None = attrs.field(default=None, repr=False)
    refund_status: RefundStatus | None = None


@attrs.frozen(kw_only=True)
class RefundPlan(Shown):
    """What a refund would send, and bring.

    Attributes:
        order_id: KakaClo's order number.
        refund: the body; without items it means the whole order.
        amount: US dollars that should come back, freight only with the whole order; None when the order does not say.
        custom_order_id: your own number; None when the order has none, or was not queried.
    """

    order_id: str
    refund: NewRefund
    amount: Decimal | None
    custom_order_id: str | None = None


def order_label(order_id: str, custom_order_id: str | None) -> str:
    """Return how errors name an order that KakaClo has numbered."""
    own = "" if custom_order_id is None else f" (custom order id {custom_order_id!r})"
    return f"order {order_id}{own}"


def _label(order: Order) -> str:
    return order_label(order.id, order.custom_order_id)


def check_refundable(order: Order) -> None:
    """Refuse what KakaClo would refuse: refunds end with shipping, and with the money.

    Raises:
        Rejected: the order is shipped, cancelled, or refunded already; nothing was sent.
    """
    if order.status is OrderStatus.CANCEL:
        raise _too_late(order, "it is cancelled")
    if order.refund_status is not None and order.refund_status.is_refunded:
        raise _too_late(order, "all of it is refunded")
    if order.refundable_amount is not None and order.refundable_amount <= 0:
        raise _too_late(order, "nothing is left to refund")
    left = any(package.status is not PackageStatus.PREPARING for package in order.fulfillments)
    if left or order.fulfillment_status in _SHIPPING_BEGAN or order.status is OrderStatus.COMPLETED:
        shipped = order.fulfillment_status or order.status
        raise _too_late(order, f"it is shipped ({shipped}): ask KakaClo's staff, or have it returned")
    if order.order_items and all(_is_spoken_for(line) for line in order.order_items):
        raise _too_late(order, "a refund of all of it is under way: see refunds.of")


_SHIPPING_BEGAN = {
    FulfillmentStatus.PARTIALLY_SHIPPED,
    FulfillmentStatus.FULLY_SHIPPED,
    FulfillmentStatus.COMPLETED,
}


def _too_late(order: Order, reason: str) -> Rejected:
    return Rejected(
        f"{_label(order)} cannot be refunded: {reason}; nothing was sent",
        status=200,
        message=reason,
    )


def fill_lines(order: Order, items: Iterable[Item]) -> tuple[RefundItem, ...]:
    """Turn SKUs and numbers of pieces into the order's own lines.

    One SKU may stand in several lines, for the order was split over warehouse countries; its lines are used
    up in their order, and one line is named once.

    Raises:
        InvalidRequest: a SKU that the order does not hold, more pieces of it than were bought, or more than are
            left beside earlier refunds.
    """
    wanted: dict[str, int] = {}
    for item in items:
        wanted[item.sku] = wanted.get(item.sku, 0) + item.quantity
    return tuple(line for sku, quantity in wanted.items() for line in _lines_of(order, sku, quantity))


def _lines_of(order: Order, sku: str, quantity: int) -> Sequence[RefundItem]:
    bought = [line for line in order.order_items if line.sku_code == sku]
    if not bought:
        others = ", ".join(dict.fromkeys(line.sku_code for line in order.order_items if line.sku_code))
        raise InvalidRequest(f"{_label(order)} holds no SKU {sku!r}; it holds {others or 'none'}")
    lines: list[RefundItem] = []
    missing = quantity
    for line in bought:
        taken = min(missing, _at_most_left(line))
        if taken > 0:
            lines.append(
                RefundItem(
                    item_id=line.item_id or line.id or "",
                    sku_code=sku,
                    quantity=taken,
                    country_code=line.country_code,
                )
            )
            missing -= taken
    if missing > 0:
        held = sum(line.product_num for line in bought)
        if quantity <= held:
            raise InvalidRequest(
                f"{_label(order)}: at most {quantity - missing} of the {held} bought of SKU {sku!r} are left beside"
                f" earlier refunds; ask for fewer than {quantity}"
            )
        raise InvalidRequest(
            f"{_label(order)} holds {held} of SKU {sku!r}, not the {quantity} to refund; ask for no more"
        )
    return lines


def _at_most_left(line: OrderItem) -> int:
    """Return the most pieces that can be left: KakaClo tells whether some are refunded, but not how many."""
    bought = line.product_num
    if line.refund_status is None:
        return bought
    return 0 if line.refund_status.is_refunded else max(0, bought - 1)


def _is_spoken_for(line: OrderItem) -> bool:
    return line.refund_status is not None and _at_most_left(line) == 0


def expected_amount(order: Order, lines: Iterable[RefundItem]) -> Decimal | None:
    """Return what refunding these lines should bring, without freight; None when the order does not hold a line.

    Raises:
        InvalidRequest: it is more than the order's refundable amount.
    """
    amount = Decimal(0)
    for line in lines:
        prices = [
            item.amount
            for item in order.order_items
            if (item.item_id or item.id, item.sku_code) == (line.item_id, line.sku_code)
            and line.country_code in {None, item.country_code}
        ]
        if not prices:
            return None
        amount += prices[0] * line.quantity
    if order.refundable_amount is not None and amount > order.refundable_amount:
        raise InvalidRequest(
            f"{_label(order)}: {order.refundable_amount} USD are refundable, and these items cost {amount};"
            " ask for fewer"
        )
    return amount
