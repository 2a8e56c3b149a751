"""Single-flight: concurrent equal calls share one request, and a cache keeps its result."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import TYPE_CHECKING, Generic, TypeVar

from kakaclo_async.errors import ConfigurationError, copy_error

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Hashable

    from kakaclo_async.errors import KakaCloError


K = TypeVar("K", bound="Hashable")
V = TypeVar("V")


class SharedResult(Generic[V]):
    """A result that several callers wait for, each with its own cancellation, `max_wait` and exception.

    Attributes:
        under_way: whether the request has its permit: from then on no waiter's `max_wait` matters.
    """

    def __init__(self) -> None:
        self.under_way = False
        self._settled = False
        self._waiters: dict[asyncio.Future[V], None] = {}

    @property
    def abandoned(self) -> bool:
        """Whether every waiter has left before there was a result."""
        return not self._waiters and not self._settled

    async def wait(
        self, *, max_wait: float | None = None, too_late: Callable[[], KakaCloError] | None = None
    ) -> V:
        """Wait for the result.

        Args:
            max_wait: seconds until the request must be under way; None for as long as it takes.
            too_late: makes the error that is raised when it is not.
        """
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[V] = loop.create_future()
        self._waiters[waiter] = None
        timer = None
        if max_wait is not None and too_late is not None:
            timer = loop.call_later(max_wait, self._give_up, waiter, too_late)
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled():
                waiter.exception()  # marks it as retrieved: the waiter was cancelled in the same turn of the loop
            raise
        finally:
            self._waiters.pop(waiter, None)
            if timer is not None:
                timer.cancel()

    def _give_up(self, waiter: asyncio.Future[V], too_late: Callable[[], KakaCloError]) -> None:
        if not self.under_way and not waiter.done():
            waiter.set_exception(too_late())

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


class Cache(Generic[K, V]):
    """Keeps results for some time, and lets concurrent equal calls share one request.

    Errors are not kept. When the cache is full, the least recently used result is dropped first.

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
        self._flights: dict[tuple[K, Hashable], _InFlight[V]] = {}

    async def get(self, key: K, make: Callable[[], Awaitable[V]], *, variant: Hashable = None) -> V:
        """Return the result for a key.

        Args:
            key: what equal calls have in common.
            make: makes the result. It runs once for all concurrent callers and is cancelled with the last of
                them; each of them raises a copy of its error.
            variant: how the result is asked for. Only equal variants share a request in flight, so an interactive
                call never waits for a bulk one. Cached results are shared by all.
        """
        if key in self._kept:
            until, value = self._kept[key]
            if asyncio.get_running_loop().time() < until:
                self._kept.move_to_end(key)
                return value
            del self._kept[key]
        flight_key = (key, variant)
        flight = self._flights.get(flight_key)
        if flight is None:
            flight = self._flights[flight_key] = _InFlight()
            flight.task = asyncio.create_task(self._run(flight_key, flight, make), name="kakaclo cache")
        try:
            return await flight.wait()
        finally:
            if flight.abandoned and flight.task is not None:
                self._forget(flight_key, flight)
                flight.task.cancel()

    async def _run(
        self, flight_key: tuple[K, Hashable], flight: _InFlight[V], make: Callable[[], Awaitable[V]]
    ) -> None:
        try:
            value = await make()
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - the waiters raise whatever it is
            self._forget(flight_key, flight)
            flight.fail(error)
        else:
            if self._forget(flight_key, flight):
                self._keep(flight_key[0], value)
            flight.succeed(value)

    def _forget(self, flight_key: tuple[K, Hashable], flight: _InFlight[V]) -> bool:
        """Take a flight off the list; return whether it was still there, so that its result may be kept."""
        current = self._flights.get(flight_key) is flight
        if current:
            del self._flights[flight_key]
        return current

    def _keep(self, key: K, value: V) -> None:
        if self._ttl > 0:
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
                del self._flights[flight_key]

    def __len__(self) -> int:
        return len(self._kept)

    def __repr__(self) -> str:
        return f"<Cache {len(self._kept)}/{self._size} for {self._ttl:g} s, {len(self._flights)} under way>"


class _InFlight(SharedResult[V]):
    """A request in flight and its waiters."""

    def __init__(self) -> None:
        super().__init__()
        self.task: asyncio.Task[None] | None = None
