"""How many orders a fleet places in a second, over its shops and its workers.

The shops' sandbox and each worker are processes of their own. Orders are written down in turns for all shops by this
process, as a web shop's would; the time ends when KakaClo has all of them. The base is a program that places the same
orders of each shop by `kk.orders.submit`, with no fleet.
"""

from __future__ import annotations

import asyncio
import itertools
import tempfile
from contextlib import AsyncExitStack, ExitStack, contextmanager
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from harness import Bar, Case, Plot, Size, Taken, Watch
from harness.databases import postgresql, redis_server
from harness.servers import Server, sandbox
from made.fleet import settings, start_workers, token_of
from made.shop import FREE

from cases.changes import ADDRESS
from kakaclo_async import Item, KakaClo, NewOrder
from kakaclo_async.fleet import Fleet
from kakaclo_async.ordering import Journal

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_SHOPS = 32
ORDERS = 512
"""Of all shops together."""

_numbers = itertools.count()


@dataclass
class Stage:
    """What all runs share."""

    server: Server
    postgresql: str
    redis: str
    sku: str

    def order(self) -> NewOrder:
        return NewOrder(address=ADDRESS, items=[Item(self.sku, 1)], custom_order_id=f"F-{next(_numbers)}")

    async def placed(self, least: int) -> None:
        """Wait until that many orders have been placed."""
        async with asyncio.timeout(300):
            while self.server.ask("placed") < least:
                await asyncio.sleep(0.02)


@contextmanager
def stage() -> Iterator[Stage]:
    tokens = tuple(map(token_of, range(MOST_SHOPS)))
    with ExitStack() as stack:
        urls = stack.enter_context(postgresql()), stack.enter_context(redis_server())
        server = stack.enter_context(sandbox(products=30, balance=Decimal(10**9), tokens=tokens))
        server.ask("stock up")
        yield Stage(server, *urls, server.ask("selling", 1)[0])


async def alone(stage: Stage, shops: int, folder: str) -> Taken:
    async with AsyncExitStack() as stack:
        clients = [
            await stack.enter_async_context(
                KakaClo(token_of(number), base_url=stage.server.url, rate_limit=FREE)
            )
            for number in range(shops)
        ]
        journals = [Journal(f"sqlite:///{folder}/{number}.db") for number in range(shops)]
        pairs = list(zip(clients, journals, strict=True))
        await asyncio.gather(*(kk.orders.submit(stage.order(), journal=journal) for kk, journal in pairs))
        with Watch() as watch:
            for _ in range(ORDERS // shops):
                await asyncio.gather(
                    *(kk.orders.submit(stage.order(), journal=journal) for kk, journal in pairs)
                )
    return watch.per(1, count=ORDERS // shops * shops / watch.wall)


async def served(stage: Stage, shops: int, path: Path, workers: int) -> Taken:
    names = [f"shop{number}" for number in range(shops)]
    with ExitStack() as stack:
        await Fleet.open(path).migrate()
        async with Fleet.open(path) as fleet:
            before = stage.server.ask("placed")
            start_workers(stack, path, workers)
            for name in names:
                await fleet.submit(name, stage.order())
            try:
                await stage.placed(before + shops)
                with Watch() as watch:
                    for number in range(ORDERS // shops * shops):
                        await fleet.submit(names[number % shops], stage.order())
                    await stage.placed(before + shops + ORDERS // shops * shops)
            except TimeoutError:
                logs = "; ".join(file.read_text()[-200:] for file in path.parent.glob("*.log"))
                raise RuntimeError(f"the orders were not placed within 5 minutes: {logs}") from None
    return watch.per(1, count=ORDERS // shops * shops / watch.wall)


def without_fleet(stage: Stage, shops: float) -> Taken:
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(alone(stage, int(shops), folder))


def local_fleet(stage: Stage, shops: float) -> Taken:
    with tempfile.TemporaryDirectory() as folder:
        path = settings(Path(folder), stage.server, int(shops))
        return asyncio.run(served(stage, int(shops), path, 1))


def fleet_of(workers: int, stage: Stage, shops: float) -> Taken:
    import psycopg  # noqa: PLC0415 - an extra

    name = f"fleet{next(_numbers)}"
    with psycopg.connect(f"{stage.postgresql}/postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        connection.execute(f"CREATE DATABASE {name}_homes")
    url = f"{stage.postgresql}/{name}"
    shared = {"engine": url, "home": f"{url}_homes", "bucket": f"{stage.redis}/{next(_numbers) % 16}"}
    with tempfile.TemporaryDirectory() as folder:
        path = settings(Path(folder), stage.server, int(shops), **shared)
        return asyncio.run(served(stage, int(shops), path, workers))


CASES = (
    Case(
        name="fleet",
        title="orders that a fleet places in a second",
        unit="orders per second",
        by="count",
        world=stage,
        contenders={
            "no fleet": without_fleet,
            "local, 1 worker": local_fleet,
            **{f"{count} worker{'s' * (count > 1)}": partial(fleet_of, count) for count in (1, 2, 4)},
        },
        base="no fleet",
        points="shops",
        quick=Size(0),
        full=Size(5, (4, 32)),
        bars=(
            Bar("local, 1 worker", over="no fleet", least=0.4, at=4),
            Bar("local, 1 worker", over="no fleet", least=0.25, at=32),
            Bar("1 worker", over="no fleet", least=0.3, at=32),
        ),
        plot=Plot("fleet", x="shops", y="orders placed in a second"),
        note="Workers on PostgreSQL and Redis, all on this one machine: more workers than one place "
        "fewer here, for they share its processors with PostgreSQL and the shops.",
    ),
)
