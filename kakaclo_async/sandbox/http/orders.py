"""The order area, in both versions: creating, querying, refunding."""

from __future__ import annotations

from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec

from kakaclo_async.sandbox.http.routing import Request, Route
from kakaclo_async.sandbox.trade.delivery import LEVELS, Line, check_country
from kakaclo_async.sandbox.wire import Code, Refusal, iso, money

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from kakaclo_async.sandbox.settings import Settings
    from kakaclo_async.sandbox.trade.ledger import Ledger
    from kakaclo_async.sandbox.trade.orders import Item, Order, Parcel, Refund


_Short = Annotated[str, msgspec.Meta(max_length=32)]
_Long = Annotated[str, msgspec.Meta(max_length=64)]
_Named = Annotated[str, msgspec.Meta(min_length=1, max_length=32)]


class _Address(msgspec.Struct, frozen=True):
    country: _Named
    phone: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    recipient: _Named
    province: _Named
    street1: _Long | None = None
    street2: _Long | None = None
    city: _Long | None = None
    zip: _Short | None = None
    ioss: _Short | None = None
    vat: _Short | None = None


class _NewOrder(msgspec.Struct, rename="camel", kw_only=True):
    order_addresses: _Address
    order_items_list: Annotated[list[Line], msgspec.Meta(min_length=1)]
    channel_type: str = "Standard"
    custom_order_id: str | None = None
    remark: str | None = None
    sale_platform: str | None = None
    channel_code: object = msgspec.UNSET
    warehouse_code: object = msgspec.UNSET


class _NewOrderOtherwise(_NewOrder, kw_only=True):
    order_addresses: _Address = msgspec.field(name="orderAddress")


_NEW_ORDERS = {"orderAddresses": _NewOrder, "orderAddress": _NewOrderOtherwise}


class _RefundLine(msgspec.Struct, rename="camel"):
    item_id: str
    sku_code: str
    quantity: Annotated[int, msgspec.Meta(gt=0)]
    country_code: str | None = None


class _NewRefund(msgspec.Struct, rename="camel"):
    remark: str | None = None
    refund_reason: Literal[
        "Other",
        "Don't Want Anymore",
        "Product Selection Error/Multiple Selection",
        "Incorrect Address Information",
        "Out Of Stock",
    ] = "Other"
    order_items: list[_RefundLine] | None = None


class _WholeRefund(msgspec.Struct):
    remark: Annotated[str, msgspec.Meta(min_length=1)] = msgspec.field(name="Remark")


