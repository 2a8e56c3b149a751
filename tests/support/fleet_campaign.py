"""Chaos for a fleet: sandboxes and workers in processes of their own, workers that are killed, and the books after."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import ExitStack, contextmanager
from pathlib import Path

import attrs

from kakaclo_async import Item, NewOrder
from kakaclo_async.fleet import Fleet
from support.children import import_path
from support.fleet import written
from support.shop import ADDRESS

TESTS = Path(__file__).parent.parent
PACE = {"tick": 3.0, "beat": 2.0, "dead": 6.0, "orders_every": 10, "watch_every": 10, "mirror_every": 10}
QUICK_PACE = {"tick": 0.5, "beat": 0.4, "dead": 1.2, "orders_every": 2, "watch_every": 3, "mirror_every": 3}
SERVE = "from kakaclo_async.cli import main; main()"


@attrs.frozen(kw_only=True)
class Campaign:
    """What is done.

    Attributes:
        shops: how many.
        workers: at the same time.
        kills: how many workers are killed, one after the other.
        every: seconds between two kills.
        orders: of each shop.
        late: seconds that answers to orders come late.
        stays_dead: whether no worker takes the place of one that was killed.
        frozen: seconds that workers are stopped, instead of killed.
        pace: settings of the fleet.
    """

    shops: int
    workers: int
    kills: int
    every: float
    orders: int
    late: float = 0.25
    stays_dead: bool = False
    frozen: float | None = None
    pace: dict[str, float] = attrs.field(factory=lambda: dict(PACE))


@attrs.define
class Books:
    """What came of it."""

    placed: int = 0
    doubled: int = 0
    lost: int = 0
    stalled: list[str] = attrs.field(factory=list)
    resumed: list[float] = attrs.field(factory=list)
    seconds: float = 0.0
    most_rows: int = 0
    troubles: list[str] = attrs.field(factory=list)


class Process:
    """A process that is killed with the test."""

    def __init__(self, stack, folder, name, arguments, *, stdin=None):
        self.log = folder / f"{name}.log"
        with self.log.open("ab") as log:
            self.popen = subprocess.Popen(
                [sys.executable, *map(str, arguments)],
                stdin=stdin,
                stdout=subprocess.PIPE if stdin is not None else log,
                stderr=log,
                cwd=folder,
                env={**os.environ, "PYTHONPATH": import_path()},
            )
        stack.callback(self.end)

    def end(self):
        if self.popen.poll() is None:
            self.popen.kill()
        self.popen.wait()
        for stream in (self.popen.stdin, self.popen.stdout):
            if stream is not None:
                stream.close()

    def ask(self, line=""):
        if line:
            self.popen.stdin.write(f"{line}\n".encode())
            self.popen.stdin.flush()
        return json.loads(self.popen.stdout.readline())


class Stage:
    """Sandboxes, workers and the fleet's settings."""

    def __init__(self, stack, folder, campaign, shared):
        self.stack, self.folder, self.campaign = stack, folder, campaign
        names = [f"s{number}" for number in range(campaign.shops)]
        parts = [names[start::5] for start in range(min(5, campaign.shops))]
        script = TESTS / "support" / "fleet_sandboxes.py"
        self.sandboxes = [
            Process(stack, folder, f"sandboxes{n}", [script, campaign.late, *part], stdin=subprocess.PIPE)
            for n, part in enumerate(parts)
        ]
        self.shops = {name: values for process in self.sandboxes for name, values in process.ask().items()}
        settings = {"quiet_time": 2.0, "lease": 3.0, "timeout": 2.0}
        shops = [(name, it["token"], {"base_url": it["url"], **settings}) for name, it in self.shops.items()]
        self.path = written(folder, shops, **shared | campaign.pace)
        self.workers = []

    def start_worker(self):
        arguments = ["-c", SERVE, "fleet", "serve", "--fleet", self.path]
        self.workers.append(Process(self.stack, self.folder, f"worker{len(self.workers)}", arguments))

    def books(self):
        return {name: keys for process in self.sandboxes for name, keys in process.ask("books").items()}


async def submit_all(stage, fleet):
    """Write down the orders of all shops, in an order that no shop likes."""
    jobs = [(name, n) for name in stage.shops for n in range(stage.campaign.orders)]
    random.Random(1).shuffle(jobs)
    for name, n in jobs:
        item = Item(stage.shops[name]["sku"], 1)
        await fleet.submit(name, NewOrder(address=ADDRESS, items=[item], custom_order_id=f"{name}-{n}"))


