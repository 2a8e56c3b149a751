"""Read a window whose rows the index may not count to their end: a second that a bulk job made, most often.

A window whose total is the largest of all may hold more rows than that. It is cut while it can be; a second cannot.
Then the pages behind the last one that is counted tell: none comes, and the total was true; or they do, and the last
of them is looked for. Without a total that shrinks, it is the last page that shows whether rows have left: each that
does moves it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

import attrs

from kakaclo_async.paging.from_last import FromLast
from kakaclo_async.paging.jobs import Checkpoint, Step, page_count

if TYPE_CHECKING:
    from kakaclo_async.models.pull import Window
    from kakaclo_async.paging.jobs import Job, Knowledge, Shown, Source


T = TypeVar("T")

_MOST_REPEATS = 8
"""Pages in a row that bring nothing new, after which the server is taken to ignore page numbers."""


@attrs.frozen(kw_only=True)
class Beyond(Generic[T]):
    """Looks for the last page of a window.

    Attributes:
        counted: the window, after its page 1.
        low: the last page that came, as far as known.
        high: a page that did not come; 0 while none is known.
        last: what page `low` showed; None while that is the last page that is counted, which nobody asked for.
    """

    counted: FromLast[T]
    low: int
    high: int = 0
    last: Shown[T] | None = None
    pause: float = 0.0
    must_be_cut: bool = True
    may_be_cut: bool = True

    @classmethod
    def of(cls, counted: FromLast[T]) -> Beyond[T]:
        """Begin behind the last page that is counted."""
        return cls(counted=counted, low=page_count(counted.total or 0, counted.page_size))

    @property
    def window(self) -> Window:
        """The whole of it."""
        return self.counted.window

    @property
    def total(self) -> int | None:
        """The rows that are counted."""
        return self.counted.total

    @property
    def rows_left(self) -> int:
        """The rows still to be read, as far as known."""
        return self.counted.rows_left

    @property
    def unchecked(self) -> tuple[Job[T], ...]:
        """It is begun anew when it is cut."""
        return ()

    @property
    def checkpoint(self) -> Checkpoint:
        """What to store to go on from here: looking is not worth it."""
        return Checkpoint(window=self.window)

    def part(self, window: Window, total: int | None) -> Job[T]:
        """Make the job for a part of this one's window."""
        return self.counted.part(window, total)

    def again(self) -> Job[T] | None:
        """Make the job that reads the same window once more."""
        return self.counted.again()

    def by_number(self) -> Job[T]:
        """Return itself: it reads by page numbers."""
        return self

    async def step(self, source: Source[T], known: Knowledge) -> Step[T]:
        """Ask for a page further behind, or between those that came and those that did not."""
        total = self.total or 0
        if self.high == self.low + 1:
            return await self._found().step(source, known)
        number = self.low + 1 if self.last is None else 2 * self.low
        if self.high:
            number = (self.low + self.high) // 2
        shown = await source.show(self.window, number)
        if shown is not None and shown.rows and tuple(shown.rows) not in self._known_pages:
            job: Job[T] = attrs.evolve(self, low=number, last=shown)
            return Step(rows=tuple(shown.rows.values()), left=(job,), total=total)
        if self.last is None and known.may_stop_at(total):
            return attrs.evolve(self.counted, page=number).too_deep(known)
        job = attrs.evolve(self, high=number)
        return Step(left=(job,), total=total)

    @property
    def _known_pages(self) -> tuple[tuple[str, ...], ...]:
        """The pages that a server shows again which does not page that far, or does not page at all."""
        return (self.counted.top, () if self.last is None else tuple(self.last.rows))

    def _found(self) -> Job[T]:
        if self.last is None:  # nothing lies behind the pages that are counted
            return self.counted
        rows = (self.low - 1) * self.counted.page_size + len(self.last.rows)
        return Uncounted(
            window=self.window,
            total=rows,
            page_size=self.counted.page_size,
            page=self.low,
            last_total=rows,
            first_page_total=rows,
            top=self.counted.top,
            found=self.counted.found,
            tail=tuple(self.last.rows),
            counted=self.total or 0,
        )


@attrs.frozen(kw_only=True)
class Uncounted(FromLast[T]):
    """A window read by page numbers, downwards, whose total was found by looking for the last page.

    Attributes:
        tail: the keys of the last page.
        counted: what the index says instead of `total`.
    """

    tail: tuple[str, ...]
    counted: int

    @property
    def checkpoint(self) -> Checkpoint:
        """What to store to go on from here: the rows may have moved by then, and no total would tell."""
        return Checkpoint(window=self.window)

    @property
    def may_be_cut(self) -> bool:
        """It is read because it could not be cut."""
        return False

    @property
    def must_stand_still(self) -> bool:
        """No total would tell that rows have left."""
        return True

    async def show(self, source: Source[T]) -> Shown[T] | None:
        """Ask for the next page, and for the last one again behind page 1."""
        shown = await source.show(self.window, self.page or 1)
        if shown is None or shown.total != self.counted:
            return shown
        total = self.total or 0
        if self.page == 1 or (self.page == 2 and self.first_page_total is not None):
            last = await source.show(self.window, page_count(total, self.page_size))
            if last is None or tuple(last.rows) != self.tail:
                total -= 1  # it moved: the reading does not stand
        return attrs.evolve(shown, total=total)


@attrs.frozen(kw_only=True)
class HandOut(Generic[T]):
    """Hands out the pages that are left of a window that was given up: its rows are not all, and better than none.

    Attributes:
        given_up: the window, where its reading stopped.
        page: the next page, downwards.
        reason: why it was given up.
        repeats: pages in a row that brought nothing new.
    """

    given_up: FromLast[T]
    page: int
    reason: str
    repeats: int = 0
    total: int | None = None
    unchecked: tuple[Job[T], ...] = ()
    pause: float = 0.0
    must_be_cut: bool = False
    may_be_cut: bool = False

    @property
    def window(self) -> Window:
        """The whole of it."""
        return self.given_up.window

    @property
    def rows_left(self) -> int:
        """The rows still to be read, as far as known."""
        return self.page * self.given_up.page_size

    @property
    def checkpoint(self) -> Checkpoint:
        """What to store to go on from here: nothing of it is certain."""
        return Checkpoint(window=self.window)

    def part(self, window: Window, total: int | None) -> Job[T]:
        """Make the job for a part of this one's window."""
        return self.given_up.part(window, total)

    def again(self) -> Job[T] | None:
        """It was tried often enough."""
        return None

    def by_number(self) -> Job[T]:
        """Return itself: it reads by page numbers."""
        return self

    async def step(self, source: Source[T], known: Knowledge) -> Step[T]:
        """Read a page, whatever it shows; a server that ignores page numbers is not asked without end."""
        del known
        shown = await source.show(self.window, self.page)
        seen, keys = self.given_up.found, set(shown.rows if shown else ())
        repeats = self.repeats + 1 if keys and keys <= seen else 0
        seen |= keys
        job = attrs.evolve(self, page=0 if repeats >= _MOST_REPEATS else self.page - 1, repeats=repeats)
        return Step(
            rows=tuple(shown.rows.values()) if shown else (),
            left=(job,),
            total=shown.total if shown else None,
            failed=None if job.page else self.reason,
        )
