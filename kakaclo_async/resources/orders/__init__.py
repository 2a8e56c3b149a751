"""Orders: place them at most once or exactly once, check them before, and wait for them after."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from kakaclo_async.codec import encode
from kakaclo_async.errors import InvalidRequest, Rejected
from kakaclo_async.models._checks import as_list_of, as_model, check_code
from kakaclo_async.models.common import Number
from kakaclo_async.models.family import Family
from kakaclo_async.models.freight import Item, OrderCheck
from kakaclo_async.models.new_order import CreatedOrder, NewOrder
from kakaclo_async.resources.freight import Freight
from kakaclo_async.resources.orders.check import judge, read_order, undeliverable
from kakaclo_async.resources.orders.placing import checked, drop_quotes, place, with_custom_order_id
from kakaclo_async.resources.orders.reads import OrderReads, by_number, find_orders, orders_by_number
from kakaclo_async.resources.orders.requests import check_order_id, made_at
from kakaclo_async.resources.orders.watch import STAGES, OrderWatch, Stage
from kakaclo_async.resources.products import Products
from kakaclo_async.resources.reference import Payment
from kakaclo_async.resources.stocks import Stocks
from kakaclo_async.sharing import gather_in_order

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping

    from kakaclo_async.models.freight import FreightQuote
    from kakaclo_async.models.order import Order
    from kakaclo_async.resources._journal import WriteJournal
    from kakaclo_async.sending import Sender


def _no_later(custom_order_id: str, sent_from: datetime | None) -> datetime:
    """Return a time that is surely before an order was made, on KakaClo's clock as on ours."""
    made = made_at(custom_order_id)
    if sent_from is None and made is None:
        return datetime.now(UTC) - timedelta(days=30)
    return (sent_from or datetime.fromtimestamp(made or 0.0, UTC)) - timedelta(days=1)


