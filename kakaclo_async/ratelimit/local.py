"""The bucket of one process."""

from __future__ import annotations

import asyncio
import random
from math import floor, inf, sqrt
from typing import TYPE_CHECKING

import attrs
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
"""Permits that leak, at the full rate, while the believed share grows from nothing to all."""

PROBE_LEASE = 10.0
"""Seconds that all others wait for a probe: after them, the next request is a probe as well."""


@attrs.frozen(slots=True)
class Leak:
    """How the bucket leaks from some moment on: at a share of the shop's rate, which grows to all of it.

    Attributes:
        per_second: the shop's rate.
        share: the part of it at that moment.
    """

    per_second: float
    share: float = 1.0

    @property
    def _growth(self) -> float:
        # Linear in time: at the full rate, PERMITS_TO_RECOVER permits leak while it grows from 0 to 1.
        return self.per_second / PERMITS_TO_RECOVER

    def after(self, seconds: float) -> Leak:
        """Return how it leaks that much later."""
        if self.share >= 1.0:
            return self
        return Leak(self.per_second, min(1.0, self.share + seconds * self._growth))

    def permits(self, seconds: float) -> float:
        """Return how many permits leak in that time."""
        growing = min(seconds, (1.0 - self.share) / self._growth)  # a line, and then a constant
        return self.per_second * (self.share * growing + self._growth * growing**2 / 2 + seconds - growing)

    def seconds(self, permits: float) -> float:
        """Return how long it takes until that many permits have leaked."""
        growing = (1.0 - self.share) / self._growth
        rest = permits - self.permits(growing)
        if rest >= 0:
            return growing + rest / self.per_second
        # The root of the line's integral, in the form that subtracts no two large numbers.
        at_full_rate = permits / self.per_second
        return 2 * at_full_rate / (self.share + sqrt(self.share**2 + 2 * self._growth * at_full_rate))


