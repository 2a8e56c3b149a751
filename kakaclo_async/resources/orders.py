"""Orders: placing them, and reading them back."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import attrs

from kakaclo_async.codec import encode
from kakaclo_async.errors import InvalidRequest, NotFound, Rejected
from kakaclo_async.models import CreatedOrder, NewOrder
from kakaclo_async.resources.checks import check_code
from kakaclo_async.resources.codes import Codes
from kakaclo_async.resources.freight import Freight
from kakaclo_async.resources.listing import Listing
from kakaclo_async.resources.order_check import OrderCheck, judge, read_order
from kakaclo_async.resources.order_family import Family
from kakaclo_async.resources.order_ids import made_at, new_custom_order_id
from kakaclo_async.resources.order_price import check_price
from kakaclo_async.resources.order_requests import (
    ORDERS_PATH,
    PAGE_SIZE,
    check_order_id,
    create_request,
    orders_query,
    page_request,
)
from kakaclo_async.resources.order_watch import STAGES, OrderWatch, Stage
from kakaclo_async.resources.order_writes import OrderWrites, asked_items, by_number, orders_since
from kakaclo_async.resources.payment import Payment
from kakaclo_async.resources.products import Products
from kakaclo_async.resources.stocks import Stocks

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable, Mapping

    from kakaclo_async.caller import Caller
    from kakaclo_async.models import FreightQuote, Item, Order, OrderStatus, Page
    from kakaclo_async.protocol import Request
    from kakaclo_async.resources.writes import WriteJournal

__all__ = ["Orders"]


def _named(order: NewOrder) -> tuple[NewOrder, str]:
    """Return an order that has a custom order id, and this id."""
    if order.custom_order_id is not None:
        return order, order.custom_order_id
    custom_order_id = new_custom_order_id()
    return attrs.evolve(order, custom_order_id=custom_order_id), custom_order_id


def _no_later(custom_order_id: str, sent_from: datetime | None) -> datetime:
    """Return a time that is surely before an order was made, on KakaClo's clock as on ours."""
    made = made_at(custom_order_id)
    if sent_from is None and made is None:
        return datetime.now(UTC) - timedelta(days=30)
    return (sent_from or datetime.fromtimestamp(made or 0.0, UTC)) - timedelta(days=1)


