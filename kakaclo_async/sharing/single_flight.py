"""Single-flight: concurrent equal calls share one request, and a cache keeps its result."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from math import inf
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar

import attrs

from kakaclo_async.codec import is_damaged
from kakaclo_async.errors import ConfigurationError, DeadlineExceeded, copy_error

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Hashable


K = TypeVar("K", bound="Hashable")
T = TypeVar("T")
V = TypeVar("V")

_FlightKey: TypeAlias = "tuple[K, Hashable, Hashable]"
"""What is asked, how, and for which job."""


@attrs.frozen(slots=True, kw_only=True)
class Deadlines:
    """How long one caller of a shared request waits, by the loop's clock; by default as long as it takes.

    Attributes:
        permit_by: when the request must have its first permit.
        again_by: when a retry of it must have its permit, to be of use to this caller.
        end_by: when the result must be there.
        max_wait: seconds that the caller waits for the permit.
        total: seconds that the caller waits at all.
        eta: returns the seconds that a new request would wait for its permit.
    """

    permit_by: float = inf
    again_by: float = inf
    end_by: float = inf
    max_wait: float = inf
    total: float = inf
    eta: Callable[[], float] = lambda: 0.0

    def no_permit(self, eta: float) -> DeadlineExceeded:
        """Make the error of a caller whose request has no permit in time."""
        return DeadlineExceeded(
            f"rate limit: this look-up cannot be sent within max_wait={self.max_wait:.4g} s"
            f" (next permit in {eta:.1f} s); raise max_wait, send fewer requests, or use kk.bulk()",
            retry_in=eta,
        )

    def no_result(self) -> DeadlineExceeded:
        """Make the error of a caller whose request has no good answer in time."""
        return DeadlineExceeded(
            f"this look-up had no good answer within {self.total:.4g} s, max_wait and timeout together; try again"
            " later, or raise them"
        )


NO_DEADLINES = Deadlines()


class SharedResult(Generic[V]):
    """A result that several callers wait for, each with its own cancellation, deadlines and exception.

    Attributes:
        under_way: whether the request has had its permit: from then on no caller's `permit_by` matters.
    """

    def __init__(self) -> None:
        self.under_way = False
        self._settled = False
        self._waiters: dict[asyncio.Future[V], Deadlines] = {}

    @property
    def abandoned(self) -> bool:
        """Whether every waiter has left before there was a result."""
        return not self._waiters and not self._settled

    def until(self) -> float:
        """Return the loop's time until which a permit is of use to any of the callers that wait now."""
        if self.under_way:
            return max((deadlines.again_by for deadlines in self._waiters.values()), default=-inf)
        return max((deadlines.permit_by for deadlines in self._waiters.values()), default=-inf)

    def start(self, request: T) -> T:
        """Note that a request has its permit, and return it."""
        self.under_way = True
        return request

    async def wait(self, deadlines: Deadlines = NO_DEADLINES) -> V:
        """Wait for the result.

        Raises:
            DeadlineExceeded: no permit, or no result, in time for this caller.
        """
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[V] = loop.create_future()
        self._waiters[waiter] = deadlines
        timers: list[asyncio.TimerHandle] = []
        if deadlines.permit_by < inf and not self.under_way:
            timers.append(loop.call_at(deadlines.permit_by, self._refuse, waiter))
        if deadlines.end_by < inf:
            timers.append(loop.call_at(deadlines.end_by, self._give_up, waiter))
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled():
                waiter.exception()  # marks it as retrieved: the waiter was cancelled in the same turn of the loop
            raise
        finally:
            self._waiters.pop(waiter, None)
            for timer in timers:
                timer.cancel()

    def _refuse(self, waiter: asyncio.Future[V]) -> None:
        if not self.under_way and not waiter.done():
            deadlines = self._waiters[waiter]
            waiter.set_exception(deadlines.no_permit(deadlines.eta()))

    def _give_up(self, waiter: asyncio.Future[V]) -> None:
        if not waiter.done():
            waiter.set_exception(self._waiters[waiter].no_result())

    def succeed(self, value: V) -> None:
        """Give every waiter the result."""
        self._settled = True
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(value)

    def fail(self, error: BaseException) -> None:
        """Give every waiter a copy of the error; a cancellation cancels them."""
        self._settled = True
        for waiter in self._waiters:
            if isinstance(error, asyncio.CancelledError):
                waiter.cancel()
            elif not waiter.done():
                waiter.set_exception(copy_error(error))


class _Answered(Exception):
    """Ends a flight whose permit comes when its request is needless."""

    def __init__(self, wait: Callable[[], Awaitable[Any]]) -> None:
        super().__init__()
        self.wait = wait