@attrs.frozen(slots=True)
class View:
    """What was last heard of a bucket.

    Attributes:
        at: the loop's time when it was heard.
        level: permits in it.
        leak: how it leaks from then on.
        hold: seconds that all calls hold after a 429.
        holding: whether a 429 came, and no probe has passed since.
        interactive_streak: see `Bucket.interactive_streak`.
        processes: how many share it.
    """

    at: float
    level: float
    leak: Leak
    hold: float = 0.0
    holding: bool = False
    interactive_streak: int = 0
    processes: int = 1

    def level_at(self, now: float) -> float:
        """Return the permits in it at a time of the loop."""
        return max(0.0, self.level - self.leak.permits(now - self.at))

    def empty_at(self, per_second: float) -> float:
        """Return the loop's time before which it cannot be empty."""
        return self.at + self.level / per_second


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
        self._probe_until = -inf
        self._leak = Leak(per_second)
        self._leak_at = 0.0

    @property
    def holding(self) -> bool:
        """Whether the next permit is a probe."""
        return self._refusals > 0

    def pause(self, now: float) -> float:
        """Return the seconds until the next probe may go."""
        return max(0.0, self._until - now) if self._refusals else 0.0

    def hold(self, now: float) -> float:
        """Return the same, or what is left of the lease of a probe that is out, if that is longer."""
        return max(self.pause(now), self._probe_until - now) if self._refusals else 0.0

    def leak(self, now: float) -> Leak:
        """Return how the bucket is believed to leak for us from now on."""
        self._leak, self._leak_at = self._leak.after(now - self._leak_at), now
        return self._leak

    def start(self, now: float, share: float, hold: float | None) -> None:
        """Begin with this share of the leak, and with a pause of so many seconds unless it is None."""
        self._leak, self._leak_at = Leak(self._per_second, share), now
        self._refusals, self._until = (0, 0.0) if hold is None else (1, now + hold)

    def probe(self, now: float) -> None:
        """Note that the permit just granted is the probe."""
        self._probe_until = now + PROBE_LEASE

    def refused(self, now: float, retry_after: float | None, *, probe: bool) -> bool:
        """Note a 429; return whether it says something new.

        A volley that meets a full bucket brings many 429s; they are one event, however many.
        """
        asked = 0.0 if retry_after is None else min(max(retry_after, 0.0), LONGEST_PAUSE)
        if self._refusals and not probe:
            self._until = max(self._until, now + asked)
            return False
        self._refusals += 1
        self._probe_until = -inf
        self._until = now + (self._pause() if retry_after is None else asked)
        self._leak = Leak(self._per_second, max(SMALLEST_SHARE, self.leak(now).share / 2))
        return True

    def passed(self) -> None:
        """Note that the probe was let through."""
        self._refusals = 0
        self._probe_until = -inf

    def lost(self) -> None:
        """Note that the probe brought no news: the next permit is a probe again, without another pause."""
        self._probe_until = -inf

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

    @property
    def hold(self) -> float | None:
        """Seconds until the next probe may go after a 429; None: all clear."""
        return self._throttle.pause(self._now()) if self._throttle.holding else None

    def start(self, level: float, share: float, hold: float | None) -> None:
        """Begin with what is known of the shop's bucket, in a running event loop.

        Args:
            level: permits in it.
            share: the share of its leak to count on.
            hold: seconds of a pause after a 429; None: there was none.
        """
        self._loop = asyncio.get_running_loop()
        now = self._now()
        self._throttle.start(now, share, hold)
        self._limiter.settle(now, self._throttle.leak(now))
        self._limiter.fill(level)

    async def take(self, lane: Lane, wanted: int, *, reserve: int, contended: bool) -> Offer:
        """Take up to `wanted` permits; see `Bucket.take`."""
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
        now, throttle, limiter = self._now(), self._throttle, self._limiter
        if hold := throttle.hold(now):
            return Offer(wait=hold + TIMER_SLACK)
        if throttle.holding:
            wanted = 1  # the probe
        free = limiter.settle(now, throttle.leak(now))
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
                throttle.probe(now)
        until = now + (limiter.max_rate - free + granted) / self.rate.per_second
        return Offer(granted, limiter.until(1 + kept, now) + TIMER_SLACK, probe, until=until)

    def due(self, permits: float) -> float:
        """Return the seconds until that many permits are free."""
        now = self._now()
        # A probe that is out may be back at any moment: its lease is the worst case, and no estimate.
        return max(self._limiter.until(permits, now), self._throttle.pause(now))

    def give_back(self, permits: int, *, probe: bool) -> None:
        """Return permits that were not used."""
        self._limiter.give_back(permits)
        if probe:
            self._throttle.lost()

    def throttled(self, retry_after: float | None, *, probe: bool) -> None:
        """Note a 429: the bucket counts as full."""
        now = self._now()
        if self._throttle.refused(now, retry_after, probe=probe):
            self._limiter.settle(now, self._throttle.leak(now))
            self._limiter.fill(self.rate.burst)

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

    __slots__ = ("_leaking",)

    def __init__(self, max_rate: float, time_period: float) -> None:
        super().__init__(max_rate, time_period)
        self._leaking = Leak(max_rate / time_period)

    def settle(self, now: float, leaking: Leak) -> float:
        """Account for the time that has passed, leak like this from now on, and return what is free."""
        self._level = self.level_at(now)
        self._last_check = now
        self._leaking = leaking
        self._rate_per_sec = leaking.per_second * leaking.share
        return self.max_rate - self._level

    def level_at(self, now: float) -> float:
        # This changes nothing, so that other threads may look.
        return max(0.0, self._level - self._leaking.permits(max(0.0, now - self._last_check)))

    def until(self, permits: float, now: float) -> float:
        needed = self.level_at(now) + permits - self.max_rate
        return self._leaking.after(now - self._last_check).seconds(needed) if needed > 0 else 0.0

    def give_back(self, permits: int) -> None:
        self._level = max(0.0, self._level - permits)

    def fill(self, level: float) -> None:
        self._level = level
