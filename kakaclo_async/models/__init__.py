"""Every document of the API as a frozen class; fields are the snake_case of the wire names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kakaclo_async.lazy import lazy_names
from kakaclo_async.names import HOMES

if TYPE_CHECKING:
    from kakaclo_async.models.common import (
        Attributes,
        FrozenMapping,
        OpenIntEnum,
        OpenStrEnum,
        Option,
        Page,
        Record,
    )
    from kakaclo_async.models.custom import (
        Design,
        DesignModel,
        DesignModelDetail,
        MaterialImage,
        ModelStatus,
        ModelVariant,
        NewDesign,
    )
    from kakaclo_async.models.freight import (
        ChannelsRequest,
        ChannelType,
        FreightOption,
        FreightQuote,
        FreightRequest,
        Item,
        LogisticsChannel,
    )
    from kakaclo_async.models.order import (
        Address,
        CarrierType,
        CreatedOrder,
        FinancialStatus,
        Fulfillment,
        FulfillmentStatus,
        NewOrder,
        Order,
        OrderItem,
        OrderStatus,
        PackageStatus,
        RefundState,
        SalePlatform,
        ShippingAddress,
        StockStatus,
        TrackingInfo,
    )
    from kakaclo_async.models.order_v1 import FulfillmentV1, OrderItemV1, OrderStatusV1, OrderV1
    from kakaclo_async.models.payment import Balance
    from kakaclo_async.models.product import (
        Category,
        Product,
        ProductStatus,
        Sku,
        SkuImages,
        SortBy,
        SortType,
        SupplierLevel,
        Warehouse,
        WarehouseStatus,
    )
    from kakaclo_async.models.refund import (
        NewRefund,
        Refund,
        RefundItem,
        RefundReason,
        RefundStatus,
    )
    from kakaclo_async.models.size import SizeContent, SizeRow, SizeSheet, SizeValue
    from kakaclo_async.models.stock import (
        StockLevel,
        WarehouseStock,
    )

__all__ = [
    "Address",
    "Attributes",
    "Balance",
    "CarrierType",
    "Category",
    "ChannelType",
    "ChannelsRequest",
    "CreatedOrder",
    "Design",
    "DesignModel",
    "DesignModelDetail",
    "FinancialStatus",
    "FreightOption",
    "FreightQuote",
    "FreightRequest",
    "FrozenMapping",
    "Fulfillment",
    "FulfillmentStatus",
    "FulfillmentV1",
    "Item",
    "LogisticsChannel",
    "MaterialImage",
    "ModelStatus",
    "ModelVariant",
    "NewDesign",
    "NewOrder",
    "NewRefund",
    "OpenIntEnum",
    "OpenStrEnum",
    "Option",
    "Order",
    "OrderItem",
    "OrderItemV1",
    "OrderStatus",
    "OrderStatusV1",
    "OrderV1",
    "PackageStatus",
    "Page",
    "Product",
    "ProductStatus",
    "Record",
    "Refund",
    "RefundItem",
    "RefundReason",
    "RefundState",
    "RefundStatus",
    "SalePlatform",
    "ShippingAddress",
    "SizeContent",
    "SizeRow",
    "SizeSheet",
    "SizeValue",
    "Sku",
    "SkuImages",
    "SortBy",
    "SortType",
    "StockLevel",
    "StockStatus",
    "SupplierLevel",
    "TrackingInfo",
    "Warehouse",
    "WarehouseStatus",
    "WarehouseStock",
]

if not TYPE_CHECKING:  # type checkers would let every name pass
    __getattr__, __dir__ = lazy_names(__name__, {name: HOMES[name] for name in __all__})
