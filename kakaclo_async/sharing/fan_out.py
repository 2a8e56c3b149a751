"""Fan-out: run many calls at once, with results in order and no task left running."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeVar

from kakaclo_async.database import run_to_completion

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Iterable

    AsyncCall = Callable[[], Awaitable["T"]]


T = TypeVar("T")
E = TypeVar("E", bound=Exception)


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
    """Run all calls at once; the first failure cancels the others and is raised as it is.

    Args:
        calls: functions that start a call.
        done: called after each call that has ended.
    """
    tasks = [asyncio.create_task(_notify_done(call, done)) for call in calls]
    async with cancel_on_exit(tasks):
        return await asyncio.gather(*tasks)


async def collect_in_order(
    calls: Iterable[AsyncCall[T]], *, kind: type[E], done: Callable[[], None] | None = None
) -> list[T | E]:
    """Run all calls at once; a failed call leaves its error in its place.

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

    return await gather_in_order([caught(call) for call in calls], done=done)


async def _notify_done(call: AsyncCall[T], done: Callable[[], None] | None) -> T:
    try:
        return await call()
    finally:
        if done is not None:
            done()
