"""The whole catalog into SQLite, 50 times as fast as KakaClo: the mirror, and a script written in an afternoon.

The sandbox is a process of its own. While it is busy, products are updated meanwhile, so rows move between pages. The
time is told beside the least that the rate alone asks for, for the requests that the pages need. A catalog that the
bucket's first requests nearly cover would not be bound by the rate, and would say nothing: so there is no quick size.
"""

from __future__ import annotations

import asyncio
import sqlite3
import tempfile
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from harness import Bar, Case, Size, Taken, Watch
from harness.servers import TOKEN, Server, sandbox
from made.shop import client
from rivals import afternoon

from cases.limiter import LATE
from kakaclo_async import RateLimit
from kakaclo_async.catalog import Mirror

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from datetime import datetime

SPEED = 50.0
CAPACITY = 120


@dataclass
class Shop:
    """A sandbox of one size, and what its pages ask for at least."""

    server: Server
    products: int
    least: float = 0.0


@contextmanager
def shop(*, products: int, busy: bool) -> Iterator[Shop]:
    moving = {"update_rate": 0.2, "stock_update_rate": 1.0} if busy else {}
    with sandbox(products=products, speed=SPEED, **moving) as server:
        yield Shop(server, products)


def held(file: str) -> tuple[set[str], int]:
    with closing(sqlite3.connect(file)) as database:
        [skus] = database.execute("SELECT count(*) FROM sku").fetchone()
        return {spu for (spu,) in database.execute("SELECT spu FROM product")}, skus


def measured(shop: Shop, run: Callable[[str, str, datetime], Awaitable[None]]) -> Taken:
    """Run it against an empty bucket. Missing is what was there before, stayed as it was, and is not in the file."""
    shop.server.ask("skip", 3600.0)
    now: datetime = shop.server.ask("now").replace(microsecond=0)
    before, before_429 = shop.server.ask("counts")
    with tempfile.TemporaryDirectory() as folder:
        file = f"{folder}/catalog.db"
        with Watch() as watch:
            asyncio.run(run(shop.server.url, file, now))
        there = set(shop.server.ask("unchanged since", afternoon.written(now)))
        products, skus = held(file)
    after, after_429 = shop.server.ask("counts")
    requests = sum(after.values()) - sum(before.values())
    pages = -(-len(products) // 30) + -(-skus // 30)
    shop.least = (pages - CAPACITY) / (2 * SPEED)
    return watch.per(
        1,
        **{"requests": requests, "429s": after_429 - before_429, "products missing": len(there - products)},
        **{"requests over pages": requests / pages, "CPU ms a page": watch.cpu / pages * 1e3},
    )


async def mirrored(url: str, file: str, now: datetime) -> None:
    async with client(url, RateLimit(CAPACITY, 2 * SPEED)) as kk:
        await kk.payment.balance()  # it knows the server's clock, which is ahead of this machine's
        await Mirror(kk, f"sqlite:///{file}").run(until=now)


async def scripted(url: str, file: str, now: datetime) -> None:
    await afternoon.run(url, TOKEN, file, now, SPEED)


def job(name: str, title: str, *, busy: bool, quick: Size, bars: tuple[Bar, ...]) -> Case:
    return Case(
        name=name,
        title=title,
        unit="s",
        by="wall",
        world=partial(shop, products=2_000, busy=busy),
        contenders={
            "kakaclo": lambda shop, _: measured(shop, mirrored),
            "afternoon script": lambda shop, _: measured(shop, scripted),
            "least possible": lambda shop, _: Taken(0.0, shop.least),
        },
        base="least possible",
        quick=quick,
        full=Size(5),
        bars=bars,
    )


NEVER = (
    Bar(of="429s", most=0, each=True, guard=10, cause=LATE),
    Bar(of="products missing", most=0, each=True),
)
UNUSED = (
    "20 of 120 permits stay in reserve for interactive calls, 0.2 s of 3.2; ten are unused at this rate, 0.1 s; and it "
    "asks for ten pages more than there are, 0.1 s"
)
CASES = (
    job(
        "afternoon-calm", "the whole catalog, while nothing moves", busy=False, quick=Size(0),
        bars=(
            Bar(over="least possible", most=1.1, guard=1.3, cause=UNUSED),
            Bar(over="afternoon script", most=1.1, guard=1.3, cause=UNUSED), *NEVER,
        ),
    ),
    job(
        "afternoon-busy", "the whole catalog, while ten products a second are updated", busy=True, quick=Size(0),
        bars=(
            Bar(over="afternoon script", most=1.1, guard=1.4,
                cause="as while nothing moves; and pages are read again whose rows have moved. The script reads none "
                "again, and has four of five requests refused with a 429"),
            *NEVER,
        ),
    ),
)  # fmt: skip
