"""Read a list that only has page numbers, and lose no row of it while it moves.

Page 1 has the total; the other pages are read from the last to the second. Rows that leave move those behind them
forward, onto pages that are still to come, so none is lost. Rows that come in move others back: the reading goes back
as many pages. No row is given out twice.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import suppress
from typing import TYPE_CHECKING, Generic, Self, TypeVar

import attrs

from kakaclo_async.errors import IncompletePull, copy_error
from kakaclo_async.models.pull import Certificate
from kakaclo_async.paging.jobs import page_count

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable
    from types import TracebackType

    from kakaclo_async.models.common import Page


T = TypeVar("T")

_MAX_READINGS = 5
"""Readings after which the list is reported as incomplete."""

_MAX_BACKTRACKS = 8
"""Times that a reading may go back, besides once for each page; after that it goes on to its end."""


class RowStream(AsyncGenerator[T, None]):
    """The rows of pages that are read one after another, as asynchronous iterators are handed to users.

    It never looks complete when it is not. When a wait for a row is cancelled, as by `asyncio.wait_for`, the page stays
    under way, and the next wait goes on with it. An error that ended it is raised again each time a row is asked for.
    Only one that was read to its end, or closed, ends. Closed or dropped, it cancels the request under way.

    Args:
        pages: yields the rows of each page.
    """

    _under_way: asyncio.Task[Iterable[T] | None] | None = None

    def __init__(self, pages: AsyncGenerator[Iterable[T], None]) -> None:
        self._pages = pages
        self._rows = deque[T]()
        self._ended = False
        self._failure: BaseException | None = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        while not self._rows:
            if self._failure is not None:
                raise copy_error(self._failure)
            if self._ended:
                raise StopAsyncIteration
            if self._under_way is None:
                # A task of its own: thrown into the generator, a cancellation would end it for good.
                self._under_way = asyncio.create_task(_next_page(self._pages))
            task = self._under_way
            await asyncio.wait((task,))
            if self._under_way is task:  # else another task that waits for rows has taken them
                self._under_way = None
                self._take(task)
        return self._rows.popleft()

    def _take(self, task: asyncio.Task[Iterable[T] | None]) -> None:
        if task.cancelled():
            self._failure = IncompletePull(
                "this stream was interrupted, and rows are missing: start it again", certificate=Certificate()
            )
        elif (error := task.exception()) is not None:
            self._failure = error
        elif (page := task.result()) is None:
            self._ended = True
        else:
            self._rows.extend(page)

    async def asend(self, value: None, /) -> T:
        """Return the next row: nothing can be sent."""
        del value
        return await anext(self)

    async def athrow(
        self,
        typ: type[BaseException] | BaseException,
        val: object = None,
        tb: TracebackType | None = None,
        /,
    ) -> T:
        """End it, and raise an exception."""
        del val
        await self.aclose()
        raise typ.with_traceback(tb) if isinstance(typ, BaseException) else typ

    async def aclose(self) -> None:
        """End it; requests under way are cancelled."""
        self._ended = True
        self._failure = None
        self._rows.clear()
        task, self._under_way = self._under_way, None
        if task is not None:
            task.cancel()
            await asyncio.wait((task,))
        await self._pages.aclose()

    def __del__(self) -> None:
        # Any thread can be the one that collects garbage.
        if (task := self._under_way) is not None and not task.done():
            with suppress(RuntimeError):  # its loop is closed
                task.get_loop().call_soon_threadsafe(task.cancel)


async def _next_page(pages: AsyncGenerator[Iterable[T], None]) -> Iterable[T] | None:
    return await anext(pages, None)


@attrs.define(slots=True)
class _Reading:
    """One reading of the list: the keys it has seen, and the total of its last page."""

    seen: set[object] = attrs.field(factory=set[object])
    total: int = 0


@attrs.define(slots=True)
class Listing(Generic[T]):
    """A list behind page numbers.

    Attributes:
        name: what the rows are, for messages.
        read: asks for one page, counted from 1.
        key: what makes a row one row.
    """

    name: str
    read: Callable[[int], Awaitable[Page[T]]]
    key: Callable[[T], object]
    _given: set[object] = attrs.field(factory=set[object], init=False)
    _requests: int = attrs.field(default=0, init=False)

    def rows(self, wanted: Callable[[T], bool] = lambda _: True) -> RowStream[T]:
        """Iterate over every row once, in no promised order.

        Args:
            wanted: whether to hand a row out.

        Raises:
            IncompletePull: after the last row, when the list moved too much to be sure of all of them.
        """
        return RowStream(self._new_rows(wanted))

    async def _new_rows(self, wanted: Callable[[T], bool]) -> AsyncGenerator[tuple[T, ...], None]:
        for _ in range(_MAX_READINGS):
            reading = _Reading()
            pages = self._pages(reading)
            async for page in pages:
                new: dict[object, T] = {}
                for row in page:
                    if (key := self.key(row)) not in self._given:
                        new.setdefault(key, row)
                self._given.update(new)
                yield tuple(filter(wanted, new.values()))
            if len(reading.seen) >= reading.total:
                return
        raise IncompletePull(
            f"{self.name} kept changing while they were read: rows may be missing; read them again later",
            certificate=Certificate(
                requests=self._requests
            ),  # rows without times: no range can be named as a gap
        )

    async def _pages(self, reading: _Reading) -> AsyncGenerator[Page[T], None]:
        page = await self._read(1, reading)
        yield page
        total = total_at_first = reading.total
        size = len(page) or 1
        number = page_count(total, size)
        backtracks_left = number + _MAX_BACKTRACKS
        while number > 1 or (number == 1 and total != total_at_first):
            page = await self._read(number, reading)
            yield page
            grown, total = reading.total - total, reading.total
            if number == 1:
                total_at_first = total
            if grown > 0 and backtracks_left > 0:
                backtracks_left -= 1
                number += page_count(grown, size)
            else:
                number -= 1
            number = min(number, page_count(total, size))

    async def _read(self, number: int, reading: _Reading) -> Page[T]:
        page = await self.read(number)
        self._requests += 1
        reading.seen.update(map(self.key, page))
        reading.total = len(reading.seen) if page.total is None else page.total
        return page
