"""Follow the catalog: run a mirror again and again, through outages, until `stop`."""

from __future__ import annotations

import asyncio
import inspect
import logging
import math
import signal
import threading
from contextlib import aclosing, contextmanager, nullcontext
from functools import partial
from typing import TYPE_CHECKING, Final

from kakaclo_async.errors import (
    ConnectionFailed,
    DatabaseAway,
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

    from kakaclo_async.catalog.report import Change


_log = logging.getLogger("kakaclo.mirror")

_RETRIED: Final = (ConnectionFailed, DatabaseAway, DeadlineExceeded, DecodeError, RateLimited, ServerError)
"""Errors after which another cycle is tried."""

_RETRIED_LATER: Final = (NotFound, Rejected)
"""Likewise, but only once a cycle has worked: before, the settings may be wrong."""

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
        self._handled = 0

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
            on_change: called with each.
            every: seconds from start to start.
            after: the id of the last change that was handled.
            signals: SIGTERM and SIGINT stop it.
        """
        if not 1 <= every < math.inf:
            raise InvalidRequest(f"every must be at least 1 second, not {every!r}")
        if self._task is not None:
            raise InvalidRequest("this mirror is following already")
        self._stopping = False
        self._handled = after
        self._task = task = asyncio.create_task(self._cycles(run, changes, on_change, every))
        try:
            stop = partial(asyncio.get_running_loop().call_soon_threadsafe, self.stop)
            with stopped_by_signals(stop) if signals else nullcontext():
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
        retried: tuple[type[Exception], ...] = _RETRIED
        while True:
            started = clock()
            failure: Exception | None = None
            try:
                await run()
                retried = (*_RETRIED, *_RETRIED_LATER)
            except retried as error:
                failure = error
            if on_change is not None:  # what was stored before a failure has changed, too
                failure = await self._hand_on(on_change, changes) or failure
            failures = failures + 1 if failure else 0
            if failure:
                _log.warning("mirroring failed and will be tried again (%d in a row): %s", failures, failure)
            pause = min(every * 2 ** min(failures, _DOUBLINGS), max(every, _LONGEST_PAUSE))
            await self._sleep(max(0.0, pause - (clock() - started)))

    async def _hand_on(
        self, on_change: Callable[[Change], object], changes: Callable[[int], AsyncGenerator[Change, None]]
    ) -> Exception | None:
        """Hand on what is new; return why the database could not be read.

        Only a return of `on_change` moves the cursor, and an error of it ends `follow`: at-least-once delivery.
        """
        async with aclosing(changes(self._handled)) as news:
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
                self._handled = change.id


@contextmanager
def stopped_by_signals(stop: Callable[[], object]) -> Generator[None, None, None]:
    """Let SIGTERM and SIGINT call `stop`, instead of what they did before.

    Without effect outside of the main thread, where handlers cannot be set.

    Args:
        stop: called between two instructions of the main thread, so it may only hand on to an event loop.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def handle(_number: int, _frame: object) -> None:
        stop()

    before = {number: signal.signal(number, handle) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            # None: a handler that C code has set, which Python cannot set again.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