async def kill_again_and_again(stage, fleet, books):
    """Kill the worker that has most to do, start another, and measure when what it did is resumed."""
    resuming = []
    for _ in range(stage.campaign.kills):
        await asyncio.sleep(stage.campaign.every)
        await all_are_up(stage, fleet)  # or there would be nobody to take over
        running = await under_way(fleet)
        victims = Counter(worker for worker, _, _ in running.values())
        alive = {
            f"-{process.popen.pid}-": process for process in stage.workers if process.popen.poll() is None
        }
        busiest = next((name for name, _ in victims.most_common() if any(pid in name for pid in alive)), None)
        victim = next(
            (it for pid, it in alive.items() if busiest and pid in busiest), next(iter(alive.values()))
        )
        victim.popen.send_signal(signal.SIGKILL if stage.campaign.frozen is None else signal.SIGSTOP)
        killed = time.monotonic()
        lost = {turn: started for turn, (worker, started, _) in running.items() if worker == busiest}
        resuming.append(asyncio.create_task(resumed(fleet, lost, killed, books)))
        if stage.campaign.frozen is not None:
            await asyncio.sleep(stage.campaign.frozen)
            victim.popen.send_signal(signal.SIGCONT)
        elif not stage.campaign.stays_dead:
            await asyncio.sleep(1)
            stage.start_worker()
    await asyncio.gather(*resuming)


async def all_are_up(stage, fleet):
    while True:
        known = [worker.worker for worker in (await fleet.status()).workers]
        pids = [process.popen.pid for process in stage.workers if process.popen.poll() is None]
        if all(any(f"-{pid}-" in name for name in known) for pid in pids):
            return
        await asyncio.sleep(0.1)


async def under_way(fleet):
    rows = await fleet._engine.table.sql(
        "SELECT shop, kind, worker, started, ended FROM fleet_turn WHERE started > coalesce(ended, 0)"
    )
    return {(row["shop"], row["kind"]): (row["worker"], row["started"], row["ended"]) for row in rows}


async def resumed(fleet, lost, killed, books):
    while lost and time.monotonic() < killed + 60:
        await asyncio.sleep(0.25)
        rows = await fleet._engine.table.sql("SELECT shop, kind, started, ended FROM fleet_turn")
        for row in rows:
            turn = (row["shop"], row["kind"])
            # It ended just before the kill, or it began anew.
            if turn in lost and (row["started"] != lost[turn] or (row["ended"] or 0) > row["started"]):
                if row["started"] != lost[turn]:
                    books.resumed.append(time.monotonic() - killed)
                del lost[turn]
    books.troubles += [f"{kind} of {shop} was never resumed" for shop, kind in lost]


async def watch_rows(fleet, books):
    """Note the most rows that a shop ever had in the queue."""
    while True:
        rows = await fleet._engine.table.sql(
            "SELECT count(*) AS n FROM procrastinate_jobs GROUP BY args->>'shop' ORDER BY n DESC LIMIT 1"
        )
        books.most_rows = max(books.most_rows, *(row["n"] for row in rows), 0)
        await asyncio.sleep(1)


@contextmanager
def staged(folder, campaign, shared):
    with ExitStack() as stack:
        yield Stage(stack, folder, campaign, shared)


async def run(stage, patience):
    """Carry out a campaign, wait until all is quiet, and return the books."""
    books = Books()
    await Fleet.open(stage.path).migrate()
    async with Fleet.open(stage.path) as fleet:
        for _ in range(stage.campaign.workers):
            stage.start_worker()
        watching = asyncio.create_task(watch_rows(fleet, books))
        start = time.monotonic()
        await asyncio.gather(submit_all(stage, fleet), kill_again_and_again(stage, fleet, books))
        wanted = stage.campaign.shops * stage.campaign.orders
        while time.monotonic() < start + patience:
            if sum(map(len, stage.books().values())) >= wanted and not await fleet.pending():
                break
            await asyncio.sleep(1)
        books.seconds = time.monotonic() - start
        quiet = time.monotonic()
        while time.monotonic() < quiet + 30:
            status = await fleet.status()
            books.stalled = [shop.shop for shop in status.shops if shop.error or shop.lag > 10]
            if not books.stalled:
                break
            await asyncio.sleep(1)
        books.troubles += [f"{shop.shop}: {shop.error}" for shop in status.shops if shop.error]
        watching.cancel()
    placed = Counter(key for keys in stage.books().values() for key in keys)
    books.placed = len(placed)
    books.doubled = sum(count - 1 for count in placed.values())
    books.lost = wanted - len(placed)
    return books
