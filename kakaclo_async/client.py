"""The client: owns the session, the bucket and the areas of the API."""

from __future__ import annotations

import asyncio
import random
import warnings
from copy import copy
from os import PathLike
from typing import TYPE_CHECKING, Final, Literal, Self

import attrs

from kakaclo_async.codec.outgoing import sealed
from kakaclo_async.config import AsyncEntered, Caching, Options
from kakaclo_async.contract import Recording
from kakaclo_async.database import THREADS
from kakaclo_async.errors import ConfigurationError
from kakaclo_async.events import Broadcast, Event, Lane, Stats
from kakaclo_async.guards import Guard, Guards
from kakaclo_async.ratelimit.bucket import Bucket, RateLimit
from kakaclo_async.ratelimit.gate import Gate
from kakaclo_async.ratelimit.local import LocalBucket
from kakaclo_async.sending import Sender
from kakaclo_async.sharing.single_flight import Cache
from kakaclo_async.state import ClientState
from kakaclo_async.token import Token
from kakaclo_async.transport import Transport
from kakaclo_async.transport.endpoint import choose_base_url, choose_proxy

if TYPE_CHECKING:
    import os
    from collections.abc import Awaitable, Callable
    from ssl import SSLContext
    from types import TracebackType

    import aiohttp

    from kakaclo_async import resources
    from kakaclo_async.protocol import Answer, Request


class Unset:
    """The type of an option that is left as it is."""

    def __repr__(self) -> str:
        return "..."


UNSET = Unset()


_SAVE_EVERY: Final = 100  # answers
_LONGEST_SAVE: Final = 5.0  # seconds: a disk that hangs must not keep a client from closing


class _RecordingTransport(Transport):
    """A transport that shows each answer to a recording; a client without `record=` has none."""

    def __init__(
        self,
        base_url: str,
        session: aiohttp.ClientSession | None,
        record: Recording | str | os.PathLike[str],
        *,
        proxy: str | None,
        trust: SSLContext | str | os.PathLike[str] | None,
    ) -> None:
        super().__init__(base_url, session, proxy=proxy, trust=trust)
        self._recording = record if isinstance(record, Recording) else Recording(record)
        self._answers = 0
        self._saving: asyncio.Future[None] | None = None

    async def send(self, request: Request[object], token: str, *, timeout: float) -> Answer:  # noqa: ASYNC109 - see there
        answer = await super().send(request, token, timeout=timeout)
        self._recording.observe(request, answer)
        self._answers += 1
        if self._answers % _SAVE_EVERY == 0:
            self._save()
        return answer

    async def aclose(self) -> None:
        await super().aclose()
        for _ in range(2):  # what is being saved already, and the rest
            self._save()
            if self._saving is not None:
                await asyncio.wait([self._saving], timeout=_LONGEST_SAVE)

    def _save(self) -> None:
        if self._saving is not None and not self._saving.done():
            return
        job = self._recording.saving()
        try:
            self._saving = asyncio.get_running_loop().run_in_executor(THREADS, job)
        except OSError:  # a program that ends starts no thread
            job()


def _check_kinds(**settings: tuple[object, type]) -> None:
    for name, (value, kind) in settings.items():
        if value is not None and not isinstance(value, kind):
            raise ConfigurationError(f"{name} must be a {kind.__name__}, not {type(value).__name__}")


def _check_text_or(name: str, value: object, other: str, *, fits: bool) -> None:
    if not (value is None or isinstance(value, str) or fits):
        raise ConfigurationError(f"{name} must be a str or {other}, not {type(value).__name__}")


def _source(bucket: Bucket | None, rate_limit: RateLimit | None) -> Bucket:
    _check_kinds(rate_limit=(rate_limit, RateLimit))
    if bucket is None:
        return LocalBucket(rate_limit or RateLimit())
    if not isinstance(getattr(bucket, "rate", None), RateLimit):  # a protocol: whoever has its methods is one
        raise ConfigurationError(f"bucket must be a Bucket, such as RedisBucket, not {type(bucket).__name__}")
    if rate_limit is not None and rate_limit != bucket.rate:
        raise ConfigurationError(
            f"bucket= and rate_limit= disagree ({bucket.rate} and {rate_limit}): give the rate to the bucket alone"
        )
    return bucket


