"""Read a window from its last page to its first: for rows that carry no time.

Rows only leave a closed window, so ranks only fall, and the total is a clock: equal totals are one state, a smaller
total is a later one. Page `p` counts only after page `p + 1` has, and only when its total is no higher than the
last accepted one. Then every row whose rank is at least `(p - 1) * page_size` has been seen: those behind the page
were seen before, and those that moved forward meanwhile moved onto pages that are still to come.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

import attrs

from kakaclo_async.paging.jobs import EXACT_TOTALS, Checkpoint, Source, Step, total_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kakaclo_async.paging.jobs import Job
    from kakaclo_async.paging.windows import Window


T = TypeVar("T")

_STALE_ANSWERS = 8
"""Answers in a row from before the clock, after which a window is thought to grow."""

_ROUNDS = 12
"""Readings of a single second, whose rows may come in another order each time."""

_ROUNDS_OF_A_DAY = 2
"""Readings of a day that cannot be cut: one that still grows will not stand still for a third."""

_PAUSE = 0.5
"""Seconds by which one replica may trail another."""


@attrs.frozen(kw_only=True)
class FromLast(Generic[T]):
    """A window read by page numbers, downwards.

    Attributes:
        window: the whole of it, until its end.
        total: rows when the reading began, or the most there can be; None when nobody has asked.
        page_size: rows on a full page.
        page: the next page; None before the first answer.
        clock: the total that the last accepted page told.
        first: the total under which page 1 was read, None while it was not.
        top: the keys of page 1 in their order.
        known: keys that were given out by an earlier reading of this window.
        found: keys of this reading; shared by its steps, because it grows with each of them.
        before: rows counted by this reading before a crash.
        carry: the most rows ahead of `page` that were seen before they moved there, after a page full of such.
        stale: answers in a row from before the clock.
        round: how often the window was read in vain.
    """

    window: Window
    total: int | None = None
    page_size: int = 0
    page: int | None = None
    clock: int | None = None
    first: int | None = None
    top: tuple[str, ...] = ()
    known: frozenset[str] = frozenset()
    found: set[str] = attrs.field(factory=set[str], repr=False)
    before: int = 0
    carry: int = 0
    stale: int = 0
    round: int = 0

    @property
    def rows_left(self) -> int:
        """The rows still to be read, as far as known."""
        if self.page is None:
            return self.total or 0
        pages = self.page - (self.first is not None)  # page 1 is known, and most often stays so
        return min(self.total or 0, pages * self.page_size)

    @property
    def may_be_cut(self) -> bool:
        """Whether nothing but page 1 was read."""
        return self._distinct <= self.page_size and self.clock in {None, self.first}

    @property
    def pause(self) -> float:
        """Seconds to leave before the next request: a stale replica needs time to catch up."""
        return _PAUSE * max(0, self.stale - 1)

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
            clock=self.clock,
            first=self.first,
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
            clock=checkpoint.clock,
            first=checkpoint.first,
            before=checkpoint.distinct,
        )

    def part(self, window: Window, total: int | None) -> Job[T]:
        """Make the job for a part of this one's window."""
        known = self.known | self.found
        if total is None or total >= EXACT_TOTALS or not self.page_size:
            return FromLast(window=window, known=known)
        page = max(1, _pages(total, self.page_size))
        return FromLast(window=window, known=known, total=total, page_size=self.page_size, page=page)

    def again(self) -> Job[T] | None:
        """Make the job that reads the same window once more, None after enough rounds."""
        rounds = _ROUNDS if self._is_second else _ROUNDS_OF_A_DAY
        if self.round >= rounds or (self.total or 0) >= EXACT_TOTALS:
            return None
        return FromLast(
            window=self.window,
            total=self.total if self._steady else None,
            known=self.known | self.found,
            found=self.found if self._steady else set(),
            round=self.round + 1,
        )

    def by_number(self) -> Job[T]:
        """Return itself: it reads by page numbers."""
        return self

    async def step(self, source: Source[T], *, strict: bool) -> Step[T]:
        """Read page 1 to learn the total, or the next page downwards."""
        if self.page is None:
            return await self._begin(source)
        page = await source.read(self.window, self.page)
        total = total_of(page)
        highest = self.total if self.clock is None else self.clock
        if total > (highest or 0):
            return self._ahead_of(total)
        rows, repeated = self._take(source, page.list)
        if self.page == 1 and self.first is not None:
            repeated = 0  # these rows were all met before
        first = total if self.page == 1 else self.first
        following = min(self.page - 1, _pages(total, self.page_size))
        if following == 1 and first == total:
            following = 0  # page 1 is known in this very state
        moved = self.carry + (self.clock or total) - total
        carry = max(0, moved - repeated) if repeated == self.page_size else 0
        job = attrs.evolve(self, page=following, clock=total, first=first, carry=carry, stale=0)
        # A row met again moved forward because another left; any more of them hide rows that were not met.
        reordered = self.page == 1 and not _same_order(self.top, [source.key(row) for row in page.list])
        if (repeated > moved or reordered) and not self.round:
            failed = "rows with equal times came in another order"
            return Step(rows=rows, left=(job,), total=total, failed=failed, shuffled=True)
        if following < 1 or job.has_all:
            return job.end(rows, strict=strict)
        return Step(rows=rows, left=(job,), total=total)

    async def _begin(self, source: Source[T]) -> Step[T]:
        page = await source.read(self.window, 1)
        total, size = total_of(page), len(page.list)
        if total != self.total:
            self.found.clear()
        rows, _ = self._take(source, page.list)
        job = attrs.evolve(
            self,
            total=total,
            page_size=size,
            page=_pages(total, size),
            clock=total,
            first=total,
            top=tuple(source.key(row) for row in page.list),
        )
        if size == total or job.has_all:
            return Step(rows=rows, total=total)
        if size > total or not size or total >= EXACT_TOTALS:
            return job.failed(rows, size)
        return Step(rows=rows, left=(job,), total=total)

    def _ahead_of(self, total: int) -> Step[T]:
        """Answer to a page from before the clock, or to a window that holds more than it can."""
        if self.clock is None:
            # The most there can be was the difference of two totals, one of them stale.
            page = _pages(total, self.page_size)
            return Step(
                left=(attrs.evolve(self, total=total, page=page, clock=total),), total=total, reread=True
            )
        job = attrs.evolve(self, stale=self.stale + 1)
        failed = f"the total grew from {self.clock} to {total}" if job.stale > _STALE_ANSWERS else None
        return Step(left=(job,), total=total, reread=True, failed=failed)

    def end(self, rows: tuple[T, ...], *, strict: bool) -> Step[T]:
        """Certify the window, if as many rows were seen as there are.

        Where equal times have no order, and so in a single second, rows that left may hide rows that were missed:
        there the window has to stand still, too.
        """
        total = self.clock or 0
        certain = self._steady and not self.before
        if self._distinct < total or (not certain and (strict or self._is_second)):
            return self.failed(rows, self._distinct)
        return Step(rows=rows, total=total, doubtful=None if certain else self.part(self.window, None))

    def failed(self, rows: tuple[T, ...], seen: int) -> Step[T]:
        """Give the window up."""
        total = self.clock or 0
        return Step(
            rows=rows, left=(self,), total=total, failed=f"{seen} rows were seen where {total} are counted"
        )

    @property
    def has_all(self) -> bool:
        """Whether every row of a window that stood still was seen."""
        return self._steady and self._distinct == self.total

    @property
    def _is_second(self) -> bool:
        return self.window.start == self.window.end

    @property
    def _steady(self) -> bool:
        return self.total == self.clock

    @property
    def _distinct(self) -> int:
        return self.before + len(self.found)

    def _take(self, source: Source[T], page: Iterable[T]) -> tuple[tuple[T, ...], int]:
        """Count a page's rows; return those that nobody was given yet, and how many this reading had seen."""
        rows: list[T] = []
        repeated = 0
        for row in page:
            key = source.key(row)
            if key in self.found:
                repeated += 1
                continue
            self.found.add(key)
            inside = source.time is None or (time := source.time(row)) is None or time in self.window
            if inside and key not in self.known:
                rows.append(row)
        return tuple(rows), repeated


def _same_order(before: Iterable[str], now: list[str]) -> bool:
    """Tell whether the keys that both pages show stand in one order."""
    place = {key: number for number, key in enumerate(now)}
    places = [place[key] for key in before if key in place]
    return places == sorted(places)


def _pages(rows: int, page_size: int) -> int:
    return -(-rows // page_size) if page_size else 0
