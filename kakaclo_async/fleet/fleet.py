"""The fleet: one shop or a thousand, on one machine or ten."""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Self

import attrs

from kakaclo_async.config import AsyncEntered
from kakaclo_async.errors import ConfigurationError, InvalidRequest
from kakaclo_async.fleet.config.checks import redirected
from kakaclo_async.fleet.config.files import SettingsFiles
from kakaclo_async.fleet.config.homes import homes, place_of
from kakaclo_async.fleet.engine import Pace, log, set_by_signals, ticking
from kakaclo_async.fleet.local import LocalEngine
from kakaclo_async.fleet.pool import Pool
from kakaclo_async.fleet.roster import Roster
from kakaclo_async.fleet.turns import Hooks, Turn
from kakaclo_async.fleet.values import as_kind
from kakaclo_async.fleet.waiting import Waiting

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import TracebackType

    from kakaclo_async.catalog import Change
    from kakaclo_async.feed import FeedEvent
    from kakaclo_async.fleet.config.settings import FleetSettings
    from kakaclo_async.fleet.engine import Engine
    from kakaclo_async.fleet.values import FleetStatus, Kind
    from kakaclo_async.models.new_order import NewOrder
    from kakaclo_async.ordering import Entry


class Fleet(AsyncEntered, other="kakaclo_sync.fleet"):
    """Many shops: their mirrors, their orders, and what becomes of these.

    As an async context manager it is open. A worker calls `serve`; who has orders calls `submit`, in any process.

    Args:
        path: of `fleet.toml`; see `open`.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._files = SettingsFiles(Path(path))
        settings = self._files.demand()
        self._worker = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"
        self._engine = _engine(settings, self._worker)
        self._pool = Pool(settings, self._engine.table.paused)
        self._waiting = Waiting(self._pool)
        self._roster = Roster(self._files, settings, self._engine, self._pool, self._waiting)
        self._hooks = Hooks()
        self._stop: asyncio.Event | None = None

    @classmethod
    def open(cls, path: str | os.PathLike[str] = "fleet.toml") -> Self:
        """Return the fleet of a file: `async with Fleet.open("fleet.toml") as fleet`.

        Raises:
            ConfigurationError: settings with problems; it tells all of them.
        """
        return cls(path)

    @property
    def _settings(self) -> FleetSettings:
        return self._roster.settings

    def __repr__(self) -> str:
        kind = "local" if self._settings.is_local else "postgresql"
        return f"<Fleet {self._files.path.name} {kind} {len(self._settings.shops)} shops>"

    async def __aenter__(self) -> Self:
        try:
            await self._engine.open()
            await self._roster.begin()
            await self._pool.open()
        except BaseException:
            await self.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close all shops and the fleet's database."""
        try:
            await self._pool.aclose()
        finally:
            await self._engine.aclose()

    async def migrate(self, *, moved: bool = False) -> None:
        """Make the fleet's tables, or bring them to this package's version; it needs not be open.

        Args:
            moved: whether the shops' journals have been moved to this `home` from the one that the fleet began with.

        Raises:
            ConfigurationError: the database cannot be used, belongs to another program, or is newer; or `home` is not
                the fleet's; or a worker serves that one still, or journals have not been moved.
        """
        await self._engine.migrate(place_of(self._settings), self._missing if moved else None)

    async def _missing(self, before: str, shops: set[str]) -> set[str]:
        """Return the shops with orders, or with a journal in another home that can be read, and with none in this."""
        if "{shop}" in self._settings.home and not self._settings.home.startswith("sqlite:///"):
            return set()  # a database for each: they cannot be listed
        if before.startswith("sqlite:///"):
            shops = shops | await homes(attrs.evolve(self._settings, home=before))
        return shops - await homes(self._settings)

    async def submit(self, shop: str, order: NewOrder) -> Entry:
        """Write an order down in a shop's journal, and ring: a worker places it, exactly once.

        Args:
            shop: its name.
            order: the same custom order id and the same content is the same order.

        Returns:
            The journal's entry.

        Raises:
            Conflict: the journal knows another order under its custom order id.
            InvalidRequest: there is no such shop, or the order has no custom order id.
            ConfigurationError: the journal cannot be written.
        """
        entry = await self._pool.journal(await self._roster.known(shop)).add(order)
        if entry.may_be_sent:
            await self._ring(shop)
        return entry

    async def _ring(self, shop: str) -> None:
        """Ring for a shop's orders, if possible: what is written down is found by its next turn, too."""
        try:
            await self._engine.ring([(shop, "orders")])
        except ConfigurationError as error:
            log.warning("the bell of %s could not be rung: %s", shop, error)

    async def withdraw(self, shop: str, custom_order_id: str) -> Entry | None:
        """Take an order back that waits in a shop's journal, or that was declined; its address is wiped.

        Args:
            shop: its name.
            custom_order_id: of the order.

        Returns:
            The journal's entry as it was; None when no such order waits.

        Raises:
            Conflict: it is placed, or may have been sent.
            InvalidRequest: there is no such shop, or no order can have this id.
            ConfigurationError: the journal cannot be written.
        """
        taken = await self._pool.journal(await self._roster.known(shop)).withdraw(custom_order_id)
        if taken is not None:
            await self._ring(shop)  # its next turn counts again
        return taken

    async def serve(
        self,
        *,
        on_change: Callable[[str, Change], object] | None = None,
        on_order: Callable[[FeedEvent], object] | None = None,
        on_refund: Callable[[FeedEvent], object] | None = None,
        on_declined: Callable[[str, Entry], object] | None = None,
        stop_on_signals: bool = True,
    ) -> None:
        """Be a worker: answer bells until SIGTERM, SIGINT or `stop`; what is under way ends first.

        Each of them is told at least once: give all workers the same functions. An async one that takes more than a
        minute is cancelled, and called again later.

        Args:
            on_change: called with a shop, or "catalog", and each change of its catalog; may be async.
            on_order: called with each event of an order, and of a balance; may be async.
            on_refund: called with each refund that is settled; may be async.
            on_declined: called with a shop, and the entry of each order that KakaClo declined; may be async.
            stop_on_signals: SIGTERM and SIGINT end it; only in the main thread.

        Raises:
            ConfigurationError: another process serves, and the engine takes only one.
        """
        self._hooks = Hooks(
            on_change=on_change, on_order=on_order, on_refund=on_refund, on_declined=on_declined
        )
        stop = self._stop = asyncio.Event()
        settings = self._settings
        if why := redirected({name: shop.base_url for name, shop in settings.shops.items()}):
            log.warning("%s", why)
        pace = Pace(at_once=settings.at_once, tick=settings.tick, beat=settings.beat, dead=settings.dead)
        # A change counts once two looks agree, and does so within one tick.
        looks = asyncio.create_task(ticking(settings.tick / 2, self._roster.look), name="kakaclo fleet files")
        try:
            with set_by_signals(stop) if stop_on_signals else nullcontext():
                await self._engine.serve(self._answer, pace=pace, each_tick=self._tick, stop=stop)
        finally:
            looks.cancel()
            await asyncio.wait((looks,))

    def stop(self) -> None:
        """Let `serve` return, once what is under way has ended."""
        if self._stop is not None:
            self._stop.set()

    async def turn(self, kind: Kind, shop: str) -> float:
        """Carry out one turn, for those who have an engine of their own.

        Args:
            kind: "mirror", "orders" or "watch".
            shop: its name; "catalog" for the mirror that all share.

        Returns:
            Seconds until the next one; 0: there is more to do.

        Raises:
            InvalidRequest: there is none.
        """
        await self._roster.look()
        if (await self._roster.known(shop), as_kind(kind)) not in self._roster.turns():
            raise InvalidRequest(f"the fleet has no turn {kind} of {shop}")
        after = await self._take(kind, shop)
        return self._settings.tick if after is None else after

    async def status(self) -> FleetStatus:
        """Return how each shop stands, and which workers there are."""
        status = await self._waiting.with_counts(await self._engine.table.status())
        return await self._waiting.with_left_behind(status)

    async def permits(self) -> dict[str, float | None]:
        """Return each shop's free permits; None where another process counts them, without Redis."""
        return await self._pool.permits()

    async def ring(self, shop: str, kind: Kind | None = None) -> None:
        """Let a shop's turns be due now.

        Args:
            shop: its name; "catalog" for the mirror that all share.
            kind: of the turn; None: all.

        Raises:
            InvalidRequest: there is no such turn.
        """
        await self._roster.known(shop)
        wanted = [turn for turn in self._roster.turns() if turn[0] == shop and kind in {None, turn[1]}]
        if not wanted:
            raise InvalidRequest(f"the fleet has no turn {kind or ''} of {shop}".replace("  ", " "))
        await self._engine.ring(wanted)

    async def pause(self, shop: str) -> None:
        """Let a shop have no turns until `resume`, for all workers; one under way ends. What is submitted waits.

        Raises:
            InvalidRequest: there is no such shop.
        """
        await self._engine.table.pause(await self._roster.known(shop))

    async def resume(self, shop: str) -> None:
        """Let a shop have turns again, at once; see `pause`.

        Raises:
            InvalidRequest: there is no such shop.
            ConfigurationError: its settings pause it.
        """
        await self._engine.table.resume(await self._roster.known(shop))
        if self._roster.is_paused(shop):
            raise ConfigurationError(
                f"shop {shop} stays paused, for its settings have paused = true: take that out of its file"
            )
        await self._engine.ring([turn for turn in self._roster.turns() if turn[0] == shop])

    async def add(
        self, shop: str, token: str, *, settings: Mapping[str, object] | None = None, force: bool = False
    ) -> Path:
        """Write a file for a shop where the fleet's file includes it; workers take it up within one tick.

        Args:
            shop: its name.
            token: where its token is, "env:NAME" for example; not the token itself.
            settings: what else `[shop.NAME]` has.
            force: the orders that wait in a journal which a shop of this name has left behind are this shop's.

        Returns:
            The file.

        Raises:
            ConfigurationError: nothing is included, or the settings would have problems.
            InvalidRequest: there is such a shop, or there was, and its orders wait; or no shop can have this name.
        """
        if not force and not self._roster.has(shop):
            await self._waiting.check_may_begin(shop)
        return await self._roster.add(shop, {"token": token, **(settings or {})})

    async def remove(self, shop: str, *, force: bool = False) -> None:
        """Delete the file of a shop; its journal and mirror stay, and its pause for one of this name.

        Args:
            shop: its name.
            force: also while some of its orders wait or are in doubt.

        Raises:
            ConfigurationError: it has no file of its own, or its journal cannot be read.
            InvalidRequest: there is no such shop, or some of its orders wait or are in doubt.
        """
        if not force:
            await self._waiting.check_may_end(await self._roster.known(shop))
        await self._roster.remove(shop)

    async def pending(
        self, *, unread: Callable[[str, ConfigurationError], object] | None = None
    ) -> dict[str, tuple[Entry, ...]]:
        """Return what waits, is being sent, in doubt or declined, by shop, also where that was removed or renamed.

        Args:
            unread: called with each shop whose journal cannot be read, and why; None: the error is raised.

        Raises:
            ConfigurationError: a journal cannot be read.
        """
        return await self._waiting.pending(unread)

    async def _answer(self, kind: Kind, shop: str) -> None:
        """Carry out a turn that was rung for, unless there is no such turn any more."""
        if (shop, kind) not in self._roster.turns():
            return
        try:
            if await self._take(kind, shop) == 0:
                await self._engine.again(kind, shop)
        except ConfigurationError as error:  # it is due still, and rung for again
            log.warning("the turn %s of %s could not be recorded: %s", kind, shop, error)

    async def _take(self, kind: Kind, shop: str) -> float | None:
        """Carry out a turn; return the seconds until the next one, None if that is not for this worker to say."""
        if self._roster.is_paused(shop):
            return None
        began = await self._engine.table.begin(kind, shop)
        if began is None:
            await self._roster.check_home()  # whoever has another one than the fleet begins nothing
            return None
        ended = await Turn(self._pool, self._settings, self._hooks, began).run(kind, shop)
        return await self._engine.table.end(kind, shop, began, ended)

    async def _tick(self, gone: Sequence[str] = ()) -> None:
        await self._roster.revive(gone)
        await self._pool.look()


def _engine(settings: FleetSettings, worker: str) -> Engine:
    if settings.is_local:
        return LocalEngine(settings.folder / "fleet.db", worker)
    from kakaclo_async.fleet.postgresql import PostgresqlEngine  # noqa: PLC0415 - its extra

    return PostgresqlEngine(settings.engine, worker)
