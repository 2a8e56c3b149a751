"""To learn what has changed: the mirror's next run, against reading everything again; and the events of orders.

A script asks for the whole catalog, or for what was updated since it last looked; for each order by itself, as its
page in a shop would, or for 250 in a request, as a feed does.
"""

from __future__ import annotations

import asyncio
import sqlite3
import tempfile
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any

from harness import Bar, Case, Size, Taken, Watch
from harness.servers import TOKEN, Server, sandbox
from made.shop import STOCKS, client, session
from rivals import afternoon

from kakaclo_async import Address, Item, NewOrder
from kakaclo_async.catalog import Mirror
from kakaclo_async.feed import Feed
from kakaclo_async.ordering import Journal

if TYPE_CHECKING:
    from collections.abc import Iterator

ORDERS = "/v2/order/orders"
ADDRESS = Address(
    country="US", province="Florida", recipient="Test Alpha", phone="+1 555 0100", street1="1 Main St", city="Orlando",
    zip="32801",
)  # fmt: skip


@dataclass
class Shop:
    """A sandbox whose catalog moves, and a mirror of it."""

    server: Server
    folder: str
    least: float = 0.0
    numbers: list[str] = field(default_factory=list)


@contextmanager
def shop() -> Iterator[Shop]:
    with sandbox(products=1_500) as server, tempfile.TemporaryDirectory() as folder:
        yield Shop(server, folder)


def moved(shop: Shop, hours: float) -> datetime:
    """Let a product in ten change in some hours, and return when that was."""
    shop.server.ask("set", "update_rate", 150 / 3600 / hours)
    shop.server.ask("skip", 3600 * hours)
    shop.server.ask("set", "update_rate", 0.0)
    return datetime.fromisoformat(str(shop.server.ask("now"))).replace(microsecond=0)


def requests(server: Server) -> int:
    return sum(server.ask("counts")[0].values())


def mirror(shop: Shop, hours: float) -> Taken:
    async def run(until: datetime) -> float:
        async with client(shop.server.url) as kk:
            await kk.payment.balance()
            report = await Mirror(kk, f"sqlite:///{shop.folder}/catalog.db").run(until=until)
            return report.changes

    asyncio.run(run(shop.server.ask("now").replace(microsecond=0)))  # up to what others have let change
    until, before = moved(shop, hours), requests(shop.server)
    with Watch() as watch:
        changes = asyncio.run(run(until))
    return watch.per(1, count=requests(shop.server) - before, changes=changes)


def all_again(shop: Shop, hours: float) -> Taken:
    until = moved(shop, hours)
    with Watch() as watch, tempfile.TemporaryDirectory() as folder:
        told = asyncio.run(afternoon.run(shop.server.url, TOKEN, f"{folder}/catalog.db", until))
    return watch.per(1, count=told.requests)


def by_date(shop: Shop, hours: float) -> Taken:
    start = shop.server.ask("now")
    until = moved(shop, hours)

    async def look() -> int:
        with closing(sqlite3.connect(":memory:")) as database:
            async with session() as http:
                script = afternoon.Script(http, shop.server.url, database, 1.0)
                await script.products(start, until)
                span = {"dateStartTime": afternoon.written(start), "dateEndTime": afternoon.written(until)}
                found, page, total = 0, 0, 1
                while found < total:
                    page += 1
                    answer = await script.get(STOCKS, span | {"pageNumber": str(page)})
                    found, total = found + len(answer["list"]), answer["total"] if answer["list"] else 0
                return script.told.requests

    with Watch() as watch:
        asked = asyncio.run(look())
    return watch.per(1, count=asked)


@contextmanager
def ordered() -> Iterator[dict[str, Any]]:
    with sandbox(products=60, balance=Decimal(10**9)) as server, tempfile.TemporaryDirectory() as folder:
        yield {"server": server, "url": f"sqlite:///{folder}/orders.db", "numbers": []}


def feed(world: dict[str, Any], orders: float) -> Taken:
    server: Server = world["server"]
    now = [server.ask("now")]
    journal = Journal(world["url"], now=lambda: now[0])

    async def place() -> None:
        skus = server.ask("selling", int(orders) - len(world["numbers"]))
        async with client(server.url) as kk:
            for sku in skus:
                order = NewOrder(
                    address=ADDRESS, items=[Item(sku, 1)], custom_order_id=f"SHOP-{len(world['numbers'])}"
                )
                world["numbers"].append((await kk.orders.submit(order, journal=journal)).id)

    async def look() -> int:
        async with client(server.url) as kk:
            return (await Feed(journal, now=lambda: now[0]).turn(kk, 60.0)).events

    if len(world["numbers"]) < orders:
        asyncio.run(place())
    server.ask("skip", 86_400.0)
    now[0] = server.ask("now")
    before = requests(server)
    with Watch() as watch:
        events = asyncio.run(look())
    return watch.per(1, count=requests(server) - before, events=events)


def asked(world: dict[str, Any], orders: float, *, each: int) -> Taken:
    server: Server = world["server"]
    numbers = world["numbers"][: int(orders)]

    async def look() -> int:
        found = 0
        async with session() as http:
            for start in range(0, len(numbers), each):
                query = {"ids": ",".join(numbers[start : start + each]), "pageSize": str(each)}
                async with http.get(server.url + ORDERS, params=query) as answer:
                    found += len((await answer.json())["data"]["list"])
        return found

    before = requests(server)
    with Watch() as watch:
        assert asyncio.run(look()) == len(numbers)
    return watch.per(1, count=requests(server) - before)


CASES = (
    Case(
        name="changes-catalog",
        title="requests to learn which tenth of 1,500 products has changed",
        unit="requests",
        by="count",
        world=shop,
        contenders={"all again": all_again, "since a date": by_date, "kakaclo": mirror},
        base="all again",
        points="hours since",
        quick=Size(0),
        full=Size(5, (1, 24)),
        bars=(
            Bar(over="all again", most=0.5),
            Bar(over="since a date", most=2.0, guard=4.0,
                cause="the mirror asks again for what moved while it read, and asks about what may be gone"),
        ),
    ),
    Case(
        name="changes-orders",
        title="requests to look at what became of orders",
        unit="requests",
        by="count",
        world=ordered,
        contenders={
            "kakaclo": feed,
            "a request for each order": partial(asked, each=1),
            "a request for 250 orders": partial(asked, each=250),
        },
        base="a request for each order",
        points="orders",
        quick=Size(1, (60,)),
        full=Size(5, (100, 400)),
        bars=(Bar(over="a request for each order", most=0.1), Bar(over="a request for 250 orders", most=1.0)),
    ),
)  # fmt: skip
