"""How long an interactive call waits while a bulk job fills the queue: first come first served, against lanes.

The figure is the longest wait of all interactive calls. Most of it runs at KakaClo's rate, two permits a second, on a
clock that jumps to the next timer, so an hour of queueing takes a moment; `lanes-http` runs in real time.
"""

from __future__ import annotations

import asyncio
import random
import time
from functools import partial
from typing import TYPE_CHECKING

from harness import Bar, Case, Plot, Size, Taken, Watch
from made.shop import client
from rivals import limiters

from cases.call import stock
from cases.limiter import LATE
from kakaclo_async import RateLimit, Waited
from kakaclo_async.events import Lane
from kakaclo_async.ratelimit.gate import Gate
from kakaclo_async.ratelimit.local import LocalBucket
from kakaclo_async.testing import SteppedLoop

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    from harness.servers import Server

CAPACITY = 120
LEAK = 0.5  # seconds
CALLS = 60
"""Interactive calls, at least."""
RESERVE = 20
"""Permits that a bulk job leaves for them."""
QUEUED = 300
"""Bulk calls that wait while bursts come."""
WAITED = "permits' times waited, by its own events"


def stepped(main: Coroutine[object, object, float]) -> float:
    with asyncio.Runner(loop_factory=lambda: SteppedLoop(grace=0)) as runner:
        return runner.run(main)


def gate() -> Gate:
    return Gate(LocalBucket(RateLimit(CAPACITY, 1 / LEAK)), reserve=RESERVE)


async def longest(
    bulk: Callable[[], Awaitable[object]], call: Callable[[], Awaitable[object]], queued: int, size: int
) -> float:
    """Return the longest wait in bursts, at a tenth of the rate, behind a queue that stays full."""
    clock = asyncio.get_running_loop().time
    job: set[asyncio.Task[None]] = set()
    filled, passed = asyncio.Event(), 0

    async def one() -> None:
        nonlocal passed
        await bulk()
        passed += 1
        if passed > CAPACITY and not filled.is_set():  # from then on the queue stays as long as it is
            job.add(asyncio.create_task(one()))

    for _ in range(queued + CAPACITY):
        job.add(asyncio.create_task(one()))
    await asyncio.sleep(0.1)
    draw, waits = random.Random(5), list[float]()

    async def timed() -> None:
        began = clock()
        await call()
        waits.append(clock() - began)

    while len(waits) < CALLS:
        await asyncio.sleep(draw.expovariate(0.1 / LEAK / size))
        await asyncio.gather(*(timed() for _ in range(size)))
    filled.set()
    for task in job:
        task.cancel()
    await asyncio.gather(*job, return_exceptions=True)
    return max(waits)


def lanes(_: object, queued: float, size: float) -> float:
    async def main() -> float:
        one = gate()
        return await longest(
            lambda: one.enter(Lane.BULK), lambda: one.enter(Lane.INTERACTIVE), int(queued), int(size)
        )

    return stepped(main())


def one_lane(_: object, queued: float, size: float) -> float:
    async def main() -> float:
        one = gate()
        enter = partial(one.enter, Lane.INTERACTIVE)
        return await longest(enter, enter, int(queued), int(size))

    return stepped(main())


def aiolimiter(_: object, queued: float, size: float) -> float:
    async def main() -> float:
        limiter = limiters.aiolimiter(1 / LEAK)()
        return await longest(limiter.acquire, limiter.acquire, int(queued), int(size))

    return stepped(main())


def bulk_alone(_: object, requests: float, *, lane: Lane) -> float:
    async def main() -> float:
        one, clock = gate(), asyncio.get_running_loop().time
        began = clock()
        await asyncio.gather(*(one.enter(lane) for _ in range(int(requests))))
        return clock() - began - (RESERVE * LEAK if lane is Lane.BULK else 0)

    return stepped(main())


