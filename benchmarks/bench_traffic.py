"""What the gate, batching, caching and the shared bucket get out of the permits, against their bars.

    python benchmarks/bench_traffic.py            every row; about a minute
    python benchmarks/bench_traffic.py crowd      only the rows of these groups: makespan, lanes, sharing, crowd, redis

Rows marked "stepped" run on a clock that jumps instead of waiting; the others take their time. The server is a
leaky bucket of 120 behind a network that takes up to 10 ms each way. The exit status is 1 when a bar is missed.
"""

from __future__ import annotations

import asyncio
import gc
import json
import random
import shutil
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

import redis
from aiolimiter import AsyncLimiter

from kakaclo_async import NotFound
from kakaclo_async.events import Lane
from kakaclo_async.ratelimit.bucket import RateLimit
from kakaclo_async.ratelimit.gate import Gate
from kakaclo_async.ratelimit.local import LocalBucket
from kakaclo_async.ratelimit.redis import RedisBucket
from kakaclo_async.sandbox.world.clock import LeakyBucket
from kakaclo_async.sharing.batching import Batch, Batcher
from kakaclo_async.sharing.single_flight import Cache, SharedResult
from kakaclo_async.testing import SteppedLoop

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Iterator

CAPACITY: Final = 120
LEAK: Final = 0.5  # seconds per permit at the true rate
BULK_JOB: Final = 3334  # requests for a catalog of 100,000 products
CROWD: Final = 50_000
INTERACTIVE, BULK = Lane.INTERACTIVE, Lane.BULK

T = TypeVar("T")


class Row(NamedTuple):
    """One measured figure and the most that it may be; None: for comparison."""

    what: str
    measured: float
    bar: float | None


def now() -> float:
    return asyncio.get_running_loop().time()


class Shop:
    """The server: counts what it refuses."""

    def __init__(self, per_second: float) -> None:
        self.bucket = LeakyBucket(CAPACITY, per_second, now)
        self.random = random.Random(7)
        self.refused = 0

    async def call(self, gate: Gate) -> None:
        """Send one request, again after each 429."""
        again = False
        while True:
            with await gate.enter(INTERACTIVE, again=again) as permit:
                await asyncio.sleep(self.random.random() / 100)
                again = self.bucket.take() > 0
                if not again:
                    await asyncio.sleep(self.random.random() / 100)
                    return
                self.refused += 1
                permit.throttled(None)


def new_gate(per_second: float = 1 / LEAK, reserve: int = 20) -> Gate:
    return Gate(LocalBucket(RateLimit(CAPACITY, per_second)), reserve=reserve)


async def makespan(requests: int, per_second: float) -> tuple[float, int]:
    gate, shop = new_gate(per_second), Shop(per_second)
    began = now()
    await asyncio.gather(*(shop.call(gate) for _ in range(requests)))
    took = now() - began
    await gate.aclose()
    return took / ((requests - CAPACITY) / per_second), shop.refused


def makespan_rows() -> Iterator[Row]:
    ratio, refused = asyncio.run(makespan(2000, 100.0))
    yield Row("2,000 requests at 100/s: makespan over the minimum", ratio, 1.03)
    yield Row("  429s", refused, 0)
    ratio, refused = on_stepped_clock(makespan(340, 2.0))
    yield Row("340 requests at the true 2/s (stepped): makespan over the minimum", ratio, 1.01)
    yield Row("  429s", refused, 0)


async def bulk_cost() -> float:
    async def job(gate: Gate, lane: Lane) -> float:
        began = now()
        await asyncio.gather(*(gate.enter(lane) for _ in range(2000)))
        return now() - began

    plain = await job(new_gate(), INTERACTIVE)
    bulk = await job(new_gate(), BULK)
    return (bulk - 20 * LEAK) / plain - 1


async def waits_after_the_reserve() -> tuple[float, float]:
    """Return the longest waits, in leak intervals, while the reserve lasts and at 2 calls/s after that."""
    gate = new_gate()
    job = await start_bulk(gate)
    early = [(await gate.enter(INTERACTIVE)).waited for _ in range(20)]
    late = []
    for _ in range(1000):
        call = asyncio.create_task(gate.enter(INTERACTIVE))
        await asyncio.sleep(LEAK)
        late.append((await call).waited)
    await stop(job)
    return max(early) / LEAK, max(late) / LEAK


