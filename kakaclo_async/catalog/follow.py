"""Cycle after cycle: through outages, until told to stop."""

from __future__ import annotations

import asyncio
import inspect
import logging
import math
import signal
from contextlib import aclosing, contextmanager, nullcontext, suppress
from typing import TYPE_CHECKING, Final

from kakaclo_async.catalog.engines import DatabaseAway
from kakaclo_async.errors import (
    ConnectionFailed,
    DeadlineExceeded,
    DecodeError,
    InvalidRequest,
    NotFound,
    RateLimited,
    Rejected,
    ServerError,
)

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Generator

    from kakaclo_async.catalog.changes import Change


_log = logging.getLogger("kakaclo.mirror")

_PASSES: Final = (ConnectionFailed, DatabaseAway, DeadlineExceeded, DecodeError, RateLimited, ServerError)
"""What waiting mends."""

_PASSES_LATER: Final = (NotFound, Rejected)
"""What waiting mends once a cycle has worked: before, the settings may be wrong."""

_LONGEST_PAUSE: Final = 600.0
"""Seconds between two tries while the network is down."""

_DOUBLINGS: Final = 10
"""After these even a pause of 1 second is the longest; an outage of weeks must not count on."""


class Follower:
    """Repeats a mirror's run.

    Args:
        sleep: waits some seconds.
    """

    def __init__(self, sleep: Callable[[float], Awaitable[object]]) -> None:
        self._sleep = sleep
        self._task: asyncio.Task[None] | None = None
        self._stopping = False
        self._told = 0

    async def follow(
        self,
        run: Callable[[], Awaitable[object]],
        changes: Callable[[int], AsyncGenerator[Change, None]],
        on_change: Callable[[Change], object] | None,
        *,
        every: float,
        after: int,
        signals: bool,
    ) -> None:
        """Run until stopped.

        Args:
            run: one cycle.
            changes: what changed after an id.
            on_change: told of each.
            every: seconds from start to start.
            after: the id of the last change handed on.
            signals: SIGTERM and SIGINT stop it.
        """
        if not 1 <= every < math.inf:
            raise InvalidRequest(f"every must be at least 1 second, not {every!r}")
        if self._task is not None:
            raise InvalidRequest("this mirror is following already")
        self._stopping = False
        self._told = after
        self._task = task = asyncio.create_task(self._cycles(run, changes, on_change, every))
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

    async def _cycles(
        self,
        run: Callable[[], Awaitable[object]],
        changes: Callable[[int], AsyncGenerator[Change, None]],
        on_change: Callable[[Change], object] | None,
        every: float,
    ) -> None:
        clock = asyncio.get_running_loop().time
        failures = 0
        passes: tuple[type[Exception], ...] = _PASSES
        while True:
            started = clock()
            failure: Exception | None = None
            try:
                await run()
                passes = (*_PASSES, *_PASSES_LATER)
            except passes as error:
                failure = error
            if on_change is not None:  # what was stored before a failure is told, too
                failure = await self._tell(on_change, changes) or failure
            failures = failures + 1 if failure else 0
            if failure:
                _log.warning("mirroring failed and will be tried again (%d in a row): %s", failures, failure)
            pause = min(every * 2 ** min(failures, _DOUBLINGS), max(every, _LONGEST_PAUSE))
            await self._sleep(max(0.0, pause - (clock() - started)))

    async def _tell(
        self, on_change: Callable[[Change], object], changes: Callable[[int], AsyncGenerator[Change, None]]
    ) -> Exception | None:
        """Hand on what is new; return why the database could not be read.

        Only `on_change` returning moves the cursor, and what it raises ends the following: a change that was not
        handled is told again.
        """
        async with aclosing(changes(self._told)) as news:
            while True:
                try:
                    change = await anext(news)
                except StopAsyncIteration:
                    return None
                except DatabaseAway as error:
                    return error
                result = on_change(change)
                if inspect.isawaitable(result):
                    await result
                self._told = change.id


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
