"""Cycle after cycle: through outages, until told to stop."""

from __future__ import annotations

import asyncio
import inspect
import logging
import signal
from contextlib import aclosing, contextmanager, nullcontext, suppress
from typing import TYPE_CHECKING, Final

from kakaclo_async.errors import (
    ConnectionFailed,
    DeadlineExceeded,
    DecodeError,
    InvalidRequest,
    RateLimited,
    ServerError,
)

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Generator

    from kakaclo_async.catalog.changes import Change

__all__ = ["Follower"]

_log = logging.getLogger("kakaclo.mirror")

_PASSES: Final = (ConnectionFailed, DeadlineExceeded, DecodeError, RateLimited, ServerError)
"""What waiting mends."""

_LONGEST_PAUSE: Final = 600.0
"""Seconds between two tries while the network is down."""


class Follower:
    """Repeats a mirror's run.

    Args:
        sleep: waits some seconds.
    """

    def __init__(self, sleep: Callable[[float], Awaitable[object]]) -> None:
        self._sleep = sleep
        self._task: asyncio.Task[None] | None = None
        self._stopping = False

    async def follow(
        self,
        run: Callable[[], Awaitable[object]],
        tell: Callable[[int], Awaitable[int]],
        *,
        every: float,
        after: int,
        signals: bool,
    ) -> None:
        """Run until stopped.

        Args:
            run: one cycle.
            tell: hands on the changes after an id, and returns the last one's.
            every: seconds from start to start.
            after: the id of the last change handed on.
            signals: SIGTERM and SIGINT stop it.
        """
        if every < 1:
            raise InvalidRequest(f"every must be at least 1 second, not {every!r}")
        if self._task is not None:
            raise InvalidRequest("this mirror is following already")
        self._stopping = False
        self._task = task = asyncio.create_task(self._cycles(run, tell, every, after))
        try:
            with _stopped_by_signals(self.stop) if signals else nullcontext():
                await asyncio.wait((task,))
        finally:
            self._task = None
            if not task.done():  # this call itself was cancelled: end in order
                task.cancel()
                await asyncio.wait((task,))
        if not (task.cancelled() and self._stopping):
            task.result()

    def stop(self) -> None:
        """End it, after at most one transaction."""
        if self._task is not None and not self._stopping:
            self._task.cancel()  # once: a second one would interrupt the clearing up
        self._stopping = True

    async def tell(self, on_change: Callable[[Change], object], changes: AsyncGenerator[Change, None]) -> int:
        """Hand on changes; return the id of the last one, 0 when there was none."""
        last = 0
        async with aclosing(changes):
            async for change in changes:
                result = on_change(change)
                if inspect.isawaitable(result):
                    await result
                last = change.id
        return last

    async def _cycles(
        self,
        run: Callable[[], Awaitable[object]],
        tell: Callable[[int], Awaitable[int]],
        every: float,
        after: int,
    ) -> None:
        clock = asyncio.get_running_loop().time
        failures = 0
        while True:
            started = clock()
            try:
                await run()
                failures = 0
            except _PASSES as error:
                failures += 1
                _log.warning("mirroring failed and will be tried again (%d in a row): %s", failures, error)
            # What was stored before a failure is told, too.
            after = max(after, await tell(after))
            pause = min(every * 2**failures, max(every, _LONGEST_PAUSE)) if failures else every
            await self._sleep(max(0.0, pause - (clock() - started)))


@contextmanager
def _stopped_by_signals(stop: Callable[[], None]) -> Generator[None, None, None]:
    loop = asyncio.get_running_loop()
    numbers = (signal.SIGTERM, signal.SIGINT)
    installed: list[signal.Signals] = []
    try:
        # Windows has no such handlers, and threads may not set any: there a cancellation ends it.
        with suppress(NotImplementedError, RuntimeError, ValueError):
            for number in numbers:
                loop.add_signal_handler(number, stop)
                installed.append(number)
        yield
    finally:
        for number in installed:
            loop.remove_signal_handler(number)