class Orders(OrderReads):
    """`kk.orders`; `OrderReads` has what reads them back, for one module would be too long for both."""

    async def create(self, order: NewOrder | Mapping[str, object]) -> CreatedOrder:
        """Place an order: one POST, which is never repeated once it may have arrived.

        An order is paid for at once, and nothing is published about equal ids: assume that two equal requests are two
        orders. An order without a `custom_order_id` gets one, so that it can be looked up.

        `POST /v2/order/orders`

        Args:
            order: what, where to and how: a `NewOrder`, or plain data by the names of `NewOrder`, `Address` and `Item`.

        Returns:
            The order number. KakaClo may make several orders of one; `find` returns them all.

        Raises:
            InvalidRequest: all that is wrong with plain data; nothing was sent.
            OutcomeUnknown: the request left and no clear answer came; `find` the order by the error's
                `custom_order_id` before placing it again (we assume that orders show up within 5 minutes).
            Rejected: KakaClo declined: an unknown SKU, too little balance.
        """
        given = as_model(NewOrder, order)
        del order
        if isinstance(given, InvalidRequest):
            raise given
        given, custom_order_id = with_custom_order_id(given)
        try:
            number = await place(self._sender, given, encode(given))
        finally:
            drop_quotes(self._sender, given.items)
        return CreatedOrder(str(number), custom_order_id, ids=number.all)

    async def submit(
        self,
        order: NewOrder | Mapping[str, object],
        *,
        journal: WriteJournal,
        timeout: float | None = 30.0,  # noqa: ASYNC109 - the error says what is unknown
    ) -> CreatedOrder:
        """Place an order exactly once: across time-outs, crashes and workers that submit it at the same time.

        The journal knows of the order before it is sent, and by its custom order id afterwards: the same id with the
        same order returns what became of it, without a request. When no clear answer comes, KakaClo's orders are
        read until the order is found, or the journal's quiet time is over and it is sent again.

        `POST /v2/order/orders`; to reconcile also `GET /v2/order/orders`, one look for all unknown orders

        Args:
            order: what, where to and how, as for `create`. Give it a `custom_order_id` that you know again after a
                crash; one is made if it has none, and only `journal.settle` can then find out about an unknown order.
            journal: a `Journal`.
            timeout: seconds to go on while the outcome is unknown; None: until it can be settled, a little more than
                the journal's quiet time. Submit the order again later to go on. A short time is spent on one look,
                which goes on after it, and which no limit of the view cuts off.

        Returns:
            The order number: KakaClo's answer, or the first of the orders that were found.

        Raises:
            OutcomeUnknown: it is still unknown; `settles_at` says when it can be settled.
            Conflict: the journal knows another order under this id.
            Rejected: KakaClo declined; nothing was placed, and it may be submitted again, changed or not.
        """
        given = as_model(NewOrder, order)
        del order
        if isinstance(given, InvalidRequest):
            raise given
        given, custom_order_id = with_custom_order_id(given)
        try:
            number = await checked(journal).once(self._sender, given, timeout=timeout)
        finally:
            drop_quotes(self._sender, given.items)
        return CreatedOrder(str(number), custom_order_id, ids=Number.all_of(number))

    async def check(self, order: NewOrder | Mapping[str, object]) -> OrderCheck:
        """Find everything that KakaClo could decline about an order, or nobody deliver, before it is placed.

        SKUs on sale and in stock, address, country, freight for the channel type, balance. Of the address also what
        KakaClo takes and no parcel survives: masked, cut by a spreadsheet, a postal code of another country, no street.
        Nothing is sent about an order that breaks a documented limit. Stock and balance may change until the order is
        placed.

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
                return OrderCheck(problems=(*problems, *undeliverable(order, problems)))
            order = built
        items, country, sender = order.items, order.address.country, self._sender.for_call()
        skus = list(dict.fromkeys(item.sku for item in items))
        calls: list[Callable[[], Awaitable[Any]]] = [
            lambda: Products(sender).get_many(skus=skus),
            lambda: Stocks(sender).get_many(skus),
            lambda: _freight(sender, items, country),
            Payment(sender).balance,
        ]
        products, stocks, freight, balance = await gather_in_order(calls)
        return judge(order, products, stocks, freight, balance.amount)

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
            journal: the `Journal` that the order was submitted with.

        Returns:
            The family; `problems` says what is missing. We assume that orders show up within 5 minutes of being
            made, as products do.

        Raises:
            DecodeError: an order that has this custom order id, or may have it, cannot be read.
        """
        check_code(custom_order_id, "custom_order_id")
        wanted = None if asked is None else as_list_of("Item", asked, Item)
        known = None if journal is None else await checked(journal).recall("order", custom_order_id)
        if wanted is None and known is not None:
            wanted = known.items
        start = created_from or _no_later(custom_order_id, None if known is None else known.sent_from)
        orders = await find_orders(self._sender.for_call(), custom_order_id, created_from=start)
        return Family(
            custom_order_id=custom_order_id,
            orders=tuple(sorted(orders, key=by_number)),
            asked=wanted,
        )

    async def wait(
        self,
        order_id: str,
        until: Stage = "shipped",
        timeout: float | None = None,  # noqa: ASYNC109 - the error says how far the order is
    ) -> Order:
        """Wait until an order is paid, shipped or completed, looking in the bulk lane with growing pauses.

        One poller serves all callers. Nothing but the order's number is needed to go on after a restart.

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
        bulk = self._sender.bulk()
        watch = bulk.state.part(
            ("order watch", bulk.options), lambda: OrderWatch(orders_by_number(bulk).get_each)
        )
        return await watch.wait(check_order_id(order_id), until, timeout)


async def _freight(sender: Sender, items: tuple[Item, ...], country: str) -> FreightQuote | str:
    try:
        return await Freight(sender).quote(items, country)
    except InvalidRequest:
        return "it is no two-letter code such as 'US'"
    except Rejected as refusal:
        return refusal.message or str(refusal)
