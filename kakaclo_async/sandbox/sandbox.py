"""The sandbox: who is let in, what is counted, who answers, and what changes with its settings."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter, deque
from email.utils import format_datetime
from functools import partial
from math import ceil
from typing import TYPE_CHECKING, Any, NoReturn, Self
from urllib.parse import unquote

from aiohttp import web
from attrs import define, field, fields_dict, setters

from kakaclo_async.sandbox.http.faults import Faults, act
from kakaclo_async.sandbox.http.routing import document
from kakaclo_async.sandbox.settings import FIXED, Settings
from kakaclo_async.sandbox.state import World
from kakaclo_async.sandbox.wire import Code, error

if TYPE_CHECKING:
    from datetime import datetime
    from types import TracebackType

    from attrs import Attribute

    from kakaclo_async.sandbox.state import Shop
    from kakaclo_async.sandbox.trade.ledger import Ledger
    from kakaclo_async.sandbox.trade.orders import Placed
    from kakaclo_async.sandbox.world.catalog import Catalog


_BASE = "/openapi"
_HERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - read, not listened on
_LONGEST_TOLD = 300
_log = logging.getLogger("kakaclo.sandbox")
_MAX_LINE = 1 << 20
"""Of aiohttp; far beyond `url_limit`, so that a long URL is logged, and refused by the sandbox's own clock."""

_BACKLOG = 1024
"""Connections that may wait to be accepted: Linux drops what comes beyond, and a client tries again after a second."""

_TOO_LONG = b"<html><head><title>400 Bad Request</title></head><body><h1>400 URL too long</h1></body></html>"


@define
class Served:
    """One request, as the log keeps it.

    Attributes:
        method: The HTTP method.
        path: Below the base URL.
        query: The query string, decoded.
        body: The raw body.
        at: Virtual time of its arrival.
        status: HTTP status of the answer; None before the answer, and after a reset.
        fault: Kind of the fault that happened to it.
    """

    method: str
    path: str
    query: dict[str, str]
    body: bytes = field(repr=False)
    at: datetime
    status: int | None = None
    fault: str | None = None


_SETTINGS = frozenset(fields_dict(Settings))


def _assign(sandbox: Sandbox, attribute: Attribute[Any], value: Any) -> Any:
    """Let a changed setting count from now on, or refuse it."""
    if attribute.name in _SETTINGS and value != getattr(sandbox, attribute.name):
        sandbox._change(attribute.name, value)  # noqa: SLF001 - a hook of that class
    return value


