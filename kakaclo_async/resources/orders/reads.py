"""Reading orders back: by number, by time, by custom order id."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kakaclo_async.errors import NotFound
from kakaclo_async.models._checks import as_list_of, check_code
from kakaclo_async.paging.listing import Listing
from kakaclo_async.resources._lookup import BatchedLookup
from kakaclo_async.resources.orders.requests import (
    ORDERS_PATH,
    PAGE_SIZE,
    check_order_id,
    orders_query,
    page_request,
)

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable
    from datetime import datetime

    from kakaclo_async.models.common import Page
    from kakaclo_async.models.order import Order, OrderStatus
    from kakaclo_async.protocol import Request
    from kakaclo_async.sending import Sender


class OrderReads:
    """The half of `kk.orders` that changes nothing."""

    def __init__(self, sender: Sender) -> None:
        self._sender = sender
        self._by_id = orders_by_number(sender)

    async def get(self, order_id: str) -> Order:
        """Return one order by its number; concurrent calls share requests of 30 numbers.

        `GET /v2/order/orders?ids=`

        Raises:
            NotFound: no such order; a new one shows up within 5 minutes.
        """
        return await self._by_id.get(check_order_id(order_id))

    async def get_many(self, ids: Iterable[str]) -> tuple[Order, ...]:
        """Return any number of orders by their numbers, 30 per request.

        `GET /v2/order/orders?ids=`

        Returns:
            The orders found, in the order of the numbers; unknown numbers are left out.
        """
        numbers = tuple(dict.fromkeys(map(check_order_id, as_list_of("order numbers", ids))))
        return tuple((await self._by_id.get_many(numbers)).values())

    async def page(
        self,
        *,
        ids: Iterable[str] | None = None,
        created_from: datetime | None = None,
        created_to: datetime | None = None,
        updated_from: datetime | None = None,
        updated_to: datetime | None = None,
        page_number: int = 1,
        page_size: int = PAGE_SIZE,
    ) -> Page[Order]:
        """Return one page of orders; one request.

        `GET /v2/order/orders`

        Args:
            ids: only these order numbers, at most 250.
            created_from: only orders made in this range of aware times; needs `created_to`.
            created_to: its end.
            updated_from: only orders updated in this range; needs `updated_to`.
            updated_to: its end.
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
        return await self._sender.send(page_request(query))

    def query(
        self,
        *,
        created_from: datetime | None = None,
        created_to: datetime | None = None,
        updated_from: datetime | None = None,
        updated_to: datetime | None = None,
        statuses: Iterable[OrderStatus | str] | None = None,
    ) -> AsyncGenerator[Order, None]:
        """Iterate over orders, all of them by default, none twice.

        `GET /v2/order/orders`, 250 rows per request, in the bulk lane

        Args:
            created_from: only orders made in this range of aware times.
            created_to: its end; none by default, for KakaClo's clock may be ahead of ours.
            updated_from: only orders updated in this range.
            updated_to: its end; none by default.
            statuses: only orders with one of these; sorted out here, for V2 cannot be asked for a status.

        Raises:
            InvalidRequest: a naive time, an end without a start.
            IncompletePull: after the last order, when the list moved too much to be sure of all.
        """
        wanted = None if statuses is None else set(map(str, as_list_of("statuses", statuses)))
        listing = list_orders(
            self._sender,
            created_from=created_from,
            created_to=created_to,
            updated_from=updated_from,
            updated_to=updated_to,
        )
        return listing.rows(lambda order: wanted is None or order.status in wanted)

    async def find(
        self, custom_order_id: str, created_from: datetime, created_to: datetime | None = None
    ) -> tuple[Order, ...]:
        """Return all orders with this custom order id, for one request may become several orders.

        `GET /v2/order/orders`, 250 rows per request

        Args:
            custom_order_id: your own number, as it was sent.
            created_from: no later than the order was made.
            created_to: no earlier; none by default. An order shows up within 5 minutes of being made.
        """
        check_code(custom_order_id, "custom_order_id")
        listing = list_orders(self._sender.for_call(), created_from=created_from, created_to=created_to)
        return tuple([order async for order in listing.rows() if order.custom_order_id == custom_order_id])


def list_orders(
    sender: Sender,
    *,
    created_from: datetime | None = None,
    created_to: datetime | None = None,
    updated_from: datetime | None = None,
    updated_to: datetime | None = None,
) -> Listing[Order]:
    """List orders in the bulk lane; ranges of times may be open at their ends.

    `GET /v2/order/orders`, 250 rows per request
    """
    bulk = sender.bulk()

    async def read(number: int) -> Page[Order]:
        query = orders_query(
            created_from=created_from,
            created_to=created_to,
            updated_from=updated_from,
            updated_to=updated_to,
            page_number=number,
            open_end=True,
        )
        return await bulk.send(page_request(query))

    return Listing("orders", read, _id)


def orders_by_number(sender: Sender) -> BatchedLookup[Order]:
    """Look orders up by their numbers.

    `GET /v2/order/orders?ids=`
    """
    return BatchedLookup(sender, "order", _of_ids, lambda order: (order.id,), _no_order)


def by_number(order: Order) -> tuple[int, str]:
    """Sort orders by their numbers, which grow: KakaClo answers with the first of a family."""
    return (len(order.id), order.id)


def _id(order: Order) -> str:
    return order.id


def _of_ids(ids: tuple[str, ...]) -> Request[Page[Order]]:
    return page_request(orders_query(ids=ids, page_size=len(ids)))


def _no_order(order_id: str) -> NotFound:
    text = f"no order has the number {order_id} (new orders show up within 5 minutes)"
    return NotFound(text, status=200, path=ORDERS_PATH)
