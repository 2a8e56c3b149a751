"""The full mirror: requests over the pages that there are, memory, CPU for a page, the size of the file.

Sizes run in processes of their own, beside the script that a user would write. Requests are counted while a product
and five SKUs' stock change with each fifth of a virtual second ("busy"), or nothing does ("calm").
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from harness import Bar, Case, Plot, Size, Taken, peak_memory
from harness.servers import TOKEN, sandbox
from made.shop import FREE, client
from rivals import afternoon

from kakaclo_async import Event, KakaClo, Sent
from kakaclo_async.catalog import Mirror
from kakaclo_async.paging import INDEX_LAG
from kakaclo_async.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator

BUSY = {"update_rate": 0.2, "stock_update_rate": 1.0}


class Ticks:
    """A clock for a sandbox: half a second passes with each request, as at 2 per second."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        """Tell the seconds so far."""
        return self.seconds

    def heard(self, event: Event) -> None:
        """Let time pass."""
        self.seconds += 0.5 * isinstance(event, Sent)


def pulled(least: dict[float, float], products: float, *, busy: bool) -> float:
    """Count the requests of a pull of all products and one of all stock.

    The sandbox is in this process, because it runs on a clock that the client's requests drive; nothing is timed.
    """

    async def main() -> float:
        ticks, requests = Ticks(), 0
        settings = BUSY if busy else {}
        async with (
            Sandbox(products=int(products), capacity=1e9, per_second=1e9, clock=ticks, **settings) as sandbox,
            KakaClo(sandbox.token, base_url=sandbox.url, rate_limit=FREE) as kk,
        ):
            kk.on_event(ticks.heard)
            least[products] = 0
            for updated in (kk.products.updated, kk.stocks.updated):
                pull = updated(datetime(2015, 1, 1, tzinfo=UTC), sandbox.now() - INDEX_LAG)
                rows = [row async for row in pull]
                requests += pull.certificate.requests
                least[products] += -(-len(rows) // 30)
        return requests

    return asyncio.run(main())


@contextmanager
def counts() -> Iterator[dict[float, float]]:
    yield {}


def requests(name: str, *, busy: bool, most: float) -> Case:
    return Case(
        name=f"mirror-requests-{name}",
        title=f"requests to pull all products and their stock, {name}",
        unit="requests",
        by="count",
        world=counts,
        contenders={
            "kakaclo": partial(pulled, busy=busy),
            "least possible": lambda least, products: least[products],
        },
        base="least possible",
        points="products",
        quick=Size(1, (600,)),
        full=Size(1, (1_000, 5_000, 20_000)),
        bars=(
            Bar(over="least possible", most=most, at=20_000),
            Bar(over="least possible", most=1.15, at=600),
        ),
        note="The same in each run: the seed and the clock decide.",
    )


async def copied(who: str, url: str, folder: str) -> dict[str, float]:
    """Mirror a catalog in this process; return what it took."""
    file, now = f"{folder}/catalog.db", datetime.now(UTC)
    began, cpu = time.perf_counter(), time.process_time()
    if who == "kakaclo":
        async with client(url) as kk:
            asked = (await Mirror(kk, f"sqlite:///{file}").run()).requests
    else:
        asked = (await afternoon.run(url, TOKEN, file, now)).requests
    cpu, wall = time.process_time() - cpu, time.perf_counter() - began
    size = sum(path.stat().st_size for path in Path(folder).glob("catalog.db*")) / 2**20  # noqa: ASYNC240
    return {"cpu": cpu, "wall": wall, "memory": peak_memory(), "requests": asked, "file MB": size}


@contextmanager
def first_peaks() -> Iterator[dict[str, float]]:
    yield {}


def sized(who: str, peaks: dict[str, float], products: float) -> Taken:
    """Mirror a catalog of some size in a process of its own, from a sandbox in another."""
    root = Path(__file__).parents[1]
    with sandbox(products=int(products)) as server, tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "cases.mirror", who, server.url, folder]
        paths = os.pathsep.join((str(root.parent), str(root)))
        done = subprocess.run(
            command, check=True, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": paths}
        )
    found = json.loads(done.stdout)
    asked, peak = found["requests"], found["memory"]
    more = peak - peaks.setdefault(who, peak)
    return Taken(
        found["cpu"], found["wall"], peak,
        {"MB more than for the smallest": more, "CPU ms a request": found["cpu"] / asked * 1e3,
         "requests": asked, "file MB": found["file MB"]},
    )  # fmt: skip


def by_request(who: str, _: object, products: float) -> Taken:
    found = sized(who, {}, products)
    asked = found.also["requests"]
    return Taken(found.cpu / asked * 1e3, found.wall / asked * 1e3, also={"requests": asked})


SCRIPT = (
    "A process for each run. The script keeps fewer columns, no history, and does not check that it has all."
)
REQUEST = (
    "by a profile at 3,000 products, SQLite's own work takes 2.4 ms, and a quarter sends and decodes. Of what is added "
    "in a larger catalog, most is the system's time, for each commit writes more of the file's pages: 0.9 ms at 3,000 "
    "products, 1.4 at 10,000"
)

CASES = (
    requests("calm", busy=False, most=1.03),
    requests("busy", busy=True, most=1.15),
    Case(
        name="mirror-size",
        title="the most memory that a full mirror holds",
        unit="MB",
        by="count",
        world=first_peaks,
        contenders={"afternoon script": partial(sized, "script"), "kakaclo": partial(sized, "kakaclo")},
        base="afternoon script",
        points="products",
        quick=Size(1, (90, 300)),
        full=Size(1, (1_000, 3_000, 10_000, 30_000, 100_000)),
        bars=(
            Bar(of="MB more than for the smallest", most=20, guard=100,
                cause="a pull remembers the codes of all 650,000 rows that it gave out, so as to give none twice: "
                "13 MB, end to end; the rest are pages that wait to be stored, up to 19 in one transaction"),
            Bar(over="afternoon script", most=1.5),
            Bar(of="CPU ms a request", most=4.0, goal=True, at=100_000, cause=REQUEST),
        ),
        plot=Plot("memory", x="products in the catalog", y="peak memory of the process in MB", log_x=True),
        note=f"{SCRIPT} A run takes minutes, so there is one; `mirror-request` has more.",
    ),
    Case(
        name="mirror-request",
        title="what a full mirror costs, by its requests",
        unit="ms of CPU for a request",
        contenders={"afternoon script": partial(by_request, "script"), "kakaclo": partial(by_request, "kakaclo")},
        base="afternoon script",
        points="products",
        quick=Size(0),
        full=Size(5, (3_000,)),
        bars=(
            Bar(over="afternoon script", most=4.0),
            Bar(most=3.5, goal=True, cause=REQUEST),
        ),
        note=f"{SCRIPT} Pages of products and of stock; a new file for each run.",
    ),
)  # fmt: skip


if __name__ == "__main__":
    print(json.dumps(asyncio.run(copied(*sys.argv[1:]))))