def over_http(server: Server, queued: float, *, lane: Lane) -> Taken:
    """Call in real time at 100 a second; by a clock outside of the client, and by what its own events tell."""
    per_second, took, waits = 100.0, list[float](), list[float]()

    def note(event: object) -> None:
        if isinstance(event, Waited) and event.lane is Lane.INTERACTIVE:
            waits.append(event.seconds)

    async def main() -> None:
        async with client(server.url, RateLimit(CAPACITY, per_second)) as kk:
            heap = kk.bulk() if lane is Lane.BULK else kk
            job = [asyncio.create_task(heap.stocks.page(skus=["A"])) for _ in range(int(queued))]
            await asyncio.sleep(2)
            kk.on_event(note)
            for _ in range(40):
                began = time.perf_counter()
                await kk.stocks.page(skus=["B"])
                took.append(time.perf_counter() - began)
                await asyncio.sleep(10 / per_second)
            for task in job:
                task.cancel()
            await asyncio.gather(*job, return_exceptions=True)

    server.limit(CAPACITY, per_second)
    with Watch() as watch:
        asyncio.run(main())
    _, refused = server.counts()
    longest, waited = max(took) * per_second, max(waits) * per_second
    return watch.per(1, count=longest, **{WAITED: waited, "429s": refused})


def alone(way: Callable[[object, float, float], float]) -> Callable[[object, float], float]:
    return lambda world, queued: way(world, queued, 1)


def in_bursts(way: Callable[[object, float, float], float]) -> Callable[[object, float], float]:
    return lambda world, size: way(world, QUEUED, size)


WAYS = {"kakaclo": lanes, "one lane": one_lane, "aiolimiter": aiolimiter}
STEPPED = (
    "On a stepped clock: each run is the same, so one round is enough. The calls come at a tenth of the rate"
)

CASES = (
    Case(
        name="lanes-single",
        title="wait of interactive calls behind a bulk job",
        unit=f"seconds, the longest wait of {CALLS} interactive calls or more",
        by="count",
        contenders={name: alone(way) for name, way in WAYS.items()},
        base="one lane",
        points="bulk calls queued",
        quick=Size(1, (100,)),
        full=Size(1, (10, 30, 100, 300, 1000, 3300)),
        bars=(Bar(most=0.025), Bar(over="one lane", most=0.01)),
        plot=Plot("lanes", x="bulk calls queued", y="seconds, the longest wait", log_x=True, log_y=True),
        note=f"{STEPPED}, one at a time.",
    ),
    Case(
        name="lanes-bursts",
        title=f"wait of interactive calls that come in bursts, behind {QUEUED} bulk calls",
        unit=f"seconds, the longest wait of {CALLS} interactive calls or more",
        by="count",
        contenders={name: in_bursts(way) for name, way in WAYS.items()},
        base="one lane",
        points="calls in a burst",
        quick=Size(1, (8, 40)),
        full=Size(1, (1, 8, 20, 30, 40)),
        bars=(Bar(most=0.025, at=8), Bar(over="one lane", most=0.01, at=8), Bar(over="one lane", most=0.085)),
        note=f"{STEPPED}. The reserve is {RESERVE} permits, so of a longer burst the last calls wait for new ones, "
        "half a second for each.",
    ),
    Case(
        name="lanes-cost",
        title="what the lanes cost a bulk job, beyond the reserve",
        unit="s of the stepped clock",
        by="count",
        contenders={
            "one lane": partial(bulk_alone, lane=Lane.INTERACTIVE),
            "kakaclo": partial(bulk_alone, lane=Lane.BULK),
        },
        base="one lane",
        quick=Size(1, (500,)),
        full=Size(1, (2000,)),
        bars=(Bar(over="one lane", most=1.02),),
    ),
    Case(
        name="lanes-http",
        title="wait of interactive calls behind a bulk job, over HTTP in real time",
        unit="times 10 ms, the time of one permit: the longest of 40 interactive calls, answers included",
        by="count",
        world=stock,
        contenders={
            "no bulk job": lambda server, _: over_http(server, 0, lane=Lane.BULK),
            "kakaclo": partial(over_http, lane=Lane.BULK),
            "one lane": partial(over_http, lane=Lane.INTERACTIVE),
        },
        base="one lane",
        quick=Size(0),
        full=Size(5, (900,)),
        bars=(
            Bar(over="one lane", most=0.05),
            Bar(of=WAITED, most=0.05),
            Bar(of="429s", most=0, each=True, guard=10, cause=LATE),
        ),
    ),
)  # fmt: skip
