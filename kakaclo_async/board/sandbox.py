"""The sandbox's own pages, at its own address: what came in, what goes wrong, what ships, and what time it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import attrs
from aiohttp import web

from kakaclo_async.board.desk import Desk, static, whole_number
from kakaclo_async.board.guard import Guard, Refused
from kakaclo_async.board.server import nothing
from kakaclo_async.errors import InvalidRequest
from kakaclo_async.sandbox import Fault, FaultKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from kakaclo_async.sandbox import Sandbox

_LINKS: Final = {"/": "Requests", "/faults": "Faults", "/orders": "Orders", "/clock": "Clock"}
_MOST: Final = 100
_LONGEST_PUSH: Final = 10 * 365 * 86_400
PUSHES: Final = {"1 minute": 60, "10 minutes": 600, "1 hour": 3_600, "1 day": 86_400, "1 week": 604_800}


def show_sandbox(sandbox: Sandbox) -> Callable[[], str]:
    """Give a sandbox pages of its own, before it starts.

    They stand beside the API, which they do not touch, and answer on loopback alone, to whoever has their address.

    Returns:
        A function that tells their address, with its token, once the sandbox has started.
    """
    pages = _SandboxPages(sandbox, Desk(title="Sandbox", links=_LINKS, write=True))
    guard = Guard(lambda: sandbox.port, pages.desk.explain)
    routes = (
        ("GET", "/", pages.requests),
        ("GET", "/requests/now", pages.requests_now),
        ("GET", "/faults", pages.faults),
        ("GET", "/orders", pages.orders),
        ("GET", "/clock", pages.clock),
        ("POST", "/faults", pages.add_fault),
        ("POST", "/faults/off", pages.clear_faults),
        ("POST", "/orders/ship", pages.ship),
        ("POST", "/clock", pages.push),
        ("GET", "/static/{name}", static),
        ("*", "/{path:.*}", nothing),
    )
    sandbox._pages[:] = [web.route(method, path, guard.wrap(handler)) for method, path, handler in routes]  # noqa: SLF001 - packages share privates
    return lambda: f"http://{urlsplit(sandbox.url).netloc}/?token={guard.token}"


@attrs.frozen
class _Ship:
    """The form that ships an order."""

    number: str


@attrs.frozen(eq=False)
class _SandboxPages:
    """The pages.

    Args:
        sandbox: what is shown.
        desk: makes them.
    """

    sandbox: Sandbox
    desk: Desk

    async def requests(self, request: web.Request) -> web.Response:
        """Show the requests that came in, newest first."""
        return self.desk.page(request, "sandbox_requests.html", **self._requests())

    async def requests_now(self, request: web.Request) -> web.Response:
        """Show the part of it that moves, alone."""
        return self.desk.page(request, "sandbox_requests_now.html", **self._requests())

    def _requests(self) -> dict[str, Any]:
        sandbox = self.sandbox
        log = list(sandbox.log)[: -_MOST - 1 : -1]
        return {
            "log": log,
            "all": sandbox.requests.total(),
            "throttled": sandbox.throttled,
            "level": sandbox.level,
            "time": sandbox.now(),
            "api": sandbox.url,
        }

    async def faults(self, request: web.Request) -> web.Response:
        """Show what goes wrong, and what can be made to."""
        return self.desk.page(
            request,
            "sandbox_faults.html",
            active=self.sandbox.faults.active,
            kinds=list(FaultKind),
            form=self.desk.forms.offer("fault"),
            off=self.desk.forms.offer("faults off"),
        )

    async def add_fault(self, request: web.Request) -> web.Response:
        """Switch a fault on."""
        given = await self._sent(request, "fault")
        kind, times = given.get("kind", ""), given.get("times", "").strip()
        if kind not in set(FaultKind):
            raise InvalidRequest("choose what goes wrong")
        count = whole_number(times, 10**9 - 1)
        if times and not count:
            raise InvalidRequest("times must be a number above 0; leave it empty for every request")
        method = given.get("method") or None
        if method not in {None, "GET", "POST"}:
            raise InvalidRequest("method must be GET or POST")
        fault = Fault(
            kind,
            path=given.get("path", "").strip() or "*",
            method=method,
            times=count,
        )
        self.sandbox.faults.add(fault)
        raise web.HTTPSeeOther("/faults")

    async def clear_faults(self, request: web.Request) -> web.Response:
        """Switch all faults off."""
        await self._sent(request, "faults off")
        self.sandbox.faults.clear()
        raise web.HTTPSeeOther("/faults")

    async def orders(self, request: web.Request) -> web.Response:
        """Show the orders, newest first, and what of them can be shipped."""
        orders = sorted(
            self.sandbox.ledger.orders.values(), key=lambda order: int(order.number), reverse=True
        )
        rows = [
            (order, self.desk.forms.offer(_Ship(order.number)) if self._is_waiting(order.number) else None)
            for order in orders[:_MOST]
        ]
        return self.desk.page(
            request, "sandbox_orders.html", rows=rows, all=len(orders), balance=self.sandbox.ledger.balance
        )

    def _is_waiting(self, number: str) -> bool:
        return any(item.open and not item.shipped for item in self.sandbox.ledger.orders[number].items)

    async def ship(self, request: web.Request) -> web.Response:
        """Ship an order now."""
        asked = self.desk.forms.take((await request.post()).get("form"))
        if not isinstance(asked, _Ship):
            raise Refused("This form belongs to another page.")
        self.sandbox.ledger.ship(asked.number)
        raise web.HTTPSeeOther("/orders")

    async def clock(self, request: web.Request) -> web.Response:
        """Show what time it is there."""
        return self.desk.page(
            request,
            "sandbox_clock.html",
            time=self.sandbox.now(),
            speed=self.sandbox.speed,
            pushes=PUSHES,
            form=self.desk.forms.offer("clock"),
        )

    async def push(self, request: web.Request) -> web.Response:
        """Let time pass at once."""
        seconds = whole_number((await self._sent(request, "clock")).get("seconds", ""), _LONGEST_PUSH)
        if seconds is None:
            raise InvalidRequest("the clock only runs forward, by ten years at once at most")
        self.sandbox.skip(seconds)
        raise web.HTTPSeeOther("/clock")

    async def _sent(self, request: web.Request, action: str) -> dict[str, str]:
        """Return the texts of a form that these pages have shown."""
        given = await request.post()
        if self.desk.forms.take(given.get("form")) != action:
            raise Refused("This form belongs to another page.")
        return {name: value for name, value in given.items() if isinstance(value, str)}
