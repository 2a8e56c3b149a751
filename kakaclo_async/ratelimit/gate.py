"""Admission control: a request waits here for its permit."""

from __future__ import annotations

import asyncio
import sys
from contextlib import contextmanager
from math import inf
from typing import TYPE_CHECKING, Self

import attrs

from kakaclo_async.config import check_number
from kakaclo_async.errors import (
    APIError,
    ClientClosed,
    ConfigurationError,
    ConnectionFailed,
    DeadlineExceeded,
    DecodeError,
    RateLimited,
    copy_error,
)
from kakaclo_async.events import Lane, Waited
from kakaclo_async.ratelimit.bucket import BULK_SHARE, LaneQueue

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from types import TracebackType

    from kakaclo_async.events import Event, Job
    from kakaclo_async.ratelimit.bucket import Bucket, Offer


MOMENT = 0.5
"""Seconds that a call waits for a permit that is free when it asks, whatever its `max_wait`: the pump has to hand it
over, and the bucket may be on another machine."""


class Permit:
    """The right to send one request; a context around sending it and reading its answer.

    Attributes:
        lane: that it was given to; one of its connections is kept for the request until the block ends.
        waited: seconds in the queue.
        probe: whether, after a 429, all other calls wait for what becomes of this request.
    """

    __slots__ = ("_ended", "_gate", "_offer", "_reported", "lane", "probe", "waited")

    def __init__(self, gate: Gate, lane: Lane, waited: float, offer: Offer) -> None:
        self.lane = lane
        self.waited = waited
        self.probe = offer.probe
        self._gate = gate
        self._offer = offer
        self._reported = self._ended = False

    def throttled(self, retry_after: float | None) -> None:
        """Tell the gate that the answer was a 429.

        Args:
            retry_after: seconds that the server asked to wait, or None.
        """
        self._reported = True
        self._gate.throttled(retry_after, probe=self.probe, source=self._offer.source)

    def give_back(self) -> None:
        """Tell the gate that the request never left."""
        if not self._reported:
            self._reported = True
            self._gate.give_back(self._offer)
        self._end()

    def _end(self) -> None:
        if not self._ended:
            self._ended = True
            self._gate.ended(self.lane)

    @contextmanager
    def unused_on_error(self) -> Generator[None]:
        """Give the permit back if the block fails: its request does not leave."""
        try:
            yield
        except BaseException:
            self.give_back()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._end()
        if self._reported:
            return
        if isinstance(error, RateLimited):
            self.throttled(error.retry_after)
        elif isinstance(error, ConnectionFailed) and not error.sent:
            self.give_back()
        elif self.probe:
            answered = error is None or isinstance(error, (APIError, DecodeError))
            self._gate.probed(passed=answered, source=self._offer.source)


@attrs.define(slots=True, eq=False)
class Waiter:
    """One call that waits: since when, by the loop's clock, and for how many seconds at most.

    `until` tells the loop's time until which a permit is of use, for a request that several callers share: they come
    and go while it waits.
    """

    lane: Lane
    job: Job | None
    again: bool  # a retry
    since: float
    max_wait: float | None
    until: Callable[[], float] | None
    turn: asyncio.Future[Permit]
    timer: asyncio.TimerHandle | None = None

    @property
    def limit(self) -> float:
        """Seconds to wait at most, as of now."""
        if self.until is not None:
            return max(0.0, self.until() - self.since)
        return inf if self.max_wait is None else self.max_wait


_CLOCK_RESOLUTION = 1e-3  # timers fire a little early, and sums of floats are not exact

MAX_PERMITS_PER_PASS = 100
"""Enough that the pump costs nothing per permit, few enough that the loop stays responsive."""


