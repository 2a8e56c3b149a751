"""The blocking client beside the async one, and beside what people use otherwise.

A server of canned answers runs in a process of its own, on loopback. Everything is timed side by side, as the
least of many interleaved rounds, once with asyncio's loop and once with uvloop, if that is installed. Libraries
that are not installed are left out by name.

Run `python benchmarks/bench_sync.py`; the exit status is 1 when a bar is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import importlib.util
import json
import multiprocessing
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import kakaclo_async
from kakaclo_async.sandbox import Sandbox
from kakaclo_sync import KakaClo, RateLimit
from kakaclo_sync.loop_thread import new_loop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


CALLS: Final = 20
ROUNDS: Final = 150
THREADS: Final = 16
PRODUCTS: Final = 1000
BARS: Final = {
    ("asyncio", "one call"): 1.4,
    ("uvloop", "one call"): 1.1,
    ("asyncio", "16 threads"): 2.2,
    ("uvloop", "16 threads"): 2.2,
    ("asyncio", "1,000 products"): 1.2,
    ("uvloop", "1,000 products"): 1.2,
    ("", "import"): 1.15,
}

REFUND: Final = {
    "refundNo": 1700000000000000001,
    "id": 1700000000000000000,
    "remark": "x" * 40,
    "refundStatus": "pending_review",
}
ANSWER: Final = json.dumps(
    {
        "code": 10000,
        "message": "success",
        "data": {"list": [REFUND] * 7, "total": 7, "pageNumber": 1, "pageSize": 10},
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


def least(rounds: int, **jobs: Callable[[], object]) -> dict[str, float]:
    """Return the shortest time of each job in seconds; each round runs them all."""
    best = dict.fromkeys(jobs, float("inf"))
    for _ in range(rounds):
        for name, job in jobs.items():
            start = time.perf_counter()
            job()
            best[name] = min(best[name], time.perf_counter() - start)
    return best


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
            calls["httpx.Client"] = lambda: client.get(url).json()
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


def compare(loop: str, port: int, url: str, token: str) -> list[tuple[str, str, float]]:
    """Return rows of (what, who, how many times the first of its kind)."""
    if loop == "asyncio":
        sys.modules["uvloop"] = None  # type: ignore[assignment] # as if it were not installed
    free = RateLimit(10**9, 10**7)
    canned = {"token": token, "base_url": f"http://127.0.0.1:{port}", "rate_limit": free}
    sandbox = {"token": token, "base_url": url, "rate_limit": free}
    rows: list[tuple[str, str, float]] = []
    with (
        asyncio.Runner(loop_factory=new_loop) as runner,
        KakaClo(**canned) as kk,
        KakaClo(**sandbox) as shop,
        others(canned["base_url"] + PATH) as rivals,
        threadsafe(new_loop(), **canned) as bridged,
    ):
        awaited = Awaited(runner, **canned)
        blocking = lambda: kk.refunds.of("1")  # noqa: E731 - one of the calls
        jobs = {"awaited": awaited.calls, "kakaclo_sync": repeated(blocking)}
        jobs |= {"run_coroutine_threadsafe": repeated(bridged)}
        jobs |= {name: repeated(call) for name, call in rivals.items()}
        times = least(ROUNDS, **jobs)
        rows += [("one call", name, seconds / times["awaited"]) for name, seconds in times.items()]
        print(f"  {loop}: one awaited call {times['awaited'] / CALLS * 1e6:.0f} us", file=sys.stderr)

        jobs = {name: in_threads(call) for name, call in {"kakaclo_sync": blocking, **rivals}.items()}
        times = least(25, **jobs)
        for name, seconds in times.items():
            per_second = THREADS * CALLS / seconds
            base = times.get("requests.Session", times["kakaclo_sync"])
            rows.append(("16 threads", f"{name} ({per_second:,.0f}/s)", base / seconds))

        listed = Awaited(runner, **sandbox)
        times = least(
            15, awaited=listed.products, kakaclo_sync=lambda: list(shop.products.updated(*everything()))
        )
        rows += [("1,000 products", name, seconds / times["awaited"]) for name, seconds in times.items()]
        runner.run(awaited.kk.aclose())
        runner.run(listed.kk.aclose())
    return rows


def imports() -> list[tuple[str, str, float]]:
    """Return how long importing takes, each in interpreters of its own."""
    timed = "import time; start = time.perf_counter(); import {}; print(time.perf_counter() - start)"
    modules = {"aiohttp, attrs, cattrs": [], "kakaclo_async": [], "kakaclo_sync": []}
    seconds: dict[str, list[float]] = modules
    for _ in range(15):
        for names, taken in seconds.items():
            done = subprocess.run(
                [sys.executable, "-c", timed.format(names)], capture_output=True, text=True, check=True
            )
            taken.append(float(done.stdout))
    base = min(seconds["aiohttp, attrs, cattrs"])
    return [("import", names, min(taken) / base) for names, taken in seconds.items()]


def report(loop: str, rows: list[tuple[str, str, float]]) -> bool:
    """Print rows with their bars; return whether all bars are met."""
    met = True
    for what, who, ratio in rows:
        bar = BARS.get((loop, what)) if who.startswith("kakaclo_sync") else None
        verdict = ""
        if bar is not None:
            good = ratio >= bar if what == "16 threads" else ratio <= bar
            met = met and good
            verdict = f"{'>=' if what == '16 threads' else '<='} {bar}  {'met' if good else 'MISSED'}"
        print(f"{loop:8} {what:15} {who:32} {ratio:5.2f}x  {verdict}")
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
    context = multiprocessing.get_context("spawn")
    ports = context.Queue()
    server = context.Process(target=serve, args=(ports,), daemon=True)
    server.start()
    address = [str(part) for part in ports.get()]
    met = report("", imports())
    for loop in ("asyncio", "uvloop") if importlib.util.find_spec("uvloop") else ("asyncio",):
        # A process of its own: the kind of loop is chosen once.
        command = [sys.executable, __file__, "--compare", loop, *address]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        met = report(loop, [tuple(row) for row in json.loads(done.stdout)]) and met
    server.kill()
    sys.exit(not met)


if __name__ == "__main__":
    main()
