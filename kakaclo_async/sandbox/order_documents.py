"""Orders on the wire, in the shapes of both versions."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from kakaclo_async.sandbox.orders import NOT_YET
from kakaclo_async.sandbox.wire import iso, money

if TYPE_CHECKING:
    from kakaclo_async.sandbox.orders import Item, Order, Parcel


_SEARCH = "https://t.17track.example/en#nums="


def status_v1(order: Order) -> str:
    """Return the one status that V1 has for everything."""
    if order.refund_status == "refunding":
        return "refunding"
    if order.cancelled:
        return "refunded"
    return {
        "waiting_to_ship": "waiting_to_ship",
        "partially_shipped": "partial_shipped",
        "fully_shipped": "shipped",
        "completed": "delivered",
    }[order.fulfillment_status]


def order_v2(order: Order) -> dict[str, object]:
    """Write an order as in `GET /v2/order/orders`."""
    return {
        **_common(order),
        "status": order.status,
        "financialStatus": "paid",
        "fulfillmentStatus": order.fulfillment_status,
        "refundStatus": order.refund_status,
        "payDate": iso(order.created),
        "completedDate": _maybe(order.completed),
        "currencyCode": "USD",
        "finalAmount": money(order.final),
        "subTotalAmount": money(order.subtotal),
        "couponAmount": money(Decimal(0)),
        "promotionAmount": money(Decimal(0)),
        "refundableAmount": money(order.final - order.refunded),
        "refundedAmount": money(order.refunded),
        "orderItems": [_item_v2(order, item) for item in order.items],
        "fulfillments": [
            {
                **_parcel(parcel),
                "packId": parcel.number,
                "status": "shipped" if order.completed is None else "completed",
                "carrierType": "last",
                "items": [_item_v2(order, item) for item in order.items if item.number in parcel.items],
                "trackingInfos": [{"carrier": parcel.carrier, "trackingCode": parcel.tracking}],
            }
            for parcel in order.parcels
        ]
        or None,
    }


def order_v1(order: Order) -> dict[str, object]:
    """Write an order as in `GET /v1/order/orders`."""
    return {
        **_common(order),
        "status": status_v1(order),
        "payAt": iso(order.created),
        "completedAt": _maybe(order.completed),
        "totalAmount": money(order.final),
        "skusAmount": money(order.subtotal),
        "orderItems": [_item_v1(item) for item in order.items],
        "fulfillments": [
            {
                **_parcel(parcel),
                "items": [_item_v1(item) for item in order.items if item.number in parcel.items],
            }
            for parcel in order.parcels
        ]
        or None,
    }


def _common(order: Order) -> dict[str, object]:
    return {
        "id": order.number,
        "customOrderId": order.custom_order_id,
        "remark": order.remark,
        "purchaseDate": iso(order.created),
        "cancelDate": _maybe(order.refunded_at if order.cancelled else None),
        "refundDate": _maybe(order.refunded_at),
        "shippingAddress": order.address,
        "warehouseId": order.warehouse_id,
        "freightAmount": money(order.freight),
        "createDate": iso(order.created),
        "modifyDate": iso(order.modified),
    }


def _item(item: Item) -> dict[str, object]:
    return {
        "id": item.number,
        "imageUrl": item.image,
        "productName": item.name,
        "productNum": item.quantity,
        "skuCode": item.sku,
        **item.options,
        "stockStatus": "normal",
    }


def _item_v1(item: Item) -> dict[str, object]:
    return {
        **_item(item),
        "subtotal": money(item.total),
        "purchasePrices": money(item.price),
        "promotionAmount": money(Decimal(0)),
    }


def _item_v2(order: Order, item: Item) -> dict[str, object]:
    return {
        **_item(item),
        "itemId": item.number,
        "amount": money(item.price),
        "total": money(item.total),
        "fulfillmentStatus": _item_fulfillment(order, item),
        "refundStatus": item.refund_status,
        "countryCode": item.country,
    }


def _item_fulfillment(order: Order, item: Item) -> str:
    if item.shipped:
        return "fully_shipped" if order.completed is None else "completed"
    return "waiting_to_ship" if item.open else NOT_YET


def _parcel(parcel: Parcel) -> dict[str, object]:
    return {
        "id": parcel.number,
        "deliveryTime": iso(parcel.left),
        "carrier": parcel.carrier,
        "trackingCode": parcel.tracking,
        "logisticsSearchUrl": _SEARCH + parcel.tracking,
    }


def _maybe(moment: float | None) -> str | None:
    return None if moment is None else iso(moment)