class Gate:
    """Lets calls pass as permits become free: interactive ones in the order they come, before bulk jobs in turns.

    Bulk calls leave the last `reserve` permits alone, so that an interactive call finds one at once. They use
    what interactive calls leave. While interactive calls queue up (three or more waiting, or some refused),
    bulk still gets one permit in `BULK_SHARE`.

    No permit is taken for a request that would then wait for a connection. Bulk leaves half of the connections alone.

    The gate binds to the event loop of its first use. It runs one task, the pump, while calls wait, and none
    otherwise.

    Attributes:
        closed: whether it refuses new calls.

    Args:
        bucket: where the permits come from; only this gate may take from it.
        reserve: permits that bulk calls leave alone; cut so that at least one is left for them.
        connections: requests that may be under way at once.
        emit: called with a `Waited` for every permit.

    Raises:
        ConfigurationError: a negative reserve.
    """

    def __init__(
        self,
        bucket: Bucket,
        *,
        reserve: int = 20,
        connections: int = sys.maxsize,
        emit: Callable[[Event], None] = lambda _event: None,
    ) -> None:
        check_number("reserve", reserve, whole=True)
        self.reserve = min(reserve, bucket.rate.burst - 1)
        self._bucket = bucket
        self._emit = emit
        self._queues = {lane: LaneQueue[Waiter]() for lane in Lane}
        self._connections = {Lane.INTERACTIVE: connections, Lane.BULK: connections - connections // 2}
        self._under_way = dict.fromkeys(Lane, 0)
        self._contended = False
        self._pump: asyncio.Task[None] | None = None
        self._serving: Lane | None = None
        self._stirred = False
        self._alarm: asyncio.Future[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self.closed = False

    @property
    def level(self) -> float:
        """Permits in the bucket now; 0: all are free."""
        return self._bucket.level

    def queued(self, lane: Lane) -> int:
        """Return how many calls wait in a lane."""
        return self._queues[lane].size

    def eta(self, lane: Lane, job: Job | None = None) -> float:
        """Return the seconds that a new call in this lane, alone or as a part of a job, would wait."""
        queue = self._queues[lane]
        return self._eta(lane, queue.ahead_of(job) if queue.size else 0)

    async def enter(
        self,
        lane: Lane,
        *,
        job: Job | None = None,
        max_wait: float | None = None,
        until: Callable[[], float] | None = None,
        again: bool = False,
    ) -> Permit:
        """Wait for a permit.

        Args:
            lane: the queue to wait in.
            job: what it is a part of, in the bulk lane: jobs take turns.
            max_wait: seconds to wait at most; None for as long as it takes.
            until: instead of `max_wait`, returns the loop's time to wait until; asked again when that has come.
            again: this is a retry, which goes to the head of its job, behind other retries.

        Raises:
            DeadlineExceeded: the permit cannot come within `max_wait`; raised as soon as that is known.
            ClientClosed: the client is closed.
            ConfigurationError: the client was first used on another event loop.
        """
        loop = self._check_usable()
        queue = self._queues[lane]
        if self._bucket.instant and not queue.size and self._may_go(lane):
            offer = await self._take(lane, 1)
            if offer.permits:
                if self._bulk_is_next():
                    self._wake()  # the pump sleeps until the reserve is full again, and the turn comes before
                self._under_way[lane] += 1
                self._emit(Waited(lane=lane, seconds=0.0))
                return Permit(self, lane, 0.0, offer)
        waiter = Waiter(lane, job, again, loop.time(), max_wait, until, loop.create_future())
        patience = waiter.limit
        if patience < inf:
            eta = self._eta(lane, queue.ahead_of(job, again=again))
            if eta > patience:
                self._contended = self._contended or lane is Lane.INTERACTIVE
                raise _too_late(lane, patience, eta)
            waiter.timer = loop.call_later(patience if eta else max(patience, MOMENT), self._expire, waiter)
        queue.push(waiter)
        self._call_pump(lane)
        try:
            return await waiter.turn
        except asyncio.CancelledError:
            self._leave(waiter)
            raise
        finally:
            if waiter.timer is not None:
                waiter.timer.cancel()

    def _check_usable(self) -> asyncio.AbstractEventLoop:
        if self.closed:
            raise ClientClosed("the client is closed; make a new one")
        loop = asyncio.get_running_loop()
        if self._loop is None:
            self._loop = loop
        elif self._loop is not loop:
            raise ConfigurationError("this client was first used on another event loop; make one per loop")
        return loop

    def _leave(self, waiter: Waiter) -> None:
        """Take a cancelled waiter out, and pass its permit on if it got one in the same turn of the loop."""
        self._queues[waiter.lane].discard(waiter)
        turn = waiter.turn
        if not turn.cancelled() and turn.done() and turn.exception() is None:
            turn.result().give_back()
        elif not any(map(self.queued, Lane)):
            self._wake()  # so that the pump ends

    def _eta(self, lane: Lane, ahead: int) -> float:
        """Return the seconds until a call with `ahead` others before it in its lane gets its permit.

        That is when the bucket has room for all permits that go out before, and for this one.
        """
        interactive, bulk = map(self.queued, Lane)
        streak = self._bucket.interactive_streak
        permits = ahead + 1
        if lane is Lane.BULK:
            # Either all interactive calls are served and the reserve is full again...
            after_interactive = interactive + self.reserve + permits
            # ...or, earlier, bulk's turn comes: each bulk permit ends a run of BULK_SHARE permits, and `streak`
            # permits of the first run are out already.
            by_share = permits * BULK_SHARE - streak
            permits = min(after_interactive, by_share) if interactive else after_interactive
        elif bulk:
            # One bulk call goes after every BULK_SHARE - 1 contended interactive permits. A permit counts as
            # contended while two calls or more wait behind it, so of those ahead of this call all but the last.
            permits += (streak + max(0, ahead - 1)) // (BULK_SHARE - 1)
        return self._bucket.due(permits)

    def _room(self, lane: Lane) -> int:
        """Return how many more requests of a lane may be under way."""
        most, under_way = self._connections, self._under_way
        room = most[Lane.INTERACTIVE] - sum(under_way.values())
        return min(room, most[lane] - under_way[lane])

    def _is_ready(self, lane: Lane) -> bool:
        """Return whether calls of a lane wait for a permit, and not for a connection."""
        return self.queued(lane) > 0 and self._room(lane) > 0

    def _bulk_is_next(self) -> bool:
        return self._is_ready(Lane.BULK) and self._bucket.interactive_streak >= BULK_SHARE - 1

    def _may_go(self, lane: Lane) -> bool:
        """Return whether a new call in this empty lane would be the next of both lanes."""
        if self._room(lane) <= 0:
            return False
        if lane is Lane.BULK:
            return not self.queued(Lane.INTERACTIVE)
        return not self._bulk_is_next()

    def _next_lane(self) -> Lane | None:
        if self._is_ready(Lane.INTERACTIVE) and not self._bulk_is_next():
            return Lane.INTERACTIVE
        return Lane.BULK if self._is_ready(Lane.BULK) else None

    async def _take(self, lane: Lane, wanted: int) -> Offer:
        offer = await self._bucket.take(lane, wanted, reserve=self.reserve, contended=self._contended)
        if offer.permits and lane is Lane.INTERACTIVE:
            self._contended = False
        return offer

    def _call_pump(self, lane: Lane) -> None:
        """Start the pump, or wake it if this lane goes before the one that it waits for."""
        if self._pump is None:
            self._pump = asyncio.create_task(self._run(), name="kakaclo gate")
        elif lane is Lane.INTERACTIVE and self._serving is Lane.BULK:
            self._wake()

    async def _run(self) -> None:
        try:
            while (lane := self._next_lane()) is not None:
                self._serving, self._stirred = lane, False
                wanted = min(self.queued(lane), self._room(lane), MAX_PERMITS_PER_PASS)
                offer = await self._take(lane, wanted)
                if offer.permits:
                    self._serve(lane, offer)
                if not self._stirred and self._next_lane() is lane:
                    await self._sleep(offer.wait)
        except Exception as error:  # noqa: BLE001 - the calls that wait for the bucket raise whatever it raised
            self._refuse_all(error)
        finally:
            self._pump = None

    def _serve(self, lane: Lane, offer: Offer) -> None:
        now = asyncio.get_running_loop().time()
        for served in range(offer.permits):
            waiter = self._queues[lane].pop()
            if waiter is None:
                (offer.source or self._bucket).give_back(offer.permits - served, probe=offer.probe)
                break
            waited = now - waiter.since
            self._under_way[lane] += 1
            waiter.turn.set_result(Permit(self, lane, waited, offer))
            self._emit(Waited(lane=lane, seconds=waited))

    async def _sleep(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        self._alarm = loop.create_future()
        timer = None if seconds == inf else loop.call_later(seconds, self._wake)
        try:
            await self._alarm
        finally:
            self._alarm = None
            if timer is not None:
                timer.cancel()

    def _wake(self) -> None:
        self._stirred = True
        if self._alarm is not None and not self._alarm.done():
            self._alarm.set_result(None)

    def ended(self, lane: Lane) -> None:
        """Give the request's connection to the next call; for `Permit`."""
        had_room = self._room(lane) > 0
        self._under_way[lane] -= 1
        if not (had_room or self.closed) and any(map(self.queued, Lane)):
            self._call_pump(lane)  # it has ended if nothing that waits had room
            self._wake()

    def throttled(self, retry_after: float | None, *, probe: bool, source: Bucket | None = None) -> None:
        """Pass a 429 on to the bucket, and end the waits that have become hopeless; for `Permit`."""
        if not self.closed:
            (source or self._bucket).throttled(retry_after, probe=probe)
            self._refuse_late()
            self._wake()

    def probed(self, *, passed: bool, source: Bucket | None = None) -> None:
        """Pass the end of a probe on to the bucket; for `Permit`."""
        if not self.closed:
            (source or self._bucket).probed(passed=passed)
            self._wake()

    def give_back(self, offer: Offer) -> None:
        """Pass a permit whose request never left on to the next call, unless it leaked out; for `Permit`."""
        if not self.closed:
            permits = 1 if asyncio.get_running_loop().time() < offer.until else 0
            (offer.source or self._bucket).give_back(permits, probe=offer.probe)
            self._wake()

    def _expire(self, waiter: Waiter) -> None:
        """End a wait that has lasted long enough."""
        loop = asyncio.get_running_loop()
        left = waiter.since + waiter.limit - loop.time()
        if waiter.until is None or left <= _CLOCK_RESOLUTION:
            self._refuse(waiter)
        elif left < inf:  # other callers share the request by now
            waiter.timer = loop.call_later(left, self._expire, waiter)

    def _refuse(self, waiter: Waiter) -> None:
        """End a wait with `DeadlineExceeded`."""
        self._queues[waiter.lane].discard(waiter)
        if not waiter.turn.done():
            eta = self.eta(waiter.lane, waiter.job)
            waiter.turn.set_exception(_too_late(waiter.lane, waiter.limit, eta))

    def _refuse_late(self) -> None:
        """End the waits that have become hopeless."""
        now = asyncio.get_running_loop().time()
        for lane, queue in self._queues.items():
            late = [
                waiter
                for ahead, waiter in enumerate(queue)
                if (patience := waiter.limit) < inf and waiter.since + patience < now + self._eta(lane, ahead)
            ]
            for waiter in late:
                self._refuse(waiter)

    def _refuse_all(self, error: Exception) -> None:
        for queue in self._queues.values():
            while (waiter := queue.pop()) is not None:
                waiter.turn.set_exception(copy_error(error))

    async def aclose(self) -> None:
        """End all waits with `ClientClosed`, and refuse new calls."""
        self.closed = True
        self._refuse_all(ClientClosed("the client was closed while this call waited for its permit"))
        self._wake()
        if self._pump is not None:  # it ends by itself, and gives back what permits it may just be getting
            await asyncio.wait([self._pump])
        await self._bucket.aclose()

    def __repr__(self) -> str:
        waiting = ", ".join(f"{self.queued(lane)} {lane}" for lane in Lane)
        state = "closed" if self.closed else f"waiting: {waiting}"
        return f"<Gate of {self._bucket!r}, reserve {self.reserve}, {state}>"


def _too_late(lane: Lane, max_wait: float, eta: float) -> DeadlineExceeded:
    why = f"next permit in {eta:.1f} s" if eta else "no connection is free: answers are slow"
    return DeadlineExceeded(
        f"rate limit: this {lane} call cannot be sent within max_wait={max_wait:.4g} s"
        f" ({why}); raise max_wait, send fewer requests, or use kk.bulk()",
        retry_in=eta,
    )
