"""What the gate is made of: the shop's rate limit, what it needs of a bucket, and the queue of a lane."""

from __future__ import annotations

from collections import OrderedDict, deque
from math import ceil, inf, isfinite
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

import attrs

from kakaclo_async.config import check_number
from kakaclo_async.errors import ConfigurationError
from kakaclo_async.travel.shown import Shown

if TYPE_CHECKING:
    from asyncio import Future
    from collections.abc import Iterator

    from kakaclo_async.events import Job, Lane


BULK_SHARE = 10
"""While interactive calls queue up, one permit in this many still goes to the bulk lane.

Likewise, in the bulk lane, to the other jobs while urgent ones queue up.
"""

TIMER_SLACK = 1e-6
"""Seconds to ask after a permit is due: timers may fire a nanosecond early, and levels are floats."""


@attrs.frozen(slots=True)
class RateLimit(Shown):
    """The shop's rate limit, a leaky bucket.

    Attributes:
        capacity: requests that may go at once when nothing was sent for long.
        per_second: permits that leak from the bucket, and so requests, per second.
        margin: permits of the capacity that are never used. Requests spread on their way, and at full
            capacity a few of them meet a bucket that has not leaked as far as ours. It costs the first
            burst, never the rate. None: a tenth of a second's permits, 2 at least, half the capacity at
            most.

    Raises:
        ConfigurationError: a number that cannot work.
    """

    capacity: int = 120
    per_second: float = 2.0
    margin: int | None = None

    def __attrs_post_init__(self) -> None:
        check_number("capacity", self.capacity, least=1, whole=True)
        check_number("per_second", self.per_second, above=0)
        if not isfinite(self.per_second):
            raise ConfigurationError("per_second must be finite")
        if self.margin is not None:
            check_number("margin", self.margin, whole=True)
        if self.margin is not None and self.margin >= self.capacity:
            raise ConfigurationError(
                f"margin must be below the capacity of {self.capacity}, not {self.margin}"
            )

    @property
    def burst(self) -> int:
        """Permits that may be taken at once: the capacity less the margin."""
        if self.margin is not None:
            return self.capacity - self.margin
        return self.capacity - min(max(2, ceil(self.per_second / 10)), self.capacity // 2)


@attrs.frozen(slots=True)
class Offer:
    """What a bucket answers.

    Attributes:
        permits: how many are granted now.
        wait: seconds until asking again for this lane makes sense, if nothing is reported before.
        probe: the one permit granted finds out whether a full bucket has room again.
        source: the bucket to tell what becomes of these permits, if another one than was asked granted them.
        until: the loop's time before which the bucket cannot be empty. After it, permits that were not used may have
            leaked out: given back then, they would count twice.
    """

    permits: int = 0
    wait: float = 0.0
    probe: bool = False
    source: Bucket | None = None
    until: float = inf


class Bucket(Protocol):
    """What the gate needs of a bucket. A bucket serves one gate at a time."""

    @property
    def rate(self) -> RateLimit:
        """The limit of the shop."""
        ...

    @property
    def instant(self) -> bool:
        """Whether `take` answers without suspending."""
        ...

    @property
    def level(self) -> float:
        """Permits in the bucket now, as far as is known here; 0: all are free."""
        ...

    @property
    def interactive_streak(self) -> int:
        """Permits granted to contended interactive calls since bulk got its last."""
        ...

    async def take(self, lane: Lane, wanted: int, *, reserve: int, contended: bool) -> Offer:
        """Take up to `wanted` permits, as many as are free for the lane.

        Args:
            lane: bulk leaves the last `reserve` permits alone, except when its turn by `BULK_SHARE` has come.
            wanted: the calls that wait, 1 at least.
            reserve: permits kept for interactive calls.
            contended: interactive calls were refused since the last time.
        """
        ...

    def due(self, permits: float) -> float:
        """Return the seconds until that many permits are free, as far as is known here."""
        ...

    def give_back(self, permits: int, *, probe: bool) -> None:
        """Return permits that were not used."""
        ...

    def throttled(self, retry_after: float | None, *, probe: bool) -> None:
        """Note a 429, of the probe or of another request."""
        ...

    def probed(self, *, passed: bool) -> None:
        """Note the probe's end: it was let through, or nothing is known of it."""
        ...

    def renewed(self) -> Bucket:
        """Return an equal bucket with no connections yet, for another event loop or process."""
        ...

    async def aclose(self) -> None:
        """Close connections."""
        ...


class Waiting(Protocol):
    """What a queue needs of a call that waits."""

    @property
    def job(self) -> Job | None:
        """What it is a part of; None: it is a single call."""
        ...

    @property
    def again(self) -> bool:
        """Whether it is a retry."""
        ...

    @property
    def turn(self) -> Future[Any]:
        """Done when it does not wait any more."""
        ...


W = TypeVar("W", bound=Waiting)


class _Line(Generic[W]):
    """The waiters of one job: retries first, both in the order they came."""

    __slots__ = ("calls", "retries")

    def __init__(self) -> None:
        self.retries: OrderedDict[W, None] = OrderedDict()
        self.calls: OrderedDict[W, None] = OrderedDict()

    def __len__(self) -> int:
        return len(self.retries) + len(self.calls)

    def __iter__(self) -> Iterator[W]:
        yield from self.retries
        yield from self.calls


class LaneQueue(Generic[W]):
    """The waiters of one lane: its jobs take turns, and urgent ones go before the others, which get a tenth.

    So a small job is served within about its own time for each job beside it, however large those are.
    Removal is O(1) at any position, so cancelled waiters do not pile up.

    Attributes:
        size: how many wait.
    """

    def __init__(self) -> None:
        # By urgency. The first job has the next turn; one without waiters leaves, and comes back at the end.
        self._jobs: dict[bool, OrderedDict[Job | None, _Line[W]]] = {
            True: OrderedDict(),
            False: OrderedDict(),
        }
        self.size = 0
        self._urgent_streak = 0  # permits of urgent jobs since another got one, up to its turn

    def _beside(self, job: Job | None) -> OrderedDict[Job | None, _Line[W]]:
        return self._jobs[job is not None and job.urgent]

    def push(self, waiter: W) -> None:
        """Add a waiter at the end of its job."""
        jobs = self._beside(waiter.job)
        line = jobs.get(waiter.job)
        if line is None:
            line = jobs[waiter.job] = _Line()
        (line.retries if waiter.again else line.calls)[waiter] = None
        self.size += 1

    def pop(self) -> W | None:
        """Remove and return the waiter whose turn it is, of those that were not cancelled."""
        while self.size:
            urgent = self._urgent_is_next(self._urgent_streak, *self._jobs.values())
            jobs = self._jobs[urgent]
            job, line = next(iter(jobs.items()))
            waiter, _ = (line.retries or line.calls).popitem(last=False)
            self.size -= 1
            is_last = not (line.retries or line.calls)
            if is_last:
                del jobs[job]
            if not waiter.turn.done():  # as when it was cancelled in this very turn of the loop
                if not is_last:
                    jobs.move_to_end(job)
                self._urgent_streak = self._after(self._urgent_streak, urgent=urgent)
                return waiter
        return None

    @staticmethod
    def _urgent_is_next(streak: int, urgent: object, others: object) -> bool:
        return bool(urgent) and (not others or streak < BULK_SHARE - 1)

    @staticmethod
    def _after(streak: int, *, urgent: bool) -> int:
        return min(streak + 1, BULK_SHARE - 1) if urgent else 0

    def discard(self, waiter: W) -> None:
        """Remove a waiter, if it is still there."""
        jobs = self._beside(waiter.job)
        line = jobs.get(waiter.job)
        if line is not None and waiter in (part := line.retries if waiter.again else line.calls):
            del part[waiter]
            self.size -= 1
            if not line:
                del jobs[waiter.job]

    def ahead_of(self, job: Job | None, *, again: bool = False) -> int:
        """Return how many waiters would go before a new one of this job, if no others came."""
        jobs = self._beside(job)
        own = jobs.get(job)
        ahead = 0 if own is None else len(own.retries) if again else len(own)
        turns = ahead + 1  # of the jobs whose turn comes before its own; the others have one less
        for line in jobs.values():
            if line is own:
                turns -= 1
            else:
                ahead += min(len(line), turns)
        share, streak = BULK_SHARE - 1, self._urgent_streak
        if jobs is self._jobs[True]:
            return ahead + min((streak + ahead) // share, self._count(urgent=False))
        return ahead + min(max(0, (ahead + 1) * share - streak), self._count(urgent=True))

    def _count(self, *, urgent: bool) -> int:
        return sum(map(len, self._jobs[urgent].values()))

    def __iter__(self) -> Iterator[W]:
        """Iterate in the order in which they will be served."""
        urgent, others = (deque(map(iter, jobs.values())) for jobs in self._jobs.values())
        streak = self._urgent_streak
        while urgent or others:
            is_urgent = self._urgent_is_next(streak, urgent, others)
            lines = urgent if is_urgent else others
            line = lines.popleft()
            for waiter in line:
                streak = self._after(streak, urgent=is_urgent)
                yield waiter
                lines.append(line)
                break
