"""Blocking iterators: the rows of an async iterator, fetched ahead while the caller works on earlier ones."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from kakaclo_async.errors import ClientClosed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine
    from typing import Self

    from kakaclo_async import paging as pulling
    from kakaclo_async.models.pull import Certificate
    from kakaclo_sync.loop_thread import LoopThread


T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

AHEAD = 64
"""Rows fetched ahead at most: the page that is being read, and the next one."""


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
    of them.
    """

    def __init__(self, thread: LoopThread, source: Callable[[], Rows[T]], owner: object) -> None:
        self._thread = thread
        self._owner = owner  # the client's loop stops when nobody holds the client
        self._rows: deque[T] = deque()
        self._ended = True  # unless the source opens
        self._pump = thread.run(lambda: _open(source))
        self._ended = False

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> T:
        while True:
            with contextlib.suppress(IndexError):
                return self._rows.popleft()
            if self._ended:
                raise StopIteration
            self._fetch()

    def _fetch(self) -> None:
        try:
            rows = self._thread.run(self._pump.take)
        except BaseException:
            self.close()
            raise
        if rows:
            self._rows.extend(rows)
            return
        self._ended = True
        error, self._pump.error = self._pump.error, None
        if error is not None:
            try:
                raise error
            finally:
                del error  # its traceback holds this frame

    def close(self) -> None:
        """End the iteration and wait until its requests have ended; safe twice, and with a closed client."""
        if not self._ended:
            self._ended = True
            self._rows.clear()
            with contextlib.suppress(ClientClosed):
                self._thread.run(self._pump.stop)

    def __del__(self) -> None:
        # Any thread can be the one that collects garbage: tell the loop, and do not wait.
        if not self._ended:
            self._thread.post(self._pump.abandon)


class Pull(Stream[T]):
    """All rows of a range of update times, each once, while they move."""

    _source: pulling.Pull[T]

    def __init__(self, thread: LoopThread, source: Callable[[], pulling.Pull[T]], owner: object) -> None:
        def kept() -> pulling.Pull[T]:
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
        except BaseException as error:  # noqa: BLE001 - nobody may take it for the end of the rows
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
