"""The order area, V1: outdated, still served."""

from datetime import datetime
from decimal import Decimal

import attrs

from kakaclo_async.models.common import OpenStrEnum, Option, Record, wire
from kakaclo_async.models.order import CarrierType, ShippingAddress, StockStatus, TrackingInfo
from kakaclo_async.travel.shown import Tabled


class OrderStatusV1(OpenStrEnum):
    """The one status of a V1 order."""

    WAITING_PAYMENT = "waiting_payment"
    CANCEL = "cancel"
    WAITING_TO_SHIP = "waiting_to_ship"
    REFUNDING = "refunding"
    REFUNDED = "refunded"
    PARTIAL_SHIPPED = "partial_shipped"
    SHIPPED = "shipped"
    DELIVERED = "delivered"


@attrs.frozen(kw_only=True)
class OrderItemV1(Record):
    """A line of a V1 order.

    Attributes:
        purchase_prices: the price of one, in US dollars.
        product_num: how many.
        subtotal: price times number.
    """

    _shown = ("id", "sku_code", "product_num", "purchase_prices", "subtotal")

    id: str | None = None
    sku_code: str | None = None
    product_name: str | None = None
    image_url: str | None = None
    product_num: int
    purchase_prices: Decimal = attrs.field(metadata=wire("purchasePrices", "amount"))
    subtotal: Decimal = attrs.field(metadata=wire("subtotal", "total"))
    promotion_amount: Decimal | None = None
    option1: Option | None = None
    option2: Option | None = None
    option3: Option | None = None
    stock_status: StockStatus | None = None


@attrs.frozen(kw_only=True)
class FulfillmentV1(Record):
    """A package of a V1 order.

    Attributes:
        items: its lines, which the documents call `orderItems` and the samples `items`.
        tracking_infos: newest first.
    """

    _shown = ("id", "carrier", "tracking_code", "delivery_time", "items")

    id: str | None = None
    carrier: str | None = None
    carrier_type: CarrierType | None = None
    tracking_code: str | None = None
    logistics_search_url: str | None = None
    delivery_time: datetime | None = None
    items: tuple[OrderItemV1, ...] = attrs.field(default=(), metadata=wire("orderItems", "items"))
    tracking_infos: tuple[TrackingInfo, ...] = ()


@attrs.frozen(kw_only=True)
class OrderV1(Tabled, Record):
    """A placed order under its V1 names (`GET /v1/order/orders`).

    Attributes:
        total_amount: what the order costs, in US dollars.
        final_amount: the same under its newer name, which stands beside the other; None when the answer has none.
    """

    _shown = ("id", "custom_order_id", "status", "total_amount", "order_items")
    _rows = "order_items"

    id: str
    custom_order_id: str | None = None
    status: OrderStatusV1
    purchase_date: datetime | None = None
    pay_at: datetime | None = attrs.field(default=None, metadata=wire("payAt", "payDate"))
    completed_at: datetime | None = attrs.field(default=None, metadata=wire("completedAt", "completedDate"))
    cancel_date: datetime | None = None
    refund_date: datetime | None = None
    create_date: datetime | None = None
    update_date: datetime | None = attrs.field(default=None, metadata=wire("updateDate", "modifyDate"))
    warehouse_id: int | None = None
    total_amount: Decimal
    final_amount: Decimal | None = None
    freight_amount: Decimal
    skus_amount: Decimal = attrs.field(metadata=wire("skusAmount", "subTotalAmount"))
    shipping_address: ShippingAddress | None = None
    order_items: tuple[OrderItemV1, ...] = ()
    fulfillments: tuple[FulfillmentV1, ...] = ()
    remark: str | None = attrs.field(default=None, repr=False)