@define(kw_only=True, eq=False, repr=False, on_setattr=[setters.convert, setters.validate, _assign])
class Sandbox(Settings):
    """A local KakaClo, with state, to build and test against.

    It listens between `start` and `aclose`, or inside `async with`. All state survives a stop: started again, it
    goes on at the same port, as after an outage.

    Attributes:
        faults: What goes wrong: add a `Fault` to switch it on.
        log: The requests that came in, oldest first; at most `log_size`.
        requests: How many came in, by path, including those with a bad token or over the limit.
        throttled: How many found the bucket full.
    """

    faults: Faults = field(init=False)
    log: deque[Served] = field(init=False)
    requests: Counter[str] = field(init=False, factory=Counter[str])
    throttled: int = field(init=False, default=0)
    _world: World | None = field(init=False, default=None)
    _runner: web.AppRunner | None = field(init=False, default=None)
    _closing: asyncio.Event = field(init=False, factory=asyncio.Event)
    _pages: list[web.RouteDef] = field(init=False, factory=list[web.RouteDef])  # for people, beside the API

    def __attrs_post_init__(self) -> None:
        self.faults = Faults(self.seed)
        self.log = deque(maxlen=self.log_size)

    def __repr__(self) -> str:
        place = self.url if self._runner else "stopped"
        return f"<Sandbox {place} products={self.products} requests={self.requests.total()}>"

    if not TYPE_CHECKING:  # type checkers tell it before it runs

        def __enter__(self) -> NoReturn:
            raise TypeError(
                "`with Sandbox(...)` cannot work: write `async with`, or take Sandbox from kakaclo_sync.sandbox,"
                " where it is `with`"
            )

        __exit__ = __enter__

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, raised: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    @property
    def url(self) -> str:
        """The base URL, without a slash at its end; of one that listens everywhere, as this machine reaches it."""
        if not self.port:
            raise RuntimeError("the sandbox has no port yet: start it first")
        host = _HERE.get(self.host, self.host)
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}{_BASE}"

    @property
    def catalog(self) -> Catalog:
        """The products and their stock, to compare with and to edit."""
        return self._state.catalog

    @property
    def ledger(self) -> Ledger:
        """The orders, the refunds and the balance."""
        return self._state.first.ledger

    @property
    def journal(self) -> list[Placed]:
        """One entry per order that was accepted and paid, oldest first; a duplicate shows here."""
        return self._state.first.ledger.placed

    @property
    def level(self) -> float:
        """Requests in the leaky bucket now."""
        return self._state.first.level

    def shop(self, token: str) -> Shop:
        """Return what belongs to one token alone; `ledger`, `journal` and `level` are the ones of `token`.

        Raises:
            KeyError: The token is not accepted.
        """
        if found := self._state.shop(token):
            return found
        raise KeyError("the sandbox does not accept this token: set token or tokens")

    def now(self) -> datetime:
        """Return the sandbox's wall clock time."""
        return self._state.timeline.today()

    def skip(self, seconds: float) -> None:
        """Let virtual seconds pass at once: the bucket leaks, orders ship, refunds settle, the index catches up."""
        self._state.clock.skip(seconds)

    async def start(self) -> None:
        """Listen.

        Raises:
            RuntimeError: It listens already.
            OSError: The port is taken.
        """
        if self._runner is not None:
            raise RuntimeError("the sandbox is running already")
        if self._world is None:
            self._world = World(self)
        self._closing = asyncio.Event()
        app = web.Application(client_max_size=0)  # no limit of a body is documented
        app.router.add_route("*", _BASE + "/{path:(?s:.*)}", self._serve)
        app.add_routes(self._pages)
        app.on_response_prepare.append(self._date)
        runner = web.AppRunner(
            app, access_log=None, handler_cancellation=True, shutdown_timeout=1.0, max_line_size=_MAX_LINE
        )
        await runner.setup()
        try:
            await web.TCPSite(runner, self.host, self.port, backlog=_BACKLOG).start()
        except BaseException:
            await runner.cleanup()
            raise
        self.port = runner.addresses[0][1]
        self._runner = runner

    async def aclose(self) -> None:
        """Stop listening; requests without an answer are cut off. Harmless when stopped."""
        runner, self._runner = self._runner, None
        if runner is not None:
            self._closing.set()
            await runner.cleanup()

    async def serve_forever(self) -> None:
        """Listen until cancelled."""
        if self._runner is None:
            await self.start()
        try:
            await asyncio.Event().wait()
        finally:
            await self.aclose()

    def _change(self, name: str, value: object) -> None:
        if self._world is not None and name in FIXED:
            raise RuntimeError(f"{name} is fixed once the sandbox has started; {FIXED[name]}")
        if self._runner is not None and name in ("host", "port"):
            raise RuntimeError(f"{name} is fixed while the sandbox listens; close it first")
        if self._world is not None:
            self._world.settle()
        object.__setattr__(self, name, value)  # past the hook that calls this
        if self._world is not None:
            self._world.adopt()
        elif name == "seed":
            self.faults.reseed(self.seed)
        if name == "log_size":
            self.log = deque(self.log, self.log_size)

    @property
    def _state(self) -> World:
        if self._world is None:
            raise RuntimeError("the sandbox has no state yet: start it first")
        return self._world

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        """Log, measure the URL, ask for the token, count in the bucket, meet the faults, answer: in this order."""
        raw_path = request.rel_url.raw_path.removeprefix(_BASE)
        path = unquote(raw_path)
        served = Served(request.method, path, dict(request.query), await request.read(), self.now())
        self.log.append(served)
        self.requests[path] += 1
        if not _log.isEnabledFor(logging.INFO):
            return await self._answer(request, raw_path, served)
        began = time.perf_counter()
        try:
            return await self._answer(request, raw_path, served)
        finally:
            fault = f", {served.fault}" if served.fault else ""
            line = f"{request.method} {request.rel_url.raw_path_qs.removeprefix(_BASE)}"
            spent = (time.perf_counter() - began) * 1000
            _log.info("%s %s, %.0f ms%s", line[:_LONGEST_TOLD], served.status or "no answer", spent, fault)

    async def _answer(self, request: web.Request, raw_path: str, served: Served) -> web.StreamResponse:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        shop = self._state.shop(token) if scheme == "Bearer" else None
        response: web.StreamResponse | None = self._turn_away(request, shop, served.path)
        if shop is not None and response is None:
            effect = partial(shop.router.answer, request.method, raw_path, served.query, served.body)
            fault = self.faults.take(request.method, served.path)
            if fault is None:
                response = effect()
            else:
                served.fault = fault.kind.value
                response = await act(fault, request, effect, self._closing)
        if response is None:
            return web.Response()  # goes nowhere: the connection was reset
        served.status = response.status
        return response

    async def _date(self, _: web.Request, response: web.StreamResponse) -> None:
        """Put the sandbox's time in place of the machine's, which aiohttp has written by now."""
        del response.headers["Date"]
        if self.date_header:
            response.headers["Date"] = format_datetime(self.now(), usegmt=True)

    def _turn_away(self, request: web.Request, shop: Shop | None, path: str) -> web.Response | None:
        if len(request.raw_path) > self.url_limit:
            return web.Response(status=400, body=_TOO_LONG, content_type="text/html")
        if shop is None:
            return document(error(Code.UNAUTHORIZED, "the access token is missing or not valid"), 401)
        wait = shop.take(path)
        if not wait:
            return None
        self.throttled += 1
        headers = {"Retry-After": str(ceil(wait / self.speed))} if self.retry_after else None
        return document(error(Code.TOO_MANY_REQUESTS, "too many requests"), 429, headers)
