"""The bucket of one process."""

from __future__ import annotations

import asyncio
import random
from math import floor, inf
from typing import TYPE_CHECKING

from aiolimiter import AsyncLimiter

from kakaclo_async.events import Lane
from kakaclo_async.traffic.bucket import BULK_SHARE, HAIR, Offer
from kakaclo_async.traffic.throttle import Throttle

if TYPE_CHECKING:
    from collections.abc import Callable

    from kakaclo_async.traffic.bucket import RateLimit

__all__ = ["LocalBucket"]


class LocalBucket:
    """The marbles of one process, counted by an `aiolimiter.AsyncLimiter`.

    Args:
        rate: the shop's limit.
        random: gives [0, 1), for the jitter of pauses after a 429.
    """

    instant = True

    def __init__(self, rate: RateLimit, *, random: Callable[[], float] = random.random) -> None:
        self._rate = rate
        self._random = random
        self._limiter = _Limiter(rate.burst, rate.burst / rate.per_second)
        self._throttle = Throttle(rate.per_second, random)
        self._skipped = 0
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def rate(self) -> RateLimit:
        """The limit of the shop."""
        return self._rate

    @property
    def skipped(self) -> int:
        """Marbles that went to interactive calls piling up since bulk got its last."""
        return self._skipped

    @property
    def level(self) -> float:
        """Marbles in the bucket now; 0: all are free."""
        return self._limiter.level_at(self._now())

    async def take(self, lane: Lane, wanted: int, *, reserve: int, pressed: bool) -> Offer:
        """Take up to `wanted` marbles; see `Bucket.take`."""
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
        now, throttle, limiter = self._now(), self._throttle, self._limiter
        if hold := throttle.hold(now):
            return Offer(wait=hold + HAIR)
        if throttle.holding:
            wanted = 1
        free = limiter.settle(self._leak(now))
        spare = 0 if lane is Lane.INTERACTIVE else reserve
        if lane is Lane.BULK and self._skipped >= BULK_SHARE - 1 and free < 1 + reserve:
            wanted, spare = 1, 0  # its turn, though nothing is left over
        granted = max(0, min(wanted, floor(free - spare)))
        probe = throttle.holding and granted > 0
        if granted:
            await limiter.acquire(granted)
            self._count(lane, granted, pressed=pressed or wanted - granted >= 2)
            if probe:
                throttle.probe()
        return Offer(granted, limiter.until(1 + spare, now) + HAIR, probe)

    def _count(self, lane: Lane, granted: int, *, pressed: bool) -> None:
        if lane is Lane.BULK:
            self._skipped = 0
        elif pressed:
            self._skipped += granted

    def due(self, marbles: float) -> float:
        """Return the seconds until that many marbles are free."""
        now = self._now()
        hold = self._throttle.hold(now)
        return max(self._limiter.until(marbles, now), 0.0 if hold == inf else hold)

    def give_back(self, marbles: int, *, probe: bool) -> None:
        """Return marbles that were not used."""
        self._limiter.give_back(marbles)
        if probe:
            self._throttle.lost()

    def throttled(self, retry_after: float | None, *, probe: bool) -> None:
        """Note a 429: the bucket counts as full."""
        now = self._now()
        if self._throttle.refused(now, retry_after, probe=probe):
            self._limiter.settle(self._leak(now))
            self._limiter.fill()

    def probed(self, *, passed: bool) -> None:
        """Note the probe's end."""
        if passed:
            self._throttle.passed()
        else:
            self._throttle.lost()

    def renewed(self) -> LocalBucket:
        """Return an equal bucket, with all its marbles; see `Bucket.renewed`."""
        return LocalBucket(self._rate, random=self._random)

    async def aclose(self) -> None:
        """Do nothing: it holds no connection."""

    def _leak(self, now: float) -> float:
        return self._rate.per_second * self._throttle.share(now)

    def _now(self) -> float:
        # Before the first marble there is no loop, and nothing has happened.
        return 0.0 if self._loop is None else self._loop.time()

    def __repr__(self) -> str:
        rate = self._rate
        return f"<LocalBucket {self.level:.1f}/{rate.burst} leaking {rate.per_second:g}/s>"


class _Limiter(AsyncLimiter):
    """The limiter, which also says how much is free and when, and takes marbles back."""

    __slots__ = ()

    def settle(self, per_second: float) -> float:
        """Account for the time that has passed, leak at this rate from now on, and return what is free."""
        self.has_capacity()
        self._rate_per_sec = per_second
        return self.max_rate - self._level

    def level_at(self, now: float) -> float:
        # Unlike `has_capacity` this changes nothing, so that other threads may look.
        return max(0.0, self._level - (now - self._last_check) * self._rate_per_sec)

    def until(self, marbles: float, now: float) -> float:
        return max(0.0, (self.level_at(now) + marbles - self.max_rate) / self._rate_per_sec)

    def give_back(self, marbles: int) -> None:
        self._level = max(0.0, self._level - marbles)

    def fill(self) -> None:
        self._level = self.max_rate
