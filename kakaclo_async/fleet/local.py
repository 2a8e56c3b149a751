"""The engine of one process: asyncio alone, with the table of shops in an SQLite file."""

from __future__ import annotations

import asyncio
import heapq
from contextlib import suppress
from functools import lru_cache
from itertools import count
from typing import TYPE_CHECKING, Any, Final, TypeVar

from sqlalchemy import text

from kakaclo_async.database import in_thread
from kakaclo_async.database.engines import Transactions, load_driver, sqlite_engine
from kakaclo_async.database.url import DatabaseUrl
from kakaclo_async.errors import ConfigurationError
from kakaclo_async.fleet.engine import PRIORITY, ticking
from kakaclo_async.fleet.table import SQLITE, TABLES, VERSION, Table, steps_from

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from sqlalchemy import TextClause
    from sqlalchemy.engine import Connection

    from kakaclo_async.fleet.engine import Pace
    from kakaclo_async.fleet.table import Missing
    from kakaclo_async.fleet.values import Kind


T = TypeVar("T")

_GRACE: Final = 8.0
"""Seconds that turns under way have to end by themselves when the worker stops."""


@lru_cache
def _ready(statement: str) -> TextClause:
    return text(SQLITE.words(statement))


class _Sqlite:
    """Runs statements in an SQLite file."""

    def __init__(self, path: Path) -> None:
        self.url = DatabaseUrl.parse(f"sqlite:///{path}", holds="fleet", example="fleet.db")
        self._path = path
        self._turn = asyncio.Lock()
        self._open: Transactions | None = None

    async def __call__(self, statement: str, /, **values: object) -> Sequence[Mapping[str, Any]]:
        def run(connection: Connection) -> list[Mapping[str, Any]]:
            found = connection.execute(_ready(statement), values)
            return [dict(row) for row in found.mappings()] if found.returns_rows else []

        return await self.run(run)

    async def run(self, work: Callable[[Connection], T]) -> T:
        """Do some work in one transaction."""
        async with self._turn:
            with self.url.errors(OSError):
                if self._open is None:
                    engine = sqlite_engine(
                        self._path, "journal_mode = WAL", "synchronous = NORMAL", keep_open=True, make=True
                    )
                    self._open = Transactions(engine)
                return await self._open.run(work)

    async def aclose(self) -> None:
        async with self._turn:
            opened, self._open = self._open, None
            if opened is not None:
                with self.url.errors(OSError):
                    await opened.close()


