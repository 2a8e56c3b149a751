"""Run the reading of many windows at once, and hand out what they bring."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import aclosing
from typing import TYPE_CHECKING, Generic, TypeAlias, TypeVar

import attrs

from kakaclo_async.errors import IncompletePull, InvalidRequest
from kakaclo_async.models.pull import DAY, SECOND, Certificate, Window
from kakaclo_async.paging.by_key import ByKey
from kakaclo_async.paging.from_last import FromLast
from kakaclo_async.paging.jobs import (
    EXACT_TOTALS,
    Checkpoint,
    Job,
    Progress,
    Source,
    Step,
    gather_arrived,
)
from kakaclo_async.paging.listing import RowStream

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
    from datetime import timedelta


T = TypeVar("T")

_Advance: TypeAlias = tuple[Step[T], Job[T], tuple[Job[T], ...]]
"""A step, the job it belongs to, and jobs that came apart from it."""

_MIN_CONCURRENCY = 2
_MAX_CONCURRENCY = 16

_LARGEST_WINDOW = 9_000
"""Rows above which a window is cut: 300 pages of 30, and short of what an index may refuse to page."""

_SMALLEST_WINDOW = 40
"""Pages below which a window is not cut for the sake of more concurrency."""

_LONGEST_GATHERING = 0.1
"""Seconds that a page waits at most for others to come."""

_MOST_DOUBTS = 16
"""Windows kept in mind whose rows moved while they were read, should their order prove unreliable."""

_BETWEEN_PAGES = 1.0
"""Seconds to leave between two pages of one window, so that they meet replicas in the same state."""


class Pull(RowStream[T]):
    """All rows of a range of update times, each once, while they move.

    Iterate over it for the rows; a slow consumer holds it, and at most one page per window being read is in memory.
    Close it (`aclose`, `contextlib.aclosing`) to end it early. The `certificate` tells how complete it is.

    Args:
        source: the endpoint.
        window: the range, or the checkpoints that an interrupted pull left.
        concurrency: windows read at once, 1 to 16; None: 2 to 16, as the first answer's latency and `rate` call for.
        rate: requests per second that the API grants.
        coarse: the server is known to filter by whole days.
        sleep: waits some seconds.
        clock: tells seconds, to measure latency.

    Raises:
        InvalidRequest: `concurrency` out of its range.
        IncompletePull: from iteration, after the last row: some ranges could not be certified.
    """

    def __init__(
        self,
        source: Source[T],
        window: Window | Iterable[Checkpoint],
        *,
        concurrency: int | None = None,
        rate: float = 2.0,
        coarse: bool = False,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        clock: Callable[[], float] | None = None,
    ) -> None:
        if concurrency is not None and not 1 <= concurrency <= _MAX_CONCURRENCY:
            raise InvalidRequest(f"concurrency must be 1 to {_MAX_CONCURRENCY}, not {concurrency}")
        checkpoints = [Checkpoint(window=window)] if isinstance(window, Window) else window
        # Apart, so that a dropped pull is collected, and its requests end, although its windows are being read.
        self._windows = _Windows(source, checkpoints, concurrency, rate, coarse, sleep, clock)
        super().__init__(self._windows.pages())

    @property
    def name(self) -> str:
        """What the rows are."""
        return self._windows.source.name

    @property
    def certificate(self) -> Certificate:
        """What can be said about completeness so far."""
        return self._windows.certificate

    @property
    def coarse(self) -> bool:
        """Whether the server was seen to filter by whole days."""
        return self._windows.coarse

    def __repr__(self) -> str:
        return f"<Pull of {self.name}: {self.certificate}>"

    def batches(self, most: int) -> AsyncGenerator[tuple[Progress[T], ...], None]:
        """Iterate over the pages that have arrived since the last batch, never two of one window.

        Pages are gathered for as long as the consumer took for the last batch, so that a slow one gets larger batches.

        A window's next page is asked for once the consumer comes back for more, so a consumer that stores a batch
        before that has at most one page per window to lose. Gaps raise nothing here: they are in the certificate.

        Args:
            most: pages in a batch.
        """
        return RowStream(self._windows.batches(most))


@attrs.define(eq=False, slots=False)
class _Windows(Generic[T]):
    """The windows of a pull; its arguments stand there."""

    source: Source[T]
    _checkpoints: Iterable[Checkpoint]
    _concurrency: int | None
    _rate: float
    coarse: bool
    _sleep: Callable[[float], Awaitable[object]]
    _clock: Callable[[], float] | None
    certificate: Certificate = Certificate()  # noqa: RUF009 - frozen
    _shuffled: bool = False
    _total: int | None = None
    _page_size: int = 0

    def __attrs_post_init__(self) -> None:
        self._ready = [self._job(checkpoint) for checkpoint in self._checkpoints]
        self._doubtful: deque[Job[T]] = deque(maxlen=_MOST_DOUBTS)

    async def pages(self) -> AsyncGenerator[tuple[T, ...], None]:
        """Yield the rows of one page after another.

        Raises:
            IncompletePull: after the last page: some ranges could not be certified.
        """
        async with aclosing(self.batches(1)) as batches:
            async for ((page,),) in batches:
                yield page.rows
        if gaps := self.certificate.gaps:
            shown = ", ".join(map(str, gaps[:3])) + (f" and {len(gaps) - 3} more" if len(gaps) > 3 else "")
            raise IncompletePull(
                f"{self.source.name} of {shown} kept moving or cannot be paged: rows may be missing;"
                " pull those ranges again later",
                certificate=self.certificate,
            )

    async def batches(self, most: int) -> AsyncGenerator[tuple[tuple[Progress[T], ...]], None]:
        """Yield batches, each in a tuple of one; see `Pull.batches`."""
        clock = self._clock or asyncio.get_running_loop().time
        running: dict[asyncio.Task[_Advance[T]], Job[T]] = {}
        arrived: set[asyncio.Task[_Advance[T]]] = set()
        took = 0.0
        try:
            while self._ready or running:
                while self._ready and len(running) < (self._concurrency or 1):
                    job = self._ready.pop()
                    running[asyncio.create_task(self._advance(job))] = job
                if not arrived:
                    arrived = await gather_arrived(running, most, patience=min(took, _LONGEST_GATHERING))
                batch = tuple(self._finish(arrived.pop(), running) for _ in range(min(most, len(arrived))))
                began = clock()
                yield (batch,)
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
        judged = self._judge(step, stepped)
        left = (*others, *judged)
        waiting = (*left, *self._ready, *running.values())
        return Progress(
            rows=step.rows,
            done=done,
            left=left,
            gap=stepped.window if stepped.window in self.certificate.gaps else None,
            rows_left=sum(job.rows_left for job in waiting),
        )

    async def _advance(self, job: Job[T]) -> _Advance[T]:
        """Read a page of a job, or of the older half of one that is too large.

        Asking the older half wastes no request: the larger window's page 1 was the newer half's page 1, and the
        newer half's total is the difference.
        """
        if job.pause:
            await self._sleep(job.pause)
        halves = job.window.halves(self._grid) if job.may_be_cut else None
        if halves is None or job.total is None or job.total <= self._limit:
            return await self._read(job), job, ()
        older = job.part(halves[0], None)
        step = await self._read(older)
        if await self._is_coarse(job, step, halves[1]):
            whole = job.part(job.window, None)
            return attrs.evolve(step, left=(whole,), coarse=True, reread=True), whole, ()
        known = job.total < EXACT_TOTALS and step.total < EXACT_TOTALS
        newer = job.part(halves[1], max(0, job.total - step.total) if known else None)
        return step, older, (newer,)

    async def _is_coarse(self, job: Job[T], older: Step[T], newer: Window) -> bool:
        """Tell whether both halves of a part of a day hold all that the whole holds."""
        one_day = job.window.start.date() == job.window.end.date()
        if self.coarse or self.source.time or not one_day or older.total != job.total:
            return False
        self._count(rereads=1)
        return (await self._read(job.part(newer, None))).total == older.total

    async def _read(self, job: Job[T]) -> Step[T]:
        clock = self._clock or asyncio.get_running_loop().time
        started = clock()
        self._count(requests=1)
        step = await job.step(self.source, strict=self._shuffled)
        if self._concurrency is None:
            # The first page of all comes from the burst, so its time is the network's.
            wanted = self._rate * (clock() - started + _BETWEEN_PAGES)
            self._concurrency = min(_MAX_CONCURRENCY, max(_MIN_CONCURRENCY, round(wanted)))
        if self._total is None:
            self._total, self._page_size = step.total, len(step.rows)
        return step

    def _judge(self, step: Step[T], job: Job[T]) -> tuple[Job[T], ...]:
        """Return the jobs that a step leaves: a window that cannot be certified is halved, down to the second."""
        if step.reread:
            self._count(rereads=1)
        if step.coarse:
            self.coarse = True
            self._ready = [waiting.by_number() for waiting in self._ready]  # keys do not tell parts of a day
        if step.failed is None:
            if not step.left:
                self._count(windows=1)
            if step.doubtful:
                self._doubtful.append(step.doubtful)
            return tuple(left.by_number() for left in step.left) if self.coarse else step.left
        revived: tuple[Job[T], ...] = ()
        if step.shuffled and not self._shuffled:
            # What was certified by the order of rows before it was known that they have none.
            self._shuffled = True
            revived = tuple(self._doubtful)
            self._count(windows=-len(revived))
        failed = step.left[0]
        halves = job.window.halves(self._grid)
        if halves is not None:
            return (*revived, *(failed.part(half, None) for half in reversed(halves)))
        again = failed.again()
        if again is None:
            gaps = (*self.certificate.gaps, job.window)
            self.certificate = attrs.evolve(self.certificate, gaps=gaps)
        return revived if again is None else (*revived, again)

    def _count(self, *, windows: int = 0, requests: int = 0, rereads: int = 0) -> None:
        now = self.certificate
        self.certificate = attrs.evolve(
            now,
            windows=now.windows + windows,
            requests=now.requests + requests,
            rereads=now.rereads + rereads,
        )

    def _job(self, checkpoint: Checkpoint) -> Job[T]:
        if self.source.time is None or self.coarse or checkpoint.page is not None:
            return FromLast[T].resume(checkpoint)
        return ByKey(window=checkpoint.window)

    @property
    def _grid(self) -> timedelta:
        return DAY if self.coarse else SECOND

    @property
    def _limit(self) -> int:
        """The rows above which a window is cut: small enough to keep the concurrency up."""
        total = self._total or 0
        share = (
            _LARGEST_WINDOW
            if total >= EXACT_TOTALS
            else total // (2 * (self._concurrency or _MIN_CONCURRENCY))
        )
        return min(_LARGEST_WINDOW, max(_SMALLEST_WINDOW * self._page_size, share))
