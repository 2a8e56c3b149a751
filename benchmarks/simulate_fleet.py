"""Simulate fleets of many shops on the stepped clock: how many workers and machines they need.

Prints the table of docs/fleet.md; there is no bar. Bells, turns, ticks, slots and priorities are as the fleet has them.
What each takes of a processor was measured (see that page) and stands in `Costs`; what is assumed says so. A worker is
one process, and has one core. Of the workers that are tried, the table has the fewest that are busy for 70 % of the
time at most, and with which 99 of 100 orders are begun within 2 seconds.

    .venv/bin/python benchmarks/simulate_fleet.py            # all rows: some minutes
    .venv/bin/python benchmarks/simulate_fleet.py 1000       # those of so many shops
"""

from __future__ import annotations

import asyncio
import heapq
import random
import sys
from collections import deque
from math import ceil
from pathlib import Path
from statistics import quantiles
from typing import TYPE_CHECKING

import attrs

from kakaclo_async.fleet.config.settings import FleetSettings
from kakaclo_async.fleet.engine import PRIORITY
from kakaclo_async.testing import SteppedLoop

if TYPE_CHECKING:
    from collections.abc import Coroutine

CORES = 4  # of a machine
BUSY = 0.7
SOON = 2.0


@attrs.frozen
class Costs:
    """Seconds of a worker's processor, and of PostgreSQL's."""

    bell = (0.0012, 0.0009)
    orders = (0.0042, 0.0015)
    watch = (0.0094, 0.0033)
    place = (0.0078, 0.0024)
    submit = (0.0, 0.0022)  # the worker's share is the submitting program's
    tick = (0.001, 0.000014)  # PostgreSQL's for each shop
    request = 0.3  # assumed: seconds until KakaClo answers
    asked = 0.005  # assumed: of a worker's processor, for what became of some orders
    mirror = 2.0  # assumed: of a worker's processor, for a cycle of the shared catalog


class Processor:
    """Cores that do one thing after the other, in the order in which they are asked."""

    def __init__(self, cores: int) -> None:
        self.busy = 0.0
        self._free_at = [0.0] * cores

    async def use(self, seconds: float) -> None:
        """Wait until it has done something that takes so long."""
        now = asyncio.get_running_loop().time()
        end = max(now, heapq.heappop(self._free_at)) + seconds
        heapq.heappush(self._free_at, end)
        self.busy += seconds
        await asyncio.sleep(end - now)


