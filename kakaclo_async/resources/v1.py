"""The outdated order area, V1, for programs that still use its names."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from kakaclo_async.codec import encode
from kakaclo_async.codec.outgoing import sealed
from kakaclo_async.errors import InvalidRequest, NotFound
from kakaclo_async.models._checks import as_list_of, check_codes
from kakaclo_async.models.common import Page
from kakaclo_async.models.new_order import CreatedOrder, NewOrder
from kakaclo_async.models.order_v1 import OrderStatusV1, OrderV1
from kakaclo_async.protocol import Request
from kakaclo_async.resources.freight import channels_request
from kakaclo_async.resources.orders.placing import place, with_custom_order_id
from kakaclo_async.resources.orders.requests import check_order_id, orders_query
from kakaclo_async.resources.refunds import ask_for_refund, list_refunds

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from kakaclo_async.models.freight import Item, LogisticsChannel
    from kakaclo_async.models.refund import Refund
    from kakaclo_async.sending import Sender


_PATH = "/v1/order/orders"


class V1:
    """`kk.v1`: orders, freight and refunds as they were before December 2022."""

    def __init__(self, sender: Sender) -> None:
        self.orders = OrdersV1(sender)
        self.freight = FreightV1(sender)
        self.refunds = RefundsV1(sender)


class OrdersV1:
    """`kk.v1.orders`."""

    def __init__(self, sender: Sender) -> None:
        self._sender = sender

    async def create(self, order: NewOrder) -> CreatedOrder:
        """Place an order; see `kk.orders.create`, which is the one to use.

        `POST /v1/order/orders`

        Raises:
            OutcomeUnknown: the request left and no clear answer came.
        """
        order, custom_order_id = with_custom_order_id(order)
        number = await place(self._sender, order, encode(order), path=_PATH)
        return CreatedOrder(str(number), custom_order_id, ids=number.all)

    async def get(self, order_id: str) -> OrderV1:
        """Return one order by its number.

        `GET /v1/order/orders?ids=`

        Raises:
            NotFound: no such order; a new one may take some minutes to show up.
        """
        wanted = check_order_id(order_id)
        for order in await self.page(ids=[wanted]):
            if order.id == wanted:
                return order
        raise NotFound(f"no order has the number {order_id}", status=200, path=_PATH)

    async def page(
        self,
        *,
        ids: Iterable[str] | None = None,
        created_from: datetime | None = None,
        created_to: datetime | None = None,
        updated_from: datetime | None = None,
        updated_to: datetime | None = None,
        statuses: Iterable[OrderStatusV1 | str] | None = None,
        page_number: int = 1,
        page_size: int = 250,
    ) -> Page[OrderV1]:
        """Return one page of orders.

        `GET /v1/order/orders`

        Args:
            ids: only these order numbers, at most 250.
            created_from: only orders made in this range of aware times; either end may be left open.
            created_to: its end.
            updated_from: only orders updated in this range.
            updated_to: its end.
            statuses: only orders with one of these statuses.
            page_number: from 1.
            page_size: 1 to 250.
        """
        query = orders_query(
            ids=ids,
            created_from=created_from,
            created_to=created_to,
            updated_from=updated_from,
            updated_to=updated_to,
            page_number=page_number,
            page_size=page_size,
        )
        if statuses is not None:
            names = map(str, as_list_of("statuses", statuses, str))
            query += (("status", ",".join(check_codes(names, "status"))),)
        return await self._sender.send(Request(method="GET", path=_PATH, query=query, result=Page[OrderV1]))


class FreightV1:
    """`kk.v1.freight`."""

    def __init__(self, sender: Sender) -> None:
        self._sender = sender

    async def channels(
        self, items: Iterable[Item], country: str, warehouse_code: str | None = None
    ) -> tuple[LogisticsChannel, ...]:
        """Return the logistics channels of one warehouse.

        `POST /v1/order/orders/channel`
        """
        return await self._sender.send(
            channels_request("/v1/order/orders/channel", items, country, warehouse_code)
        )


class RefundsV1:
    """`kk.v1.refunds`."""

    def __init__(self, sender: Sender) -> None:
        self._sender = sender

    async def request(self, order_id: str, remark: str) -> str:
        """Ask for the refund of a whole order; V1 knows no other.

        `POST /v1/order/orders/{id}/refund`

        Args:
            order_id: the order's number.
            remark: free text for KakaClo's staff; V1 requires it.

        Returns:
            The refund number.

        Raises:
            InvalidRequest: the remark is empty.
            OutcomeUnknown: the request left and no clear answer came; look at `of(order_id)`.
        """
        remark = sealed(remark)
        order_id, given = check_order_id(order_id), cast("object", remark)
        if not isinstance(given, str) or not given.strip():
            raise InvalidRequest(
                f"no refund of order {order_id} was asked for: V1 requires a remark, and it is empty"
            )
        body = encode({"Remark": str(remark)})  # with a capital letter, in every version of the documents
        return await ask_for_refund(
            self._sender, order_id, body, template="/v1/order/orders/{}/refund", custom_order_id=None
        )

    async def of(self, order_id: str) -> tuple[Refund, ...]:
        """Return all refunds of an order.

        `GET /v1/order/orders/refund/{id}`
        """
        return await list_refunds(self._sender, "/v1/order/orders/refund/{}", order_id)
