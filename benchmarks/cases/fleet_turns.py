"""What the engine of a fleet takes for a turn: to ring, to fetch, to note that it begins and how it ended.

The turns do nothing, so that this is all that a turn costs beside its work. Rings come one by one, as for orders.
"""

from __future__ import annotations

import asyncio
import itertools
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from harness import Bar, Case, Size, Taken, Watch
from harness.databases import postgresql

from kakaclo_async.fleet.engine import Engine, Pace
from kakaclo_async.fleet.local import LocalEngine
from kakaclo_async.fleet.postgresql import PostgresqlEngine
from kakaclo_async.fleet.values import Ended

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kakaclo_async.fleet.values import Kind

SHOPS = 50
PACE = Pace(at_once=20, tick=2.0, beat=2.0, dead=6.0)
_numbers = itertools.count()


class Worker:
    """Answers bells by noting turns that do nothing."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._ended = 0
        self._all = asyncio.Event()
        self._wanted = 0

    async def answer(self, kind: Kind, shop: str) -> None:
        """Note a turn."""
        began = await self._engine.table.begin(kind, shop)
        assert began is not None, f"{shop} has no turns"
        await self._engine.table.end(kind, shop, began, Ended(after=3600.0))
        self._ended += 1
        if self._ended >= self._wanted:
            self._all.set()

    async def took(self, turns: int) -> None:
        """Ring all shops over and over; return when so many turns have ended."""
        for _ in range(turns // SHOPS):
            self._wanted, self._ended = SHOPS, 0
            self._all.clear()
            for number in range(SHOPS):
                await self._engine.ring([(f"shop{number}", "orders")])
            await self._all.wait()


async def nothing(_: Sequence[str]) -> None:
    """Look at no files."""


async def measured(engine: Engine, turns: int) -> Taken:
    await engine.migrate("nowhere")
    await engine.open()
    engine.table.home = "nowhere"
    shops = [f"shop{number}" for number in range(SHOPS)]
    await engine.table.join([(shop, "orders") for shop in shops], dict.fromkeys(shops, False))
    worker, stop = Worker(engine), asyncio.Event()
    serving = asyncio.create_task(engine.serve(worker.answer, pace=PACE, each_tick=nothing, stop=stop))
    try:
        async with asyncio.timeout(120):
            await worker.took(SHOPS)
            with Watch() as watch:
                await worker.took(turns)
    finally:
        stop.set()
        await serving
        await engine.aclose()
    return watch.per(turns, scale=1e3)


def local(_: str, turns: float) -> Taken:
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(measured(LocalEngine(Path(folder, "fleet.db"), "worker"), int(turns)))


def on_postgresql(url: str, turns: float) -> Taken:
    import psycopg  # noqa: PLC0415 - an extra

    name = f"turns{next(_numbers)}"
    with psycopg.connect(f"{url}/postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return asyncio.run(measured(PostgresqlEngine(f"{url}/{name}", "worker"), int(turns)))


STATEMENTS = "a turn takes four statements and more (ring, fetch, begin, end), each by SQLAlchemy or psycopg"

CASES = (
    Case(
        name="fleet-turns",
        title="a turn of a fleet that has nothing to do",
        unit="ms of CPU for a turn",
        world=postgresql,
        contenders={"local": local, "PostgreSQL": on_postgresql},
        base="local",
        quick=Size(5, (100,)),
        full=Size(7, (1_000,)),
        bars=(
            Bar("local", most=3.0, goal=True, cause=STATEMENTS),
            Bar("PostgreSQL", most=3.0, goal=True, cause=STATEMENTS),
            Bar("PostgreSQL", over="local", most=4.0),
        ),
        note="The CPU of the process that rings and answers, not that of PostgreSQL.",
    ),
)
