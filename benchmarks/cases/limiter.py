"""What the permits buy: the makespan against the least that the rate allows, refusals, and the cost of a crowd.

The server is a leaky bucket of 120 that leaks 100 a second, in a process of its own, over HTTP. All requests are wanted
at once. Every contender waits, retries after a 429, and ends when it has all answers.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

import aiohttp
import aiometer
from harness import Bar, Case, Plot, Refused, Size, Taken, Watch
from made.shop import HEADERS, STOCKS, client
from rivals import limiters

from cases.call import stock
from kakaclo_async import RateLimit
from kakaclo_async.events import Lane
from kakaclo_async.ratelimit.gate import Gate
from kakaclo_async.ratelimit.local import LocalBucket

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from contextlib import AbstractAsyncContextManager

    from harness.servers import Server

CAPACITY = 120
PER_SECOND = 100.0
CROWD_RATE = 20_000.0
LATE = (
    "the permits left unused make up for a tenth of a second at this rate, for a second at KakaClo's: requests that a "
    "busy host delays by more come together with those behind them"
)
"""Why a server may refuse requests that left in time."""
QUERY = {"skus": "FSZW00001_Y_S_NUB", "pageNumber": "1"}


def least_possible(_: Server, requests: float) -> Taken:
    return Taken(0.0, max(0.0, requests - CAPACITY) / PER_SECOND)


async def raced(
    server: Server, first: Callable[[], Awaitable[object]], work: Callable[[], Awaitable[object]]
) -> Taken:
    """Run work against an empty bucket; its figure is the makespan. One call before it connects."""
    await first()
    await asyncio.sleep(5 / PER_SECOND)
    server.limit(CAPACITY, PER_SECOND)
    with Watch() as watch:
        await work()
    _, refused = server.counts()
    return watch.per(1, **{"429s": refused})


def kakaclo(server: Server, requests: float) -> Taken:
    async def main() -> Taken:
        async with client(server.url, RateLimit(CAPACITY, PER_SECOND)) as kk:
            call = partial(kk.stocks.page, skus=["FSZW00001_Y_S_NUB"])
            return await raced(server, call, lambda: asyncio.gather(*(call() for _ in range(int(requests)))))

    return asyncio.run(main())


@asynccontextmanager
async def sending(server: Server) -> AsyncIterator[Callable[[], Awaitable[bool]]]:
    """Give a function that sends one request, and returns whether it was answered."""
    async with aiohttp.ClientSession(headers=HEADERS) as session:

        async def send() -> bool:
            async with session.get(server.url + STOCKS, params=QUERY) as answer:
                await answer.read()
                return answer.status == 200

        yield send


def limited_by(
    make: Callable[[float], Callable[[], AbstractAsyncContextManager[object]]],
) -> Callable[[Server, float], Taken]:
    def race(server: Server, requests: float) -> Taken:
        async def main() -> Taken:
            async with sending(server) as send:
                passing = make(PER_SECOND)

                async def call() -> None:
                    while True:
                        async with passing():
                            if await send():
                                return

                return await raced(
                    server, send, lambda: asyncio.gather(*(call() for _ in range(int(requests))))
                )

        return asyncio.run(main())

    return race


def with_aiometer(server: Server, requests: float) -> Taken:
    """It knows a rate and no burst."""

    async def main() -> Taken:
        async with sending(server) as send:

            async def call() -> None:
                while not await send():
                    await asyncio.sleep(1 / PER_SECOND)

            calls = [call] * int(requests)
            return await raced(server, send, lambda: aiometer.run_all(calls, max_per_second=PER_SECOND))

    return asyncio.run(main())


def semaphore(server: Server, requests: float) -> Taken:
    """No limiter: 20 at once, and a pause that doubles after each 429."""

    async def main() -> Taken:
        async with sending(server) as send:
            turn = asyncio.Semaphore(20)

            async def call() -> None:
                async with turn:
                    pause = 0.1
                    while not await send():
                        await asyncio.sleep(pause)
                        pause = min(2 * pause, 5.0)

            return await raced(server, send, lambda: asyncio.gather(*(call() for _ in range(int(requests)))))

    return asyncio.run(main())


async def crowded(enter: Callable[[], Awaitable[None]], count: int) -> Taken:
    """Let a crowd enter and leave again."""
    order: list[int] = []

    async def call(number: int) -> None:
        await enter()
        order.append(number)

    with Watch() as watch:
        await asyncio.gather(*(call(number) for number in range(count)))
    return watch.per(count, scale=1e6, **{"out of order": disorder_of(order)})


def disorder_of(order: list[int]) -> int:
    return sum(number != place for place, number in enumerate(order))


def crowd_at_gate(_: object, count: float) -> Taken:
    async def main() -> Taken:
        gate = Gate(LocalBucket(RateLimit(CAPACITY, CROWD_RATE)))

        async def enter() -> None:
            with await gate.enter(Lane.INTERACTIVE):
                pass

        try:
            return await crowded(enter, int(count))
        finally:
            await gate.aclose()

    return asyncio.run(main())


def crowd_at(
    make: Callable[[float], Callable[[], AbstractAsyncContextManager[object]]], _: object, count: float
) -> Taken:
    async def main() -> Taken:
        passing = make(CROWD_RATE)

        async def enter() -> None:
            async with passing():
                pass

        try:
            async with asyncio.timeout(120):
                return await crowded(enter, int(count))
        except TimeoutError:
            raise Refused("not done after 120 seconds") from None

    return asyncio.run(main())


def crowd_of_aiometer(_: object, count: float) -> Taken:
    """It starts functions, so there is nothing to enter."""

    async def main() -> Taken:
        order: list[int] = []

        async def call(number: int) -> None:
            order.append(number)

        calls = [partial(call, number) for number in range(int(count))]
        with Watch() as watch:
            await aiometer.run_all(calls, max_per_second=CROWD_RATE)
        return watch.per(count, scale=1e6, **{"out of order": disorder_of(order)})

    return asyncio.run(main())


CASES = (
    Case(
        name="limiter-makespan",
        title="all answers of many requests, at 100 a second",
        unit="s until the last answer",
        by="wall",
        world=stock,
        contenders={
            "least possible": least_possible,
            "kakaclo": kakaclo,
            "aiolimiter": limited_by(limiters.aiolimiter),
            "pyrate-limiter": limited_by(limiters.pyrate),
            "throttled-py": limited_by(limiters.throttled),
            "aiometer": with_aiometer,
            "semaphore and retries": semaphore,
        },
        base="least possible",
        points="requests",
        quick=Size(5, (300,), only=("least possible", "kakaclo")),
        full=Size(5, (150, 400, 1000)),
        bars=(
            Bar(over="least possible", most=1.15, at=300),
            Bar(over="least possible", most=1.03, at=1000),
            Bar(of="429s", most=0, each=True, guard=20, cause=LATE),
        ),
        plot=Plot("makespan", x="requests wanted at once", y="seconds until the last answer"),
        note="The limiters of others are set to a burst of 118 and the server's rate; aiometer has no burst. "
        "kakaclo leaves ten permits unused at this rate, a tenth of a second; at KakaClo's own it leaves two.",
    ),
    Case(
        name="limiter-crowd",
        title="many calls that wait at once, without a network",
        unit="us of CPU for a call",
        contenders={
            "aiolimiter": partial(crowd_at, limiters.aiolimiter),
            "kakaclo": crowd_at_gate,
            "pyrate-limiter": partial(crowd_at, limiters.pyrate),
            "throttled-py": partial(crowd_at, limiters.throttled),
            "aiometer": crowd_of_aiometer,
        },
        base="aiolimiter",
        points="calls waiting",
        quick=Size(5, (5_000,), only=("aiolimiter", "kakaclo")),
        full=Size(5, (1_000, 10_000, 50_000)),
        bars=(Bar(over="aiolimiter", most=1.0), Bar(of="out of order", most=0, each=True)),
        note="20,000 permits a second, in real time.",
    ),
)  # fmt: skip
