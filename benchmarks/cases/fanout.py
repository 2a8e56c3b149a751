"""One call of a program that becomes many requests: stock of thousands of SKUs, freight of many carts.

The rivals collect the same answers over bare aiohttp, 16 at once: with a semaphore and `gather`, or with aiometer. They
decode JSON and make no models. The server's answers are canned, so the figures are the clients' alone.
"""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import aiometer
from harness import Bar, Case, Size, Taken, Watch
from harness.servers import Server, canned
from made import pages
from made.shop import QUOTES, client, session

from kakaclo_async import FreightRequest, Item

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    import aiohttp
    from harness.case import Contender

AT_ONCE = 16
ANSWER = pages.write({
    "code": 10000, "message": "Success!",
    "data": [
        {"deliveryTime": "6~9 Business Days", "estimatedFreight": 6.16, "channelType": "Express"},
        {"deliveryTime": "8~12 Business Days", "estimatedFreight": 5.04, "channelType": "Standard"},
    ],
})  # fmt: skip


@contextmanager
def shop() -> Iterator[Server]:
    with canned({QUOTES: ANSWER}) as server:
        yield server


def kakaclo(server: Server, carts: float) -> Taken:
    async def main() -> Taken:
        async with client(server.url) as kk:
            asked = [FreightRequest([Item(f"SKU_{number}", 1)], "US") for number in range(int(carts))]
            await kk.freight.quote_many([FreightRequest([Item("FIRST", 1)], "US")])
            with Watch() as watch:
                found = await kk.freight.quote_many(asked)
            assert len(found) == carts
            return watch.per(carts, scale=1e6)

    return asyncio.run(main())


def by_hand(collect: Callable[..., Awaitable[list[object]]]) -> Contender:
    def measure(server: Server, carts: float) -> Taken:
        async def main() -> Taken:
            async with session() as http:
                asked = [
                    {"country": "US", "items": [{"skuCode": f"SKU_{number}", "quantity": 1}]}
                    for number in range(int(carts))
                ]
                quote = quoter(http, server.url + QUOTES)
                await quote(asked[0])
                with Watch() as watch:
                    found = await collect(quote, asked)
                assert len(found) == carts
                return watch.per(carts, scale=1e6)

        return asyncio.run(main())

    return measure


def quoter(http: aiohttp.ClientSession, url: str) -> Callable[[dict[str, Any]], Awaitable[object]]:
    async def quote(body: dict[str, Any]) -> object:
        async with http.post(url, json=body) as answer:
            return await answer.json()

    return quote


async def with_semaphore(quote: Callable[[Any], Awaitable[object]], asked: list[Any]) -> list[object]:
    turn = asyncio.Semaphore(AT_ONCE)

    async def one(body: object) -> object:
        async with turn:
            return await quote(body)

    return await asyncio.gather(*map(one, asked))


async def with_aiometer(quote: Callable[[Any], Awaitable[object]], asked: list[Any]) -> list[object]:
    return await aiometer.run_on_each(quote, asked, max_at_once=AT_ONCE) or asked


CASES = (
    Case(
        name="fanout",
        title="freight of many different carts",
        unit="us of CPU for a quote",
        world=shop,
        contenders={
            "semaphore and gather": by_hand(with_semaphore),
            "kakaclo": kakaclo,
            "aiometer": by_hand(with_aiometer),
        },
        base="semaphore and gather",
        quick=Size(5, (300,)),
        full=Size(9, (3000,)),
        bars=(Bar(over="semaphore and gather", most=2.0, guard=5.0,
                  cause="two thirds are what a call costs (see `call`); each quote also has a task of its own, is "
                  "looked up among those kept and under way, and up to 100 connections are open, where the rival has "
                  "16"),),
    ),
)  # fmt: skip
