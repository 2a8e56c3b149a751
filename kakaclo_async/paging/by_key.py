"""Read a window by key: for rows that carry their update time.

Ask for page 1, newest first; move the window's end to the oldest time on the page, inclusive; stop when the page
shows all that is counted. A row that is not read yet stays in `[start, end]` until it is returned, because each
part skipped was wholly on the page just read. No ranks are used, so moving rows and limits of the index do no harm.

That it was wholly on the page is checked against the totals: two answers must differ by the rows that the part was
seen to hold. If they do not, rows have left, or the page lacked one, or a time that it showed is not what the index
goes by, or the index does not count so far. Whatever it was, the part is then read as a window of its own.

The inclusive end asks for at least one row twice. While a window stands still that is waste, so page numbers are
used as long as they are as good as keys: rows only ever leave a window, so an equal total means an equal state, in
which full pages without a row in common are all different parts of the list. When the total changes, the rest of the
window is read by key, from the newest time of the last such page on; when pages have rows in common, all of it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

import attrs

from kakaclo_async.models.pull import SECOND, Window
from kakaclo_async.paging.from_last import FromLast
from kakaclo_async.paging.jobs import Checkpoint, Step

if TYPE_CHECKING:
    from datetime import datetime

    from kakaclo_async.paging.jobs import Job, Knowledge, Shown, Source


T = TypeVar("T")

_MOST_BAD_ANSWERS = 3
"""Answers in a row with too few or too many rows."""


@attrs.frozen(kw_only=True)
class _Numbered:
    """A window that is read by page numbers while it stands still.

    Attributes:
        window: the window that the numbers count in.
        page: the next one.
        total: what every page must report: another total means that rows have left.
        size: rows on a full page.
        met: keys on the pages before; shared by the steps of one reading.
        newer: rows met that stand before the oldest second.
        newest: the newest time on the last page that was read, or the window's end: no row behind that page has a
            newer one.
        ended: the oldest time on the page before that one, or the window's end: the last page may lack its first row.
    """

    window: Window
    page: int
    total: int
    size: int
    met: set[str] = attrs.field(repr=False)
    newer: int
    newest: datetime
    ended: datetime


@attrs.frozen(kw_only=True)
class _Seam:
    """A part that was read by key, and is still to be checked against the next total.

    Attributes:
        window: the part.
        rows: how many rows it was seen to hold.
        total: what was counted with them.
        doubtful: the page was not full: a row may be missing, and a stale total may hide that.
    """

    window: Window
    rows: int
    total: int
    doubtful: bool


@attrs.frozen(kw_only=True)
class ByKey(Generic[T]):
    """A window read newest first, down to `window.end`.

    Attributes:
        window: what is left; some rows of its last second may have been read.
        total: rows left, as far as known.
        moved: rows left while they were counted: page numbers no longer pay.
        numbered: set while the window stands still.
        seam: what is to be checked.
        bad_answers: answers in a row that showed too few or too many rows.
        must_be_cut: the index does not count so far.
        torn: all of it was read before, and did not add up.
    """

    window: Window
    total: int | None = None
    moved: bool = False
    numbered: _Numbered | None = None
    seam: _Seam | None = None
    bad_answers: int = 0
    must_be_cut: bool = False
    torn: bool = False
    pause: float = 0.0

    @property
    def rows_left(self) -> int:
        """The rows still to be read, as far as known."""
        return self.total or 0

    @property
    def may_be_cut(self) -> bool:
        """Whether halves of the window lose nothing of what was read."""
        return True

    @property
    def unchecked(self) -> tuple[Job[T], ...]:
        """The part that waits for the next answer to be checked: read anew, when that answer is not asked for."""
        end = self.checkpoint.window.end
        return (ByKey(window=Window(self.window.end + SECOND, end)),) if end > self.window.end else ()

    @property
    def checkpoint(self) -> Checkpoint:
        """What to store to go on from here: a part that is not checked yet is read again."""
        end = self.window.end
        if self.numbered is not None:
            end = max(end, self.numbered.newest)
        elif self.seam is not None:
            end = self.seam.window.end
        return Checkpoint(window=Window(self.window.start, end))

    def part(self, window: Window, total: int | None) -> Job[T]:
        """Make the job for a part of this one's window."""
        return ByKey(window=window, total=total, moved=self.moved)

    def again(self) -> Job[T] | None:
        """Read a single second, where keys do not help, by page numbers."""
        return self.by_number()

    def by_number(self) -> Job[T]:
        """Make the job that reads the same window from last to first."""
        return FromLast(window=self.checkpoint.window)

    async def step(self, source: Source[T], known: Knowledge) -> Step[T]:
        """Read the newest page of what is left, or the next one by number while nothing moves."""
        if self.numbered is not None:
            return await self._next_by_number(self.numbered, source, known)
        shown = await source.show(self.window, 1)
        assert shown is not None  # noqa: S101 - only later pages may be refused
        torn = self._torn(shown.total)
        step = self._read(source, shown, known)
        if torn and self.seam is not None and shown.total > self.seam.total - self.seam.rows:
            step = self._count_halves(step)
        return attrs.evolve(step, left=(*torn, *step.left))

    async def _next_by_number(self, numbered: _Numbered, source: Source[T], known: Knowledge) -> Step[T]:
        shown = await source.show(numbered.window, numbered.page)
        total = None if shown is None else shown.total
        if shown is None or total != numbered.total:
            return Step(left=(self._by_key(numbered, moved=True),), total=total, reread=True)
        rows, due = tuple(shown.rows.values()), min(numbered.size, numbered.total - len(numbered.met))
        job: Job[T]
        if not len(shown.rows) == shown.count == due:
            job = attrs.evolve(self, bad_answers=1) if not self.bad_answers else self._by_key(numbered)
            return Step(rows=rows, left=(job,), total=total, reread=True)
        if repeated := [row for key, row in shown.rows.items() if key in numbered.met]:
            assert source.time is not None  # noqa: S101 - others are not read by key
            # Rows of the second that the page before ended in may stand in another order; others would be a riddle.
            tied = all(source.time(row) == self.window.end for row in repeated)
            job = ByKey(window=numbered.window, total=self.total, moved=True)
            if tied:  # or the page before lacked a row, and was filled up with the next one: the totals tell
                job = self._after_part(
                    numbered.window, self.window.end, rows=numbered.newer, total=numbered.total
                )
            return Step(rows=rows, left=(job,), total=total, reread=True)
        return self._read(source, shown, known)

    def _by_key(self, numbered: _Numbered, *, moved: bool = False) -> Job[T]:
        """Go on by key where the page before the last one by number ended."""
        window = Window(self.window.start, max(self.window.end, numbered.newest, numbered.ended))
        return ByKey(window=window, total=self.total, moved=moved)

    def _torn(self, total: int) -> tuple[Job[T], ...]:
        """Return the job that reads the last part again, unless the totals say that it was read as a whole."""
        if self.seam is None or not (self.seam.doubtful or self.seam.total - total != self.seam.rows):
            return ()
        return (ByKey(window=self.seam.window, moved=True, torn=True),)

    def _count_halves(self, step: Step[T]) -> Step[T]:
        """Have the rest cut: its total is larger than it can be, so the index does not count so far."""
        rest = step.left[-1] if step.left else None
        if not isinstance(rest, ByKey) or rest.seam is None:
            return step
        part: Job[T] = ByKey(window=rest.seam.window, moved=True)
        return attrs.evolve(step, left=(part, ByKey(window=rest.window, total=rest.total, must_be_cut=True)))

    def _read(self, source: Source[T], shown: Shown[T], known: Knowledge) -> Step[T]:
        rows, total = tuple(shown.rows.values()), shown.total
        covered = len(rows) + (len(self.numbered.met) if self.numbered else 0)
        if covered == total:
            return Step(rows=rows, total=total)
        if not rows or covered > total:
            job = ByKey[T](window=self.window, moved=True, bad_answers=self.bad_answers + 1)
            tried = job.bad_answers > _MOST_BAD_ANSWERS
            failed = f"{covered} rows were shown where {total} are counted" if tried else None
            return Step(rows=rows, left=(job,), total=total, reread=True, failed=failed)
        asked = self.numbered.window if self.numbered else self.window
        times, outside = self._times(source, shown, asked)
        if 2 * len(times) < len(rows):  # most times tell nothing, so the page has none to go by
            by_number: Job[T] = FromLast(window=asked)
            return Step(rows=rows, left=(by_number,), total=total, reread=True, outside=outside)
        left = self._rest(shown, known, asked, times, total - covered)
        return Step(rows=rows, left=left, total=total, outside=outside)

    def _times(
        self, source: Source[T], shown: Shown[T], asked: Window
    ) -> tuple[list[tuple[int, datetime]], Window | None]:
        """Return the places and times that lie in the window, and the part of a day that others belong to.

        Rows whose time is missing or lies elsewhere stand where the index has them. A time that lies in the window and
        is not what the index goes by makes a seam that does not add up.
        """
        assert source.time is not None  # noqa: S101 - others are not read by key
        times = [source.time(row) for row in shown.rows.values()]
        inside = [(place, time) for place, time in enumerate(times) if time is not None and time in asked]
        days = {time.date() for time in times if time is not None and time not in asked}
        return inside, next((part for part in _parts_of_days(asked) if part.start.date() in days), None)

    def _rest(
        self, shown: Shown[T], known: Knowledge, asked: Window, times: list[tuple[int, datetime]], left: int
    ) -> tuple[Job[T], ...]:
        """Return what is left after a page."""
        oldest, before, total = times[-1][1], self.numbered, shown.total
        above = next(place for place, time in times if time == oldest)
        if before or self._may_number(shown, known):
            met = before.met if before else set[str]()
            newer = before.newer if before and oldest == self.window.end else len(met) + above
            met.update(shown.rows)
            numbered = _Numbered(
                window=asked,
                page=before.page + 1 if before else 2,
                total=total,
                size=before.size if before else shown.count,
                met=met,
                newer=newer,
                newest=max(time for _, time in times) if before else asked.end,
                ended=self.window.end,
            )
            window = Window(self.window.start, oldest)
            return (ByKey[T](window=window, total=left, numbered=numbered),)
        if oldest == self.window.end:
            return self._after_tie(oldest, left)
        doubtful = not _is_full(shown, known)
        job = self._after_part(self.window, oldest, rows=above, total=total, doubtful=doubtful)
        return (attrs.evolve(job, total=left, moved=self.moved),)

    def _after_part(
        self, window: Window, oldest: datetime, *, rows: int, total: int, doubtful: bool = False
    ) -> ByKey[T]:
        """Go on by key from the oldest time that was read; what is newer is to be checked."""
        seam = None
        if oldest < window.end:
            part = Window(oldest + SECOND, window.end)
            seam = _Seam(window=part, rows=rows, total=total, doubtful=doubtful)
        return ByKey(window=Window(window.start, oldest), total=self.total, moved=True, seam=seam)

    def _may_number(self, shown: Shown[T], known: Knowledge) -> bool:
        """Tell whether page numbers are as good as keys."""
        return _is_full(shown, known) and not self.moved and known.trusts(shown.total)

    def _after_tie(self, second: datetime, total: int) -> tuple[Job[T], ...]:
        # A page that shares one second leaves no key to go on by: the second is read on its own.
        tie: Job[T] = FromLast(window=Window(second, second))
        if second == self.window.start:
            return (tie,)
        older = Window(self.window.start, second - SECOND)
        return (tie, ByKey(window=older, total=total, moved=self.moved))


def _parts_of_days(window: Window) -> tuple[Window, ...]:
    """Return what the window has of its first and its last day."""
    midnight = window.end.replace(hour=0, minute=0, second=0)
    if window.start >= midnight:
        return (window,)
    return (
        Window(midnight, window.end),
        Window(window.start, window.start.replace(hour=23, minute=59, second=59)),
    )


def _is_full(shown: Shown[T], known: Knowledge) -> bool:
    return len(shown.rows) == shown.count == known.page_size
