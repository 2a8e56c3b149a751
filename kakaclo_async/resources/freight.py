"""Freight quotes, for one cart or thousands."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Literal, overload

from kakaclo_async.codec import encode
from kakaclo_async.errors import InvalidRequest, KakaCloError
from kakaclo_async.models._checks import as_list_of, check_code, each_of
from kakaclo_async.models.freight import (
    ChannelsRequest,
    FreightMatrix,
    FreightOption,
    FreightQuote,
    FreightRequest,
    Item,
    LogisticsChannel,
)
from kakaclo_async.protocol import Request
from kakaclo_async.resources._lookup import share
from kakaclo_async.sharing.fan_out import collect_in_order, gather_in_order

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from kakaclo_async.sending import Sender


def quote_request(cart: FreightRequest) -> Request[tuple[FreightOption, ...]]:
    """Build a `POST /v2/order/orders/channel/automationSplit`, which only reads."""
    return Request(
        method="POST",
        path="/v2/order/orders/channel/automationSplit",
        body=encode(cart),
        result=tuple[FreightOption, ...],
    )


def channels_request(
    path: str, items: Iterable[Item], country: str, warehouse_code: str | None
) -> Request[tuple[LogisticsChannel, ...]]:
    """Build the request for the channels of one warehouse, in either version of the API."""
    code = None if warehouse_code is None else check_code(warehouse_code, "warehouse_code")
    body = ChannelsRequest(items, country, code)
    return Request(method="POST", path=path, body=encode(body), result=tuple[LogisticsChannel, ...])


def _canonical(cart: FreightRequest) -> FreightRequest:
    """Return the cart with equal SKUs added up and sorted: equal carts, however written, are one quote."""
    quantities: dict[str, int] = {}
    for item in cart.items:
        quantities[item.sku] = quantities.get(item.sku, 0) + item.quantity
    items = [Item(sku, quantity) for sku, quantity in sorted(quantities.items())]
    return FreightRequest(items, cart.country)


class Freight:
    """`kk.freight`."""

    def __init__(self, sender: Sender) -> None:
        self._sender = sender

    async def quote(self, items: Iterable[Item], country: str) -> FreightQuote:
        """Return what sending these items costs, by channel type; KakaClo splits over warehouses by itself.

        A quote is kept for 10 minutes, unless the client's `caching` says otherwise.

        `POST /v2/order/orders/channel/automationSplit`

        Args:
            items: SKUs with quantities above 0.
            country: two-letter code of the destination, "US".

        Raises:
            InvalidRequest: no items, a quantity below 1, a country that is no code.
            Rejected: an unknown SKU or country, in KakaClo's words.
        """
        return await self._quote(_canonical(FreightRequest(items, country)), self._sender)

    async def _quote(self, cart: FreightRequest, sender: Sender) -> FreightQuote:
        return await share(sender, sender.state.freight, cart, quote_request(cart), FreightQuote)

    @overload
    async def quote_many(
        self,
        requests: Iterable[FreightRequest],
        on_error: Literal["raise"] = "raise",
        *,
        progress: Callable[[int, int], None] | None = None,
    ) -> tuple[FreightQuote, ...]: ...
    @overload
    async def quote_many(
        self,
        requests: Iterable[FreightRequest],
        on_error: Literal["collect"],
        *,
        progress: Callable[[int, int], None] | None = None,
    ) -> tuple[FreightQuote | KakaCloError, ...]: ...
    async def quote_many(
        self,
        requests: Iterable[FreightRequest],
        on_error: Literal["raise", "collect"] = "raise",
        *,
        progress: Callable[[int, int], None] | None = None,
    ) -> tuple[FreightQuote | KakaCloError, ...]:
        """Return the quotes of many carts, in their order; equal carts cost one request.

        Up to 20 different carts go in the view's lane; more of them are a bulk job. Permits alone bound how
        many are under way, and all are waited for, unless the view sets a `max_wait` of its own.

        `POST /v2/order/orders/channel/automationSplit`, once for each different cart

        Args:
            requests: carts with their countries.
            on_error: "raise" the first error, which cancels the others, or "collect" errors in their places.
            progress: called with (done, all) after each request.
        """
        if on_error not in {"raise", "collect"}:
            raise InvalidRequest(f"on_error must be 'raise' or 'collect', not {on_error!r}")
        carts = [_canonical(cart) for cart in as_list_of("FreightRequest", requests, FreightRequest)]
        different = list(dict.fromkeys(carts))
        sender = self._sender.for_fan_out(len(different))
        done = 0

        def count() -> None:
            nonlocal done
            done += 1
            if progress is not None:
                progress(done, len(different))

        calls = [partial(self._quote, cart, sender) for cart in different]
        if on_error == "raise":
            results: list[FreightQuote | KakaCloError] = [*await gather_in_order(calls, done=count)]
        else:
            results = await collect_in_order(calls, kind=KakaCloError, done=count)
        by_cart = dict(zip(different, results, strict=True))
        return tuple(by_cart[cart] for cart in carts)

    async def matrix(
        self,
        carts: Iterable[Iterable[Item]],
        countries: Iterable[str],
        *,
        progress: Callable[[int, int], None] | None = None,
    ) -> FreightMatrix:
        """Return the quotes of every cart to every country; a failed one holds its error.

        `POST /v2/order/orders/channel/automationSplit`, once for each different pair

        Args:
            carts: each the items of one cart.
            countries: two-letter codes.
            progress: called with (done, all) after each request.
        """
        # Each is read as it comes: a generator of generators changes what the earlier ones refer to.
        rows = [as_list_of("Item", cart) for cart in each_of("carts", carts)]
        columns = as_list_of("country codes", countries)
        requests = [FreightRequest(cart, country) for cart in rows for country in columns]
        quotes = await self.quote_many(requests, "collect", progress=progress)
        pairs = [(request.items, request.country) for request in requests]
        return FreightMatrix(dict(zip(pairs, quotes, strict=True)))

    async def channels(
        self, items: Iterable[Item], country: str, warehouse_code: str | None = None
    ) -> tuple[LogisticsChannel, ...]:
        """Return the logistics channels of one warehouse, fastest first.

        `POST /v2/order/orders/channel`

        Args:
            items: SKUs with quantities above 0.
            country: two-letter code of the destination.
            warehouse_code: unknown or None: KakaClo takes G007.
        """
        return await self._sender.send(
            channels_request("/v2/order/orders/channel", items, country, warehouse_code)
        )
