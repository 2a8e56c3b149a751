"""The blocking client beside the async one, and beside what people use otherwise, on asyncio's loop and on uvloop.

The server answers a page of refunds from memory. `threads` are told as a throughput: 16 threads of one client.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import importlib.util
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx
import requests
from anyio.from_thread import start_blocking_portal
from asgiref.sync import async_to_sync
from harness import Bar, Case, Refused, Size, Skipped, Taken, Watch
from harness.servers import TOKEN, canned, sandbox
from made import pages
from made.shop import FREE
from requests.adapters import HTTPAdapter

import kakaclo_async
from kakaclo_sync import KakaClo
from kakaclo_sync._loop import new_loop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

THREADS = 16
PRODUCTS = 1000
PATH = "/v2/order/orders/refund/1"
REFUND = {"id": 1700000000000000000, "remark": "x" * 40, "refundStatus": "pending_review"}
ROWS = [REFUND | {"refundNo": 1700000000000000001 + place} for place in range(7)]
ANSWER = pages.write({
    "code": 10000, "message": "success", "data": {"list": ROWS, "total": 7, "pageNumber": 1, "pageSize": 10},
})  # fmt: skip
SWITCHES = (
    "a call changes threads twice, which takes 90 to 150 us of processor time here; in threads, the loop's one thread "
    "does all the work, and wants a processor beside the server's"
)


class Calls:
    """Each way to make the call, open for as long as the case runs."""

    def __init__(self, stack: contextlib.ExitStack, url: str, *, loop: str) -> None:
        if loop == "uvloop" and not importlib.util.find_spec("uvloop"):
            raise Skipped("uvloop is not installed")
        options: dict[str, Any] = {"token": TOKEN, "base_url": url, "rate_limit": FREE}
        self.runner = stack.enter_context(asyncio.Runner(loop_factory=new_loop))
        self.kk = kakaclo_async.KakaClo(**options)
        stack.callback(lambda: self.runner.run(self.kk.aclose()))
        self.blocking = stack.enter_context(KakaClo(**options))
        session = stack.enter_context(requests.Session())
        session.mount(
            "http://", HTTPAdapter(pool_maxsize=THREADS)
        )  # ten by default: the others would connect anew
        client = stack.enter_context(httpx.Client())
        self.by: dict[str, Callable[[], object]] = {
            "kakaclo": lambda: self.blocking.refunds.of("1"),
            "requests": lambda: session.get(url + PATH, timeout=30).json(),
            "httpx": lambda: client.get(url + PATH).json(),
            "run_coroutine_threadsafe": self._threadsafe(stack, options),
            "anyio portal": self._portal(stack, options),
            "asgiref": self._asgiref(options),
        }

    def awaited(self, count: int) -> None:
        async def work() -> None:
            for _ in range(count):
                await self.kk.refunds.of("1")

        self.runner.run(work())

    def _threadsafe(self, stack: contextlib.ExitStack, options: dict[str, Any]) -> Callable[[], object]:
        loop, kk = new_loop(), kakaclo_async.KakaClo(**options)
        thread = threading.Thread(target=loop.run_forever, daemon=True)
        thread.start()

        def close() -> None:
            asyncio.run_coroutine_threadsafe(kk.aclose(), loop).result()
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()

        stack.callback(close)
        return lambda: asyncio.run_coroutine_threadsafe(kk.refunds.of("1"), loop).result()

    def _portal(self, stack: contextlib.ExitStack, options: dict[str, Any]) -> Callable[[], object]:
        portal, kk = stack.enter_context(start_blocking_portal()), kakaclo_async.KakaClo(**options)
        stack.callback(lambda: portal.call(kk.aclose))
        return lambda: portal.call(kk.refunds.of, "1")

    def _asgiref(self, options: dict[str, Any]) -> Callable[[], object]:
        """It makes a loop for each call, so each call has a client and a connection of its own."""

        async def once() -> object:
            async with kakaclo_async.KakaClo(**options) as kk:
                return await kk.refunds.of("1")

        return async_to_sync(once)


@contextlib.contextmanager
def canned_refunds(loop: str) -> Iterator[Calls]:
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(canned({PATH: ANSWER}))
        yield Calls(stack, server.url, loop=loop)


@contextlib.contextmanager
def catalog(loop: str) -> Iterator[Calls]:
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(sandbox(products=PRODUCTS))
        yield Calls(stack, server.url, loop=loop)


def awaited(calls: Calls, count: float) -> Taken:
    calls.awaited(5)
    with Watch() as watch:
        calls.awaited(int(count))
    return watch.per(count, scale=1e6)


def one_by_one(name: str, calls: Calls, count: float) -> Taken:
    call, most = calls.by[name], int(count)
    if name == "asgiref":
        most = max(5, most // 20)
    for _ in range(5):
        call()
    with Watch() as watch:
        for _ in range(most):
            call()
    return watch.per(most, scale=1e6)


def in_threads(name: str, calls: Calls, count: float) -> Taken:
    call, each = calls.by[name], int(count) // THREADS
    if name == "asgiref":
        each = max(2, each // 20)

    def work() -> None:
        for _ in range(each):
            call()

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(lambda _: call(), range(THREADS)))
        with Watch() as watch:
            try:
                for end in [pool.submit(work) for _ in range(THREADS)]:
                    end.result()
            except httpx.ReadError as error:
                # On a busy machine its pool may close what another thread was just given.
                raise Refused(f"{type(error).__name__} in threads") from None
    return watch.per(each * THREADS, scale=1e6, count=each * THREADS / watch.wall)


def everything() -> tuple[datetime, datetime]:
    now = datetime.now(UTC)
    return now - timedelta(days=3650), now


def listed(calls: Calls, _: float) -> Taken:
    async def work() -> int:
        return len([product async for product in calls.kk.products.updated(*everything())])

    with Watch() as watch:
        assert calls.runner.run(work()) == PRODUCTS
    return watch.per(1, scale=1e3)


def listed_blocking(calls: Calls, _: float) -> Taken:
    with Watch() as watch:
        assert len(list(calls.blocking.products.updated(*everything()))) == PRODUCTS
    return watch.per(1, scale=1e3)


def three(loop: str, most: float) -> tuple[Case, ...]:
    one = functools.partial
    rivals = ("requests", "httpx", "run_coroutine_threadsafe", "anyio portal", "asgiref")
    return (
        Case(
            name=f"blocking-{loop}-call",
            title=f"one blocking call after the other, on {loop}",
            unit="us for a call",
            by="wall",
            loop=loop,
            world=one(canned_refunds, loop),
            contenders={"awaited": awaited} | {name: one(one_by_one, name) for name in ("kakaclo", *rivals)},
            base="awaited",
            quick=Size(9, (60,), only=("awaited", "kakaclo", "requests")),
            full=Size(25, (400,)),
            bars=(
                Bar(over="awaited", most=most, guard=most + 0.4, cause=SWITCHES),
                Bar(over="requests", most=1.0),
            ),
        ),
        Case(
            name=f"blocking-{loop}-threads",
            title=f"16 threads of one client, on {loop}",
            unit="calls per second",
            by="count",
            times="us a call",
            loop=loop,
            world=one(canned_refunds, loop),
            contenders={name: one(in_threads, name) for name in ("requests", "kakaclo", *rivals[1:])},
            base="requests",
            quick=Size(5 if loop == "uvloop" else 0, (320,), only=("requests", "kakaclo")),
            full=Size(9, (800,)),
            bars=(Bar(over="requests", least=2.2, guard=1.0, cause=SWITCHES),),
            note="asgiref makes a loop for each call, so each has a client and a connection of its own. "
            "run_coroutine_threadsafe and anyio's portal call kakaclo's async client.",
        ),
        Case(
            name=f"blocking-{loop}-products",
            title=f"iterating over 1,000 products, on {loop}",
            unit="ms",
            by="wall",
            loop=loop,
            world=one(catalog, loop),
            contenders={"awaited": listed, "kakaclo": listed_blocking},
            base="awaited",
            quick=Size(0),
            full=Size(9),
            bars=(Bar(over="awaited", most=1.2),),
        ),
    )


CASES = (*three("asyncio", 1.4), *three("uvloop", 1.1))
