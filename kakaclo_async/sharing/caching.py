"""A cache with single-flight: concurrent equal calls share one request."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import TYPE_CHECKING, Generic, TypeVar

from kakaclo_async.errors import ConfigurationError
from kakaclo_async.sharing.inflight import SharedResult

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Hashable


K = TypeVar("K", bound="Hashable")
V = TypeVar("V")


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
