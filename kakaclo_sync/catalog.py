"""The names of `kakaclo_async.catalog`, blocking (`pip install kakaclo[catalog]`)."""

from __future__ import annotations

import asyncio
import signal
import threading
from contextlib import contextmanager, nullcontext, suppress
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Self, TypeVar

from kakaclo_async import catalog
from kakaclo_async.catalog import (
    Change,
    ChangeKind,
    ExportFormat,
    Gap,
    MirrorReport,
    MirrorStatus,
)
from kakaclo_async.config import BlockingEntered
from kakaclo_async.errors import ClientClosed
from kakaclo_sync._loop import inbox
from kakaclo_sync._proxy import BlockingProxy, blocking, iterating, waiting
from kakaclo_sync.client import own_client

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator
    from datetime import timedelta
    from types import TracebackType

    from kakaclo_sync.client import KakaClo


R = TypeVar("R")

__all__ = ["Change", "ChangeKind", "ExportFormat", "Gap", "Mirror", "MirrorReport", "MirrorStatus", "export"]

export = waiting(catalog.export)


class Mirror(BlockingEntered, BlockingProxy[catalog.Mirror], other="kakaclo_async.catalog"):
    """A copy of the catalog in a database of its own, complete and kept fresh.

    A run goes on where the last one ended, or was killed. Rows and state are stored together, so nothing is ever
    half-written. Used as a context manager it keeps the database open; otherwise each call opens and closes it.
    One mirror writes to a database at a time; anyone may read it meanwhile.

    Args:
        kk: the client; the mirror's requests queue in its bulk lane.
        url: `sqlite:///catalog.db` or `postgresql://user:password@host/name`.
        progress: called with the report so far after each page, on the client's thread.
        concurrency: windows read at once, 1 to 16; None: by latency and rate.
        keep_changes: how long a change is kept in the table `change`; None: for ever.
        most_gone: the share of all products that is believed to be gone at once; above it none is marked.
        now: tells the time, aware, until an answer has shown KakaClo's own clock.
        sleep: waits some seconds, between the cycles of `follow`, on the client's thread: an async function.

    Raises:
        ConfigurationError: a URL that is neither.
    """

    def __init__(
        self,
        kk: KakaClo,
        url: str,
        *,
        progress: Callable[[MirrorReport], object] | None = None,
        concurrency: int | None = None,
        keep_changes: timedelta | None = None,
        most_gone: float = 0.05,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        make = partial(
            catalog.Mirror,
            url=url,
            progress=progress,
            concurrency=concurrency,
            keep_changes=keep_changes,
            most_gone=most_gone,
            now=now,
            sleep=sleep,
        )
        kk = own_client(kk)
        super().__init__(kk._bridge, kk._path_to(make))  # noqa: SLF001 - the package's own
        self._target()  # a URL that cannot work is refused here, not by the first call

    run = blocking(catalog.Mirror.run)
    verify = blocking(catalog.Mirror.verify)
    status = blocking(catalog.Mirror.status)
    changes = iterating(catalog.Mirror.changes)
    close = blocking(catalog.Mirror.aclose)
    _follow = blocking(catalog.Mirror.follow)

    def follow(
        self,
        every: float = 60.0,
        *,
        since: datetime | None = None,
        on_change: Callable[[Change], object] | None = None,
        after: int | None = None,
        stop_on_signals: bool = False,
    ) -> None:
        """Run again and again, until Ctrl-C or `stop`; a cycle without news costs 2 requests.

        A network that fails, or a server in trouble, is waited for, however long it takes.

        Args:
            every: seconds from the start of one cycle to the start of the next.
            since: as for `run`.
            on_change: called with each change once it is stored, on this thread, so that it may block. A change is
                told again by the next `follow` when this one ends before `on_change` has returned.
            after: the id of the last change that was handled; None: tell only those that are still to come.
            stop_on_signals: SIGTERM and SIGINT call `stop`; only in the main thread.

        Raises:
            InvalidRequest: `every` is less than a second.
            KakaCloError: what waiting does not mend: a token that is refused, a database that cannot be used.
        """

        def tell(change: Change) -> Awaitable[object]:
            return on_caller(lambda: None if on_change is None else on_change(change))

        with stopped_by_signals(self.stop) if stop_on_signals else nullcontext():
            self._follow(every, since=since, on_change=on_change and tell, after=after)

    def stop(self) -> None:
        """Let `follow` return; a page that is being stored is stored as a whole or not at all."""
        with suppress(ClientClosed):
            self._bridge.thread().post(self._target().stop)

    def __enter__(self) -> Self:
        self._bridge.thread().run(lambda: self._target().__aenter__())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._bridge.thread().run(lambda: self._target().__aexit__(kind, error, traceback))

    def __repr__(self) -> str:
        return repr(self._target())


async def on_caller(function: Callable[[], R]) -> R:
    """Call a function on the thread that waits for the running call; await it inside that call."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[R] = loop.create_future()

    def settle(result: Callable[[], None]) -> None:
        if not done.done():  # else the call was cancelled meanwhile
            result()

    def job() -> None:
        try:
            result = partial(done.set_result, function())
        except Exception as error:  # noqa: BLE001 - raised where it is awaited
            result = partial(done.set_exception, error)
        with suppress(RuntimeError):  # the loop was closed meanwhile
            loop.call_soon_threadsafe(settle, result)

    inbox.get().put(job)
    return await done


@contextmanager
def stopped_by_signals(stop: Callable[[], None]) -> Generator[None, None, None]:
    """Have SIGTERM and SIGINT call a function."""
    if threading.current_thread() is not threading.main_thread():  # others may not set handlers
        yield
        return

    def handle(_number: int, _frame: object) -> None:
        stop()

    before = {number: signal.signal(number, handle) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
