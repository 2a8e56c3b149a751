"""The whole client over real HTTP against a local KakaClo in another process: what a permit buys, and who waits.

    python benchmarks/bench_client.py [--slow]

`--slow` adds the row at the true rate of two requests per second, which takes two minutes.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import sys
import time
from contextlib import asynccontextmanager, contextmanager
from itertools import islice
from typing import TYPE_CHECKING

from kakaclo_async import FreightRequest, Item, KakaClo, Lane, RateLimit, Waited
from kakaclo_async.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator
    from multiprocessing.connection import Connection

CAPACITY = 120


def serve(pipe: Connection, speed: float) -> None:
    """Run a sandbox; answer each message with the requests by path, those refused, and some SKUs."""

    async def run() -> None:
        loop = asyncio.get_running_loop()
        async with Sandbox(products=300, speed=speed, index_lag=0) as sandbox:
            skus = list(islice(sandbox.catalog.skus(), 500))
            pipe.send((sandbox.url, sandbox.token, skus))
            while await loop.run_in_executor(None, pipe.recv):
                pipe.send((dict(sandbox.requests), sandbox.throttled))

    asyncio.run(run())


class Server:
    """A sandbox in another process."""

    def __init__(self, speed: float) -> None:
        self.per_second = 2.0 * speed
        self._pipe, other = multiprocessing.Pipe()
        self._process = multiprocessing.get_context("spawn").Process(target=serve, args=(other, speed))
        self._process.start()
        self.url, self.token, self.skus = self._pipe.recv()

    def counts(self) -> tuple[dict[str, int], int]:
        self._pipe.send(True)
        requests, throttled = self._pipe.recv()
        return requests, throttled

    def stop(self) -> None:
        self._pipe.send(False)
        self._process.join()

    @asynccontextmanager
    async def client(self) -> AsyncGenerator[KakaClo, None]:
        rate = RateLimit(CAPACITY, self.per_second)
        async with KakaClo(self.token, base_url=self.url, rate_limit=rate, max_wait=None) as kk:
            yield kk


@contextmanager
def server(speed: float) -> Iterator[Server]:
    running = Server(speed)
    try:
        yield running
    finally:
        running.stop()


async def makespan(running: Server, requests: int) -> float:
    async with running.client() as kk:
        await kk.payment.balance()  # connect, and import what is imported late
        await asyncio.sleep(1 / running.per_second)
        started = time.perf_counter()
        await asyncio.gather(*(kk.payment.balance() for _ in range(requests)))
        taken = time.perf_counter() - started
    return taken / ((requests - CAPACITY) / running.per_second)


async def look_ups(running: Server) -> None:
    async with running.client() as kk:
        levels = await asyncio.gather(*map(kk.stocks.get, running.skus))
    assert [level.sku for level in levels] == running.skus


async def quotes(running: Server) -> None:
    first, second = running.skus[:2]
    carts = [
        FreightRequest([Item(first, 1 + n % 10), Item(second, 1 + n // 10 % 10)], "US") for n in range(1000)
    ]
    async with running.client() as kk:
        assert len(await kk.freight.quote_many(carts)) == 1000


async def interactive_waits(running: Server, burst: int, calls: int = 200) -> float:
    """Return the 99th percentile of waits, in leak intervals, at 10 % load under a full bulk lane."""
    waits: list[float] = []

    def note(event: object) -> None:
        if isinstance(event, Waited) and event.lane is Lane.INTERACTIVE:
            waits.append(event.seconds)

    async with running.client() as kk:
        bulk = kk.bulk()
        job = [asyncio.create_task(bulk.payment.balance()) for _ in range(3334)]
        await asyncio.sleep(2)
        kk.on_event(note)
        for _ in range(calls // burst):
            await asyncio.gather(*(kk.payment.balance() for _ in range(burst)))
            await asyncio.sleep(10 * burst / running.per_second)
        for call in job:
            call.cancel()
        await asyncio.gather(*job, return_exceptions=True)
    return sorted(waits)[int(len(waits) * 0.99)] * running.per_second


Row = tuple[str, float, float]


def rows(*, slow: bool) -> Iterator[Row]:
    with server(50) as running:
        yield "2,000 GETs at 100/s, over the least time", asyncio.run(makespan(running, 2000)), 1.03
        yield "... of them refused with 429", running.counts()[1], 0
    with server(50) as running:
        yield "waits of single calls behind bulk, p99", asyncio.run(interactive_waits(running, 1)), 0.05
        yield "429s meanwhile", running.counts()[1], 0
    with server(50) as running:
        yield "waits of bursts of 8 behind bulk, p99", asyncio.run(interactive_waits(running, 8)), 0.05
    with server(50) as running:
        asyncio.run(look_ups(running))
        yield "requests for 500 stocks.get", running.counts()[0]["/v1/product/stocks"], 17
    with server(50) as running:
        asyncio.run(quotes(running))
        sent = running.counts()[0]["/v2/order/orders/channel/automationSplit"]
        yield "requests for 1,000 quotes, 100 different", sent, 100
    if slow:
        with server(1) as running:
            yield "340 GETs at 2/s, over the least time", asyncio.run(makespan(running, 340)), 1.01
            yield "... of them refused with 429", running.counts()[1], 0


def main() -> int:
    missed = 0
    print(f"{'what':45}{'measured':>10}{'bar':>8}")
    for what, measured, bar in rows(slow="--slow" in sys.argv):
        missed += measured > bar
        print(f"{what:45}{measured:>10.3f}{bar:>8g}{'' if measured <= bar else '  MISSED'}", flush=True)
    return min(missed, 1)


if __name__ == "__main__":
    sys.exit(main())