class OrderArea:
    """The endpoints under `/v2/order/orders` and `/v1/order/orders`, without the trials, and the balance."""

    def __init__(self, settings: Settings, ledger: Ledger) -> None:
        self._settings = settings
        self._ledger = ledger

    def routes(self) -> tuple[Route, ...]:
        """List the endpoints."""
        return (
            Route("POST", "/v2/order/orders", self.create),
            Route("GET", "/v2/order/orders", self.query_v2),
            Route("POST", "/v2/order/orders/{id}/refund", self.refund, "kk.api.200"),
            Route("GET", "/v2/order/orders/refund/{id}", self.refunds),
            Route("POST", "/v1/order/orders", self.create),
            Route("GET", "/v1/order/orders", self.query_v1),
            Route("POST", "/v1/order/orders/{id}/refund", self.refund_whole, "kk.api.200"),
            Route("GET", "/v1/order/orders/refund/{id}", self.refunds),
            Route("GET", "/v1/payment/balance", self.balance, "ok"),
        )

    def create(self, request: Request) -> object:
        """Place an order."""
        new = request.read(_NEW_ORDERS[self._settings.address_field])
        for name, given in (("channelCode", new.channel_code), ("warehouseCode", new.warehouse_code)):
            if given is not msgspec.UNSET:
                raise Refusal(Code.BAD_PARAMETER, f"{name} is no longer a part of orders: send channelType")
        if new.channel_type not in LEVELS:
            raise Refusal(Code.BAD_PARAMETER, f"channelType must be one of {', '.join(LEVELS)}")
        check_country(new.order_addresses.country)
        address = msgspec.structs.asdict(new.order_addresses)
        first = self._ledger.place(
            new.order_items_list, address, new.channel_type, new.custom_order_id, new.remark
        )
        numbers = [first, *self._ledger.placed[-1].orders[1:]]
        return self._numbered("kkOrderIds", numbers, as_text=self._settings.order_number_as_text)

    def query_v2(self, request: Request) -> object:
        """Answer orders by number and time."""
        write = _order_v1 if self._settings.old_order_shape else _order_v2
        found = request.page_of(self._matching(request), write)
        # The older search leaves these behind in every answer.
        return {"vo": None, **found, "totalPageNumber": None, "modifyDate": None, "nextId": None}

    def query_v1(self, request: Request) -> object:
        """Answer orders by number, time and status, in the older shape."""
        statuses = request.codes("status", 100)
        orders = (order for order in self._matching(request) if not statuses or order.status_v1 in statuses)
        return request.page_of(orders, _order_v1)

    def _matching(self, request: Request) -> Iterable[Order]:
        ids = request.codes("ids", 250)
        created_from, created_to, updated_from, updated_to = (
            request.moment(f"{kind}{end}Time") for kind in ("create", "update") for end in ("Start", "End")
        )

        def within(moment: float, start: float | None, end: float | None) -> bool:
            return (start is None or int(moment) >= start) and (end is None or int(moment) <= end)

        return (
            order
            for order in self._ledger.searched()
            if (not ids or order.number in ids)
            and within(order.created, created_from, created_to)
            and within(order.modified, updated_from, updated_to)
        )

    def refund(self, request: Request) -> object:
        """Ask for a refund of all or a part."""
        new = request.read(_NewRefund)
        pieces: dict[str, int] | None = None
        if new.order_items is not None:
            pieces = {}
            for line in new.order_items:
                self._check(request.path["id"], line)
                pieces[line.item_id] = pieces.get(line.item_id, 0) + line.quantity
        return self._ask(request.path["id"], pieces, new.refund_reason, new.remark)

    def refund_whole(self, request: Request) -> object:
        """Ask for a refund of all, which is all that the older version knows."""
        return self._ask(request.path["id"], None, "Other", request.read(_WholeRefund).remark)

    def _ask(self, order: str, pieces: dict[str, int] | None, reason: str, remark: str | None) -> object:
        number = self._ledger.refund(order, pieces, reason, remark)
        return self._numbered("RefundNo", [number], as_text=not self._settings.numeric_refund_numbers)

    def _numbered(self, name: str, numbers: Sequence[str], *, as_text: bool) -> object:
        written = numbers if as_text else list(map(int, numbers))
        return {"value": written[0], "list": written, "object": {name: written}}[self._settings.number_form]

    def _check(self, number: str, line: _RefundLine) -> None:
        order = self._ledger.orders.get(number)
        item = order.item(line.item_id) if order else None
        if item and (item.sku != line.sku_code or line.country_code not in (None, item.country)):
            raise Refusal(
                Code.NOT_REFUNDABLE,
                f"item {line.item_id} of order {number} is {item.sku} from {item.country}, "
                f"not {line.sku_code} from {line.country_code}",
            )

    def refunds(self, request: Request) -> object:
        """Answer the refunds of an order, newest first."""
        number, newest_first = request.path["id"], reversed(self._ledger.refunds.values())
        return request.page_of(
            (refund for refund in newest_first if refund.order == number), _refund_document
        )

    def balance(self, _: Request) -> object:
        """Answer the balance, in the form that the settings choose."""
        balance = self._ledger.balance
        forms = {"number": balance, "text": str(balance), "object": {"balance": balance, "currency": "USD"}}
        return forms[self._settings.balance_form]


def _order_v2(order: Order) -> dict[str, object]:
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
                "items": _lines(order, parcel, partial(_item_v2, order)),
            }
            for parcel in order.parcels
        ]
        or None,
    }


def _order_v1(order: Order) -> dict[str, object]:
    """Write an order as in `GET /v1/order/orders`."""
    return {
        **_common(order),
        "status": order.status_v1,
        "payAt": iso(order.created),
        "completedAt": _maybe(order.completed),
        "totalAmount": money(order.final),
        "finalAmount": money(order.final),
        "skusAmount": money(order.subtotal),
        "orderItems": [_item_v1(item) for item in order.items],
        "fulfillments": [
            {**_parcel(parcel), "orderItems": _lines(order, parcel, _item_v1)} for parcel in order.parcels
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
        "fulfillmentStatus": order.fulfillment_of(item),
        "refundStatus": item.refund_status,
        "countryCode": item.country,
    }


def _parcel(parcel: Parcel) -> dict[str, object]:
    return {
        "id": parcel.number,
        "deliveryTime": iso(parcel.left),
        "carrier": parcel.carrier,
        "carrierType": "last",
        "trackingCode": parcel.tracking,
        "trackingInfos": [{"carrier": parcel.carrier, "trackingCode": parcel.tracking}],
        "logisticsSearchUrl": "https://t.17track.example/en#nums=" + parcel.tracking,
    }


def _lines(order: Order, parcel: Parcel, write: Callable[[Item], object]) -> list[object]:
    return [write(item) for item in order.items if item.number in parcel.items]


def _maybe(moment: float | None) -> str | None:
    return None if moment is None else iso(moment)


def _refund_document(refund: Refund) -> dict[str, object]:
    return {
        "refundNo": refund.number,
        "id": refund.order,
        "remark": refund.remark,
        "refundStatus": refund.status,
    }
