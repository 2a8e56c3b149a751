"""What the two ways of reading a window have in common, for the pull that runs many of them at once."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, Generic, Protocol, TypeVar

import attrs

from kakaclo_async.errors import DecodeError, InvalidRequest, Rejected
from kakaclo_async.models.pull import Window

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection

    from kakaclo_async.models.common import Page

T = TypeVar("T")

TOO_DEEP: Final = "it holds more rows than the server pages through"
"""The reason of a gap that no other reading of the window can fill."""

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
        if not isinstance(moment, datetime):  # pyright: ignore[reportUnnecessaryIsInstance] - callers err
            raise InvalidRequest(f"{name} must be an aware datetime, not {type(moment).__name__}")
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


EXACT_TOTALS = 10_000
"""A search index may count and page only this far: totals from here on are treated as unknown."""

_ROUND = 1_000
"""Totals of at least 10,000 that are multiples of this are taken for where the index stops to count."""


@attrs.frozen(kw_only=True)
class Shown(Generic[T]):
    """A page as it was shown, each row once.

    Attributes:
        rows: by their keys, in their order.
        count: rows shown, repeated ones included.
        total: rows that the server counts in the window.
        size: the page size that it tells, which may be anything.
    """

    rows: dict[str, T]
    count: int
    total: int
    size: int | None

    @property
    def fits(self) -> bool:
        """Whether this page shows all that is counted."""
        return len(self.rows) == self.total


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

    async def show(self, window: Window, number: int) -> Shown[T] | None:
        """Ask for one page; None when the server refuses to page that deep.

        Raises:
            DecodeError: the page has no total; no pull can do without.
            Rejected: the window is refused as such.
        """
        try:
            page = await self.read(window, number)
        except Rejected:
            if number == 1:
                raise
            return None
        if page.total is None:
            raise DecodeError("the server does not say how many rows there are", where="data.total")
        rows = {self.key(row): row for row in page.list}
        return Shown(rows=rows, count=len(page.list), total=page.total, size=page.page_size)


@attrs.define
class Knowledge:
    """What a pull has learned about its server.

    Attributes:
        most: the largest total so far: a smaller one is below whatever the index counts to, and so it is true.
        cap: where the index stops to count, once two halves held more than the whole.
        shuffled: rows with equal times were seen in another order, so page numbers prove less.
        depth: rows beyond which no page came; windows are cut to fewer.
        pages: how many pages showed that many rows.
    """

    most: int = 0
    cap: int | None = None
    shuffled: bool = False
    depth: int = EXACT_TOTALS
    pages: Counter[int] = attrs.field(factory=Counter[int])

    @property
    def page_size(self) -> int:
        """The most rows that two pages have shown; 0 before that."""
        return max((count for count, pages in self.pages.items() if pages > 1), default=0)

    def met(self, page: Page[T]) -> None:
        """Learn from a page."""
        self.most = max(self.most, page.total or 0)
        self.pages[len(page.list)] += 1

    def compare(self, whole: int, halves: int) -> None:
        """Learn from the totals of a window and of its halves."""
        if halves > whole:
            self.cap = whole if self.cap is None else min(self.cap, whole)

    def may_stop_at(self, total: int) -> bool:
        """Tell whether the index is likely to have stopped counting there."""
        return total == self.cap or (total >= EXACT_TOTALS and total % _ROUND == 0)

    def trusts(self, total: int) -> bool:
        """Tell whether a total counts all rows of its window, as far as totals alone can tell."""
        return total < min(self.most, EXACT_TOTALS)


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
    def must_be_cut(self) -> bool:
        """Whether the window may hold more rows than its total, so that its halves must be counted."""
        ...

    @property
    def may_be_cut(self) -> bool:
        """Whether halves of the window lose nothing of what was read."""
        ...

    @property
    def unchecked(self) -> tuple[Job[T], ...]:
        """What must be read on its own when the window is cut."""
        ...

    @property
    def pause(self) -> float:
        """Seconds to leave before the next request."""
        ...

    @property
    def checkpoint(self) -> Checkpoint:
        """What to store to go on from here."""
        ...

    async def step(self, source: Source[T], known: Knowledge) -> Step[T]:
        """Read one page.

        Args:
            source: the endpoint.
            known: what the pull has learned about it.
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
        rows: those on the page.
        left: what remains to be read of the job's window: nothing, one job, or several.
        total: the rows that the server counts in the window asked for; None when it does not page that deep.
        reread: the answer could not be used, so its page is asked for again.
        uncertain: the index may have stopped to count at `total`.
        failed: why the window cannot be certified in this way, None while it can.
        outside: the ends of a part of a day that a row lies in which was not asked for: the server may filter by
            whole days.
        shuffled: rows with equal times were seen in another order.
        doubtful: the job to do instead, should it turn out later that equal times have no order.
    """

    rows: tuple[T, ...] = ()
    left: tuple[Job[T], ...] = ()
    total: int | None
    reread: bool = False
    uncertain: bool = False
    failed: str | None = None
    outside: Window | None = None
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
