"""Read a window by key: for rows that carry their update time.

Ask for page 1, newest first; move the window's end to the oldest time on the page, inclusive; stop when the page
holds all that is counted. A row that is not read yet stays in `[start, end]` until it is returned, because each
part skipped was wholly on the page just read. No ranks are used, so moving rows and limits of the index do no harm.

The inclusive end asks for at least one row twice. While a window stands still that is waste, so page numbers are
used as long as they are as good as keys: rows only ever leave a window, so an equal total means an equal state, in
which each place of the list is looked at once. Rows of one second may stand there in another order for each page;
they are all seen when no row of that second was met twice. The first page that fails this is asked for by key, and
so is the rest of the window.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Generic, TypeVar

import attrs

from kakaclo_async.models.pull import SECOND, Window
from kakaclo_async.paging.from_last import FromLast
from kakaclo_async.paging.jobs import EXACT_TOTALS, Checkpoint, Source, Step, total_of

if TYPE_CHECKING:
    from datetime import datetime

    from kakaclo_async.models.common import Page
    from kakaclo_async.paging.jobs import Job


T = TypeVar("T")


@attrs.frozen(kw_only=True)
class _Numbered:
    """A window that is read by page numbers while it stands still.

    Attributes:
        window: the window that the numbers count in.
        page: the next one.
        total: what every page must report: another total means that rows have left.
        covered: rows on the pages before.
        met: keys of the oldest second on those pages.
    """

    window: Window
    page: int
    total: int
    covered: int
    met: frozenset[str]


@attrs.frozen(kw_only=True)
class ByKey(Generic[T]):
    """A window read newest first, down to `window.end`.

    Attributes:
        window: what is left; some rows of its last second may have been read.
        seen: keys of those.
        total: rows left, as far as known.
        moved: rows left while they were counted, or equal times had no order: page numbers no longer pay.
    """

    window: Window
    seen: frozenset[str] = frozenset()
    total: int | None = None
    moved: bool = False
    numbered: _Numbered | None = None
    pause: float = 0.0

    @property
    def rows_left(self) -> int:
        """The rows still to be read, as far as known."""
        return max(0, (self.total or 0) - len(self.seen))

    @property
    def may_be_cut(self) -> bool:
        """Whether halves of the window lose nothing: what is left is all unread."""
        return True

    @property
    def checkpoint(self) -> Checkpoint:
        """What to store to go on from here."""
        return Checkpoint(window=self.window)

    def part(self, window: Window, total: int | None) -> Job[T]:
        """Make the job for a part of this one's window."""
        return ByKey(window=window, seen=self.seen, total=total, moved=self.moved)

    def again(self) -> Job[T] | None:
        """Read a single second, where keys do not help, by page numbers."""
        return self.by_number()

    def by_number(self) -> Job[T]:
        """Make the job that reads the same window from last to first."""
        return FromLast(window=self.window, known=self.seen)

    async def step(self, source: Source[T], *, strict: bool) -> Step[T]:
        """Read the newest page of what is left, or the next one by number while nothing moves."""
        del strict  # keys do not depend on an order
        asked, number = (self.window, 1)
        if self.numbered:
            asked, number = self.numbered.window, self.numbered.page
        page = await source.read(asked, number)
        total = total_of(page)
        times = _times(source, page)
        if times is None:
            return Step(left=(self.by_number(),), total=total, reread=True)
        if any(time not in asked for time in times):
            return Step(left=(self.by_number(),), total=total, reread=True, coarse=True)
        keys = [source.key(row) for row in page.list]
        if self.numbered and (
            not keys or total != self.numbered.total or self.numbered.met.intersection(keys)
        ):
            return Step(left=(attrs.evolve(self, numbered=None, moved=True),), total=total, reread=True)
        covered = len(keys) + (self.numbered.covered if self.numbered else 0)
        rows = tuple(row for row, key in zip(page.list, keys, strict=True) if key not in self.seen)
        if covered == total:
            return Step(rows=rows, total=total)
        if not keys or covered > total:
            failed = f"{covered} rows were shown where {total} are counted"
            job = attrs.evolve(self, seen=self.seen.union(keys), numbered=None)
            return Step(rows=rows, left=(job,), total=total, failed=failed)
        return Step(rows=rows, left=self._rest(asked, number, keys, times, covered, total), total=total)

    def _rest(
        self, asked: Window, number: int, keys: list[str], times: list[datetime], covered: int, total: int
    ) -> tuple[Job[T], ...]:
        """Return what is left after a page."""
        oldest = times[-1]
        met = frozenset(key for key, time in zip(keys, times, strict=True) if time == oldest)
        seen = met | self.seen if oldest == self.window.end else met
        if self.moved or total >= EXACT_TOTALS:
            numbered = None
            if times[0] == oldest:
                return self._after_tie(oldest, seen, total - covered)
        else:
            before = self.numbered.met if self.numbered and oldest == self.window.end else frozenset[str]()
            numbered = _Numbered(
                window=asked, page=number + 1, total=total, covered=covered, met=met | before
            )
        left = ByKey[T](
            window=Window(self.window.start, oldest),
            seen=seen,
            total=total - covered + len(met),
            moved=self.moved,
            numbered=numbered,
        )
        return (left,)

    def _after_tie(self, second: datetime, keys: frozenset[str], total: int) -> tuple[Job[T], ...]:
        # A page that shares one second leaves no key to go on by: the second is read on its own.
        tie: Job[T] = FromLast(window=Window(second, second), known=keys)
        if second == self.window.start:
            return (tie,)
        older = Window(self.window.start, second - SECOND)
        return (tie, ByKey(window=older, total=total, moved=self.moved))


def _times(source: Source[T], page: Page[T]) -> list[datetime] | None:
    """Return the rows' times, newest first; None when some are missing or out of order."""
    if source.time is None:
        return None
    times = [time for time in map(source.time, page.list) if time is not None]
    ordered = all(newer >= older for newer, older in pairwise(times))
    return times if ordered and len(times) == len(page.list) else None
