"""The blocking client beside the async one, and beside what people use otherwise.

A server of canned answers runs in a process of its own, on loopback. Everything is timed side by side in many
interleaved rounds, once with asyncio's loop and once with uvloop, if that is installed. Ratios are told of the least
times and of the medians: other work on the machine can spoil either, and a bar is missed when both miss it, after up
to five times as many rounds. Libraries that are not installed are left out by name.

Run `python benchmarks/bench_sync.py`; the exit status is 1 when a bar is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import importlib.util
import json
import math
import multiprocessing
import os
import statistics
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import kakaclo_async
from kakaclo_async.sandbox import Sandbox
from kakaclo_sync import KakaClo, RateLimit
from kakaclo_sync._loop import new_loop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping


CALLS: Final = 20
THREADS: Final = 16
PRODUCTS: Final = 1000
PATIENCE: Final = 5
"""Times as many rounds as planned, at most, for a bar that is not met."""

BARS: Final = {
    ("asyncio", "one call"): 1.4,
    ("uvloop", "one call"): 1.1,
    ("asyncio", "1,000 products"): 1.2,
    ("uvloop", "1,000 products"): 1.2,
}
AT_LEAST: Final = {("asyncio", "16 threads"): 2.2, ("uvloop", "16 threads"): 2.2}
OURS: Final = "kakaclo_sync"

REFUND: Final = {
    "id": 1700000000000000000,
    "remark": "x" * 40,
    "refundStatus": "pending_review",
}
ANSWER: Final = json.dumps(
    {
        "code": 10000,
        "message": "success",
        "data": {
            "list": [REFUND | {"refundNo": 1700000000000000001 + place} for place in range(7)],
            "total": 7,
            "pageNumber": 1,
            "pageSize": 10,
        },
    }
).encode()
PATH: Final = "/v2/order/orders/refund/1"


class Canned(asyncio.Protocol):
    """Answers every request with the same document, as fast as Python can."""

    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(ANSWER)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self.transport: Any = transport

    def data_received(self, data: bytes) -> None:
        """Answer."""
        for _ in range(data.count(b"\r\n\r\n")):
            self.transport.write(self.head + ANSWER)


def serve(ports: Any) -> None:
    """Serve the canned answer, and a sandbox, until killed."""
    with contextlib.suppress(ImportError):
        import uvloop  # noqa: PLC0415 - an extra

        asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())

    async def main() -> None:
        server = await asyncio.get_running_loop().create_server(Canned, "127.0.0.1", 0)
        async with Sandbox(products=PRODUCTS, capacity=1e9, per_second=1e6, log_size=100) as sandbox:
            ports.put((server.sockets[0].getsockname()[1], sandbox.url, sandbox.token))
            await asyncio.Event().wait()

    asyncio.run(main())


class Row(NamedTuple):
    """One line of the table: how many times as long as the first of its kind (threads: how many times as fast)."""

    loop: str
    what: str
    who: str
    of_least: float
    of_medians: float
    note: str

    def bar(self) -> tuple[str, bool] | None:
        """Return the bar and whether it is met; None: it has none."""
        key = self.loop, self.what
        if self.who != OURS or math.isnan(self.of_least):
            return None
        if key in AT_LEAST:
            return f">= {AT_LEAST[key]}", max(self.of_least, self.of_medians) >= AT_LEAST[key]
        return (f"<= {BARS[key]}", min(self.of_least, self.of_medians) <= BARS[key]) if key in BARS else None


class Race:
    """Runs jobs side by side.

    Args:
        jobs: what to time, by name; each returns its seconds.
        row: makes the row of a job: its name, what its least time and its median are in terms of the base's, and
            its least time in seconds.
        base: the job that the others are compared with.
    """

    def __init__(
        self,
        jobs: Mapping[str, Callable[[], float]],
        row: Callable[[str, float, float, float], Row],
        *,
        base: str,
    ) -> None:
        self._jobs = jobs
        self._row = row
        self._base = base
        self._seconds: dict[str, list[float]] = {name: [] for name in jobs}

    def run(self, rounds: int) -> list[Row]:
        """Run all jobs in each round, and more rounds while a bar is missed."""
        rows: list[Row] = []
        for _ in range(PATIENCE):
            for _ in range(rounds):
                for name, job in self._jobs.items():
                    self._seconds[name].append(job())
            rows = self._rows()
            if all(bar is None or bar[1] for bar in (row.bar() for row in rows)):
                break
        return rows

    def _rows(self) -> list[Row]:
        base = self._seconds.get(self._base, [math.nan])
        least, middle = min(base), statistics.median(base)
        return [
            self._row(name, min(taken) / least, statistics.median(taken) / middle, min(taken))
            for name, taken in self._seconds.items()
        ]


def timed(job: Callable[[], object]) -> Callable[[], float]:
    def measure() -> float:
        start = time.perf_counter()
        job()
        return time.perf_counter() - start

    return measure


class Awaited:
    """The async client on a loop of the kind that the blocking one has, in this thread."""

    def __init__(self, runner: asyncio.Runner, **options: Any) -> None:
        self.runner = runner
        self.kk = kakaclo_async.KakaClo(**options)

    def calls(self) -> None:
        """Await one call after the other."""

        async def work() -> None:
            for _ in range(CALLS):
                await self.kk.refunds.of("1")

        self.runner.run(work())

    def products(self) -> None:
        """Iterate over all products."""

        async def work() -> int:
            return len([product async for product in self.kk.products.updated(*everything())])

        assert self.runner.run(work()) == PRODUCTS


def everything() -> tuple[datetime, datetime]:
    now = datetime.now(UTC)
    return now - timedelta(days=3650), now


def repeated(call: Callable[[], object]) -> Callable[[], None]:
    def work() -> None:
        for _ in range(CALLS):
            call()

    return work


def in_threads(call: Callable[[], object]) -> Callable[[], None]:
    pool = ThreadPoolExecutor(THREADS)
    work = repeated(call)

    def job() -> None:
        for end in [pool.submit(work) for _ in range(THREADS)]:
            end.result()

    return job


@contextlib.contextmanager
def others(url: str) -> Iterator[dict[str, Callable[[], object]]]:
    """Give a call of every other blocking client that is installed."""
    calls: dict[str, Callable[[], object]] = {}
    with contextlib.ExitStack() as stack:
        if importlib.util.find_spec("requests"):
            import requests  # noqa: PLC0415 - may not be there

            session = stack.enter_context(requests.Session())
            calls["requests.Session"] = lambda: session.get(url, timeout=30).json()
        if importlib.util.find_spec("httpx"):
            import httpx  # noqa: PLC0415 - may not be there

            client = stack.enter_context(httpx.Client())

            def get() -> object:
                try:
                    return client.get(url).json()
                except (
                    httpx.ReadError
                ):  # on a busy machine its pool may close what another thread was just given
                    return client.get(url).json()

            calls["httpx.Client"] = get
        yield calls


@contextlib.contextmanager
def threadsafe(loop: asyncio.AbstractEventLoop, **options: Any) -> Iterator[Callable[[], object]]:
    """Give the call as `run_coroutine_threadsafe` makes it."""
    kk = kakaclo_async.KakaClo(**options)
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    yield lambda: asyncio.run_coroutine_threadsafe(kk.refunds.of("1"), loop).result()
    asyncio.run_coroutine_threadsafe(kk.aclose(), loop).result()
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def compare(loop: str, port: int, url: str, token: str) -> list[Row]:
    """Race the clients, all on one kind of loop."""
    if loop == "asyncio":
        sys.modules["uvloop"] = None  # type: ignore[assignment] # as if it were not installed
    free = RateLimit(10**9, 10**7)
    canned = {"token": token, "base_url": f"http://127.0.0.1:{port}", "rate_limit": free}
    sandbox = {"token": token, "base_url": url, "rate_limit": free}

    def one(name: str, least: float, medians: float, seconds: float) -> Row:
        return Row(loop, "one call", name, least, medians, f"{seconds / CALLS * 1e6:.0f} us")

    def many(name: str, least: float, medians: float, seconds: float) -> Row:
        return Row(loop, "16 threads", name, 1 / least, 1 / medians, f"{THREADS * CALLS / seconds:,.0f}/s")

    def rows_of(name: str, least: float, medians: float, seconds: float) -> Row:
        return Row(loop, "1,000 products", name, least, medians, f"{seconds * 1e3:.0f} ms")

    with (
        asyncio.Runner(loop_factory=new_loop) as runner,
        KakaClo(**canned) as kk,
        KakaClo(**sandbox) as shop,
        others(canned["base_url"] + PATH) as rivals,
        threadsafe(new_loop(), **canned) as bridged,
    ):
        awaited = Awaited(runner, **canned)
        calls = {OURS: lambda: kk.refunds.of("1"), "run_coroutine_threadsafe": bridged, **rivals}
        jobs = {"awaited": awaited.calls} | {name: repeated(call) for name, call in calls.items()}
        rows = Race({name: timed(job) for name, job in jobs.items()}, one, base="awaited").run(150)

        del calls["run_coroutine_threadsafe"]
        jobs = {name: in_threads(call) for name, call in calls.items()}
        rows += Race({name: timed(job) for name, job in jobs.items()}, many, base="requests.Session").run(25)

        listed = Awaited(runner, **sandbox)
        jobs = {"awaited": listed.products, OURS: lambda: list(shop.products.updated(*everything()))}
        rows += Race({name: timed(job) for name, job in jobs.items()}, rows_of, base="awaited").run(15)
        runner.run(awaited.kk.aclose())
        runner.run(listed.kk.aclose())
    return rows


def report(rows: list[Row]) -> bool:
    """Print rows with their bars; return whether all bars are met."""
    met = True
    for row in rows:
        verdict = ""
        if (bar := row.bar()) is not None:
            verdict = f"{bar[0]:8} {'met' if bar[1] else 'MISSED'}"
            met = met and bar[1]
        print(
            f"{row.loop:8}{row.what:33}{row.who:26}{row.of_least:5.2f}x {row.of_medians:5.2f}x  {verdict:16}{row.note}"
        )
    return met


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--compare", nargs=4, metavar=("LOOP", "PORT", "URL", "TOKEN"), help=argparse.SUPPRESS
    )
    options = parser.parse_args()
    if options.compare:
        loop, port, url, token = options.compare
        print(json.dumps(compare(loop, int(port), url, token)))
        return

    for library in ("requests", "httpx", "uvloop"):
        if importlib.util.find_spec(library) is None:
            print(f"left out, because it is not installed: {library}")
    print(f"{os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}, Python {sys.version.split()[0]}")
    print(f"{'':67}{'least':>6} {'median':>6}")
    context = multiprocessing.get_context("spawn")
    ports = context.Queue()
    server = context.Process(target=serve, args=(ports,), daemon=True)
    server.start()
    address = [str(part) for part in ports.get()]
    met = True
    for loop in ("asyncio", "uvloop") if importlib.util.find_spec("uvloop") else ("asyncio",):
        # A process of its own: the kind of loop is chosen once.
        command = [sys.executable, __file__, "--compare", loop, *address]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        met = report([Row(*row) for row in json.loads(done.stdout)]) and met
    server.kill()
    sys.exit(not met)


if __name__ == "__main__":
    main()
