"""Refunds: what is asked, and how it stands."""

from collections.abc import Iterable

import attrs

from kakaclo_async.models._checks import as_tuple, each, optional_text, positive, text
from kakaclo_async.models.common import OpenStrEnum, Record


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
class RefundItem:
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


@attrs.frozen(kw_only=True)
class NewRefund:
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
