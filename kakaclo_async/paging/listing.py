"""Read a list that only has page numbers, and lose no row of it while it moves.

Page 1 has the total; the other pages are read from the last to the second. Rows that leave move those behind them
forward, onto pages that are still to come, so none is lost. Rows that come in move others back: the reading goes back
as many pages. No row is given out twice.

A total of 10,000 or more may be where the index stops to count, and some lists have none. Such a list is read upwards
to an empty page: rows that come in are pushed onto pages still to come, so none is lost, while one that leaves may
hide another.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, Generic, Self, TypeVar

import attrs

from kakaclo_async.codec import Undecodable
from kakaclo_async.database import run_to_completion
from kakaclo_async.errors import DecodeError, IncompletePull, copy_error
from kakaclo_async.models.pull import Certificate
from kakaclo_async.paging.jobs import EXACT_TOTALS, page_count

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable
    from types import TracebackType

    from kakaclo_async.models.common import Page


T = TypeVar("T")

_MAX_READINGS = 5
"""Readings after which the list is reported as incomplete."""

_MAX_BACKTRACKS = 8
"""Times that a reading may go back, besides once for each page; after that it goes on to its end."""

_MAX_ASKS = 3
"""Times that a page is asked for in one reading, while it shows fewer rows than its place in the total calls for."""

_MAX_REPEATS = 8
"""Pages in a row that bring nothing new, after which the server is taken to ignore page numbers."""

_MOST_NAMED = 5


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
                # Taken note of, should the stream be dropped: else asyncio would complain.
                self._under_way.add_done_callback(lambda page: page.cancelled() or page.exception())
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
        self, typ: type[BaseException] | BaseException, val: object = None, tb: TracebackType | None = None, /
    ) -> T:
        """End it, and raise an exception."""
        del val
        await self.aclose()
        raise typ.with_traceback(tb) if isinstance(typ, BaseException) else typ

    async def aclose(self) -> None:
        """End it; requests under way are cancelled, and have ended before a cancellation of this call goes on."""
        self._ended, self._failure = True, None
        self._rows.clear()
        await run_to_completion(self._close())

    async def _close(self) -> None:
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


@attrs.define
class Unread:
    """The rows of a list that cannot be read: it goes on without them, and says so at its end."""

    count: int = 0
    _names: list[str] = attrs.field(factory=list[str])
    _problem: str = ""

    def sift(self, rows: Iterable[T | Undecodable]) -> tuple[T, ...]:
        """Return the rows that can be read, and note the others."""
        found: list[T] = []
        for row in rows:
            if not isinstance(row, Undecodable):
                found.append(row)
                continue
            self.count += 1
            self._problem = self._problem or row.problem
            if row.code is not None and len(self._names) < _MOST_NAMED:
                self._names.append(row.code)
        return tuple(found)

    def __str__(self) -> str:
        more = self.count - len(self._names)
        names = [*map(repr, self._names), *([f"{more} more" if self._names else f"{more}"] if more else [])]
        return f"{', '.join(names)} cannot be read ({self._problem})"

    def check(self, what: str) -> None:
        """Raise the error for rows that were noted, if any.

        Raises:
            DecodeError: it names them.
        """
        if self.count:
            raise DecodeError(f"{self}; all others can, and were given", where=what)


async def _next_page(pages: AsyncGenerator[Iterable[T], None]) -> Iterable[T] | None:
    return await anext(pages, None)


@attrs.define(slots=True)
class _Reading:
    """One reading of the list: the keys it has seen, and the total of its last page.

    A page that shows fewer rows than are due leaves the reading open: rows that left since may hide those it lacked.
    """

    seen: set[object] = attrs.field(factory=set[object])
    total: int | None = None
    page_size: int = 0
    met_empty_page: bool = False
    met_short_page: bool = False

    def due(self, number: int) -> int:
        """Return how many rows a page must show; 0 where that is not known."""
        if not (self.is_counted and self.page_size):
            return 0
        return min(self.page_size, max(0, (self.total or 0) - (number - 1) * self.page_size))

    @property
    def is_counted(self) -> bool:
        """Whether the server's total says how many rows there are."""
        return self.total is not None and self.total < EXACT_TOTALS

    @property
    def is_complete(self) -> bool:
        """Whether all rows were seen."""
        if len(self.seen) < (self.total or 0) or self.met_short_page:
            return False
        # Rows that end exactly there may be all that the index pages through.
        return self.is_counted or (self.met_empty_page and len(self.seen) != EXACT_TOTALS)


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

    def rows(self) -> RowStream[T]:
        """Iterate over every row once, in no promised order.

        Raises:
            IncompletePull: after the last row, when the list moved too much to be sure of all of them, or ends where
                the server's index may have stopped.
        """
        return RowStream(self._new_rows())

    async def all(self) -> list[T]:
        """Read every row, as `rows` does; a cancellation ends the request under way, too."""
        return [row async for rows in self._new_rows() for row in rows]

    async def _new_rows(self) -> AsyncGenerator[tuple[T, ...], None]:
        for _ in range(_MAX_READINGS):
            reading = _Reading()
            async for page in self._pages(reading):
                new: dict[object, T] = {}
                for row in page:
                    if (key := self.key(row)) not in self._given:
                        new.setdefault(key, row)
                self._given.update(new)
                yield tuple(new.values())
            if reading.is_complete:
                return
            if reading.met_empty_page and len(reading.seen) == EXACT_TOTALS:
                break  # another reading would end there, too
        raise IncompletePull(
            f"{self.name} kept changing while they were read, or there are more than the server shows: rows may be"
            " missing; read them again later",
            # Rows without times: no range can be named as a gap.
            certificate=Certificate(requests=self._requests),
        )

    async def _pages(self, reading: _Reading) -> AsyncGenerator[Page[T], None]:
        yield (first := await self._read(1, reading))
        rest = self._downwards if reading.is_counted else self._upwards
        async for page in rest(first, reading):
            yield page

    async def _upwards(self, page: Page[T], reading: _Reading) -> AsyncGenerator[Page[T], None]:
        number, repeats = 1, 0
        while len(page) and repeats < _MAX_REPEATS:
            known, number = len(reading.seen), number + 1
            page = await self._read(number, reading)
            yield page
            repeats = repeats + 1 if len(reading.seen) == known else 0
        reading.met_empty_page = not len(page)

    async def _downwards(self, page: Page[T], reading: _Reading) -> AsyncGenerator[Page[T], None]:
        total = total_at_first = reading.total or 0
        size = len(page) or 1
        number = page_count(total, size)
        backtracks_left = number + _MAX_BACKTRACKS
        while number > 1 or (number == 1 and total != total_at_first):
            page = await self._read(number, reading)
            yield page
            counted = len(reading.seen) if reading.total is None else reading.total
            grown, total = counted - total, counted
            if number == 1:
                total_at_first = total
            if grown > 0 and backtracks_left > 0:
                backtracks_left -= 1
                number += page_count(grown, size)
            else:
                number -= 1
            number = min(number, page_count(total, size))

    async def _read(self, number: int, reading: _Reading) -> Page[T]:
        rows: dict[object, T] = {}
        asks = 0
        while True:
            page = await self.read(number)
            self._requests += 1
            asks += 1
            shown = {self.key(row): row for row in page}
            rows |= shown
            reading.total = page.total
            if number == 1 and not reading.page_size:
                reading.page_size = len(page) if (page.total or 0) > len(page) else 0
            if len(shown) >= max(reading.due(number), len(page)):
                break
            if asks == _MAX_ASKS:
                reading.met_short_page = True
                break
        reading.seen.update(rows)
        return attrs.evolve(page, list=tuple(rows.values()))


def readable(listing: Listing[T | Undecodable]) -> RowStream[T]:
    """Iterate over the rows of a list that can be read.

    Raises:
        IncompletePull: as `Listing.rows` does.
        DecodeError: after the last row, when some cannot be read; it names them.
    """
    return RowStream(_readable(listing))


async def _readable(listing: Listing[T | Undecodable]) -> AsyncGenerator[tuple[T, ...], None]:
    unread = Unread()
    async with aclosing(listing.rows()) as rows:
        async for row in rows:
            yield unread.sift((row,))
    unread.check(listing.name)
