"""Follow the catalog: run a mirror again and again, through outages, until `stop`."""

from __future__ import annotations

import asyncio
import inspect
import logging
import math
import signal
from contextlib import ExitStack, aclosing, contextmanager, nullcontext, suppress
from typing import TYPE_CHECKING, Final

import attrs

from kakaclo_async.database import run_to_completion
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


@attrs.define(kw_only=True, eq=False)
class Follower:
    """Repeats a mirror's run, or a feed's.

    Attributes:
        run: one cycle.
        changes: yields what changed after an id; None: there is nothing to hand on.
        on_change: called with each change.
        every: seconds from the start of one cycle to the start of the next.
        handled: the id of the last change that was handled.
        sleep: waits some seconds.
        what: is repeated, for the log.
        log: takes what failed, and that it works again.
    """

    run: Callable[[], Awaitable[object]]
    changes: Callable[[int], AsyncGenerator[Change, None]] | None = None
    on_change: Callable[[Change], object] | None = None
    every: float
    handled: int = 0
    sleep: Callable[[float], Awaitable[object]]
    what: str = "mirroring"
    log: logging.Logger = _log
    _task: asyncio.Task[None] | None = attrs.field(default=None, init=False)
    _stopping: bool = attrs.field(default=False, init=False)

    async def follow(self, *, stop_on_signals: bool) -> None:
        """Run until stopped.

        Args:
            stop_on_signals: SIGTERM and SIGINT stop it.
        """
        if not 1 <= self.every < math.inf:
            raise InvalidRequest(f"every must be at least 1 second, not {self.every!r}")
        self._task = task = asyncio.create_task(self._cycles())
        try:
            with _stopped_by_signals(self.stop) if stop_on_signals else nullcontext():
                await asyncio.wait((task,))
        finally:
            if not task.done():  # this call itself was cancelled: end in order
                task.cancel()
                await run_to_completion(asyncio.wait((task,)))
        if not (task.cancelled() and self._stopping):
            task.result()

    def stop(self) -> None:
        """End it, after at most one transaction."""
        if self._task is not None and not self._stopping:
            self._task.cancel()  # once: a second one would interrupt the clearing up
        self._stopping = True

    async def _cycles(self) -> None:
        clock = asyncio.get_running_loop().time
        failures = 0
        retried: tuple[type[Exception], ...] = _RETRIED
        while True:
            started = clock()
            failure: Exception | None = None
            try:
                await self.run()
                retried = (*_RETRIED, *_RETRIED_LATER)
            except retried as error:
                failure = error
            # Also after a failure, for what was stored before it.
            failure = await self._hand_on() or failure
            if failures and not failure:
                self.log.info("%s works again, after %d failures in a row", self.what, failures)
            failures = failures + 1 if failure else 0
            if failure:
                self.log.warning(
                    "%s failed and will be tried again (%d in a row): %s", self.what, failures, failure
                )
            pause = min(self.every * 2 ** min(failures, _DOUBLINGS), max(self.every, _LONGEST_PAUSE))
            await self.sleep(max(0.0, pause - (clock() - started)))

    async def _hand_on(self) -> Exception | None:
        """Hand on what is new; return why the database could not be read.

        Only a return of `on_change` moves the cursor, and an error of it ends `follow`: at-least-once delivery.
        """
        if self.on_change is None or self.changes is None:
            return None
        async with aclosing(self.changes(self.handled)) as news:
            while True:
                try:
                    change = await anext(news)
                except StopAsyncIteration:
                    return None
                except DatabaseAway as error:
                    return error
                result = self.on_change(change)
                if inspect.isawaitable(result):
                    await result
                self.handled = change.id


@contextmanager
def _stopped_by_signals(stop: Callable[[], None]) -> Generator[None, None, None]:
    # Not by `signal.signal`, as a blocking caller does: a handler that the loop has already would be called as well.
    loop = asyncio.get_running_loop()
    with ExitStack() as installed:
        # Windows has no such handlers, and threads may not set any: there a cancellation ends it.
        with suppress(NotImplementedError, RuntimeError, ValueError):
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.add_signal_handler(number, stop)
                installed.callback(loop.remove_signal_handler, number)
        yield
