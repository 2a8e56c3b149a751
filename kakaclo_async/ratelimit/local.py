"""The bucket of one process."""

from __future__ import annotations

import asyncio
import random
from math import floor, inf
from typing import TYPE_CHECKING

from aiolimiter import AsyncLimiter

from kakaclo_async.events import Lane
from kakaclo_async.ratelimit.bucket import BULK_SHARE, TIMER_SLACK, Offer
from kakaclo_async.retry import Pauses

if TYPE_CHECKING:
    from collections.abc import Callable

    from kakaclo_async.ratelimit.bucket import RateLimit


LONGEST_PAUSE = 60.0
"""Seconds of the longest pause after a 429, whatever the server asks for."""

SMALLEST_SHARE = 1 / 16
"""The share of the leak that we always count on."""

PERMITS_TO_RECOVER = 100
"""Permits that leak while the believed share grows from nothing to all."""


class Throttle:
    """The state between a 429 and the first answer that is not one.

    While no other program spends the shop's permits, no 429 comes and `share` is 1. When another program uses the
    same token, each 429 halves the share of the leak that we count on, and it grows again evenly with time
    (additive increase, multiplicative decrease): the client settles at what the others leave, at few
    refusals.

    Args:
        per_second: permits that leak per second.
        random: gives [0, 1), for the jitter of pauses.
    """

    def __init__(self, per_second: float, random: Callable[[], float]) -> None:
        self._per_second = per_second
        self._random = random
        self._refusals = 0  # in a row; 0: all clear
        self._until = 0.0
        self._probing = False
        self._share = 1.0
        self._share_at = 0.0

    @property
    def holding(self) -> bool:
        """Whether the next permit is a probe."""
        return self._refusals > 0

    def hold(self, now: float) -> float:
        """Return the seconds until the next permit may go; infinity while the probe is out."""
        if not self._refusals:
            return 0.0
        return inf if self._probing else max(0.0, self._until - now)

    def share(self, now: float) -> float:
        """Return the part of the leak that is believed to be ours, up to 1."""
        if self._share < 1.0:
            # Linear in time: at the full rate, PERMITS_TO_RECOVER permits leak while it grows from 0 to 1.
            grown = (now - self._share_at) * self._per_second / PERMITS_TO_RECOVER
            self._share = min(1.0, self._share + grown)
        self._share_at = now
        return self._share

    def probe(self) -> None:
        """Note that the permit just granted is the probe."""
        self._probing = True

    def refused(self, now: float, retry_after: float | None, *, probe: bool) -> bool:
        """Note a 429; return whether it says something new.

        A volley that meets a full bucket brings many 429s; they are one event, however many.
        """
        asked = 0.0 if retry_after is None else min(max(retry_after, 0.0), LONGEST_PAUSE)
        if self._refusals and not probe:
            self._until = max(self._until, now + asked)
            return False
        self._refusals += 1
        self._probing = False
        self._until = now + (self._pause() if retry_after is None else asked)
        self._share = max(SMALLEST_SHARE, self.share(now) / 2)
        return True

    def passed(self) -> None:
        """Note that the probe was let through."""
        self._refusals = 0
        self._probing = False

    def lost(self) -> None:
        """Note that the probe brought no news: the next permit is a probe again, without another pause."""
        self._probing = False

    def _pause(self) -> float:
        # Two permits leak during the first pause. The lower half is not drawn: the bucket is known to be full.
        pauses = Pauses(first=2 / self._per_second, growth=2.0, longest=LONGEST_PAUSE)
        return pauses.after(self._refusals) * (0.5 + self._random() / 2)


