"""The order area, in both versions: creating, querying, refunding."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, TypeVar

import msgspec

from kakaclo_async.sandbox.freight import LEVELS, Line, check_country
from kakaclo_async.sandbox.order_documents import order_v1, order_v2, status_v1
from kakaclo_async.sandbox.wire import Call, Code, Refusal, Route, page

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from kakaclo_async.sandbox.ledger import Ledger
    from kakaclo_async.sandbox.orders import Order
    from kakaclo_async.sandbox.settings import Settings


T = TypeVar("T")

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


class _NewOrder(msgspec.Struct, rename="camel"):
    order_addresses: _Address
    order_items_list: Annotated[list[Line], msgspec.Meta(min_length=1)]
    channel_type: str = "Standard"
    custom_order_id: str | None = None
    remark: str | None = None
    sale_platform: str | None = None
    channel_code: object = msgspec.UNSET
    warehouse_code: object = msgspec.UNSET


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
    remark: str | None = None


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

    def create(self, call: Call) -> object:
        """Place an order."""
        new = call.read(_NewOrder)
        for name, given in (("channelCode", new.channel_code), ("warehouseCode", new.warehouse_code)):
            if given is not msgspec.UNSET:
                raise Refusal(Code.BAD_PARAMETER, f"{name} is no longer a part of orders: send channelType")
        if new.channel_type not in LEVELS:
            raise Refusal(Code.BAD_PARAMETER, f"channelType must be one of {', '.join(LEVELS)}")
        check_country(new.order_addresses.country)
        number = self._ledger.place(
            new.order_items_list,
            msgspec.structs.asdict(new.order_addresses),
            new.channel_type,
            new.custom_order_id,
            new.remark,
        )
        return number if self._settings.order_number_as_text else int(number)

    def query_v2(self, call: Call) -> object:
        """Answer orders by number and time."""
        found = page_of(call, self._matching(call), order_v1 if self._settings.old_order_shape else order_v2)
        # The older search leaves these behind in every answer.
        return {"vo": None, **found, "totalPageNumber": None, "modifyDate": None, "nextId": None}

    def query_v1(self, call: Call) -> object:
        """Answer orders by number, time and status, in the older shape."""
        statuses = call.codes("status", 100)
        orders = (order for order in self._matching(call) if not statuses or status_v1(order) in statuses)
        return page_of(call, orders, order_v1)

    def _matching(self, call: Call) -> Iterable[Order]:
        ids = call.codes("ids", 250)
        bounds = [
            call.moment(f"{kind}{end}Time") for kind in ("create", "update") for end in ("Start", "End")
        ]
        created_from, created_to, updated_from, updated_to = bounds

        def within(moment: float, start: float | None, end: float | None) -> bool:
            return (start is None or int(moment) >= start) and (end is None or int(moment) <= end)

        return (
            order
            for order in self._ledger.searched()
            if (not ids or order.number in ids)
            and within(order.created, created_from, created_to)
            and within(order.modified, updated_from, updated_to)
        )

    def refund(self, call: Call) -> object:
        """Ask for a refund of all or a part."""
        new = call.read(_NewRefund)
        pieces: dict[str, int] | None = None
        if new.order_items is not None:
            pieces = {}
            for line in new.order_items:
                self._check(call.path["id"], line)
                pieces[line.item_id] = pieces.get(line.item_id, 0) + line.quantity
        return self._refund(call, pieces, new.refund_reason, new.remark)

    def refund_whole(self, call: Call) -> object:
        """Ask for a refund of all, which is all that the older version knows."""
        return self._refund(call, None, "Other", call.read(_WholeRefund).remark)

    def _refund(self, call: Call, pieces: dict[str, int] | None, reason: str, remark: str | None) -> object:
        number = self._ledger.refund(call.path["id"], pieces, reason, remark)
        return int(number) if self._settings.numeric_refund_numbers else number

    def _check(self, number: str, line: _RefundLine) -> None:
        order = self._ledger.orders.get(number)
        item = order.item(line.item_id) if order else None
        if item and (item.sku != line.sku_code or line.country_code not in (None, item.country)):
            raise Refusal(
                Code.NOT_REFUNDABLE,
                f"item {line.item_id} of order {number} is {item.sku} from {item.country}, "
                f"not {line.sku_code} from {line.country_code}",
            )

    def refunds(self, call: Call) -> object:
        """Answer the refunds of an order, newest first."""
        found = [
            refund for refund in reversed(self._ledger.refunds.values()) if refund.order == call.path["id"]
        ]
        return page_of(
            call,
            found,
            lambda refund: {
                "refundNo": refund.number,
                "id": refund.order,
                "remark": refund.remark,
                "refundStatus": refund.status,
            },
        )

    def balance(self, _: Call) -> object:
        """Answer the balance, in the form that the settings choose."""
        balance = self._ledger.balance
        forms = {"number": balance, "text": str(balance), "object": {"balance": balance, "currency": "USD"}}
        return forms[self._settings.balance_form]


def page_of(call: Call, found: Iterable[T], write: Callable[[T], object]) -> dict[str, object]:
    """Cut the page that was asked for: 10 rows by default, 250 at most."""
    rows = list(found)
    number, size = call.number("pageNumber", 1), call.number("pageSize", 10, at_most=250)
    return page([write(row) for row in rows[(number - 1) * size : number * size]], len(rows), number, size)
