"""The blocking client."""

from __future__ import annotations

import warnings
from copy import copy
from functools import partial, wraps
from typing import TYPE_CHECKING, Any, Concatenate, Literal, ParamSpec, Self, cast

from kakaclo_async import client as async_client
from kakaclo_async.codec.outgoing import sealed
from kakaclo_async.config import BlockingEntered, Caching, no_client
from kakaclo_async.guards import Guards
from kakaclo_sync._proxy import BlockingProxy, Bridge, Method, fork_lock, immediate

if TYPE_CHECKING:
    import os
    from collections.abc import Awaitable, Callable
    from ssl import SSLContext
    from types import TracebackType

    from kakaclo_async.contract import Recording
    from kakaclo_async.events import Event
    from kakaclo_async.ratelimit.bucket import Bucket, RateLimit
    from kakaclo_sync import resources


P = ParamSpec("P")


def _view(
    method: Callable[Concatenate[async_client.KakaClo, P], async_client.KakaClo],
) -> Method[P, KakaClo]:
    """Derive the method that returns another view of the client."""

    @wraps(method)
    def call(self: KakaClo, /, *args: P.args, **kwargs: P.kwargs) -> KakaClo:
        return self._view(lambda kk: method(kk, *args, **kwargs))

    return cast("Method[P, KakaClo]", call)


class _Listeners:
    """The callbacks of a client, for its async client in each process."""

    def __init__(self) -> None:
        self._callbacks: dict[object, Callable[[Event], object]] = {}
        self._ends: dict[object, Callable[[], None]] = {}

    def attach(self, client: async_client.KakaClo) -> async_client.KakaClo:
        self._ends = {key: client.on_event(callback) for key, callback in self._callbacks.items()}
        return client

    def add(self, client: async_client.KakaClo, callback: Callable[[Event], object]) -> Callable[[], None]:
        key = object()
        self._ends[key] = client.on_event(callback)
        self._callbacks[key] = callback
        return partial(self._remove, key)

    def _remove(self, key: object) -> None:
        self._callbacks.pop(key, None)
        end = self._ends.pop(key, None)
        if end is not None:
            end()


