"""Blocking iterators: the rows of an async iterator, fetched ahead while the caller works on earlier ones."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from kakaclo_async.errors import ClientClosed, IncompletePull, KakaCloError, copy_error
from kakaclo_async.models.pull import Certificate

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine
    from typing import Self

    from kakaclo_async.paging import Pull as AsyncPull
    from kakaclo_sync._loop import LoopThread


T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

AHEAD = 64
"""Rows fetched ahead at most: the page that the caller is in, and the next one."""


class Rows(Protocol[T_co]):
    """An async iterator that can be closed early."""

    def __aiter__(self) -> AsyncIterator[T_co]:
        """Return the iterator."""
        ...

    def aclose(self) -> Coroutine[object, object, object]:
        """End it."""
        ...


class Stream(Generic[T]):
    """Rows, for a plain `for`, fetched about a page ahead of the caller.

    The first row asked for starts the fetching. An error, Ctrl-C, `close` or the collection of the iterator
    ends it, and the requests under way with it. Several threads may share one iterator: each row goes to one
    of them. One that an error or Ctrl-C ended says so each time a row is asked for: it never looks complete.
    """

    _ended = (
        True  # unless the source opens; also for `__del__`, when an interrupt comes before anything is set
    )

    def __init__(self, thread: LoopThread, source: Callable[[], Rows[T]], owner: object) -> None:
        self._thread = thread
        self._owner = owner  # the client's loop stops when nothing holds the client
        self._rows: deque[T] = deque()
        self._failure: BaseException | None = None
        self._pump = thread.run(lambda: _open(source))
        self._ended = False

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> T:
        end: BaseException | None = None
        try:
            while True:
                with contextlib.suppress(IndexError):
                    return self._rows.popleft()
                end = self._end()
                if end is not None:
                    raise end  # noqa: TRY301 - told apart from an interruption below
                self._fetch()
        except BaseException as error:
            expected, end = error is end, None  # its traceback holds this frame
            # An exception out of a signal handler may come when a row was taken and not handed out yet.
            if not expected:
                self._fail(error)
            raise

    def _end(self) -> BaseException | None:
        """Return what to raise once there are no more rows: a copy for each thread that asks."""
        if self._failure is not None:
            return copy_error(self._failure)
        return StopIteration() if self._ended else None

    def _fetch(self) -> None:
        rows = self._thread.run(self._pump.take)
        if rows:
            self._rows.extend(rows)
        elif not self._ended:  # else another thread has closed it, or learned the same
            self._failure = self._pump.error
            self._ended = True

    def _fail(self, error: BaseException) -> None:
        if self._failure is None:
            self._failure = (
                error
                if isinstance(error, KakaCloError)
                else IncompletePull(
                    f"this iterator was interrupted ({type(error).__name__}), and rows are missing: start it again",
                    certificate=Certificate(),
                )
            )
        self._stop()

    def close(self) -> None:
        """End the iteration and wait until its requests have ended; safe twice, and with a closed client."""
        self._failure = None
        self._stop()

    def _stop(self) -> None:
        self._rows.clear()
        if not self._ended:
            self._ended = True
            with contextlib.suppress(ClientClosed):
                self._thread.run(self._pump.stop)

    def __del__(self) -> None:
        # Any thread can be the one that collects garbage: tell the loop, and do not wait.
        if not self._ended:
            self._thread.post(self._pump.abandon)


class Pull(Stream[T]):
    """All rows of a range of update times, each once, while they move."""

    _source: AsyncPull[T]

    def __init__(self, thread: LoopThread, source: Callable[[], AsyncPull[T]], owner: object) -> None:
        def kept() -> AsyncPull[T]:
            self._source = source()
            return self._source

        super().__init__(thread, kept, owner)

    @property
    def certificate(self) -> Certificate:
        """What can be said about completeness so far."""
        return self._source.certificate

    @property
    def coarse(self) -> bool:
        """Whether the server was seen to filter by whole days."""
        return self._source.coarse

    def __repr__(self) -> str:
        return repr(self._source)


class _Pump(Generic[T]):
    """The loop's side of a stream: reads the source into a bounded list, from where batches are taken."""

    def __init__(self, source: Rows[T]) -> None:
        self.error: BaseException | None = None
        self._source = source
        self._rows: list[T] = []
        self._ended = False
        self._wake = asyncio.Event()
        self._room = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def take(self) -> list[T]:
        """Wait for rows and return all there are; none means the end."""
        if self._task is None:
            self._task = asyncio.create_task(self._fill())
        while not self._rows and not self._ended:
            self._wake.clear()
            await self._wake.wait()
        rows, self._rows = self._rows, []
        self._room.set()
        return rows

    async def _fill(self) -> None:
        try:
            try:
                async for row in self._source:
                    self._rows.append(row)
                    self._wake.set()
                    if len(self._rows) >= AHEAD:
                        self._room.clear()
                        await self._room.wait()
            finally:
                await self._source.aclose()
        except BaseException as error:  # noqa: BLE001 - raised by `take`'s caller, who would mistake it for the end of the rows
            self.error = error.with_traceback(error.__traceback__ and error.__traceback__.tb_next)
        self._ended = True
        self._wake.set()

    async def stop(self) -> None:
        """End the reading and wait for its end."""
        self.abandon()
        if self._task is None:
            await self._source.aclose()
        else:
            await asyncio.wait([self._task])

    def abandon(self) -> None:
        """End the reading soon."""
        if self._task is not None:
            self._task.cancel()


async def _open(source: Callable[[], Rows[T]]) -> _Pump[T]:
    return _Pump(source())
