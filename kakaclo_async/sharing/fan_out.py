"""Run many calls at once: results in the order asked, and no call left behind."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    Call = Callable[[], Awaitable["T"]]


T = TypeVar("T")
E = TypeVar("E", bound=Exception)


async def gather_in_order(calls: Iterable[Call[T]], *, done: Callable[[], None] | None = None) -> list[T]:
    """Run all calls at once; the first failure cancels the others and is raised as it is.

    Args:
        calls: functions that start a call.
        done: told after each call that has ended.
    """
    tasks = [asyncio.create_task(_told(call, done)) for call in calls]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def collect_in_order(
    calls: Iterable[Call[T]], *, kind: type[E], done: Callable[[], None] | None = None
) -> list[T | E]:
    """Run all calls at once; a failed call leaves its error in its place.

    Args:
        calls: functions that start a call.
        kind: the errors to collect; any other is raised and cancels the calls that are left.
        done: told after each call that has ended.
    """

    def caught(call: Call[T]) -> Call[T | E]:
        async def run() -> T | E:
            try:
                return await call()
            except kind as error:
                return error

        return run

    return await gather_in_order([caught(call) for call in calls], done=done)


async def _told(call: Call[T], done: Callable[[], None] | None) -> T:
    try:
        return await call()
    finally:
        if done is not None:
            done()
