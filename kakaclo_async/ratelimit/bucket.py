"""The bucket of permits: the shop's rate limit, and what the gate needs of an implementation."""

from __future__ import annotations

from math import ceil, isfinite
from typing import TYPE_CHECKING, Protocol

import attrs

from kakaclo_async.errors import ConfigurationError

if TYPE_CHECKING:
    from kakaclo_async.events import Lane


BULK_SHARE = 10
"""While interactive calls queue up, one permit in this many still goes to the bulk lane."""

TIMER_SLACK = 1e-6
"""Seconds to ask after a permit is due: timers may fire a nanosecond early, and levels are floats."""


@attrs.frozen(slots=True)
class RateLimit:
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
        if self.capacity < 1:
            raise ConfigurationError(f"capacity must be at least 1, not {self.capacity}")
        if not (isfinite(self.per_second) and self.per_second > 0):
            raise ConfigurationError(f"per_second must be above 0, not {self.per_second}")
        if self.margin is not None and not 0 <= self.margin < self.capacity:
            raise ConfigurationError(f"margin must be in [0, {self.capacity}), not {self.margin}")

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
    """

    permits: int = 0
    wait: float = 0.0
    probe: bool = False
    source: Bucket | None = None


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
