"""Shared work: calls that run at once; and beside this, single-flight and micro-batching."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from itertools import islice
from time import perf_counter
from typing import TYPE_CHECKING, TypeVar

from kakaclo_async.database import run_to_completion

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Iterable

    AsyncCall = Callable[[], Awaitable["T"]]


T = TypeVar("T")
E = TypeVar("E", bound=Exception)

MOST_AT_ONCE = 256
"""Calls of one fan-out that wait or are under way: more than ever have a connection, so no permit stays unused."""

_BEGUN_IN_A_TURN = 32  # calls, each of which may send at once

_LONGEST_TURN = 0.01  # seconds


class Pace:
    """Breaks long work into turns of the event loop: `await pace()` after each piece of it.

    All that share a pace have one turn together.

    Args:
        clock: tells seconds.
    """

    def __init__(self, clock: Callable[[], float] = perf_counter) -> None:
        self._clock = clock
        self._until = clock() + _LONGEST_TURN
        self._is_over = False

    async def __call__(self) -> None:
        """Let the loop turn if this turn has lasted long enough."""
        while self._clock() >= self._until:
            if not self._is_over:
                self._is_over = True
                asyncio.get_running_loop().call_soon(self._begin)
            await asyncio.sleep(0)

    def _begin(self) -> None:
        self._until, self._is_over = self._clock() + _LONGEST_TURN, False


@asynccontextmanager
async def cancel_on_exit(tasks: Collection[asyncio.Task[T]]) -> AsyncGenerator[None, None]:
    """Leave no task behind: when the block ends, cancel those that still run and wait until all have ended."""
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await run_to_completion(asyncio.gather(*tasks, return_exceptions=True))


async def gather_in_order(
    calls: Iterable[AsyncCall[T]], *, done: Callable[[], None] | None = None
) -> list[T]:
    """Run all calls, up to `MOST_AT_ONCE` at once; the first failure cancels the others and is raised as it is.

    Args:
        calls: functions that start a call; read as the calls before them end.
        done: called after each call that has ended.
    """
    left = enumerate(calls)
    results: dict[int, T] = {}
    pace = Pace()
    failed = False

    async def work(following: tuple[int, AsyncCall[T]] | None) -> None:
        nonlocal failed
        try:
            while following is not None:
                place, call = following
                if place >= _BEGUN_IN_A_TURN:  # those before begin together, so that they may share requests
                    await pace()
                if failed:
                    return
                results[place] = await _notify_done(call, done)
                following = next(left, None)
        except BaseException:
            failed = True
            raise

    tasks: list[asyncio.Task[None]] = []
    async with cancel_on_exit(tasks):
        for first in islice(left, MOST_AT_ONCE):
            tasks.append(asyncio.create_task(work(first)))
            if len(tasks) % _BEGUN_IN_A_TURN == 0:
                await asyncio.sleep(0)
        await asyncio.gather(*tasks)
        return [results[place] for place in range(len(results))]


async def collect_in_order(
    calls: Iterable[AsyncCall[T]],
    *,
    kind: type[E] | tuple[type[E], ...],
    done: Callable[[], None] | None = None,
) -> list[T | E]:
    """Run all calls as `gather_in_order` does; a failed call leaves its error in its place.

    Args:
        calls: functions that start a call.
        kind: the errors to collect; any other is raised and cancels the calls that are left.
        done: called after each call that has ended.
    """

    def caught(call: AsyncCall[T]) -> AsyncCall[T | E]:
        async def run() -> T | E:
            try:
                return await call()
            except kind as error:
                return error

        return run

    return await gather_in_order(map(caught, calls), done=done)


async def _notify_done(call: AsyncCall[T], done: Callable[[], None] | None) -> T:
    try:
        return await call()
    finally:
        if done is not None:
            done()
