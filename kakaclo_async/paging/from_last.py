"""Read a window from its last page to its first: for rows that carry no time.

Rows only leave a closed window, so ranks only fall, and totals tell the order of answers: equal totals are one
state of the window, a smaller total is a later one. A page with a higher total than the last accepted one comes from
a stale replica and is asked for again. Page `p` is accepted only after page `p + 1`, and only with as many different
rows as its place in the total calls for. Then every row whose rank is at least `(p - 1) * page_size` has been seen:
those behind the page were seen before, and those that moved forward meanwhile moved onto pages that are still to come.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

import attrs

from kakaclo_async.paging.jobs import TOO_DEEP, Checkpoint, Step, page_count

if TYPE_CHECKING:
    from kakaclo_async.models.pull import Window
    from kakaclo_async.paging.jobs import Job, Knowledge, Shown, Source

T = TypeVar("T")
_MOST_STALE_ANSWERS = 8
"""Stale answers in a row, after which the window is taken to grow."""

_MOST_BAD_ANSWERS = 3
"""Answers in a row with too few rows, after which the page is given up."""

_MAX_READINGS, _MAX_READINGS_WHILE_MOVING = 12, 2
"""Readings of a window that cannot be cut: its rows may come in another order; if it moves, it will again."""

_PAUSE = 0.5  # seconds by which one replica may trail another


@attrs.frozen(kw_only=True)
class FromLast(Generic[T]):
    """A window read by page numbers, downwards.

    Attributes:
        window: the whole of it, until its end.
        total: rows when the reading began, or the most there can be; None before the first answer.
        page_size: rows on a full page.
        told_size: the page size that its first page told.
        page: the next page; None before the first answer.
        last_total: the total of the last accepted page.
        first_page_total: the total when page 1 was read last; None before that.
        top: the keys of page 1 in their order.
        found: keys of this reading; shared by its steps, because it grows with each of them.
        before: rows that this reading counted before a crash.
        ahead: keys that were on page 1, when pages had another size.
        rows_seen_ahead: rows seen that may stand ahead of `page`, after a page that held nothing but seen rows.
        stale_answers: answers in a row with a higher total than `last_total`.
        bad_answers: answers in a row with too few rows.
        round: readings of the window that failed.
        restarts: readings begun anew for pages of another size.
    """

    window: Window
    total: int | None = None
    page_size: int = 0
    told_size: int | None = None
    page: int | None = None
    last_total: int | None = None
    first_page_total: int | None = None
    top: tuple[str, ...] = ()
    found: set[str] = attrs.field(factory=set[str], repr=False)
    before: int = 0
    ahead: frozenset[str] = frozenset()
    rows_seen_ahead: int = 0
    stale_answers: int = 0
    bad_answers: int = 0
    round: int = 0
    restarts: int = 0
    must_be_cut: bool = False
    unchecked: tuple[Job[T], ...] = ()

    @property
    def rows_left(self) -> int:
        """The rows still to be read, as far as known."""
        if self.page is None:
            return self.total or 0
        pages = self.page - (self.first_page_total is not None)  # page 1 is known, and most often stays so
        return min(self.total or 0, pages * self.page_size)

    @property
    def may_be_cut(self) -> bool:
        """Whether nothing but page 1 was read."""
        return self._distinct <= self.page_size and self.last_total in {None, self.first_page_total}

    @property
    def pause(self) -> float:
        """Seconds to leave before the next request: a stale replica needs time to catch up."""
        return _PAUSE * max(0, self.stale_answers - 1, self.bad_answers - 1)

    @property
    def checkpoint(self) -> Checkpoint:
        """What to store to go on from here."""
        if self.page is None:
            return Checkpoint(window=self.window)
        return Checkpoint(
            window=self.window,
            page=self.page,
            page_size=self.page_size,
            total=self.total or 0,
            last_total=self.last_total,
            first_page_total=self.first_page_total,
            distinct=self._distinct,
        )

    @classmethod
    def resume(cls, checkpoint: Checkpoint) -> FromLast[T]:
        """Make the job that a crash interrupted."""
        return cls(
            window=checkpoint.window,
            total=checkpoint.total if checkpoint.page else None,
            page_size=checkpoint.page_size,
            page=checkpoint.page,
            last_total=checkpoint.last_total,
            first_page_total=checkpoint.first_page_total,
            before=checkpoint.distinct,
        )

    def part(self, window: Window, total: int | None) -> Job[T]:
        """Make the job for a part of this one's window."""
        if total is None or not self.page_size:
            return FromLast(window=window)
        page, size = max(1, page_count(total, self.page_size)), self.page_size
        return FromLast(window=window, total=total, page_size=size, told_size=self.told_size, page=page)

    def again(self) -> Job[T] | None:
        """Make the job that reads the same window once more, None after enough rounds."""
        rounds = _MAX_READINGS if self._steady else _MAX_READINGS_WHILE_MOVING
        if self.round >= rounds:
            return None
        return FromLast(
            window=self.window,
            total=self.total if self._steady else None,
            found=self.found if self._steady else set(),
            round=self.round + 1,
        )

    def by_number(self) -> Job[T]:
        """Return itself: it reads by page numbers."""
        return self

    async def step(self, source: Source[T], known: Knowledge) -> Step[T]:
        """Read page 1 to learn the total, or the next page downwards."""
        if self.page is None:
            return await self._begin(source, known)
        shown = await self.show(source)
        if shown is None:
            return self.too_deep(known)
        if shown.total > ((self.total if self.last_total is None else self.last_total) or 0):
            return self._higher_total(shown.total)
        is_due = len(shown.rows) == self._due(shown.total)
        if self.told_size not in {None, shown.size} and not (is_due and shown.size == shown.count):
            return self._other_size(shown, known)
        if not is_due:
            return self._bad(shown, known)
        return self._accept(shown, known)

    async def show(self, source: Source[T]) -> Shown[T] | None:
        """Ask for the next page; None when the server refuses to page that deep."""
        return await source.show(self.window, self.page or 1)

    def _accept(self, shown: Shown[T], known: Knowledge) -> Step[T]:
        total, repeated, rows = shown.total, self._count(shown), tuple(shown.rows.values())
        if self.page == 1 and self.first_page_total is not None:
            repeated = 0  # all of page 1 was read to learn the total
        first_page_total = total if self.page == 1 else self.first_page_total
        # Rows that left may have emptied the pages right below this one: then the next page is the new last one.
        following = min((self.page or 1) - 1, page_count(total, self.page_size))
        following -= (
            following == 1 and first_page_total == total
        )  # an equal total is the state in which it was read
        # Each row that left since the last accepted page may have moved one seen row from the page behind onto this
        # one. When this page holds nothing but seen rows, those that moved even further are on the next one.
        may_repeat = self.rows_seen_ahead + (self.last_total or total) - total
        rows_seen_ahead = max(0, may_repeat - repeated) if repeated == self.page_size else 0
        job = attrs.evolve(
            self,
            page=following,
            told_size=self.told_size or shown.size,
            last_total=total,
            first_page_total=first_page_total,
            rows_seen_ahead=rows_seen_ahead,
            stale_answers=0,
            bad_answers=0,
        )
        # More repeats than rows that left cannot come from moving: rows stand in another order than before, and
        # each surplus repeat stands where a row should be that was not seen.
        reordered = self.page == 1 and not _same_order(self.top, list(shown.rows))
        if (repeated > may_repeat or reordered) and not self.round:
            failed = "rows with equal times came in another order"
            return Step(rows=rows, left=(job,), total=total, failed=failed, shuffled=True)
        if following < 1 or job.has_all:
            return job.end(rows, known)
        return Step(rows=rows, left=(job,), total=total)

    async def _begin(self, source: Source[T], known: Knowledge) -> Step[T]:
        shown = await source.show(self.window, 1)
        assert shown is not None  # noqa: S101 - only later pages may be refused
        total, size = shown.total, shown.count
        if total != self.total:
            self.found.clear()
        rows = tuple(shown.rows.values())
        few = not size or len(shown.rows) < size or (shown.size or 0) > size
        if not shown.fits and few and (self.bad_answers < 1 or (not size and total)):
            return self._bad(shown, known)
        self._count(shown)
        job = attrs.evolve(
            self,
            total=total,
            page_size=size,
            told_size=shown.size,
            page=page_count(total, size),
            last_total=total,
            first_page_total=total,
            top=tuple(shown.rows),
            bad_answers=0,
        )
        if shown.fits or job.has_all:
            return Step(rows=rows, total=total)
        if len(shown.rows) > total:
            return job.failed(rows, len(shown.rows))
        return Step(rows=rows, left=(job,), total=total, uncertain=not known.trusts(total))

    def too_deep(self, known: Knowledge) -> Step[T]:
        """Give the window up: it has pages that the server does not show."""
        page = self.page or 1
        failed = f"page {page} does not come"
        if self.page_size < known.page_size:  # page 1 lacked rows, so there is no other one
            return Step(left=(self,), total=None, failed=failed)
        known.depth = min(known.depth, max(self.page_size, (page - 1) * self.page_size))
        job = attrs.evolve(self, page=None, round=_MAX_READINGS)
        return Step(left=(job,), total=None, failed=f"{TOO_DEEP}: {failed}")

    def _higher_total(self, total: int) -> Step[T]:
        """Refuse a page of a stale replica, or correct a total that was too low from the start."""
        if self.last_total is None:
            # The total of a newer half is the difference of two answers, one of which was stale.
            page = page_count(total, self.page_size)
            job = attrs.evolve(self, total=total, page=page, last_total=total)
            return Step(left=(job,), total=total, reread=True)
        job = attrs.evolve(self, stale_answers=self.stale_answers + 1)
        grown = f"the total grew from {self.last_total} to {total}"
        failed = grown if job.stale_answers > _MOST_STALE_ANSWERS else None
        return Step(left=(job,), total=total, reread=True, failed=failed)

    def _due(self, total: int) -> int:
        """Return how many rows the page must show."""
        return min(self.page_size, max(0, total - ((self.page or 1) - 1) * self.page_size))

    def _bad(self, shown: Shown[T], known: Knowledge) -> Step[T]:
        """Ask again for a page that shows too few or too many rows, a few times."""
        job, failed = attrs.evolve(self, bad_answers=self.bad_answers + 1), None
        if job.bad_answers > _MOST_BAD_ANSWERS:
            due = self._due(shown.total) if self.page else min(shown.total, self.page_size or shown.total)
            untouched = self.page and self.last_total in {None, self.first_page_total}
            if untouched and not shown.rows and 10 * due > self.page_size:  # few rows may just not be shown
                return self.too_deep(known)
            failed = f"page {self.page or 1} shows {len(shown.rows)} rows where {due} are due"
        rows = tuple(shown.rows.values())
        return Step(rows=rows, left=(job,), total=shown.total, reread=True, failed=failed)

    def _other_size(self, shown: Shown[T], known: Knowledge) -> Step[T]:
        """Go on with pages of another size, at the first that skips no row."""
        size, seen_from = shown.size, (self.page or 1) * self.page_size  # all rows of that rank on were seen
        if not size or shown.count > size or max(self.bad_answers, self.restarts) >= _MOST_BAD_ANSWERS:
            return self._bad(shown, known)
        job = FromLast[T](window=self.window, round=self.round, restarts=self.restarts + 1)
        if self.last_total is not None and seen_from < (self.total or 0):
            page = page_count(seen_from, size)
            job = attrs.evolve(
                self,
                page=page,
                page_size=size,
                told_size=size,
                first_page_total=None,
                ahead=frozenset(self.top),
                rows_seen_ahead=self.rows_seen_ahead + page * size - seen_from,
                bad_answers=self.bad_answers + 1,
            )
        return Step(rows=tuple(shown.rows.values()), left=(job,), total=shown.total, reread=True)

    def end(self, rows: tuple[T, ...], known: Knowledge) -> Step[T]:
        """Certify the window, if as many rows were seen as it holds.

        Where equal times have no order, rows that left may hide others: there the total must not have changed, either.
        """
        total, certain = self.last_total or 0, self._steady and not self.before
        if self._distinct < total or (not certain and (known.shuffled or self.must_stand_still)):
            return self.failed(rows, self._distinct)
        return Step(rows=rows, total=total, doubtful=None if certain else self.part(self.window, None))

    def failed(self, rows: tuple[T, ...], seen: int) -> Step[T]:
        """Give the window up."""
        reason = f"{seen} rows were seen where {self.last_total} are counted"
        return Step(rows=rows, left=(self,), total=self.last_total, failed=reason)

    @property
    def has_all(self) -> bool:
        """Whether every row of a window that stood still was seen."""
        return self._steady and not self.before and len(self.found) == self.total

    @property
    def must_stand_still(self) -> bool:
        """Whether rows that left could hide rows that were missed: those of one second have no order."""
        return self.window.start == self.window.end

    @property
    def _steady(self) -> bool:
        return self.total == self.last_total

    @property
    def _distinct(self) -> int:
        return self.before + len(self.found)

    def _count(self, shown: Shown[T]) -> int:
        """Count a page's rows; return how many of them this reading had seen."""
        repeated = len(self.found.intersection(shown.rows) - self.ahead)
        self.found.update(shown.rows)
        return repeated


def _same_order(before: tuple[str, ...], now: list[str]) -> bool:
    """Tell whether the keys that both pages show stand in one order."""
    place = {key: number for number, key in enumerate(now)}
    places = [place[key] for key in before if key in place]
    return places == sorted(places)
