"""Reading orders back: by number, by time, by custom order id. One that cannot be read hides no other."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING

import attrs

from kakaclo_async.codec import Undecodable
from kakaclo_async.errors import IncompletePull, NotFound
from kakaclo_async.models._checks import as_list_of, check_code, each_of
from kakaclo_async.models.order import Order
from kakaclo_async.models.pull import Certificate
from kakaclo_async.paging.listing import Listing, RowStream
from kakaclo_async.protocol import tolerant
from kakaclo_async.resources._lookup import BatchedLookup, check_many
from kakaclo_async.resources.orders.requests import (
    ORDERS_PATH,
    PAGE_SIZE,
    check_order_id,
    field_of,
    may_mean,
    named,
    orders_query,
    page_request,
    recognizable,
    unreadable,
)

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable, Sequence
    from datetime import datetime

    from kakaclo_async.models.common import Page
    from kakaclo_async.models.order import OrderStatus
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
            NotFound: no such order; a new one may take some minutes to show up.
            DecodeError: it cannot be read.
        """
        return await self._by_id.get(check_order_id(order_id))

    async def get_many(self, ids: Iterable[str]) -> tuple[Order, ...]:
        """Return any number of orders by their numbers, 30 per request.

        `GET /v2/order/orders?ids=`

        Returns:
            The orders found, in the order of the numbers; unknown numbers are left out.

        Raises:
            DecodeError: one of them cannot be read; it names the number, without which the others can.
        """
        numbers = await check_many(map(check_order_id, each_of("order numbers", ids)), "order id")
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
            created_from: only orders made in this range of aware times; either end may be left open.
            created_to: its end.
            updated_from: only orders updated in this range.
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
            created_from: only orders made in this range of aware times; either end may be left open.
            created_to: its end; none by default, for KakaClo's clock may be ahead of ours.
            updated_from: only orders updated in this range.
            updated_to: its end; none by default.
            statuses: only orders with one of these; sorted out here, for V2 cannot be asked for a status.

        Raises:
            InvalidRequest: a naive time, a range that ends before it starts.
            IncompletePull: after the last order, when the list moved too much to be sure of all.
            DecodeError: after the last order, when some cannot be read; it names them.
        """
        wanted = None if statuses is None else set(map(str, as_list_of("statuses", statuses, str)))
        listed = list_orders(
            self._sender,
            created_from=created_from,
            created_to=created_to,
            updated_from=updated_from,
            updated_to=updated_to,
        )
        return RowStream(_readable(listed, wanted))

    async def find(
        self, custom_order_id: str, created_from: datetime, created_to: datetime | None = None
    ) -> tuple[Order, ...]:
        """Return all orders with this custom order id, for one request may become several orders.

        It tells what became of an order in doubt, and so goes before the other jobs of the bulk lane.

        `GET /v2/order/orders`, 250 rows per request

        Args:
            custom_order_id: your own number, as it was sent.
            created_from: no later than the order was made.
            created_to: no earlier; none by default. We assume that an order shows up within 5 minutes of being made, as
                KakaClo promises for products; of orders it says nothing.

        Raises:
            DecodeError: an order that has this custom order id, or may have it, cannot be read.
        """
        check_code(custom_order_id, "custom_order_id")
        urgent = self._sender.for_call().bulk(urgent=True)
        return await find_orders(urgent, custom_order_id, created_from=created_from, created_to=created_to)


def list_orders(
    sender: Sender,
    *,
    created_from: datetime | None = None,
    created_to: datetime | None = None,
    updated_from: datetime | None = None,
    updated_to: datetime | None = None,
) -> OrderList:
    """List orders in the bulk lane; ranges of times may be open at their ends.

    `GET /v2/order/orders`, 250 rows per request
    """
    bulk = sender.bulk()

    async def read(number: int) -> Page[Order | Undecodable]:
        query = orders_query(
            created_from=created_from,
            created_to=created_to,
            updated_from=updated_from,
            updated_to=updated_to,
            page_number=number,
        )
        return await bulk.send(tolerant(page_request(query)))

    return OrderList(Listing("orders", read, _key))


@attrs.frozen
class OrderList:
    """Orders behind page numbers.

    Attributes:
        listing: with those that cannot be read.
    """

    listing: Listing[Order | Undecodable]

    def rows(self) -> AsyncGenerator[Order, None]:
        """Iterate over all orders once, to recognize some: of those that cannot be read, what they are known by.

        Raises:
            IncompletePull: after the last order, when the list moved too much to be sure of all, or when it cannot be
                told of one whose it is.
        """
        return RowStream(self._recognizable())

    async def _recognizable(self) -> AsyncGenerator[Sequence[Order], None]:
        strange: list[Order | Undecodable] = []
        async with aclosing(self.listing.rows()) as rows:
            async for row in rows:
                if (order := recognizable(row)) is None:
                    strange.append(row)
                else:
                    yield (order,)
        if strange:
            raise IncompletePull(
                f"{named(strange)} cannot be read, nor told apart from others", certificate=Certificate()
            )


async def _readable(listed: OrderList, statuses: set[str] | None) -> AsyncGenerator[Sequence[Order], None]:
    strange: list[Undecodable] = []
    async with aclosing(listed.listing.rows()) as rows:
        async for row in rows:
            status = field_of(row, "status")
            if statuses is not None and isinstance(status, str) and status not in statuses:
                continue
            if isinstance(row, Undecodable):
                strange.append(row)
            elif statuses is None or status is not None:
                yield (row,)
    if strange:
        raise unreadable(strange)


async def find_orders(
    sender: Sender, custom_order_id: str, *, created_from: datetime, created_to: datetime | None = None
) -> tuple[Order, ...]:
    """Return all orders with a custom order id.

    Raises:
        DecodeError: an order that has it, or may have it, cannot be read.
    """
    found: list[Order] = []
    strange: list[Order | Undecodable] = []
    listed = list_orders(sender, created_from=created_from, created_to=created_to)
    async with aclosing(listed.listing.rows()) as rows:
        async for row in rows:
            name = field_of(row, "customOrderId")
            if isinstance(row, Order) and name == custom_order_id:
                found.append(row)
            elif may_mean(name, custom_order_id):
                strange.append(row)
    if strange:
        raise unreadable(strange)
    return tuple(found)


def orders_by_number(sender: Sender) -> BatchedLookup[Order]:
    """Look orders up by their numbers.

    `GET /v2/order/orders?ids=`
    """
    return BatchedLookup(sender, "order", _of_ids, lambda order: (order.id,), _no_order)


def by_number(order: Order) -> tuple[int, str]:
    """Sort orders by their numbers, which grow: KakaClo answers with the first of a family."""
    return (len(order.id), order.id)


def _key(row: Order | Undecodable) -> object:
    if isinstance(row, Order):
        return row.id
    number = field_of(row, "id")
    return number if isinstance(number, str) else repr(row.document)


def _of_ids(ids: tuple[str, ...]) -> Request[Page[Order]]:
    return page_request(orders_query(ids=ids, page_size=len(ids)))


def _no_order(order_id: str) -> NotFound:
    text = f"no order has the number {order_id} (we assume that a new one shows up within 5 minutes)"
    return NotFound(text, status=200, path=ORDERS_PATH)