class Orders:
    """`kk.orders`."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller
        self._by_id = Codes(caller, "order", _of_ids, _ids, _no_order)

    async def create(self, order: NewOrder) -> CreatedOrder:
        """Place an order: one POST, which is never repeated once it may have arrived.

        The server does not look for doubles, and an order is paid for at once. An order without a
        `custom_order_id` gets one, so that it can be looked up.

        `POST /v2/order/orders`

        Args:
            order: what, where to and how.

        Returns:
            The order number. KakaClo may make several orders of one; `find` returns them all.

        Raises:
            OutcomeUnknown: the request left and no clear answer came; `find` the order by the error's
                `custom_order_id` before placing it again (orders show up within 5 minutes).
            Rejected: KakaClo declined: an unknown SKU, too little balance.
        """
        order, custom_order_id = _named(order)
        request = create_request(ORDERS_PATH, order)
        await check_price(self._caller, custom_order_id, request.body or b"")
        try:
            order_id = await self._caller.send(request)
        finally:
            self._caller.shared.drop_quotes(item.sku for item in order.items)
        return CreatedOrder(order_id, custom_order_id)

    async def submit(
        self,
        order: NewOrder,
        *,
        journal: WriteJournal,
        timeout: float | None = 30.0,  # noqa: ASYNC109 - the error says what is in doubt
    ) -> CreatedOrder:
        """Place an order exactly once: across time-outs, crashes and workers that submit it at the same time.

        The journal knows of the order before it is sent, and by its custom order id afterwards: the same id with the
        same order returns what became of it, without a request. When no clear answer comes, KakaClo's orders are
        read until the order is found, or the journal's quiet time is over and it is sent again.

        `POST /v2/order/orders`; in doubt also `GET /v2/order/orders`, one look for all orders in doubt

        Args:
            order: what, where to and how. Give it a `custom_order_id` that you can tell again after a crash; one is
                made if it has none, and only `journal.settle` can then find out about an order in doubt.
            journal: a `kakaclo_async.ordering.Journal`.
            timeout: seconds to go on while the order is in doubt; None: until that can be settled, a little more than
                the journal's quiet time. Submit the order again later to go on.

        Raises:
            OutcomeUnknown: it is still in doubt; `settles_at` says when it can be settled.
            Conflict: the journal knows another order under this id.
            Rejected: KakaClo declined; nothing was placed, and it may be submitted again, changed or not.
        """
        order, custom_order_id = _named(order)
        check_code(custom_order_id, "custom_order_id")
        writes = OrderWrites(self._caller)
        try:
            order_id = await journal.once(writes, custom_order_id, encode(order), timeout=timeout)
        finally:
            self._caller.shared.drop_quotes(item.sku for item in order.items)
        return CreatedOrder(order_id, custom_order_id)

    async def check(self, order: NewOrder | Mapping[str, object]) -> OrderCheck:
        """Find everything that KakaClo could decline about an order, before it is placed.

        SKUs on sale and in stock, address, country, freight for the channel type, balance. Nothing is sent about an
        order that breaks a documented limit. Stock and balance may change until the order is placed.

        `GET /v1/product/products`, `GET /v1/product/stocks`, `POST /v2/order/orders/channel/automationSplit` and
        `GET /v1/payment/balance`, at once; concurrent checks share requests

        Args:
            order: the order, or plain data by the names of `NewOrder`, `Address` and `Item`: there several limits may
                be broken at once.

        Returns:
            All problems by field, with the price, the freight and the balance.
        """
        if not isinstance(order, NewOrder):
            built, problems = read_order(order)
            if built is None:
                return OrderCheck(problems=problems)
            order = built
        items, country = order.items, order.address.country
        skus = list(dict.fromkeys(item.sku for item in items))
        tasks = (
            asyncio.create_task(Products(self._caller).get_many(skus=skus)),
            asyncio.create_task(Stocks(self._caller).get_many(skus)),
            asyncio.create_task(self._freight(items, country)),
            asyncio.create_task(Payment(self._caller).balance()),
        )
        try:
            products, stocks, freight, balance = await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
        return judge(order, products, stocks, freight, balance.amount)

    async def _freight(self, items: tuple[Item, ...], country: str) -> FreightQuote | str:
        try:
            return await Freight(self._caller).quote(items, country)
        except (Rejected, InvalidRequest) as refusal:
            return str(refusal)

    async def family(
        self,
        custom_order_id: str,
        *,
        asked: Iterable[Item] | None = None,
        created_from: datetime | None = None,
        journal: WriteJournal | None = None,
    ) -> Family:
        """Return all orders that KakaClo made of one request, as one: added up, with one status.

        `GET /v2/order/orders?createStartTime=`, 250 rows per request, in the bulk lane

        Args:
            custom_order_id: your own number, as it was sent.
            asked: the items that were asked for; by default what the journal knows.
            created_from: no later than the order was made, aware; by default what the journal knows, or what the id
                tells if this package made it, less a day; else 30 days ago.
            journal: a `kakaclo_async.ordering.Journal` that the order was submitted with.

        Returns:
            The family; `problems` says what is missing. Orders show up within 5 minutes of being made.
        """
        check_code(custom_order_id, "custom_order_id")
        known = None if journal is None else await journal.recall(OrderWrites.kind, custom_order_id)
        if asked is None and known is not None:
            asked = asked_items(known.payload)
        start = created_from or _no_later(custom_order_id, None if known is None else known.sent_from)
        orders = [
            order
            async for order in orders_since(self._caller, start).rows()
            if order.custom_order_id == custom_order_id
        ]
        return Family(
            custom_order_id=custom_order_id,
            orders=tuple(sorted(orders, key=by_number)),
            asked=None if asked is None else tuple(asked),
        )

    async def wait(
        self,
        order_id: str,
        until: Stage = "shipped",
        timeout: float | None = None,  # noqa: ASYNC109 - the error says how far the order is
    ) -> Order:
        """Wait until an order is paid, shipped or completed, looking in the bulk lane with growing pauses.

        One poller serves all who wait. Nothing but the order's number is needed to go on after a restart.

        `GET /v2/order/orders?ids=`, for up to 30 orders per request

        Args:
            order_id: the order's number.
            until: "paid", "partially_shipped", "shipped" (all of it) or "completed".
            timeout: seconds to wait at most; None for as long as it takes.

        Returns:
            The order. One that is cancelled comes at once, whatever was waited for: look at its `status`.

        Raises:
            DeadlineExceeded: it is not so far after `timeout`.
        """
        if until not in STAGES:
            raise InvalidRequest(f"until must be one of {', '.join(STAGES)}, not {until!r}")
        bulk = self._caller.bulk()
        watch = bulk.shared.part(("order watch", bulk.options), lambda: OrderWatch(Orders(bulk).get_many))
        return await watch.wait(check_order_id(order_id), until, timeout)

    async def get(self, order_id: str) -> Order:
        """Return one order by its number; concurrent calls share requests of 30 numbers.

        `GET /v2/order/orders?ids=`

        Raises:
            NotFound: no such order; a new one shows up within 5 minutes.
        """
        return await self._by_id.one(check_order_id(order_id))

    async def get_many(self, ids: Iterable[str]) -> tuple[Order, ...]:
        """Return any number of orders by their numbers, 30 per request.

        `GET /v2/order/orders?ids=`

        Returns:
            The orders found, in the order of the numbers; unknown numbers are left out.
        """
        if isinstance(ids, str):
            raise InvalidRequest("pass a list of order numbers, not one str")
        numbers = tuple(dict.fromkeys(map(check_order_id, ids)))
        return tuple((await self._by_id.many(numbers)).values())

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
        """Return one page of orders; one request, for those who page by themselves.

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
        return await self._caller.send(page_request(query))

    async def query(
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
            created_from: only orders made in this range of aware times; the end is now by default.
            created_to: its end.
            updated_from: only orders updated in this range; the end is now by default.
            updated_to: its end.
            statuses: only orders with one of these; sorted out here, for V2 cannot be asked for a status.

        Raises:
            InvalidRequest: a naive time, an end without a start.
            IncompletePull: after the last order, when the list moved too much to be sure of all.
        """
        now = datetime.now(UTC)
        created = (created_from, created_to or (now if created_from else None))
        updated = (updated_from, updated_to or (now if updated_from else None))
        wanted = None if statuses is None else set(map(str, statuses))
        bulk = Orders(self._caller.bulk())

        async def read(number: int) -> Page[Order]:
            return await bulk.page(
                created_from=created[0],
                created_to=created[1],
                updated_from=updated[0],
                updated_to=updated[1],
                page_number=number,
            )

        async with aclosing(Listing("orders", read, _id).rows()) as orders:
            async for order in orders:
                if wanted is None or order.status in wanted:
                    yield order

    async def find(
        self, custom_order_id: str, created_from: datetime, created_to: datetime | None = None
    ) -> tuple[Order, ...]:
        """Return all orders with this custom order id, for one request may become several orders.

        `GET /v2/order/orders`, 250 rows per request

        Args:
            custom_order_id: your own number, as it was sent.
            created_from: no later than the order was made.
            created_to: now by default; an order shows up within 5 minutes of being made.
        """
        check_code(custom_order_id, "custom_order_id")
        orders = self.query(created_from=created_from, created_to=created_to)
        return tuple([order async for order in orders if order.custom_order_id == custom_order_id])


def _id(order: Order) -> str:
    return order.id


def _ids(order: Order) -> tuple[str, ...]:
    return (order.id,)


def _of_ids(ids: tuple[str, ...]) -> Request[Page[Order]]:
    return page_request(orders_query(ids=ids, page_size=len(ids)))


def _no_order(order_id: str) -> NotFound:
    text = f"no order has the number {order_id} (new orders show up within 5 minutes)"
    return NotFound(text, status=200, path=ORDERS_PATH)
