"""Run the reading of many windows at once: cut what is too large, try again what failed, and know when to stop."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Generic, TypeAlias, TypeVar, cast

import attrs

from kakaclo_async.models.pull import DAY, SECOND, Certificate, Window
from kakaclo_async.paging.beyond import Beyond, HandOut
from kakaclo_async.paging.by_key import ByKey
from kakaclo_async.paging.from_last import FromLast
from kakaclo_async.paging.given import Given
from kakaclo_async.paging.jobs import (
    EXACT_TOTALS,
    Checkpoint,
    Job,
    Knowledge,
    Progress,
    Source,
    Step,
    gather_arrived,
)

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable

    from kakaclo_async.models.common import Page

T = TypeVar("T")

_Advance: TypeAlias = tuple[Step[T], Job[T], tuple[Job[T], ...]]
"""A step, the job it belongs to, and jobs that came apart from it."""

_MIN_CONCURRENCY = 2
MAX_CONCURRENCY = 16

_LARGEST_WINDOW = 9_000
"""Rows above which a window is cut: 300 pages of 30, and short of what an index may refuse to page."""

_SMALLEST_WINDOW = 40  # pages below which a window is not cut for the sake of more concurrency; of a team, 10
_LONGEST_GATHERING = 0.1  # seconds that a page waits at most for others to come
_BETWEEN_PAGES = 1.0  # seconds between two pages of one window: they meet replicas in one state

_REQUESTS_PER_PAGE = {"by key": 5, "by number": 3}
"""Requests that a pull may make for each page of rows, before it stops to try again what fails."""

_REQUESTS_AT_LEAST = 100  # that even a small pull may make: to cut ten years to a second takes 56
_GIVES_UP = 2  # times so many requests, after which a pull reads nothing any more


@attrs.define(eq=False, slots=False)
class Windows(Generic[T]):
    """The windows of a pull.

    Attributes:
        source: the endpoint.
        checkpoints: the range, or what an interrupted pull left of it.
        concurrency: windows read at once, for each shop; None: as the first answer's latency and `rate` call for.
        rate: requests per second that the API grants a shop.
        coarse: the server filters by whole days.
        sleep: waits some seconds.
        clock: tells seconds, to measure latency.
        known: what was learned about the server; pulls of one endpoint may share it.
        certificate: what can be said about completeness so far.
        given: keys of the rows that were given out.
        shops: tells how many shops' permits the source spends now.
    """

    source: Source[T]
    checkpoints: Iterable[Checkpoint]
    concurrency: int | None = None
    rate: float = 2.0
    coarse: bool = False
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep
    clock: Callable[[], float] | None = None
    known: Knowledge = attrs.field(factory=Knowledge)
    certificate: Certificate = Certificate()  # noqa: RUF009 - frozen
    given: Given = attrs.field(factory=Given)
    shops: Callable[[], int] = lambda: 1
    _total: int | None = None
    _page_size: int = 0
    _left: int = 0
    _tested: bool = False

    def __attrs_post_init__(self) -> None:
        self._counting = attrs.evolve(self.source, read=self._read)
        self._ready = [self._job(checkpoint) for checkpoint in self.checkpoints]
        self._is_counted = len(self._ready) == 1  # no total counts several
        self._ends = {day for job in self._ready for day in (job.window.start, job.window.end)}
        self._doubtful: list[Job[T]] = []
        self._fullest: list[Window] = []

    async def batches(self, most: int) -> AsyncGenerator[tuple[Progress[T], ...], None]:
        """Yield the pages that have arrived since the last batch, never two of one window.

        Pages are gathered for as long as the consumer took for the last batch, so that a slow one gets larger batches.

        A window's next page is asked for once the consumer comes back for more, so a consumer that stores a batch
        before that has at most one page per window to lose. Gaps raise nothing here: they are in the certificate.

        Args:
            most: pages in a batch.
        """
        clock = self.clock or asyncio.get_running_loop().time
        running: dict[asyncio.Task[_Advance[T]], Job[T]] = {}
        arrived: set[asyncio.Task[_Advance[T]]] = set()
        took = 0.0
        try:
            while self._ready or running:
                while self._ready and len(running) < (self.concurrency or 1) * self.shops():
                    job = self._ready.pop()
                    running[asyncio.create_task(self._advance(job))] = job
                if not arrived:
                    arrived = await gather_arrived(running, most, patience=min(took, _LONGEST_GATHERING))
                batch = tuple(self._finish(arrived.pop(), running) for _ in range(min(most, len(arrived))))
                began = clock()
                yield batch
                took = clock() - began
                self._ready.extend(job for page in batch for job in page.left)
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)
        self.certificate = attrs.evolve(self.certificate, finished=True)

    def _finish(
        self, task: asyncio.Task[_Advance[T]], running: dict[asyncio.Task[_Advance[T]], Job[T]]
    ) -> Progress[T]:
        step, stepped, others = task.result()
        done = running.pop(task)
        gaps = len(self.certificate.gaps)
        rows = self._new(step.rows)
        left = (*others, *self._judge(step, stepped.window), *self._recount())
        self._left = sum(job.rows_left for job in (*left, *self._ready, *running.values()))
        return Progress(
            rows=rows,
            done=done,
            left=left,
            gap=next(iter(self.certificate.gaps[gaps:]), None),
            rows_left=self._left,
        )

    def _new(self, rows: tuple[T, ...]) -> tuple[T, ...]:
        """Return the rows that were not given out before."""
        return tuple(row for row in rows if self._belongs(row) and self.given.add(self.source.key(row)))

    def _belongs(self, row: T) -> bool:
        """Tell whether a row belongs to the pull: all do that the server has put into a window.

        But a server that filters by whole days also answers what the range leaves of its first and last day.
        """
        if not self.coarse or self.source.time is None or (time := self.source.time(row)) is None:
            return True
        inside = min(self._ends) <= time <= max(self._ends)
        return inside or all(time.date() != end.date() for end in self._ends)

    async def _advance(self, job: Job[T]) -> _Advance[T]:
        """Read a page of a job, or of the older half of one that is too large."""
        if job.pause:
            await self.sleep(job.pause)
        if self._excess > _GIVES_UP:
            return Step(left=(job,), total=None, failed="it was not read to its end"), job, ()
        halves = self._halves(job.window) if job.may_be_cut and not self._spent else None
        if halves is not None and (job.must_be_cut or (job.total or 0) > self._limit):
            return await self._cut(job, *halves)
        step = await self._step(job)
        part = step.outside or (job.window if step.failed and self._is_part_of_day(job.window) else None)
        if part is not None:
            await self._learn_whether_coarse(part, step.total)
        return step, job, ()

    async def _cut(self, job: Job[T], older_half: Window, newer_half: Window) -> _Advance[T]:
        """Read a page of the older half.

        That wastes no request: the larger window's page 1 was the newer half's page 1, and the newer half's total is
        the difference, unless the larger total may be where the index stops to count.
        """
        older = job.part(older_half, None)
        step = await self._step(older)
        if self._is_part_of_day(job.window) and step.total == job.total:
            await self._learn_whether_coarse(job.window, step.total)
            if self.coarse:
                whole = job.part(job.window, None)
                return attrs.evolve(step, left=(whole,), failed=None, uncertain=False, reread=True), whole, ()
        total = None
        if job.must_be_cut:
            newer = await self._counting.show(newer_half, 1)
            if newer is not None:
                self.known.compare(job.total or 0, (step.total or 0) + newer.total)
                step = attrs.evolve(step, rows=(*step.rows, *newer.rows.values()))
                total = newer.total if self.known.trusts(newer.total) else None
        elif not step.uncertain and self.known.trusts(job.total or 0):
            total = max(0, (job.total or 0) - (step.total or 0))
        return step, older, (*job.unchecked, job.part(newer_half, total))

    async def _learn_whether_coarse(self, part: Window, total: int | None) -> None:
        """Ask for two seconds of one day: only a server that filters by whole days shows a row in both."""
        if self.coarse or self._tested or part.start == part.end:
            return
        self._tested = True
        first = await self._counting.show(Window(part.start, part.start), 1)
        if first is None or not first.rows:
            return
        last = await self._counting.show(Window(part.end, part.end), 1)
        if last is not None and (first.rows.keys() & last.rows or first.total == last.total == total):
            self.coarse = True
            self._ready = [waiting.by_number() for waiting in self._ready]  # keys do not tell parts of a day

    async def _step(self, job: Job[T]) -> Step[T]:
        clock = self.clock or asyncio.get_running_loop().time
        started = clock()
        step = await job.step(self._counting, self.known)
        if self.concurrency is None:
            # The first page of all comes from the burst, so its time is the network's.
            wanted = self.rate * (clock() - started + _BETWEEN_PAGES)
            self.concurrency = min(MAX_CONCURRENCY, max(_MIN_CONCURRENCY, round(wanted)))
        if self._total is None:
            self._total, self._page_size = step.total, len(step.rows)
        return step

    async def _read(self, window: Window, number: int) -> Page[T]:
        self._count(requests=1)
        page = await self.source.read(window, number)
        self.known.met(page)
        return page

    def _judge(self, step: Step[T], window: Window) -> tuple[Job[T], ...]:
        """Return the jobs that a step leaves: a window that cannot be certified is halved, down to the second."""
        if step.reread:
            self._count(rereads=1)
        if step.failed is None:
            if not step.left:
                self._count(windows=1)
                if step.total == self.known.most > len(step.rows):
                    self._fullest.append(window)
            self._doubtful += [step.doubtful] if step.doubtful else []
            left = step.left
            if step.uncertain:
                left = tuple(Beyond[T].of(cast("FromLast[T]", each)) for each in left)
            left = tuple(each for each in left if not self._is_left_torn(each))
            return tuple(each.by_number() for each in left) if self.coarse else left
        revived: tuple[Job[T], ...] = ()
        if step.shuffled and not self.known.shuffled:
            # What was certified by the order of rows before it was known that they have none.
            self.known.shuffled = True
            revived = tuple(self._doubtful)
            self._count(windows=-len(revived))
        *others, failed = step.left
        return (*revived, *others, *self._again(step, failed))

    def _again(self, step: Step[T], failed: Job[T]) -> tuple[Job[T], ...]:
        window = failed.checkpoint.window
        if isinstance(failed, HandOut):
            self._give_up(window, failed.reason)
            return ()
        if not self._spent and (halves := self._halves(window)) is not None:
            return tuple(failed.part(half, None) for half in reversed(halves))
        if not self._spent and (again := failed.again()) is not None:
            return (again,)
        if isinstance(failed, FromLast) and failed.page and self._excess <= _GIVES_UP:
            return (HandOut(given_up=failed, page=failed.page, reason=step.failed or ""),)
        self._give_up(window, step.failed or "")
        return ()

    def _recount(self) -> tuple[Job[T], ...]:
        """Read windows with the largest total again: more rows came than that, so the index stops to count there."""
        if not (self._fullest and self._is_counted and len(self.given) > self.known.most):
            return ()
        self.known.compare(self.known.most, len(self.given))
        return tuple(FromLast(window=self._fullest.pop()) for _ in tuple(self._fullest))

    def _is_left_torn(self, job: Job[T]) -> bool:
        """Leave a part that did not add up as a gap, once all requests are for rows that were never read."""
        torn = isinstance(job, ByKey) and job.torn and self._spent
        if torn:
            self._give_up(job.window, "its rows did not add up to those that were counted")
        return torn

    def _give_up(self, window: Window, reason: str) -> None:
        now, bounded = self.certificate, self._spent
        if bounded:
            reason += "; the pull had made the requests that it may"
        self.certificate = attrs.evolve(
            now, gaps=(*now.gaps, window), reasons=(*now.reasons, reason), bounded=now.bounded or bounded
        )

    @property
    def _spent(self) -> bool:
        return self._excess > 1  # what fails from now on is left to the next pull

    @property
    def _excess(self) -> float:
        """How many times the requests that it may the pull has made."""
        left = min(self._left, self.known.most)  # on a coarse server, each part of a day shows all of it
        pages = (len(self.given) + left) / (self.known.page_size or self._page_size or 1)
        per_page = _REQUESTS_PER_PAGE["by number" if self.source.time is None else "by key"]
        return self.certificate.requests / max(_REQUESTS_AT_LEAST, per_page * pages)

    def _count(self, **more: int) -> None:
        sums = {name: getattr(self.certificate, name) + count for name, count in more.items()}
        self.certificate = attrs.evolve(self.certificate, **sums)

    def _job(self, checkpoint: Checkpoint) -> Job[T]:
        if self.source.time is None or self.coarse or checkpoint.page is not None:
            return FromLast[T].resume(checkpoint)
        return ByKey(window=checkpoint.window)

    def _halves(self, window: Window) -> tuple[Window, Window] | None:
        """Cut between two days, if there are two: that works for all servers."""
        return window.halves(DAY) or (None if self.coarse else window.halves(SECOND))

    @staticmethod
    def _is_part_of_day(window: Window) -> bool:
        return window.start.date() == window.end.date()

    @property
    def _limit(self) -> int:
        """The rows above which a window is cut: small enough to keep the concurrency up."""
        total = self._total or 0
        share = total // (2 * (self.concurrency or _MIN_CONCURRENCY))
        share = _LARGEST_WINDOW if total >= EXACT_TOTALS else share
        smallest = _SMALLEST_WINDOW // min(4, self.shops()) * self._page_size
        return min(self.known.depth, _LARGEST_WINDOW, max(smallest, 2 * share // (1 + self.shops())))