class LocalBucket:
    """The bucket of one process, counted by an `aiolimiter.AsyncLimiter`.

    Args:
        rate: the shop's limit.
        random: gives [0, 1), for the jitter of pauses after a 429.
    """

    instant = True

    def __init__(self, rate: RateLimit, *, random: Callable[[], float] = random.random) -> None:
        self.rate = rate
        self.interactive_streak = 0
        self._random = random
        self._limiter = _Limiter(rate.burst, rate.burst / rate.per_second)
        self._throttle = Throttle(rate.per_second, random)
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def level(self) -> float:
        """Permits in the bucket now; 0: all are free."""
        return self._limiter.level_at(self._now())

    async def take(self, lane: Lane, wanted: int, *, reserve: int, contended: bool) -> Offer:
        """Take up to `wanted` permits; see `Bucket.take`."""
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
        now, throttle, limiter = self._now(), self._throttle, self._limiter
        if hold := throttle.hold(now):
            return Offer(wait=hold + TIMER_SLACK)
        if throttle.holding:
            wanted = 1  # the probe
        free = limiter.settle(self.rate.per_second * throttle.share(now))
        kept = 0 if lane is Lane.INTERACTIVE else reserve
        if lane is Lane.BULK and self.interactive_streak >= BULK_SHARE - 1 and free < 1 + reserve:
            wanted, kept = 1, 0  # bulk's turn: one permit, from the reserve if need be
        granted = max(0, min(wanted, floor(free - kept)))
        probe = throttle.holding and granted > 0
        if granted:
            await limiter.acquire(granted)  # at once: that many are free
            # A call or two left over is no contention: they get the next permits anyhow.
            if lane is Lane.BULK:
                self.interactive_streak = 0
            elif contended or wanted - granted >= 2:
                self.interactive_streak += granted
            if probe:
                throttle.probe()
        return Offer(granted, limiter.until(1 + kept, now) + TIMER_SLACK, probe)

    def due(self, permits: float) -> float:
        """Return the seconds until that many permits are free."""
        now = self._now()
        hold = self._throttle.hold(now)
        return max(self._limiter.until(permits, now), 0.0 if hold == inf else hold)

    def give_back(self, permits: int, *, probe: bool) -> None:
        """Return permits that were not used."""
        self._limiter.give_back(permits)
        if probe:
            self._throttle.lost()

    def throttled(self, retry_after: float | None, *, probe: bool) -> None:
        """Note a 429: the bucket counts as full."""
        now = self._now()
        if self._throttle.refused(now, retry_after, probe=probe):
            # What leaked until now leaked at the old share; from now on the halved one counts.
            self._limiter.settle(self.rate.per_second * self._throttle.share(now))
            self._limiter.fill()

    def probed(self, *, passed: bool) -> None:
        """Note the probe's end."""
        if passed:
            self._throttle.passed()
        else:
            self._throttle.lost()

    def renewed(self) -> LocalBucket:
        """Return an equal bucket, with all its permits; see `Bucket.renewed`."""
        return LocalBucket(self.rate, random=self._random)

    async def aclose(self) -> None:
        """Do nothing: it holds no connection."""

    def _now(self) -> float:
        # Before the first permit there is no loop, and nothing has happened.
        return 0.0 if self._loop is None else self._loop.time()

    def __repr__(self) -> str:
        rate = self.rate
        return f"<LocalBucket {self.level:.1f}/{rate.burst} leaking {rate.per_second:g}/s>"


class _Limiter(AsyncLimiter):
    """The limiter, which also computes what is free and when, and takes permits back."""

    __slots__ = ()

    def settle(self, per_second: float) -> float:
        """Account for the time that has passed, leak at this rate from now on, and return what is free."""
        self.has_capacity()
        self._rate_per_sec = per_second
        return self.max_rate - self._level

    def level_at(self, now: float) -> float:
        # Unlike `has_capacity` this changes nothing, so that other threads may look.
        return max(0.0, self._level - (now - self._last_check) * self._rate_per_sec)

    def until(self, permits: float, now: float) -> float:
        return max(0.0, (self.level_at(now) + permits - self.max_rate) / self._rate_per_sec)

    def give_back(self, permits: int) -> None:
        self._level = max(0.0, self._level - permits)

    def fill(self) -> None:
        self._level = self.max_rate
