"""How long an interactive call waits while a bulk job fills the queue: first come first served, against lanes.

Waits are told in leak intervals, the time in which one permit becomes free: half a second at KakaClo's rate. Most of it
runs on a clock that jumps to the next timer, so an hour of queueing takes a moment; `lanes-http` runs in real time.
"""

from __future__ import annotations

import asyncio
import random
from functools import partial
from typing import TYPE_CHECKING

from harness import Bar, Case, Plot, Size, Taken, Watch
from made.shop import client
from rivals import limiters

from cases.call import stock
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


def stepped(main: Coroutine[object, object, float]) -> float:
    with asyncio.Runner(loop_factory=lambda: SteppedLoop(grace=0)) as runner:
        return runner.run(main)


def gate() -> Gate:
    return Gate(LocalBucket(RateLimit(CAPACITY, 1 / LEAK)), reserve=20)


async def p99(
    bulk: Callable[[], Awaitable[object]], call: Callable[[], Awaitable[object]], queued: int, size: int
) -> float:
    """Return the 99th percentile of the wait of bursts, at a tenth of the rate, behind a queue that stays full."""
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
    return sorted(waits)[len(waits) * 99 // 100] / LEAK


def lanes(_: object, queued: float, *, size: int = 1) -> float:
    async def main() -> float:
        one = gate()
        return await p99(lambda: one.enter(Lane.BULK), lambda: one.enter(Lane.INTERACTIVE), int(queued), size)

    return stepped(main())


def one_lane(_: object, queued: float, *, size: int = 1) -> float:
    async def main() -> float:
        one = gate()
        enter = partial(one.enter, Lane.INTERACTIVE)
        return await p99(enter, enter, int(queued), size)

    return stepped(main())


def aiolimiter(_: object, queued: float, *, size: int = 1) -> float:
    async def main() -> float:
        limiter = limiters.aiolimiter(1 / LEAK)()
        return await p99(limiter.acquire, limiter.acquire, int(queued), size)

    return stepped(main())


def bulk_alone(_: object, requests: float, *, lane: Lane) -> float:
    async def main() -> float:
        one, clock = gate(), asyncio.get_running_loop().time
        began = clock()
        await asyncio.gather(*(one.enter(lane) for _ in range(int(requests))))
        return clock() - began - (20 * LEAK if lane is Lane.BULK else 0)

    return stepped(main())


def over_http(server: Server, queued: float, *, lane: Lane) -> Taken:
    """Wait in real time at 100 a second; of the client's own events."""
    per_second, waits = 100.0, list[float]()

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
                await kk.stocks.page(skus=["B"])
                await asyncio.sleep(10 / per_second)
            for task in job:
                task.cancel()
            await asyncio.gather(*job, return_exceptions=True)

    server.limit(CAPACITY, per_second)
    with Watch() as watch:
        asyncio.run(main())
    _, refused = server.counts()
    count = sorted(waits)[int(len(waits) * 0.99)] * per_second
    return watch.per(1, count=count, **{"429s": refused})


def waits(name: str, title: str, size: int, plot: Plot | None) -> Case:
    return Case(
        name=name,
        title=title,
        unit="leak intervals, 99th percentile",
        by="count",
        contenders={
            "kakaclo": partial(lanes, size=size),
            "one lane": partial(one_lane, size=size),
            "aiolimiter": partial(aiolimiter, size=size),
        },
        base="one lane",
        points="bulk calls queued",
        quick=Size(1, (100,)),
        full=Size(1, (10, 30, 100, 300, 1000, 3300)),
        bars=(Bar(most=0.05), Bar(over="one lane", most=0.01)),
        plot=plot,
        note="On a stepped clock: the same in each run, so one round is enough. Interactive calls come at a tenth "
        f"of the rate, {size} at a time.",
    )


CASES = (
    waits(
        "lanes-single", "wait of interactive calls behind a bulk job", 1,
        Plot("lanes", x="bulk calls queued", y="half seconds of waiting, 99th percentile", log_x=True, log_y=True),
    ),
    waits("lanes-bursts", "wait of interactive calls in bursts of 8", 8, None),
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
        unit="leak intervals, 99th percentile",
        by="count",
        world=stock,
        contenders={
            "kakaclo": partial(over_http, lane=Lane.BULK),
            "one lane": partial(over_http, lane=Lane.INTERACTIVE),
        },
        base="one lane",
        quick=Size(0),
        full=Size(5, (900,), only=("kakaclo",)),
        bars=(Bar(most=0.05), Bar(of="429s", most=0)),
    ),
)  # fmt: skip