class KakaClo(BlockingEntered, BlockingProxy[async_client.KakaClo], other="kakaclo_async"):
    """A blocking client of the KakaClo Open API, for one shop; one client serves any number of threads.

    Use it as a context manager, or call `close` in the end; a script that does neither still ends in order.
    The requests run on an event loop in a daemon thread, which the first call starts: in a forked child too,
    so a client may be made before the fork. Making one sends nothing.

    Args:
        token: the access token, or a function (sync or async) that returns one and is asked before each
            request, on the client's thread; `token_from` makes one that reads a file, a command, a variable or the
            keyring. None: the environment variable KAKACLO_TOKEN, or the place that KAKACLO_TOKEN_FROM names. A
            function is asked once more after a 401, and a read is sent again if it has another token then.
        environment: "production" or "test"; None: the address in the environment variable KAKACLO_BASE_URL, or
            production. Named beside a KAKACLO_BASE_URL that says otherwise, it is refused.
        base_url: overrides both. HTTPS, or HTTP on loopback.
        allow_http: speak plain HTTP to another machine, such as a sandbox in a container; never to KakaClo's own.
        rate_limit: the shop's bucket; None: 120 requests at once, then 2 per second, or as `bucket` has it.
        reserve: permits that the bulk lane never takes, so that interactive calls find one at once.
        timeout: seconds for one call once it has its permit, attempts and the pauses between them included.
        max_wait: seconds that a single interactive call may wait for its permit; None for as long as it
            takes. Streams, fan-outs and the bulk lane always wait as long as it takes.
        max_attempts: requests that one call may cost when they fail.
        attempt_timeout: seconds for one attempt of a read, the token function included; None: a third of `timeout`.
            The one attempt of a write may take all of `timeout`.
        bucket: a bucket shared with other processes (`RedisBucket`) instead of one of its own.
        caching: how long freight quotes and reference data are kept.
        guards: what this client refuses to do; nothing by default.
        record: a `Recording`, or the path of its file: counts what answers look like, for `kakaclo drift`. It holds
            no value and nothing personal, and needs `kakaclo[cli]`.
        proxy: `http://user:password@host:port`; "" for none; None: what HTTPS_PROXY, ALL_PROXY and NO_PROXY say.
        ssl: what to trust besides the system's authorities, for a company's own: a PEM file, or an `ssl.SSLContext`.

    Raises:
        ConfigurationError: a missing token, an address that is not HTTPS, a limit that cannot work, settings that
            contradict each other or are of another type.
    """

    def __init__(
        self,
        token: str | Callable[[], str | Awaitable[str]] | None = None,
        *,
        environment: Literal["production", "test"] | None = None,
        base_url: str | None = None,
        allow_http: bool = False,
        rate_limit: RateLimit | None = None,
        reserve: int = 20,
        timeout: float = 30.0,
        max_wait: float | None = 30.0,
        max_attempts: int = 5,
        attempt_timeout: float | None = None,
        bucket: Bucket | None = None,
        caching: Caching = Caching(),  # noqa: B008 - frozen
        guards: Guards = Guards(),  # noqa: B008 - frozen
        record: Recording | str | os.PathLike[str] | None = None,
        proxy: str | None = None,
        ssl: SSLContext | str | os.PathLike[str] | None = None,
    ) -> None:
        token, proxy = sealed(token), sealed(proxy)  # see the async client
        make = partial(
            async_client.KakaClo,
            token,
            environment=environment,
            base_url=base_url,
            allow_http=allow_http,
            rate_limit=rate_limit,
            reserve=reserve,
            timeout=timeout,
            max_wait=max_wait,
            max_attempts=max_attempts,
            attempt_timeout=attempt_timeout,
            caching=caching,
            guards=guards,
            record=record,
            proxy=proxy,
            ssl=ssl,
        )
        self._listeners = listeners = _Listeners()

        def make_anew() -> async_client.KakaClo:
            # A forked child must not talk over the connections of its parent's bucket.
            renewed = getattr(bucket, "renewed", None)  # what is no bucket is refused by the async client
            return listeners.attach(make(bucket=bucket if renewed is None else renewed()))

        self._attach(Bridge(make_anew, async_client.KakaClo.aclose), lambda root: root)

    def _attach(
        self, bridge: Bridge[async_client.KakaClo], find: Callable[[Any], async_client.KakaClo]
    ) -> None:
        """Make the areas, each leading to that of the async client."""
        with fork_lock:  # loaded by the first client, like the async ones
            from kakaclo_sync import resources  # noqa: PLC0415

        # At once and plainly: in Python 3.11, `functools.cached_property` has a lock that a forked child may inherit.
        super().__init__(bridge, find)
        self.categories = self._child(resources.Categories, lambda kk: kk.categories)
        self.warehouses = self._child(resources.Warehouses, lambda kk: kk.warehouses)
        self.products = self._child(resources.Products, lambda kk: kk.products)
        self.stocks = self._child(resources.Stocks, lambda kk: kk.stocks)
        self.freight = self._child(resources.Freight, lambda kk: kk.freight)
        self.orders = self._child(resources.Orders, lambda kk: kk.orders)
        self.refunds = self._child(resources.Refunds, lambda kk: kk.refunds)
        self.custom = self._child(resources.Custom, lambda kk: kk.custom)
        self.payment = self._child(resources.Payment, lambda kk: kk.payment)

    @property
    def v1(self) -> resources.V1:
        """The outdated order area."""
        warnings.warn(
            "KakaClo's V1 order area is outdated: use kk.orders, kk.freight and kk.refunds",
            DeprecationWarning,
            stacklevel=2,
        )
        from kakaclo_async.resources import V1  # noqa: PLC0415 - loaded by `_attach`
        from kakaclo_sync import resources  # noqa: PLC0415 - see above

        # `kk.v1` would warn again, on the loop's thread.
        return self._child(resources.V1, lambda kk: V1(kk._sender))  # noqa: SLF001

    with_options = _view(async_client.KakaClo.with_options)
    bulk = _view(async_client.KakaClo.bulk)
    stats = immediate(async_client.KakaClo.stats)
    eta = immediate(async_client.KakaClo.eta)

    def _view(self, pick: Callable[[async_client.KakaClo], async_client.KakaClo]) -> Self:
        view = copy(self)
        view._attach(self._bridge, self._path_to(pick))  # noqa: SLF001 - a view of its own class
        # An option that cannot work is refused here, not by the first call.
        view._target()  # noqa: SLF001 - see above
        return view

    def on_event(self, callback: Callable[[Event], object]) -> Callable[[], None]:
        """Call `callback` with every event of this client, on its own thread; keep it quick.

        A blocking call on that thread would wait for itself, and is refused.

        Returns:
            A function that ends it.
        """
        return self._listeners.add(self._target(), callback)

    def close(self) -> None:
        """Close the client and all its views: calls that wait or are under way end with `ClientClosed`.

        Safe twice. The client's thread has ended when this returns.
        """
        self._bridge.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return repr(self._target())


def own_client(kk: KakaClo) -> KakaClo:
    """Return a client of this face.

    Raises:
        ConfigurationError: it is none.
    """
    if isinstance(kk, KakaClo):  # pyright: ignore[reportUnnecessaryIsInstance] - callers err
        return kk
    raise no_client(kk, "kakaclo_sync")