async def p99_of_bursts(size: int) -> float:
    """Return the 99th percentile of the wait, in leak intervals, of interactive calls at a tenth of the rate."""
    gate = new_gate()
    job = await start_bulk(gate)
    draw = random.Random(5)
    waits: list[float] = []
    while len(waits) < 300:
        await asyncio.sleep(draw.expovariate(0.1 / LEAK / size))
        burst = await asyncio.gather(*(gate.enter(INTERACTIVE) for _ in range(size)))
        waits += [permit.waited for permit in burst]
    await stop(job)
    return sorted(waits)[len(waits) * 99 // 100] / LEAK


async def start_bulk(gate: Gate) -> list[asyncio.Task[object]]:
    job: list[asyncio.Task[object]] = [asyncio.create_task(gate.enter(BULK)) for _ in range(BULK_JOB)]
    await asyncio.sleep(0.1)
    return job


async def stop(job: list[asyncio.Task[object]]) -> None:
    for call in job:
        call.cancel()
    await asyncio.wait(job)


def lane_rows() -> Iterator[Row]:
    early, late = on_stepped_clock(waits_after_the_reserve())
    yield Row(
        f"{BULK_JOB:,} bulk calls queued: longest interactive wait, in leaks, within the reserve", early, 0
    )
    yield Row("  after it, at 2 calls/s", late, 1.001)
    yield Row("  single calls at 10 % load: 99th percentile", on_stepped_clock(p99_of_bursts(1)), 0.05)
    yield Row("  bursts of 8 at 10 % load: 99th percentile", on_stepped_clock(p99_of_bursts(8)), 0.05)
    yield Row("cost of the lanes for a bulk job, beyond the reserve", on_stepped_clock(bulk_cost()), 0.02)


async def look_ups(keys: list[int], cancelled: Iterable[int], free: int) -> tuple[int, int]:
    """Return how many requests the look-ups cost, and how many callers got anything but their own row."""
    gate = new_gate()
    requests = 0

    async def fetch(batch: Batch[int, int]) -> dict[int, int]:
        nonlocal requests
        with await gate.enter(INTERACTIVE):
            found = {key: key for key in batch.take()}
            requests += 1
            await asyncio.sleep(0.1)
            return found

    for _ in range(118 - free):
        await gate.enter(INTERACTIVE)
    stocks = Batcher(fetch, missing=lambda key: NotFound(f"no {key}", status=200))
    calls = [asyncio.create_task(stocks.get(key)) for key in keys]
    await asyncio.sleep(0)
    victims = set(cancelled)
    for victim in victims:
        calls[victim].cancel()
    rows = await asyncio.gather(*calls, return_exceptions=True)
    wrong = sum(row != key for n, (key, row) in enumerate(zip(keys, rows, strict=True)) if n not in victims)
    return requests, wrong


async def quotes() -> int:
    cache: Cache[int, int] = Cache(600.0)
    gate, requests = new_gate(), 0

    async def quote(_flight: SharedResult[int]) -> int:
        nonlocal requests
        with await gate.enter(INTERACTIVE):
            requests += 1
            return requests

    await asyncio.gather(*(cache.get(number % 100, quote) for number in range(1000)))
    return requests


def sharing_rows() -> Iterator[Row]:
    for free in (118, 3):
        requests, _ = on_stepped_clock(look_ups(list(range(500)), (), free))
        yield Row(f"500 look-ups with {free} free permits (stepped): requests", requests, 17)
        keys = [number % 400 for number in range(500)]
        requests, wrong = on_stepped_clock(look_ups(keys, range(0, 500, 10), free))
        yield Row("  100 repeated and 50 cancelled: requests", requests, 17)
        yield Row("  callers without their row", wrong, 0)
    yield Row("1,000 quotes of which 900 equal another (stepped): requests", on_stepped_clock(quotes()), 100)


async def crowd(enter: Callable[[], Coroutine[object, object, object]]) -> tuple[float, int]:
    """Return microseconds of CPU per call, and how many calls were served out of order."""
    order: list[int] = []

    async def call(number: int) -> None:
        await enter()
        order.append(number)

    gc.collect()
    began = time.process_time()
    await asyncio.gather(*(call(number) for number in range(CROWD)))
    spent = time.process_time() - began
    return spent / CROWD * 1e6, sum(number != place for place, number in enumerate(order))


async def crowd_at_gate(per_second: float) -> tuple[float, int]:
    gate = new_gate(per_second)
    return await crowd(lambda: gate.enter(INTERACTIVE))


async def crowd_at_limiter() -> tuple[float, int]:
    return await crowd(AsyncLimiter(118, 59).acquire)


def crowd_rows() -> Iterator[Row]:
    cost, disorder = min(on_stepped_clock(crowd_at_gate(2.0)) for _ in range(3))
    yield Row(f"{CROWD:,} calls waiting at once (stepped): microseconds of CPU per call", cost, 45)
    yield Row("  calls out of order", disorder, 0)
    cost, disorder = asyncio.run(crowd_at_gate(20_000.0))
    yield Row("  in real time at 20,000/s: microseconds of CPU per call", cost, 45)
    yield Row("  calls out of order", disorder, 0)
    cost, _ = min(on_stepped_clock(crowd_at_limiter()) for _ in range(3))
    yield Row("  aiolimiter alone (stepped): microseconds of CPU per call", cost, None)


async def work(url: str, requests: int, lane: Lane, per_second: float) -> None:
    """Send requests as one of several processes, and print when."""
    gate = Gate(RedisBucket(url, rate_limit=RateLimit(CAPACITY, per_second)), reserve=20)
    arrivals: list[float] = []

    async def call() -> None:
        with await gate.enter(lane):
            arrivals.append(time.monotonic())

    print("ready", flush=True)
    sys.stdin.readline()
    await asyncio.gather(*(call() for _ in range(requests)))
    await gate.aclose()
    print(json.dumps(arrivals))


def processes(url: str, lane: Lane, per_second: float, requests: int, count: int = 4) -> list[float]:
    """Let processes send requests; return the seconds from the start until each was sent."""
    command = [sys.executable, __file__, "work", url, str(requests // count), lane, str(per_second)]
    workers = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(count)
    ]
    for worker in workers:
        assert worker.stdout is not None
        worker.stdout.readline()
    began = time.monotonic()
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.write("go\n")
        worker.stdin.flush()
    outputs = [worker.communicate()[0] for worker in workers]
    return sorted(arrival - began for output in outputs for arrival in json.loads(output))


def redis_rows() -> Iterator[Row]:
    """Four processes; skipped by name where there is no redis-server."""
    binary = shutil.which("redis-server")
    if binary is None:
        print("redis: skipped, redis-server is not installed")
        return
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    server = subprocess.Popen([binary, "--port", str(port), "--save", ""], stdout=subprocess.DEVNULL)
    try:
        with redis.Redis(port=port) as client:
            client.ping()
            yield from measure_redis(client, f"redis://127.0.0.1:{port}")
    finally:
        server.terminate()
        server.wait()


def measure_redis(client: redis.Redis, url: str) -> Iterator[Row]:
    requests, per_second = 400, 20.0
    for lane, free in ((INTERACTIVE, CAPACITY), (BULK, CAPACITY - 20)):
        client.flushdb()
        client.config_resetstat()
        arrivals = processes(url, lane, per_second, requests)
        calls = client.info("commandstats")["cmdstat_evalsha"]["calls"]
        shop = LeakyBucket(CAPACITY, per_second, iter([arrivals[0], *arrivals]).__next__)
        refused = sum(shop.take() > 0 for _ in arrivals)
        minimum = (requests - free) / per_second
        yield Row(f"4 processes, {requests} {lane} requests at 20/s: makespan", arrivals[-1] / minimum, 1.02)
        yield Row("  429s", refused, 0)
        yield Row("  script calls per permit", calls / requests, 2)


def on_stepped_clock(main: Coroutine[object, object, T]) -> T:
    with asyncio.Runner(loop_factory=lambda: SteppedLoop(grace=0)) as runner:
        return runner.run(main)


GROUPS: Final = {
    "makespan": makespan_rows,
    "lanes": lane_rows,
    "sharing": sharing_rows,
    "crowd": crowd_rows,
    "redis": redis_rows,
}


def main(names: list[str]) -> int:
    missed = 0
    print(f"{'':<90} {'measured':>9} {'bar':>7}")
    for name in names or GROUPS:
        for row in GROUPS[name]():
            bad = row.bar is not None and row.measured > row.bar
            missed += bad
            bar = "" if row.bar is None else f"{row.bar:g}"
            print(f"{row.what:<90} {row.measured:>9.4g} {bar:>7}{'  MISSED' if bad else ''}", flush=True)
    return int(missed > 0)


if __name__ == "__main__":
    if sys.argv[1:2] == ["work"]:
        _, _, url, share, lane, per_second = sys.argv
        asyncio.run(work(url, int(share), Lane(lane), float(per_second)))
    else:
        sys.exit(main(sys.argv[1:]))