class KakaClo(AsyncEntered, other="kakaclo_sync"):
    """A client of the KakaClo Open API, for one shop.

    Use it as an async context manager, or call `aclose` in the end. It belongs to the event loop that it is
    first used on. Making one sends nothing.

    Args:
        token: the access token, or a function (sync or async) that returns one and is called before each
            request; `token_from` makes one that reads a file, a command, a variable or the keyring. None: the
            environment variable KAKACLO_TOKEN, or the place that KAKACLO_TOKEN_FROM names. A function is asked once
            more after a 401, and a read is sent again if it has another token then. An async function is cut off in
            time; a sync one that blocks holds the event loop, and nothing can cut it off.
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
        session: an aiohttp session to use, with its own proxies and trust; it is not closed by the client. No more
            requests are under way than it has connections, the bulk lane's on half of them.

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
        session: aiohttp.ClientSession | None = None,
    ) -> None:
        # First: an error's traceback may show the locals of this frame.
        token, proxy = sealed(token), sealed(proxy)
        _check_text_or("token", token, "a function that returns one", fits=callable(token))
        _check_text_or("record", record, "a Recording", fits=isinstance(record, (Recording, PathLike)))
        options = Options(
            timeout=timeout, max_wait=max_wait, max_attempts=max_attempts, attempt_timeout=attempt_timeout
        )
        _check_kinds(caching=(caching, Caching), guards=(guards, Guards))
        secret = Token(token)
        self._base_url = choose_base_url(environment, base_url, allow_http=allow_http)
        self._broadcast = Broadcast()
        source = _source(bucket, rate_limit)
        transport = self._transport(session, record, proxy, ssl)
        state = ClientState(
            transport=transport,
            gate=Gate(source, reserve=reserve, connections=transport.connections, emit=self._broadcast),
            token=secret,
            emit=self._broadcast,
            rate=source.rate.per_second,
            random=random.random,
            guard=Guard(guards, self._base_url),
            freight=Cache(caching.freight, size=caching.size),
            reference=Cache(caching.reference, size=caching.size),
        )
        self._attach(Sender(state, options))

    def _transport(
        self,
        session: aiohttp.ClientSession | None,
        record: Recording | str | os.PathLike[str] | None,
        proxy: str | None,
        trust: SSLContext | str | os.PathLike[str] | None,
    ) -> Transport:
        if session is not None and (proxy or trust):
            raise ConfigurationError(
                "session= brings proxies and trust of its own: set them there, and leave out proxy= and ssl="
            )
        chosen = None if session is not None else sealed(choose_proxy(self._base_url, proxy))
        if record is None:
            return Transport(self._base_url, session, proxy=chosen, trust=trust)
        return _RecordingTransport(self._base_url, session, record, proxy=chosen, trust=trust)

    def _attach(self, sender: Sender) -> None:
        """Make the areas, each sending by the options of this view."""
        # Loaded by the first client: the areas are a tenth of what importing everything takes.
        from kakaclo_async import resources  # noqa: PLC0415

        self._sender = sender  # the rest of the package comes in here, through `sender_of`
        self.categories = resources.Categories(sender)
        self.warehouses = resources.Warehouses(sender)
        self.products = resources.Products(sender)
        self.stocks = resources.Stocks(sender)
        self.freight = resources.Freight(sender)
        self.orders = resources.Orders(sender)
        self.refunds = resources.Refunds(sender)
        self.custom = resources.Custom(sender)
        self.payment = resources.Payment(sender)

    @property
    def v1(self) -> resources.V1:
        """The outdated order area."""
        warnings.warn(
            "KakaClo's V1 order area is outdated: use kk.orders, kk.freight and kk.refunds",
            DeprecationWarning,
            stacklevel=2,
        )
        from kakaclo_async import resources  # noqa: PLC0415 - see `_attach`

        return resources.V1(self._sender)

    def with_options(
        self,
        *,
        lane: Lane | Literal["interactive", "bulk"] | Unset = UNSET,
        timeout: float | Unset = UNSET,
        max_wait: float | Unset | None = UNSET,
        max_attempts: int | Unset = UNSET,
        attempt_timeout: float | Unset | None = UNSET,
    ) -> Self:
        """Return a view of this client with other options: same session, same bucket, same caches.

        Args:
            lane: "interactive" or "bulk".
            timeout: seconds for one call once it has its permit.
            max_wait: seconds to wait for permits; named here it binds streams, fan-outs and the bulk lane, too.
            max_attempts: requests that one call may cost.
            attempt_timeout: seconds for one attempt of a read; None: a third of `timeout`.

        Raises:
            ConfigurationError: an option that cannot work.
        """
        now = self._sender.options
        options = Options(
            lane=now.lane if isinstance(lane, Unset) else lane,
            timeout=now.timeout if isinstance(timeout, Unset) else timeout,
            max_wait=now.max_wait if isinstance(max_wait, Unset) else max_wait,
            max_attempts=now.max_attempts if isinstance(max_attempts, Unset) else max_attempts,
            attempt_timeout=now.attempt_timeout if isinstance(attempt_timeout, Unset) else attempt_timeout,
            max_wait_for_all=now.max_wait_for_all if isinstance(max_wait, Unset) else max_wait is not None,
        )
        return self._view(attrs.evolve(self._sender, options=options))

    def bulk(self) -> Self:
        """Return a view whose calls queue in the bulk lane and wait as long as it takes."""
        return self.with_options(lane=Lane.BULK)

    def _view(self, sender: Sender) -> Self:
        view = copy(self)
        view._attach(sender)  # noqa: SLF001 - a view of its own class
        return view

    def stats(self) -> Stats:
        """Return what this client has done so far, all views together."""
        gate = self._sender.state.gate
        return self._broadcast.snapshot(gate.level, {lane: gate.queued(lane) for lane in Lane})

    def eta(self, lane: Lane | Literal["interactive", "bulk"] = Lane.INTERACTIVE) -> float:
        """Return the seconds that a call in this lane would wait for its permit now."""
        return self._sender.state.gate.eta(Lane(lane))

    def on_event(self, callback: Callable[[Event], object]) -> Callable[[], None]:
        """Call `callback` with every event of this client, on its event loop; keep it quick.

        Returns:
            A function that ends the subscription.
        """
        if not callable(callback):
            raise ConfigurationError(f"callback must be a function, not {type(callback).__name__}")
        return self._broadcast.subscribe(callback)

    async def aclose(self) -> None:
        """Close the client and all its views: calls that wait or are under way end with `ClientClosed`."""
        await self._sender.state.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        options = self._sender.options
        return (
            f"<{type(self).__name__} {self._base_url} lane={options.lane.value} {self._sender.state.gate!r}>"
        )