class Simulation:
    """A fleet for some minutes.

    Args:
        shops: how many.
        workers: how many.
        settings: whose times count.
        orders: that come in a minute.
    """

    def __init__(self, shops: int, workers: int, settings: FleetSettings, orders: int) -> None:
        self._settings = settings
        self._rate = orders / 60
        self._shops = shops
        self._workers = [Processor(1) for _ in range(workers)]
        self._database = Processor(CORES)
        self._due = {(kind, shop): 0.0 for shop in range(shops) for kind in ("orders", "watch")}
        self._due["mirror", -1] = 0.0
        self._bells: list[tuple[int, int, str, int]] = []
        self._rung: set[tuple[str, int]] = set()
        self._count = 0
        self._waiting: dict[int, deque[float]] = {}
        self._has_bells = asyncio.Event()
        self._ticking = asyncio.Lock()  # ticks take their turns
        self._tasks: set[asyncio.Task[None]] = set()
        self.begun: list[float] = []
        self.late: list[float] = []

    async def run(self) -> None:
        """Start, with all turns due at once; forget the first round of turns, and measure the next two."""
        seconds = max(self._settings.orders_every, self._settings.watch_every)
        self._start(self._submit())
        for worker in self._workers:
            self._start(self._tick(worker))
            for _ in range(self._settings.at_once):
                self._start(self._answer(worker))
        await asyncio.sleep(seconds)
        self.begun.clear()
        self.late.clear()
        for processor in (*self._workers, self._database):
            processor.busy = 0.0
        await asyncio.sleep(2 * seconds)
        self.worker_busy = sum(worker.busy for worker in self._workers) / (2 * seconds)
        self.database_busy = self._database.busy / (2 * seconds)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _start(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _ring(self, kind: str, shop: int) -> None:
        if (kind, shop) not in self._rung:
            self._rung.add((kind, shop))
            self._count += 1
            heapq.heappush(self._bells, (-PRIORITY[kind], self._count, kind, shop))
            self._has_bells.set()

    async def _submit(self) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            await asyncio.sleep(random.expovariate(self._rate))
            shop = random.randrange(self._shops)
            self._start(self._database.use(Costs.submit[1]))
            self._waiting.setdefault(shop, deque()).append(clock())
            self._due["orders", shop] = min(self._due["orders", shop], clock())
            self._ring("orders", shop)

    async def _tick(self, worker: Processor) -> None:
        clock = asyncio.get_running_loop().time
        await asyncio.sleep(random.random() * self._settings.tick)
        while True:
            async with self._ticking:
                await self._database.use(Costs.tick[1] * self._shops)
            await worker.use(Costs.tick[0])
            for (kind, shop), due in self._due.items():
                if due <= clock():
                    self._ring(kind, shop)
            await asyncio.sleep(self._settings.tick)

    async def _answer(self, worker: Processor) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            while not self._bells:
                self._has_bells.clear()
                await self._has_bells.wait()
            _, _, kind, shop = heapq.heappop(self._bells)
            start = clock()
            self.late.append(max(0.0, start - self._due[kind, shop]))
            await self._database.use(Costs.bell[1])
            await worker.use(Costs.bell[0])
            self._due[kind, shop] = await getattr(self, f"_{kind}")(worker, shop, start)
            self._rung.discard((kind, shop))
            if self._due[kind, shop] <= clock():
                self._ring(kind, shop)

    async def _orders(self, worker: Processor, shop: int, _start: float) -> float:
        clock = asyncio.get_running_loop().time
        await self._database.use(Costs.orders[1])
        await worker.use(Costs.orders[0])
        waiting = self._waiting.get(shop, deque())

        async def place() -> None:
            while waiting:
                self.begun.append(clock() - waiting.popleft())
                await self._database.use(Costs.place[1])
                await worker.use(Costs.place[0])
                await asyncio.sleep(Costs.request)

        await asyncio.gather(*(place() for _ in range(min(4, len(waiting)))))
        return clock() if waiting else clock() + self._settings.orders_every

    async def _watch(self, worker: Processor, _shop: int, start: float) -> float:
        await self._database.use(Costs.watch[1])
        await worker.use(Costs.watch[0])
        await asyncio.sleep(Costs.request)
        await worker.use(Costs.asked)
        return start + self._settings.watch_every

    async def _mirror(self, worker: Processor, _shop: int, start: float) -> float:
        for _ in range(100):
            await worker.use(Costs.mirror / 100)
            await asyncio.sleep(0.03)
        return start + self._settings.mirror_every


ROWS = (
    (100, 60.0, 60.0, 2.0, 100),
    (1_000, 60.0, 60.0, 2.0, 1_000),
    (1_000, 300.0, 300.0, 2.0, 1_000),
    (10_000, 60.0, 60.0, 10.0, 10_000),
    (10_000, 300.0, 300.0, 10.0, 10_000),
)


def simulated(shops: int, workers: int, settings: FleetSettings, orders: int) -> Simulation:
    """Simulate one fleet."""
    random.seed(7)
    with asyncio.Runner(loop_factory=SteppedLoop) as runner:

        async def run() -> Simulation:
            found = Simulation(shops, workers, settings, orders)
            await found.run()
            return found

        return runner.run(run())


def row(shops: int, orders_every: float, watch_every: float, tick: float, orders: int) -> str:
    """Find the fewest workers that do, and return their row."""
    settings = FleetSettings(folder=Path(), orders_every=orders_every, watch_every=watch_every, tick=tick)
    load = orders / 60 * Costs.place[0] + shops * (
        (Costs.orders[0] + Costs.bell[0]) / orders_every
        + (Costs.watch[0] + Costs.asked + Costs.bell[0]) / watch_every
    )
    workers = max(1, ceil(load / BUSY))
    while True:
        found = simulated(shops, workers, settings, orders)
        p99 = quantiles(found.begun, n=100)[98]
        if found.worker_busy <= BUSY * workers and p99 <= SOON:
            break
        workers += 1
    machines = ceil((workers + found.database_busy / BUSY) / CORES)
    cells = (
        f"{shops:,}",
        f"{orders_every:.0f} s, {watch_every:.0f} s, {tick:.0f} s",
        f"{orders:,}",
        f"{workers}",
        f"{found.worker_busy / workers:.0%}",
        f"{found.database_busy:.2f}",
        f"{p99:.2f} s",
        f"{quantiles(found.late, n=100)[98]:.1f} s",
        f"{machines}",
    )
    return f"| {' | '.join(cells)} |"


HEADS = (
    "shops", "`orders_every`, `watch_every`, `tick`", "orders a minute", "workers", "busy", "PostgreSQL's cores",
    "99 of 100 orders begun within", "99 of 100 turns begun within", "machines of 4 cores",
)  # fmt: skip


if __name__ == "__main__":
    wanted = {int(word) for word in sys.argv[1:]}
    print(f"| {' | '.join(HEADS)} |\n|{' --- |' * len(HEADS)}")
    for values in ROWS:
        if not wanted or values[0] in wanted:
            print(row(*values), flush=True)
