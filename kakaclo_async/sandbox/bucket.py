"""The leaky bucket that meters requests."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


_TOLERANCE = 1e-6
"""Of a request: clocks are floats, and a request that comes exactly in time must pass."""


class LeakyBucket:
    """A bucket that holds `capacity` requests and leaks `per_second` of them.

    A request that finds it full adds nothing: a client that keeps knocking is let in as soon as there is room.

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

    def take(self) -> float:
        """Put one request in; return 0.0, or the seconds until there is room for it if it does not fit."""
        excess = self.level + 1 - self._capacity
        if excess > _TOLERANCE:
            return excess / self._per_second
        self._level += 1
        return 0.0
