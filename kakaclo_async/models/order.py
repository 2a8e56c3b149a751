"""The order area, V2."""

from datetime import datetime
from decimal import Decimal

import attrs

from kakaclo_async.models.common import OpenStrEnum, Option, Record, wire
from kakaclo_async.travel.shown import Shown, Tabled


class OrderStatus(OpenStrEnum):
    """Where an order stands as a whole."""

    ABNORMAL_ORDER = "abnormal_order"
    WAITING_PAYMENT = "waiting_payment"
    PROCESSING = "processing"
    COMPLETED = "completed"
    CANCEL = "cancel"


class FinancialStatus(OpenStrEnum):
    """Whether an order is paid; the wire's "NULL" (not yet) is None."""

    WAITING = "waiting"
    PAID = "paid"


class FulfillmentStatus(OpenStrEnum):
    """How far an order or an item is shipped; the wire's "NULL" (not yet) is None."""

    WAITING_TO_SHIP = "waiting_to_ship"
    PARTIALLY_SHIPPED = "partially_shipped"
    FULLY_SHIPPED = "fully_shipped"
    COMPLETED = "completed"


class RefundState(OpenStrEnum):
    """How far an order or an item is refunded; the wire's "NULL" (not at all) is None.

    The documents name the end both ways, REFUND and REFUNDED: ask `is_refunded`.
    """

    REFUNDING = "refunding"
    PARTIAL_REFUND = "partial_refund"
    REFUND = "refund"
    REFUNDED = "refunded"

    @property
    def is_refunded(self) -> bool:
        """Whether all of it is refunded, however the server writes that."""
        return self in {RefundState.REFUND, RefundState.REFUNDED}


class StockStatus(OpenStrEnum):
    """Whether an ordered item is in stock."""

    NORMAL = "normal"
    SOLD_OUT = "sold_out"


class PackageStatus(OpenStrEnum):
    """Where a package stands."""

    PREPARING = "preparing"
    SHIPPED = "shipped"
    COMPLETED = "completed"


class CarrierType(OpenStrEnum):
    """Which leg of the journey a package's carrier drives."""

    LATEST = "latest"
    LAST = "last"


@attrs.frozen(kw_only=True)
class ShippingAddress(Record):
    """The address of a placed order: any part may be missing. Its repr shows the country alone."""

    country: str | None = None
    phone: str | None = attrs.field(default=None, repr=False)
    recipient: str | None = attrs.field(default=None, repr=False)
    province: str | None = attrs.field(default=None, repr=False)
    street1: str | None = attrs.field(default=None, repr=False)
    street2: str | None = attrs.field(default=None, repr=False)
    city: str | None = attrs.field(default=None, repr=False)
    zip: str | None = attrs.field(default=None, repr=False)
    ioss: str | None = attrs.field(default=None, repr=False)
    vat: str | None = attrs.field(default=None, repr=False)


@attrs.frozen(kw_only=True)
class OrderItem(Record):
    """A line of a placed order.

    Attributes:
        item_id: what a partial refund names.
        amount: the price of one, in US dollars.
        product_num: how many.
        total: amount times number.
        refund_status: None: not refunded, or not told; so are the other statuses.
        country_code: the country of the warehouse that delivers it, "CN" or "US"; a partial refund names it.
    """

    _shown = ("item_id", "sku_code", "product_num", "amount", "total", "refund_status", "country_code")
    id: str | None = None
    item_id: str | None = None
    sku_code: str | None = None
    product_name: str | None = None
    image_url: str | None = None
    product_num: int
    amount: Decimal = attrs.field(metadata=wire("amount", "purchasePrices"))
    total: Decimal = attrs.field(metadata=wire("total", "subtotal"))
    promotion_amount: Decimal | None = None
    option1: Option | None = None
    option2: Option | None = None
    option3: Option | None = None
    stock_status: StockStatus | None = None
    fulfillment_status: FulfillmentStatus | None = None
    refund_status: RefundState | None = None
    country_code: str | None = None


@attrs.frozen(kw_only=True)
class TrackingInfo(Record):
    """One leg of a package's journey."""

    carrier: str | None = None
    tracking_code: str | None = None


@attrs.frozen(kw_only=True)
class Fulfillment(Record):
    """A package of an order.

    Attributes:
        delivery_time: when it was handed over, UTC.
        items: its lines; V1 names them `orderItems`.
        tracking_infos: newest first.
    """

    _shown = ("id", "status", "carrier", "tracking_code", "delivery_time", "items")
    id: str | None = None
    pack_id: str | None = None
    status: PackageStatus | None = None
    carrier: str | None = None
    carrier_type: CarrierType | None = None
    tracking_code: str | None = None
    logistics_search_url: str | None = None
    delivery_time: datetime | None = None
    items: tuple[OrderItem, ...] = attrs.field(default=(), metadata=wire("items", "orderItems"))
    tracking_infos: tuple[TrackingInfo, ...] = ()


@attrs.frozen(kw_only=True)
class Order(Tabled, Record):
    """A placed order (`GET /v2/order/orders`); the V1 names that some V2 answers still carry are read too.

    Attributes:
        status: in the older shape one of V1's, which may be an unknown value here (`is_known`).
        financial_status: None while the order is not paid, or in the older shape; so with the next two.
        final_amount: sub_total_amount + freight_amount - coupon_amount, in US dollars.
        sub_total_amount: the sum of the items' totals.
        refundable_amount: final_amount - refunded_amount; None when the answer does not say, as with coupon_amount,
            promotion_amount and refunded_amount.
        update_date: UTC, like all times.
    """

    _shown = ("id", "custom_order_id", "status", "refund_status", "final_amount", "order_items")
    _rows = "order_items"
    id: str
    custom_order_id: str | None = None
    status: OrderStatus
    financial_status: FinancialStatus | None = None
    fulfillment_status: FulfillmentStatus | None = None
    refund_status: RefundState | None = None
    purchase_date: datetime | None = None
    pay_date: datetime | None = attrs.field(default=None, metadata=wire("payDate", "payAt"))
    completed_date: datetime | None = attrs.field(default=None, metadata=wire("completedDate", "completedAt"))
    cancel_date: datetime | None = None
    refund_date: datetime | None = None
    create_date: datetime | None = None
    update_date: datetime | None = attrs.field(default=None, metadata=wire("updateDate", "modifyDate"))
    warehouse_id: int | None = None
    currency_code: str | None = None
    final_amount: Decimal = attrs.field(metadata=wire("finalAmount", "totalAmount"))
    freight_amount: Decimal
    sub_total_amount: Decimal = attrs.field(metadata=wire("subTotalAmount", "skusAmount"))
    coupon_amount: Decimal | None = None
    promotion_amount: Decimal | None = None
    refundable_amount: Decimal | None = None
    refunded_amount: Decimal | None = None
    shipping_address: ShippingAddress | None = None
    order_items: tuple[OrderItem, ...] = ()
    fulfillments: tuple[Fulfillment, ...] = ()
    remark: str | None = attrs.field(default=None, repr=False)


@attrs.frozen
class Balance(Shown):
    """What is left to pay orders from (`GET /v1/payment/balance`, whose answer is not documented).

    Attributes:
        amount: US dollars; None when the answer holds no number that is surely the balance.
        raw: the answer as plain JSON data.
    """

    amount: Decimal | None
    raw: object = attrs.field(default=None, eq=False, repr=False)
