"""The board's server: it listens on loopback, and ends with the program that shows itself."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, Self

from aiohttp import web

from kakaclo_async.board.catalog import CatalogPages
from kakaclo_async.board.desk import Desk, static
from kakaclo_async.board.fleet import FleetPages
from kakaclo_async.board.freight import FreightPages
from kakaclo_async.board.guard import Guard
from kakaclo_async.board.live import LivePages, Sampler
from kakaclo_async.board.orders import OrderPages
from kakaclo_async.board.shelf import Shelf
from kakaclo_async.catalog.database import MirrorDatabase
from kakaclo_async.config import AsyncEntered
from kakaclo_async.errors import ConfigurationError
from kakaclo_async.ordering import Journal
from kakaclo_async.ordering.journal import own_journal
from kakaclo_async.sending import sender_of

if TYPE_CHECKING:
    from types import TracebackType

    from kakaclo_async.board.guard import Handler
    from kakaclo_async.client import KakaClo
    from kakaclo_async.fleet import Fleet

HOST: Final = "127.0.0.1"
_KEYS: Final = ("{key}", "")  # the key as a segment, or in the query
_LINKS: Final = {
    "/": "Catalog",
    "/freight": "Freight",
    "/orders": "Orders",
    "/doubts": "In doubt",
    "/mirror": "Mirror",
    "/traffic": "Traffic",
}


class Board(AsyncEntered):
    """A web page on loopback that shows a catalog, orders and a client's traffic.

    It serves while it is started, on the event loop that started it. It reads, unless `write` allows more, and asks
    before each write. Whoever has its `url` may look; nobody else.

    Args:
        kk: the client that is shown, and that freight, orders and refunds are asked with; it stays yours to close.
        db: the mirror, `sqlite:///catalog.db` or `postgresql://user:password@host/name`.
        journal: of the orders: its URL, or the `Journal` itself.
        fleet: open; it stays yours to close, and needs none of the others.
        port: 0: any free one.
        write: whether refunds may be asked for, and the journal finished.

    Raises:
        ConfigurationError: a URL that is neither; or a blocking client.
    """

    def __init__(
        self,
        *,
        kk: KakaClo | None = None,
        db: str | None = None,
        journal: str | Journal | None = None,
        fleet: Fleet | None = None,
        port: int = 0,
        write: bool = False,
    ) -> None:
        self._desk = desk = Desk(
            title="KakaClo",
            links=_LINKS if fleet is None else {**_LINKS, "/fleet": "Fleet"},
            db=None if db is None else MirrorDatabase(db),
            journal=None if journal is None else _journal(journal),
            write=write,
        )
        self._fleet = FleetPages(desk, fleet)
        self._port = port
        self._runner: web.AppRunner | None = None
        self._guard = Guard(lambda: self._port, desk.explain)
        self._sampler = Sampler()
        self._shelf = None if desk.db is None else Shelf(desk.db)
        if kk is not None:
            self.attach(kk)

    def __repr__(self) -> str:
        return f"<Board {f'http://{HOST}:{self._port}/' if self._runner else 'stopped'}>"

    def attach(self, kk: KakaClo) -> None:
        """Show this client from now on, in place of the one before.

        Raises:
            ConfigurationError: it is no client, or a blocking one.
        """
        sender_of(kk)
        self._desk.kk = kk
        self._sampler.attach(kk)

    @property
    def url(self) -> str:
        """The address to open, with the token that lets its holder in.

        Raises:
            ConfigurationError: the board was not started.
        """
        if self._runner is None:
            raise ConfigurationError("the board has no address yet: start it first")
        return f"http://{HOST}:{self._port}/?token={self._guard.token}"

    async def start(self) -> None:
        """Serve.

        Raises:
            ConfigurationError: it serves already, or the port is taken.
        """
        if self._runner is not None:
            raise ConfigurationError("the board is started already")
        app = web.Application()
        for method, path, handler in self._routes():
            app.router.add_route(method, path, self._guard.wrap(handler))
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0, handle_signals=False)
        await runner.setup()
        try:
            await web.TCPSite(runner, HOST, self._port).start()
        except OSError as error:
            await runner.cleanup()
            raise ConfigurationError(f"port {self._port} cannot be used: {error.strerror}") from None
        except BaseException:
            await runner.cleanup()
            raise
        self._port, self._runner = runner.addresses[0][1], runner
        self._sampler.start()

    async def aclose(self) -> None:
        """Stop serving; harmless when stopped."""
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()
            await self._sampler.aclose()
            if self._shelf is not None:
                await self._shelf.aclose()

    async def serve_forever(self) -> None:
        """Serve until cancelled."""
        async with self:
            await asyncio.Event().wait()

    async def __aenter__(self) -> Self:
        if self._runner is None:
            await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    def _routes(self) -> tuple[tuple[str, str, Handler], ...]:
        catalog, orders = CatalogPages(self._desk, self._shelf), OrderPages(self._desk)
        live = LivePages(self._desk, self._sampler)
        return (
            ("GET", "/", catalog.listing),
            *(("GET", f"/products/{key}", catalog.product) for key in _KEYS),
            ("GET", "/freight", FreightPages(self._desk).quotes),
            ("GET", "/orders", orders.listing),
            ("GET", "/orders/{number}", orders.order),
            ("GET", "/orders/{number}/refund", orders.ask_refund),
            ("POST", "/orders/{number}/refund", orders.refund),
            *(("GET", f"/families/{key}", orders.family) for key in _KEYS),
            ("GET", "/doubts", orders.doubts),
            ("GET", "/doubts/finish", orders.ask_finish),
            ("POST", "/doubts/finish", orders.finish),
            ("GET", "/mirror", live.mirror),
            ("GET", "/mirror/now", live.mirror_now),
            ("GET", "/traffic", live.traffic),
            ("GET", "/traffic/now", live.traffic_now),
            ("GET", "/fleet", self._fleet.page),
            ("GET", "/fleet/now", self._fleet.now),
            ("GET", "/static/{name}", static),
            ("*", "/{path:.*}", nothing),
        )


def _journal(given: str | Journal) -> Journal:
    return Journal(given) if isinstance(given, str) else own_journal(given)


async def nothing(_: web.Request) -> web.Response:
    """Answer what is no page."""
    raise web.HTTPNotFound


def serve(
    *,
    kk: KakaClo | None = None,
    db: str | None = None,
    journal: str | Journal | None = None,
    fleet: Fleet | None = None,
    port: int = 0,
    write: bool = False,
) -> Board:
    """Make a board that a running program shows: it serves inside `async with`, and has a `url`.

    Args:
        kk: the client that is shown; it stays yours to close.
        db: the mirror's URL.
        journal: of the orders: its URL, or the `Journal` itself.
        fleet: open; it stays yours to close.
        port: 0: any free one.
        write: whether refunds may be asked for, and the journal finished.

    Raises:
        ConfigurationError: a URL that is neither; or a blocking client.
    """
    return Board(kk=kk, db=db, journal=journal, fleet=fleet, port=port, write=write)
