"""How many requests look-ups cost when they come at the same time, and how many equal quotes share one.

Each look-up is one `await kk.stocks.get(sku)`, from wherever it is needed; nobody collects codes by hand. The rivals
are scripts with bare aiohttp: a request for each look-up; and for each quote, or for each that differs.
"""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from harness import Bar, Case, Plot, Size, Taken, Watch
from harness.servers import Server, sandbox
from made.shop import QUOTES, STOCKS, client, session

from kakaclo_async import FreightRequest, Item

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

LOOK_UPS = 1000


@contextmanager
def shop() -> Iterator[tuple[Server, list[str]]]:
    with sandbox(products=300) as server:
        yield server, server.ask("skus", LOOK_UPS)


async def in_waves(look_up: Callable[[str], Awaitable[object]], skus: list[str], at_once: int) -> None:
    for start in range(0, len(skus), at_once):
        await asyncio.gather(*map(look_up, skus[start : start + at_once]))


def counted(server: Server, path: str, work: Callable[[], Awaitable[None]]) -> Taken:
    before = server.ask("counts")[0].get(path, 0)
    with Watch() as watch:
        asyncio.run(work())
    return watch.per(1, count=server.ask("counts")[0][path] - before)


def kakaclo(world: tuple[Server, list[str]], at_once: float) -> Taken:
    server, skus = world

    async def work() -> None:
        async with client(server.url) as kk:
            await in_waves(kk.stocks.get, skus, int(at_once))

    return counted(server, STOCKS, work)


def one_each(world: tuple[Server, list[str]], at_once: float) -> Taken:
    server, skus = world

    async def work() -> None:
        async with session() as http:

            async def get(sku: str) -> object:
                async with http.get(server.url + STOCKS, params={"skus": sku, "pageNumber": "1"}) as answer:
                    return await answer.json()

            await in_waves(get, skus, int(at_once))

    return counted(server, STOCKS, work)


def least_possible(_: object, at_once: float) -> float:
    waves, last = divmod(LOOK_UPS, int(at_once))
    return waves * -(-int(at_once) // 30) + -(-last // 30)


Cart = tuple[tuple[tuple[str, int], ...], str]


def carts_of(skus: list[str], count: float) -> list[Cart]:
    """Return carts of two SKUs; a hundred of them differ."""
    first, second, *_ = skus
    return [(((first, 1 + n % 10), (second, 1 + n // 10 % 10)), "US") for n in range(int(count))]


def quotes(world: tuple[Server, list[str]], carts: float) -> Taken:
    server, skus = world
    asked = [FreightRequest([Item(*item) for item in items], to) for items, to in carts_of(skus, carts)]

    async def work() -> None:
        async with client(server.url) as kk:
            assert len(await kk.freight.quote_many(asked)) == carts

    return counted(server, QUOTES, work)


def quotes_by_hand(world: tuple[Server, list[str]], carts: float, *, remembered: bool) -> Taken:
    server, skus = world
    asked = carts_of(skus, carts)

    async def work() -> None:
        async with session() as http:

            async def quote(cart: Cart) -> object:
                items, country = cart
                products = [{"sku": sku, "quantity": quantity} for sku, quantity in items]
                wanted = {"products": products, "shipToCountry": country}
                async with http.post(server.url + QUOTES, json=wanted) as answer:
                    told = await answer.json()
                    assert told["data"], told
                    return told["data"]

            distinct = list(dict.fromkeys(asked)) if remembered else asked
            found = dict(zip(distinct, await asyncio.gather(*map(quote, distinct)), strict=True))
            assert len([found[cart] for cart in asked]) == carts

    return counted(server, QUOTES, work)


CASES = (
    Case(
        name="batching",
        title="requests for 1,000 look-ups of stock",
        unit="requests",
        by="count",
        world=shop,
        contenders={"least possible": least_possible, "kakaclo": kakaclo, "a request each": one_each},
        base="least possible",
        points="look-ups at once",
        quick=Size(1, (100, 500)),
        full=Size(5, (1, 3, 10, 30, 100, 300, 1000)),
        bars=(Bar(over="least possible", most=1.0), Bar(over="least possible", most=1.0, at=100)),
        plot=Plot("batching", x="look-ups at the same time", y="requests for 1,000 look-ups", log_x=True),
    ),
    Case(
        name="batching-quotes",
        title="requests for quotes of which nine tenths equal another",
        unit="requests",
        by="count",
        world=shop,
        contenders={
            "least possible": lambda _, carts: min(100.0, carts),
            "kakaclo": quotes,
            "a request each": partial(quotes_by_hand, remembered=False),
            "equal ones by a dict": partial(quotes_by_hand, remembered=True),
        },
        base="least possible",
        quick=Size(1, (1000,)),
        full=Size(5, (1000,)),
        bars=(Bar(over="least possible", most=1.0),),
        note="A dict does as well while all carts are in one list. kakaclo shares a quote as well between tasks that "
        "know nothing of each other, and keeps it for ten minutes; that is not measured here.",
    ),
)
