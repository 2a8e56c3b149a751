"""What a whole call costs: 16 at once, each answered with a page of stock.

The floor is aiohttp that reads the body and does not decode it. The others decode: with `json`, or into models.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
from contextlib import AsyncExitStack, contextmanager
from typing import TYPE_CHECKING
from unittest.mock import patch

import aiohttp
import httpx
from harness import Bar, Case, Size, Taken, Watch
from harness.servers import Server, canned
from made import pages
from made.shop import HEADERS, STOCKS, client

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

AT_ONCE = 16
SKUS = [f"FSZW{number:05}_Y_S_NUB" for number in range(30)]
QUERY = {"skus": ",".join(SKUS), "pageNumber": "1"}


@contextmanager
def stock() -> Iterator[Server]:
    with canned({STOCKS: pages.stock_document(1)}) as server:
        yield server


async def timed(call: Callable[[], Awaitable[object]], calls: int) -> Taken:
    """Call from 16 tasks until all calls are made."""

    async def worker() -> None:
        for _ in range(calls // AT_ONCE):
            await call()

    async with asyncio.timeout(300):
        await asyncio.gather(*(call() for _ in range(AT_ONCE)))  # connects, and imports what is imported late
        with Watch() as watch:
            await asyncio.gather(*(worker() for _ in range(AT_ONCE)))
    return watch.per(calls // AT_ONCE * AT_ONCE, scale=1e6)


def kakaclo(server: Server, calls: float) -> Taken:
    async def main() -> Taken:
        async with client(server.url) as kk:
            return await timed(lambda: kk.stocks.page(skus=SKUS), int(calls))

    return asyncio.run(main())


def bare(server: Server, calls: float, *, decoded: bool = False) -> Taken:
    async def main() -> Taken:
        async with aiohttp.ClientSession(headers=HEADERS) as session:

            async def call() -> object:
                async with session.get(server.url + STOCKS, params=QUERY) as answer:
                    body = await answer.read()
                    return json.loads(body) if decoded else body

            return await timed(call, int(calls))

    return asyncio.run(main())


def with_httpx(server: Server, calls: float, *, clients: int = 1) -> Taken:
    async def main() -> Taken:
        async with AsyncExitStack() as stack:
            opened = [
                await stack.enter_async_context(httpx.AsyncClient(headers=HEADERS)) for _ in range(clients)
            ]
            turn = itertools.cycle(opened)

            async def call() -> object:
                return (await next(turn).get(server.url + STOCKS, params=QUERY)).json()

            return await timed(call, int(calls))

    return asyncio.run(main())


def httpx_tuned(server: Server, calls: float) -> Taken:
    """Spare it what its pool and its search for a module cost."""
    with patch.dict(sys.modules, {"sniffio": None}):  # known to be absent, so it is not looked for
        return with_httpx(server, calls, clients=AT_ONCE)


CASES = (
    Case(
        name="call",
        title="a whole call, 16 at once",
        unit="us of CPU for a call",
        world=stock,
        contenders={
            "aiohttp, not decoded": bare,
            "aiohttp and json": lambda server, calls: bare(server, calls, decoded=True),
            "kakaclo": kakaclo,
            "httpx": with_httpx,
            "httpx, tuned": httpx_tuned,
        },
        base="aiohttp, not decoded",
        quick=Size(7, (480,), only=("aiohttp, not decoded", "kakaclo")),
        full=Size(9, (1600,)),
        bars=(
            Bar(over="aiohttp, not decoded", most=1.5, guard=3.8,
                cause="two fifths are aiohttp; a fifth makes 90 models, for 30 SKUs in two warehouses, twice of "
                "what it takes with nothing in between (decode-stock); the rest is the gate, the deadline, the retries "
                "and the events, all in Python"),
            Bar(over="httpx, tuned", most=0.5),
        ),
        note="httpx costs more here than in `blocking`, for two reasons. For each request, its pool goes over all its "
        "connections some times, so 16 at once cost about twice as much as one. And httpcore's async half tries to "
        "import sniffio for each lock, which anyio installs no more; Python searches its path in vain, "
        "about half of what it costs. The tuned line has 16 clients, taken in turns, and a Python that knows that "
        "there is no sniffio. The blocking clients, requests among them, are in the cases `blocking`.",
    ),
)  # fmt: skip