class LocalEngine:
    """Answers bells in this process; other processes may ring, and are heard with the next tick.

    Args:
        path: of the SQLite file.
        worker: this one's name.
    """

    several = False

    def __init__(self, path: Path, worker: str) -> None:
        self._sql = _Sqlite(path)
        self._path = path
        self.table = Table(self._sql, worker)
        self._bells: list[tuple[int, int, Kind, str]] = []
        self._order = count()
        self._waiting: set[tuple[Kind, str]] = set()
        self._running: dict[asyncio.Task[None], tuple[Kind, str]] = {}
        self._wake = asyncio.Event()  # a bell rings, a turn ends, or the worker is to stop
        self._serving = False

    async def open(self) -> None:
        """Make the file where there is none, and the tables, or give those of an earlier version what they lack."""

        def work(connection: Connection) -> None:
            for statement in TABLES:
                connection.exec_driver_sql(statement)
            found = connection.exec_driver_sql("SELECT version FROM fleet_version").scalar()
            for statement in steps_from(found or 1):
                connection.exec_driver_sql(statement)
            if found is None:
                connection.exec_driver_sql("INSERT INTO fleet_version (version) VALUES (0)")
            newer = text("UPDATE fleet_version SET version = max(version, :version)")
            connection.execute(newer, {"version": VERSION})

        await self._sql.run(work)
        await self.table.check()

    async def migrate(self, home: str, missing: Missing | None = None) -> None:
        """Make the tables, or bring them to this package's version."""
        await self.open()
        await self.table.settle_home(home, missing)

    async def ring(self, turns: Iterable[tuple[str, Kind]], after: float = 0.0) -> int:
        """Ring for turns."""
        found = await self.table.ring(turns, after)
        if self._serving and after <= 0:
            for (kind, shop), is_paused in found.items():
                if not is_paused:
                    self._put(kind, shop)
        return len(found)

    async def again(self, kind: Kind, shop: str) -> None:
        """Put a turn to the back of the line."""
        self._put(kind, shop, again=True)

    def _put(self, kind: Kind, shop: str, *, again: bool = False) -> None:
        bell = (kind, shop)
        # A turn under way looks, as it ends, whether somebody rang meanwhile.
        if bell in self._waiting or (not again and bell in self._running.values()):
            return
        self._waiting.add(bell)
        heapq.heappush(self._bells, (-PRIORITY[kind], next(self._order), kind, shop))
        self._wake.set()

    async def queued(self) -> int:
        """Return how many turns are due; what is under way is among them."""
        return len(await self.table.due())

    async def serve(
        self,
        answer: Callable[[Kind, str], Awaitable[None]],
        *,
        pace: Pace,
        each_tick: Callable[[Sequence[str]], Awaitable[None]],
        stop: asyncio.Event,
    ) -> None:
        """Answer the bells until `stop` is set."""
        lock = load_driver("filelock", "catalog")
        held = lock.FileLock(f"{self._path}.lock", blocking=False, thread_local=False, fallback_to_soft=False)
        try:
            await in_thread(held.acquire)
        except lock.Timeout:
            raise ConfigurationError(
                f"another process serves this fleet already ({self._path.name} is locked): stop it first, or let"
                " several workers serve with engine = postgresql://..."
            ) from None
        self._serving = True
        try:

            async def tick() -> None:
                await each_tick(await self.table.gone())
                await self.table.beat()
                for kind, shop in await self.table.due():
                    self._put(kind, shop)

            ticks = asyncio.create_task(ticking(pace.tick, tick), name="kakaclo fleet tick")
            try:
                await self._answer_all(answer, pace, stop)
            finally:
                ticks.cancel()
                await asyncio.wait((ticks,))
                await self._end()
                with suppress(ConfigurationError):
                    await self.table.leave()
        finally:
            self._serving = False
            await in_thread(held.release)

    async def _answer_all(
        self, answer: Callable[[Kind, str], Awaitable[None]], pace: Pace, stop: asyncio.Event
    ) -> None:
        stopping = asyncio.create_task(stop.wait())
        stopping.add_done_callback(lambda _: self._wake.set())
        try:
            while not stop.is_set():
                self._wake.clear()
                for kind, shop in self._next(pace.at_once):
                    task = asyncio.create_task(self._one(answer, kind, shop), name=f"kakaclo {kind} {shop}")
                    self._running[task] = (kind, shop)
                await self._wake.wait()
        finally:
            stopping.cancel()

    def _next(self, at_once: int) -> list[tuple[Kind, str]]:
        """Take the bells that can be answered now: mirrors get half of the room at most."""
        room = at_once - len(self._running)
        mirrors = max(1, at_once // 2) - sum(kind == "mirror" for kind, _ in self._running.values())
        chosen: list[tuple[Kind, str]] = []
        left: list[tuple[int, int, Kind, str]] = []
        while self._bells and len(chosen) < room:
            bell = heapq.heappop(self._bells)
            *_, kind, shop = bell
            if kind == "mirror" and mirrors <= 0:
                left.append(bell)
                continue
            mirrors -= kind == "mirror"
            self._waiting.discard((kind, shop))
            chosen.append((kind, shop))
        for bell in left:
            heapq.heappush(self._bells, bell)
        return chosen

    async def _one(self, answer: Callable[[Kind, str], Awaitable[None]], kind: Kind, shop: str) -> None:
        task = asyncio.current_task()
        try:
            await answer(kind, shop)
        finally:
            if task is not None:
                del self._running[task]
            self._wake.set()

    async def _end(self) -> None:
        if self._running:
            _, late = await asyncio.wait(tuple(self._running), timeout=_GRACE)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late)
        self._bells.clear()
        self._waiting.clear()

    async def aclose(self) -> None:
        """Close the file."""
        await self._sql.aclose()