class Cache(Generic[K, V]):
    """Keeps results for some time, and lets concurrent equal calls share one request.

    Errors are not kept, nor is what was damaged on its way. When the cache is full, the least recently used result is
    dropped first.

    Args:
        ttl: seconds that a result is kept; 0: results are not kept, only concurrent calls share.
        size: most results kept.

    Raises:
        ConfigurationError: a negative `ttl`, or a `size` below 1.
    """

    def __init__(self, ttl: float, *, size: int = 1024) -> None:
        if not ttl >= 0:
            raise ConfigurationError(f"a cache keeps its entries for 0 seconds or more, not for {ttl}")
        if size < 1:
            raise ConfigurationError(f"a cache has room for 1 entry or more, not for {size}")
        self._ttl = ttl
        self._size = size
        self._kept: OrderedDict[K, tuple[float, V]] = OrderedDict()  # until when, and what
        self._flights: dict[_FlightKey[K], _InFlight[K, V]] = {}
        self._sent: dict[tuple[K, Hashable], _InFlight[K, V]] = {}  # whatever the job

    async def get(
        self,
        key: K,
        make: Callable[[SharedResult[V]], Awaitable[V]],
        *,
        variant: Hashable = None,
        job: Hashable = None,
        deadlines: Callable[[], Deadlines] = lambda: NO_DEADLINES,
        on_hit: Callable[[], object] = lambda: None,
    ) -> V:
        """Return the result for a key.

        Args:
            key: what equal calls have in common.
            make: makes the result. It runs once for all concurrent callers and is cancelled with the last of
                them; each of them raises a copy of its error. It gets what the callers wait for, to tell when the
                request is under way.
            variant: how the result is asked for. Only equal variants share a request in flight, so an interactive
                call never waits for a bulk one. Cached results are shared by all.
            job: what it is a part of. Equal calls of several jobs wait in each job's turn, so that a small one never
                waits for the turns of a large one; the first permit serves all.
            deadlines: makes those of this caller, when the result is not kept.
            on_hit: called when it is.

        Raises:
            DeadlineExceeded: no permit, or no result, in time for this caller.
        """
        if (kept := self._find(key)) is not None:
            on_hit()
            return kept[1]
        own = deadlines()
        flight_key = (key, variant, job)
        joins = flight_key in self._flights
        try:
            return await self._fly(flight_key, make, own)
        except DeadlineExceeded:
            # The time of a flight that began before may be up when that of this caller is not.
            if not joins or asyncio.get_running_loop().time() >= min(own.again_by, own.end_by):
                raise
        return await self._fly(flight_key, make, own)

    def _find(self, key: K) -> tuple[float, V] | None:
        """Return until when a result is kept, and the result."""
        kept = self._kept.get(key)
        if kept is None:
            return None
        if asyncio.get_running_loop().time() < kept[0]:
            self._kept.move_to_end(key)
            return kept
        del self._kept[key]
        return None

    async def _fly(
        self,
        flight_key: _FlightKey[K],
        make: Callable[[SharedResult[V]], Awaitable[V]],
        deadlines: Deadlines,
    ) -> V:
        flight = self._flights.get(flight_key)
        if flight is None:
            flight = self._flights[flight_key] = _InFlight(flight_key, self._begin)
            flight.task = asyncio.create_task(self._run(flight_key, flight, make), name="kakaclo cache")
        return await self._wait(flight, deadlines)

    async def _wait(self, flight: _InFlight[K, V], deadlines: Deadlines = NO_DEADLINES) -> V:
        try:
            return await flight.wait(deadlines)
        finally:
            if flight.abandoned and flight.task is not None:
                self._forget(flight.key, flight)
                flight.task.cancel()

    def _begin(self, flight: _InFlight[K, V]) -> None:
        """Note that a flight has its permit.

        Raises:
            _Answered: its request is needless, for an equal one of another job was earlier.
        """
        key, variant, _ = flight.key
        if (kept := self._find(key)) is not None:
            value = asyncio.get_running_loop().create_future()
            value.set_result(kept[1])
            raise _Answered(lambda: value)
        other = self._sent.setdefault((key, variant), flight)
        if other is not flight:
            raise _Answered(lambda: self._wait(other))

    async def _run(
        self,
        flight_key: _FlightKey[K],
        flight: _InFlight[K, V],
        make: Callable[[SharedResult[V]], Awaitable[V]],
    ) -> None:
        is_new = True
        try:
            try:
                value = await make(flight)
            except _Answered as needless:
                is_new, value = False, await needless.wait()
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - the waiters raise whatever it is
            self._forget(flight_key, flight)
            flight.fail(error)
        else:
            if self._forget(flight_key, flight) and is_new:
                self._keep(flight_key[0], value)
            flight.succeed(value)

    def _forget(self, flight_key: _FlightKey[K], flight: _InFlight[K, V]) -> bool:
        """Take a flight off the lists; return whether it was still there, so that its result may be kept."""
        if self._sent.get(flight_key[:2]) is flight:
            del self._sent[flight_key[:2]]
        current = self._flights.get(flight_key) is flight
        if current:
            del self._flights[flight_key]
        return current

    def _keep(self, key: K, value: V) -> None:
        if self._ttl > 0 and not is_damaged(value):
            self._kept[key] = (asyncio.get_running_loop().time() + self._ttl, value)
            self._kept.move_to_end(key)
            if len(self._kept) > self._size:
                self._kept.popitem(last=False)

    def drop(self, outdated: Callable[[K], bool]) -> None:
        """Drop the results whose keys are `outdated`; results of such requests in flight are not kept either."""
        for key in tuple(filter(outdated, self._kept)):
            del self._kept[key]
        for flight_key in tuple(self._flights):
            if outdated(flight_key[0]):
                self._forget(flight_key, self._flights[flight_key])

    def __len__(self) -> int:
        return len(self._kept)

    def __repr__(self) -> str:
        return f"<Cache {len(self._kept)}/{self._size} for {self._ttl:g} s, {len(self._flights)} under way>"


class _InFlight(SharedResult[V], Generic[K, V]):
    """A request in flight and its waiters."""

    def __init__(self, key: _FlightKey[K], begin: Callable[[_InFlight[K, V]], None]) -> None:
        super().__init__()
        self.key = key
        self.task: asyncio.Task[None] | None = None
        self._begin = begin

    def start(self, request: T) -> T:
        super().start(request)
        self._begin(self)
        return request
