"""What the two ways of reading a window have in common, for the pull that runs many of them at once."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, Generic, Protocol, TypeVar

import attrs

from kakaclo_async.errors import DecodeError, InvalidRequest
from kakaclo_async.models.pull import SECOND, Window

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
    from datetime import datetime

    from kakaclo_async.models.common import Page

T = TypeVar("T")

INDEX_LAG: Final = timedelta(minutes=10)
"""How far behind now a window ends: the search index trails the database by up to 5 minutes."""


def checked_window(start: datetime, end: datetime) -> Window:
    """Check a range that a caller gave, and widen it to whole UTC seconds.

    Args:
        start: aware.
        end: aware, after `start`.

    Raises:
        InvalidRequest: a naive time, or a range that ends before it starts.
    """
    for name, moment in (("start", start), ("end", end)):
        if moment.tzinfo is None or moment.utcoffset() is None:
            raise InvalidRequest(
                f"{name} {moment.isoformat()} has no time zone: pass an aware datetime,"
                " for example datetime.now(UTC)"
            )
    if start >= end:
        raise InvalidRequest(f"the range starts at {start.isoformat()}, not before its end {end.isoformat()}")
    return Window(start.astimezone(UTC).replace(microsecond=0), end.astimezone(UTC).replace(microsecond=0))


def complete_until(now: datetime) -> datetime:
    """Return the latest end of a window whose rows are all in the index."""
    return now.astimezone(UTC).replace(microsecond=0) - INDEX_LAG


def merged(windows: Iterable[Window]) -> tuple[Window, ...]:
    """Return the same seconds as few windows in order."""
    result: list[Window] = []
    for window in sorted(windows):
        if result and window.start <= result[-1].end + SECOND:
            result[-1] = Window(result[-1].start, max(result[-1].end, window.end))
        else:
            result.append(window)
    return tuple(result)


def subtract(windows: Iterable[Window], taken: Sequence[Window]) -> tuple[Window, ...]:
    """Return the seconds of `windows` that are in none of `taken`, as few windows in order."""
    left: list[Window] = []
    for window in merged(windows):
        start = window.start
        for hole in merged(taken):
            if hole.end < start or hole.start > window.end:
                continue
            if hole.start > start:
                left.append(Window(start, hole.start - SECOND))
            start = hole.end + SECOND
        if start <= window.end:
            left.append(Window(start, window.end))
    return tuple(left)


EXACT_TOTALS = 10_000
"""A search index may count and page only this far: totals from here on are treated as unknown."""


@attrs.frozen(kw_only=True)
class Source(Generic[T]):
    """An endpoint that lists rows by update time, page by page.

    Attributes:
        name: what the rows are, for messages: "products".
        read: asks for one page of a window, counted from 1; where rows carry times, newest first.
        key: what makes a row one row: its SPU or SKU code.
        time: a row's update time; None where rows carry none.
    """

    name: str
    read: Callable[[Window, int], Awaitable[Page[T]]]
    key: Callable[[T], str]
    time: Callable[[T], datetime | None] | None = None


@attrs.frozen(kw_only=True)
class Checkpoint:
    """Where the reading of a window stands: what must be stored to go on after a crash.

    Attributes:
        window: what is left of it.
        page: the next page of a window read from last to first; None for one not begun, or read by key.
        page_size: rows on a full page.
        total: rows when its reading began.
        last_total: the total of the last accepted page.
        first_page_total: the total when page 1 was read last; None before that.
        distinct: distinct rows counted so far.
    """

    window: Window
    page: int | None = None
    page_size: int = 0
    total: int = 0
    last_total: int | None = None
    first_page_total: int | None = None
    distinct: int = 0


class Job(Protocol[T]):
    """A window, and how far its reading has come; each step makes new ones."""

    @property
    def window(self) -> Window:
        """What is left to read."""
        ...

    @property
    def total(self) -> int | None:
        """The most rows that the window can hold; None before the first answer."""
        ...

    @property
    def rows_left(self) -> int:
        """The rows still to be read, as far as known."""
        ...

    @property
    def may_be_cut(self) -> bool:
        """Whether halves of the window lose nothing of what was read."""
        ...

    @property
    def pause(self) -> float:
        """Seconds to leave before the next request."""
        ...

    @property
    def checkpoint(self) -> Checkpoint:
        """What to store to go on from here."""
        ...

    async def step(self, source: Source[T], *, strict: bool) -> Step[T]:
        """Read one page.

        Args:
            source: the endpoint.
            strict: rows with equal times were seen in another order, so that page numbers prove less.
        """
        ...

    def part(self, window: Window, total: int | None) -> Job[T]:
        """Make the job for a part of this one's window, begun anew.

        Args:
            window: the part.
            total: the most rows that it can hold, None when unknown.
        """
        ...

    def again(self) -> Job[T] | None:
        """Make the job that tries the same window once more, None when it was tried often enough."""
        ...

    def by_number(self) -> Job[T]:
        """Make the job that reads the same window by page numbers instead of by key."""
        ...


@attrs.frozen(kw_only=True)
class Step(Generic[T]):
    """What one page brought.

    Attributes:
        rows: those that the pull has not given out before.
        left: what remains to be read of the job's window: nothing, one job, or several.
        total: the rows that the server counts in the window asked for.
        reread: the answer could not be used, so its page is asked for again.
        failed: why the window cannot be certified in this way, None while it can.
        coarse: the server was seen to filter by whole days.
        shuffled: rows with equal times were seen in another order.
        doubtful: the job to do instead, should it turn out later that equal times have no order.
    """

    rows: tuple[T, ...] = ()
    left: tuple[Job[T], ...] = ()
    total: int
    reread: bool = False
    failed: str | None = None
    coarse: bool = False
    shuffled: bool = False
    doubtful: Job[T] | None = None


@attrs.frozen(kw_only=True)
class Progress(Generic[T]):
    """What one page of a pull brought, and what it changed about what is left.

    Attributes:
        rows: rows that were not given out before.
        done: the job that this page belonged to; it is over.
        left: the jobs that took its place.
        gap: the job's window, when it cannot be certified and nothing is left to try.
        rows_left: rows that all jobs of the pull still have to read, as far as known.
    """

    rows: tuple[T, ...]
    done: Job[T]
    left: tuple[Job[T], ...]
    gap: Window | None
    rows_left: int


def total_of(page: Page[T]) -> int:
    """Return how many rows the server counts in the window.

    Raises:
        DecodeError: the page has no total; no pull can do without.
    """
    if page.total is None:
        raise DecodeError("the server does not say how many rows there are", where="data.total")
    return page.total


def page_count(rows: int, page_size: int) -> int:
    """Return how many pages hold some rows; 0 while the page size is not known."""
    return -(-rows // page_size) if page_size else 0


async def gather_arrived(
    running: Collection[asyncio.Task[T]], most: int, *, patience: float
) -> set[asyncio.Task[T]]:
    """Wait for a page, and then for some seconds for as many as make a batch."""
    until = asyncio.get_running_loop().time() + patience
    arrived, pending = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
    while pending and len(arrived) < most:
        left = until - asyncio.get_running_loop().time()
        if left <= 0:
            break
        more, pending = await asyncio.wait(pending, timeout=left, return_when=asyncio.FIRST_COMPLETED)
        arrived |= more
    return arrived
