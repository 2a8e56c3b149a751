"""A cache in which concurrent equal calls are one."""

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

    Errors are not kept. When the cache is full, what was not asked for longest goes first.

    Args:
        ttl: seconds that a result is kept; 0: none is, and only concurrent calls share.
        size: results kept, at most.

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
        self._flights: dict[tuple[K, Hashable], _Flight[V]] = {}

    async def get(self, key: K, make: Callable[[], Awaitable[V]], *, manner: Hashable = None) -> V:
        """Return the result for a key.

        Args:
            key: what equal calls have in common.
            make: makes the result. It runs once for all concurrent callers, ends when the last of them is
                cancelled, and each of them gets a copy of its error.
            manner: how the result is asked for. Only callers with an equal one share a request, so that none
                waits in a slower lane than its own; a result that is kept is for all.
        """
        if key in self._kept:
            until, value = self._kept[key]
            if asyncio.get_running_loop().time() < until:
                self._kept.move_to_end(key)
                return value
            del self._kept[key]
        course = (key, manner)
        flight = self._flights.get(course)
        if flight is None:
            flight = self._flights[course] = _Flight()
            flight.task = asyncio.create_task(self._fly(course, flight, make), name="kakaclo cache")
        try:
            return await flight.join()
        finally:
            if flight.deserted and flight.task is not None:
                self._forget(course, flight)
                flight.task.cancel()

    async def _fly(
        self, course: tuple[K, Hashable], flight: _Flight[V], make: Callable[[], Awaitable[V]]
    ) -> None:
        try:
            value = await make()
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - whatever it is, it is its callers'
            self._forget(course, flight)
            flight.fail(error)
        else:
            if self._forget(course, flight):
                self._keep(course[0], value)
            flight.succeed(value)

    def _forget(self, course: tuple[K, Hashable], flight: _Flight[V]) -> bool:
        """Let no newcomer join this flight; return whether one still could, and so its result is still good."""
        good = self._flights.get(course) is flight
        if good:
            del self._flights[course]
        return good

    def _keep(self, key: K, value: V) -> None:
        if self._ttl > 0:
            self._kept[key] = (asyncio.get_running_loop().time() + self._ttl, value)
            self._kept.move_to_end(key)
            if len(self._kept) > self._size:
                self._kept.popitem(last=False)

    def drop(self, outdated: Callable[[K], bool]) -> None:
        """Forget the results whose keys are `outdated`; requests for them that are under way are not kept either."""
        for key in [key for key in self._kept if outdated(key)]:
            del self._kept[key]
        for course in [course for course in self._flights if outdated(course[0])]:
            del self._flights[course]

    def clear(self) -> None:
        """Forget all results, those under way included."""
        self._kept.clear()
        self._flights.clear()

    def __len__(self) -> int:
        return len(self._kept)

    def __repr__(self) -> str:
        return f"<Cache {len(self._kept)}/{self._size} for {self._ttl:g} s, {len(self._flights)} under way>"


class _Flight(SharedResult[V]):
    """A request under way, and those who wait for its result."""

    def __init__(self) -> None:
        super().__init__()
        self.task: asyncio.Task[None] | None = None
