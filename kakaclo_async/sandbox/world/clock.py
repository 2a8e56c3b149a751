"""Virtual time, and what happens as it passes: actions fall due, and the bucket leaks."""

from __future__ import annotations

import heapq
from datetime import UTC, datetime
from itertools import count
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


_TOLERANCE = 1e-6
"""Of a request: clocks are floats, and a request that comes exactly in time must pass."""


class Clock:
    """A wall clock that runs `speed` times as fast as its source.

    Args:
        source: Returns real seconds.
        speed: Virtual seconds per real second.
        start: Wall clock time now; aware.
    """

    def __init__(self, source: Callable[[], float], speed: float, start: datetime) -> None:
        self._source = source
        self._speed = speed
        self._began = source()
        self._skipped = 0.0
        self._epoch = start.timestamp()

    @property
    def elapsed(self) -> float:
        """Virtual seconds since the start: small numbers, which keep fractions exact enough for the bucket."""
        return (self._source() - self._began) * self._speed + self._skipped

    @property
    def time(self) -> float:
        """Virtual seconds since 1970."""
        return self._epoch + self.elapsed

    def run_at(self, speed: float) -> None:
        """Run at another speed from now on."""
        now = self._source()
        self._skipped += (now - self._began) * self._speed
        self._began, self._speed = now, speed

    def skip(self, seconds: float) -> None:
        """Jump forward by virtual seconds."""
        if seconds < 0:
            raise ValueError("the clock only runs forward")
        self._skipped += seconds


class Timeline:
    """Actions that fall due as virtual time passes, run in order at the next call of `now`.

    Nothing runs in the background: `now` first runs all that is due. While an action runs, `now` is the moment it was
    due, so what it changes carries the right time however late `now` is called.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._order = count()
        self._running: float | None = None

    def at(self, when: float, action: Callable[[], None]) -> None:
        """Run `action` when virtual time reaches `when`, in seconds since 1970."""
        heapq.heappush(self._due, (when, next(self._order), action))

    def after(self, seconds: float, action: Callable[[], None]) -> None:
        """Run `action` in that many virtual seconds."""
        self.at(self.now() + seconds, action)

    def now(self) -> float:
        """Run what is due; return the virtual seconds since 1970."""
        if self._running is not None:
            return self._running
        now = self._clock.time
        while self._due and self._due[0][0] <= now:
            self._running, _, action = heapq.heappop(self._due)
            try:
                action()
            finally:
                self._running = None
        return now

    def today(self) -> datetime:
        """Return `now` as an aware UTC datetime."""
        return datetime.fromtimestamp(self.now(), UTC)


class LeakyBucket:
    """A bucket that holds `capacity` requests and leaks `per_second` of them.

    A request that finds it full adds nothing, so a client that keeps trying gets in as soon as there is room.

    Args:
        capacity: Requests that the bucket holds.
        per_second: Requests that leak per second of `clock`.
        clock: Returns seconds.
    """

    def __init__(self, capacity: float, per_second: float, clock: Callable[[], float]) -> None:
        self._capacity = capacity
        self._per_second = per_second
        self._clock = clock
        self._level = 0.0
        self._measured = clock()

    @property
    def level(self) -> float:
        """Requests in the bucket now."""
        now = self._clock()
        self._level = max(0.0, self._level - (now - self._measured) * self._per_second)
        self._measured = now
        return self._level

    def resize(self, capacity: float, per_second: float) -> None:
        """Hold and leak another number of requests from now on."""
        self._level, self._capacity, self._per_second = self.level, capacity, per_second

    def take(self) -> float:
        """Put one request in; return 0.0, or the seconds until it fits."""
        excess = self.level + 1 - self._capacity
        if excess > _TOLERANCE:
            return excess / self._per_second
        self._level += 1
        return 0.0
