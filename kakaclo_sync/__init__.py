"""The KakaClo dropshipping Open API for blocking callers: the names of `kakaclo_async`, blocking."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from kakaclo_async.config import Caching, __version__
from kakaclo_async.errors import (
    APIError,
    ClientClosed,
    ConfigurationError,
    Conflict,
    ConnectionFailed,
    DeadlineExceeded,
    DecodeError,
    InvalidRequest,
    KakaCloError,
    NotFound,
    OutcomeUnknown,
    RateLimited,
    Rejected,
    ServerError,
    Unauthorized,
)
from kakaclo_async.events import (
    Event,
    Lane,
    PageDone,
    Retried,
    Sent,
    Throttled,
    Waited,
)
from kakaclo_async.guards import (
    Guards,
)
from kakaclo_async.models import (
    Address,
    Attributes,
    Balance,
    CarrierType,
    Category,
    ChannelsRequest,
    ChannelType,
    CreatedOrder,
    Design,
    DesignModel,
    DesignModelDetail,
    FinancialStatus,
    FreightOption,
    FreightQuote,
    FreightRequest,
    FrozenMapping,
    Fulfillment,
    FulfillmentStatus,
    FulfillmentV1,
    Item,
    LogisticsChannel,
    MaterialImage,
    ModelStatus,
    ModelVariant,
    NewDesign,
    NewOrder,
    NewRefund,
    OpenIntEnum,
    OpenStrEnum,
    Option,
    Order,
    OrderItem,
    OrderItemV1,
    OrderStatus,
    OrderStatusV1,
    OrderV1,
    PackageStatus,
    Page,
    Product,
    ProductStatus,
    Refund,
    RefundItem,
    RefundReason,
    RefundState,
    RefundStatus,
    SalePlatform,
    ShippingAddress,
    SizeContent,
    SizeRow,
    SizeSheet,
    SizeValue,
    Sku,
    SkuImages,
    SortBy,
    SortType,
    StockLevel,
    StockStatus,
    SupplierLevel,
    TrackingInfo,
    Warehouse,
    WarehouseStatus,
    WarehouseStock,
)
from kakaclo_async.pulling.certificate import (
    Certificate,
    IncompletePull,
)
from kakaclo_async.pulling.windows import (
    Window,
)
from kakaclo_async.resources.freight import (
    FreightMatrix,
)
from kakaclo_async.resources.order_check import (
    OrderCheck,
    OrderProblem,
)
from kakaclo_async.resources.order_family import (
    Family,
    FamilyStatus,
)
from kakaclo_async.resources.refund_lines import (
    RefundPlan,
)
from kakaclo_async.stats import (
    LaneStats,
    Stats,
)
from kakaclo_async.traffic import (
    Bucket,
    RateLimit,
)
from kakaclo_async.traffic.shared import RedisBucket
from kakaclo_sync.client import KakaClo
from kakaclo_sync.stream import Pull, Stream

if TYPE_CHECKING:
    from kakaclo_sync.catalog import Mirror
    from kakaclo_sync.ordering import Journal
    from kakaclo_sync.sandbox import Sandbox

__all__ = [
    "APIError",
    "Address",
    "Attributes",
    "Balance",
    "Bucket",
    "Caching",
    "CarrierType",
    "Category",
    "Certificate",
    "ChannelType",
    "ChannelsRequest",
    "ClientClosed",
    "ConfigurationError",
    "Conflict",
    "ConnectionFailed",
    "CreatedOrder",
    "DeadlineExceeded",
    "DecodeError",
    "Design",
    "DesignModel",
    "DesignModelDetail",
    "Event",
    "Family",
    "FamilyStatus",
    "FinancialStatus",
    "FreightMatrix",
    "FreightOption",
    "FreightQuote",
    "FreightRequest",
    "FrozenMapping",
    "Fulfillment",
    "FulfillmentStatus",
    "FulfillmentV1",
    "Guards",
    "IncompletePull",
    "InvalidRequest",
    "Item",
    "Journal",
    "KakaClo",
    "KakaCloError",
    "Lane",
    "LaneStats",
    "LogisticsChannel",
    "MaterialImage",
    "Mirror",
    "ModelStatus",
    "ModelVariant",
    "NewDesign",
    "NewOrder",
    "NewRefund",
    "NotFound",
    "OpenIntEnum",
    "OpenStrEnum",
    "Option",
    "Order",
    "OrderCheck",
    "OrderItem",
    "OrderItemV1",
    "OrderProblem",
    "OrderStatus",
    "OrderStatusV1",
    "OrderV1",
    "OutcomeUnknown",
    "PackageStatus",
    "Page",
    "PageDone",
    "Product",
    "ProductStatus",
    "Pull",
    "RateLimit",
    "RateLimited",
    "RedisBucket",
    "Refund",
    "RefundItem",
    "RefundPlan",
    "RefundReason",
    "RefundState",
    "RefundStatus",
    "Rejected",
    "Retried",
    "SalePlatform",
    "Sandbox",
    "Sent",
    "ServerError",
    "ShippingAddress",
    "SizeContent",
    "SizeRow",
    "SizeSheet",
    "SizeValue",
    "Sku",
    "SkuImages",
    "SortBy",
    "SortType",
    "Stats",
    "StockLevel",
    "StockStatus",
    "Stream",
    "SupplierLevel",
    "Throttled",
    "TrackingInfo",
    "Unauthorized",
    "Waited",
    "Warehouse",
    "WarehouseStatus",
    "WarehouseStock",
    "Window",
    "__version__",
]

# Loaded when asked for: two of them need an extra, and no client needs them.
_LAZY = {
    "Journal": "kakaclo_sync.ordering",
    "Mirror": "kakaclo_sync.catalog",
    "Sandbox": "kakaclo_sync.sandbox",
}

if not TYPE_CHECKING:  # type checkers would let every name pass

    def __getattr__(name: str) -> object:
        if name in _LAZY:
            return getattr(import_module(_LAZY[name]), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})
