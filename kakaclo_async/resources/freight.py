"""Freight quotes, for one cart or thousands."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from itertools import product
from typing import TYPE_CHECKING, Any, Final, Literal, cast, overload

from kakaclo_async.codec import encode
from kakaclo_async.errors import InvalidRequest, KakaCloError, NoFreight
from kakaclo_async.models._checks import as_list_of, check_code, check_country, each_of
from kakaclo_async.models.freight import (
    ChannelsRequest,
    FreightMatrix,
    FreightOption,
    FreightQuote,
    FreightRequest,
    Item,
    LogisticsChannel,
    items_tuple,
)
from kakaclo_async.protocol import Request
from kakaclo_async.resources._lookup import share
from kakaclo_async.sharing import Pace, collect_in_order, gather_in_order

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from kakaclo_async.sending import Sender


QUOTE_PATH: Final = "/v2/order/orders/channel/automationSplit"


def quote_request(cart: FreightRequest) -> Request[tuple[FreightOption, ...]]:
    """Build a `POST /v2/order/orders/channel/automationSplit`, which only reads."""
    return Request(
        method="POST",
        path=QUOTE_PATH,
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


def _read_all(requests: Iterable[object]) -> Iterator[FreightRequest | InvalidRequest]:
    """Yield the canonical cart of each request, or why it is none; its place is named.

    Raises:
        InvalidRequest: the iterable failed, and what it had left is not known.
    """
    given, place = each_of("FreightRequest", requests), -1
    try:
        for place, request in enumerate(given):
            try:
                yield _canonical(_cart(request))
            except InvalidRequest as error:
                yield InvalidRequest(f"requests[{place}]: {error}")
    except InvalidRequest as error:
        raise InvalidRequest(
            f"requests[{place + 1}]: {error}; to have such errors collected, pass (items, country)"
        ) from None


_PAIR: Final = 2


def _cart(request: object) -> FreightRequest:
    kind = type(request).__name__
    if isinstance(request, FreightRequest):
        return request
    if isinstance(request, Mapping):
        return FreightRequest.from_dict(cast("Mapping[str, object]", request))
    if isinstance(request, tuple | list) and len(pair := cast("Sequence[Any]", request)) == _PAIR:
        return FreightRequest(pair[0], pair[1])
    raise InvalidRequest(f"pass a FreightRequest or (items, country), not one {kind}")


def _row(place: int, cart: Iterable[Item | Mapping[str, object]]) -> tuple[Item, ...]:
    try:
        return items_tuple(as_list_of("Item", cart, Item, Mapping))
    except InvalidRequest as error:
        raise InvalidRequest(f"carts[{place}]: {error}") from None


def _canonical(cart: FreightRequest) -> FreightRequest:
    """Return the cart with equal SKUs added up and sorted: equal carts, however written, are one quote."""
    quantities: dict[str, int] = {}
    for item in cart.items:
        quantities[item.sku] = quantities.get(item.sku, 0) + item.quantity
    items = tuple(Item(sku, quantity) for sku, quantity in sorted(quantities.items()))
    # A ChannelsRequest is one, too, and says more.
    plain = type(cart) is FreightRequest and items == cart.items
    return cart if plain else FreightRequest(items, cart.country)


_MOST_NAMED: Final = 20


def _quote_of(cart: FreightRequest, options: tuple[FreightOption, ...]) -> FreightQuote:
    if options:
        return FreightQuote(options)
    named = ", ".join(repr(item.sku) for item in cart.items[:_MOST_NAMED])
    others = "" if len(cart.items) <= _MOST_NAMED else f" and {len(cart.items) - _MOST_NAMED} more"
    reason = f"nothing ships SKU {named}{others} to {cart.country}"
    raise NoFreight(
        f"{reason}: KakaClo offers no channel; ask for another country, or for fewer SKUs together",
        status=200,
        message=reason,
        method="POST",
        path=QUOTE_PATH,
    )


class Freight:
    """`kk.freight`."""

    def __init__(self, sender: Sender) -> None:
        self._sender = sender

    async def quote(self, items: Iterable[Item | Mapping[str, object]], country: str) -> FreightQuote:
        """Return what sending these items costs, by channel type; KakaClo splits over warehouses by itself.

        A quote is kept for 10 minutes, unless the client's `caching` says otherwise.

        `POST /v2/order/orders/channel/automationSplit`

        Args:
            items: SKUs with quantities above 0: each an `Item`, or `{"sku": "A", "quantity": 2}`.
            country: two-letter code of the destination, "US".

        Raises:
            InvalidRequest: no items, a quantity below 1, a country that is no code; all of it at once.
            NoFreight: nothing ships these items there; it names both.
            Rejected: an unknown SKU or country, in KakaClo's words.
        """
        cart = FreightRequest.from_dict({"items": items, "country": country})
        return await self._quote(_canonical(cart), self._sender)

    async def _quote(self, cart: FreightRequest, sender: Sender) -> FreightQuote:
        return await share(sender, sender.state.freight, cart, quote_request(cart), partial(_quote_of, cart))

    @overload
    async def quote_many(
        self,
        requests: Iterable[
            FreightRequest | Mapping[str, object] | tuple[Iterable[Item | Mapping[str, object]], str]
        ],
        on_error: Literal["raise"] = "raise",
        *,
        progress: Callable[[int, int], None] | None = None,
    ) -> tuple[FreightQuote, ...]: ...
    @overload
    async def quote_many(
        self,
        requests: Iterable[
            FreightRequest | Mapping[str, object] | tuple[Iterable[Item | Mapping[str, object]], str]
        ],
        on_error: Literal["collect"],
        *,
        progress: Callable[[int, int], None] | None = None,
    ) -> tuple[FreightQuote | KakaCloError, ...]: ...
    async def quote_many(
        self,
        requests: Iterable[
            FreightRequest | Mapping[str, object] | tuple[Iterable[Item | Mapping[str, object]], str]
        ],
        on_error: Literal["raise", "collect"] = "raise",
        *,
        progress: Callable[[int, int], None] | None = None,
    ) -> tuple[FreightQuote | KakaCloError, ...]:
        """Return the quotes of many carts, in their order; equal carts cost one request.

        Up to 20 different carts go in the view's lane; more of them are a bulk job. Permits alone bound how
        many are under way, and all are waited for, unless the view sets a `max_wait` of its own.

        `POST /v2/order/orders/channel/automationSplit`, once for each different cart

        Args:
            requests: carts with their countries, each a `FreightRequest`, its plain data, or a pair (items, country).
            on_error: "raise" the first error, which cancels the others, or "collect" errors in their places, also
                of what cannot be asked: no items, a country that is no code.
            progress: called with (done, all) after each request.

        Raises:
            InvalidRequest: with "raise": what cannot be asked, by its place, before a permit is spent.
            NoFreight: with "raise": nothing ships one of the carts where it should go.
        """
        if on_error not in {"raise", "collect"}:
            raise InvalidRequest(f"on_error must be 'raise' or 'collect', not {on_error!r}")
        different: dict[FreightRequest, int] = {}
        asked: list[int | InvalidRequest] = []
        pace = Pace()
        for cart in _read_all(requests):
            if isinstance(cart, FreightRequest):
                asked.append(different.setdefault(cart, len(different)))
            else:
                asked.append(cart)
            await pace()
        refused = [cart for cart in asked if isinstance(cart, InvalidRequest)]
        if refused and on_error == "raise":
            raise refused[0] if len(refused) == 1 else InvalidRequest("; ".join(map(str, refused)))
        sender = self._sender.for_fan_out(len(different)).for_call()
        done = 0

        def count() -> None:
            nonlocal done
            done += 1
            if progress is not None:
                progress(done, len(different))

        calls = (partial(self._quote, cart, sender) for cart in different)
        if on_error == "raise":
            results: list[FreightQuote | KakaCloError] = [*await gather_in_order(calls, done=count)]
        else:
            results = await collect_in_order(calls, kind=KakaCloError, done=count)
        return tuple(results[one] if isinstance(one, int) else one for one in asked)

    async def matrix(
        self,
        carts: Iterable[Iterable[Item | Mapping[str, object]]],
        countries: Iterable[str],
        *,
        progress: Callable[[int, int], None] | None = None,
    ) -> FreightMatrix:
        """Return the quotes of every cart to every country; a failed one holds its error, as does an empty cart.

        `POST /v2/order/orders/channel/automationSplit`, once for each different pair

        Args:
            carts: each the items of one cart.
            countries: two-letter codes.
            progress: called with (done, all) after each request.

        Raises:
            InvalidRequest: a country that is no code, a cart that holds no items, by its place; nothing was sent.
        """
        # Each is read as it comes: a generator of generators changes what the earlier ones refer to.
        rows = [_row(place, cart) for place, cart in enumerate(each_of("carts", carts))]
        columns = [check_country(code) for code in each_of("country codes", countries)]
        pairs = list(product(rows, columns))
        quotes = await self.quote_many(pairs, "collect", progress=progress)
        pace = Pace()
        cells: dict[tuple[tuple[Item, ...], str], FreightQuote | KakaCloError] = {}
        for pair, quote in zip(pairs, quotes, strict=True):
            cells[pair] = quote
            await pace()
        return FreightMatrix(cells)

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
