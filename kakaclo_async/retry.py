"""Retry and backoff, pure: which failure allows another attempt, and after which pause."""

from __future__ import annotations

import asyncio
from itertools import count
from math import inf
from typing import TYPE_CHECKING, Final, TypeVar

import attrs

from kakaclo_async.errors import (
    APIError,
    ConnectionFailed,
    DeadlineExceeded,
    DecodeError,
    KakaCloError,
    OutcomeUnknown,
    RateLimited,
    ServerError,
)
from kakaclo_async.events import Lane

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from kakaclo_async.config import Options

T = TypeVar("T")


@attrs.frozen(slots=True)
class Pauses:
    """Exponential backoff: pauses that grow by a factor, up to the longest.

    Iterate over it for one pause after another, without end, or ask for a single one with `after`.

    Attributes:
        first: seconds of the first pause.
        growth: factor from one pause to the next.
        longest: seconds of the longest pause.
    """

    first: float
    growth: float
    longest: float

    def after(self, attempt: int) -> float:
        """Return the seconds to pause after attempt number `attempt`, from 1."""
        # The exponent is capped because a float overflows long before an outage of weeks ends.
        return min(self.longest, self.first * self.growth ** min(attempt - 1, 60))

    def __iter__(self) -> Iterator[float]:
        return map(self.after, count(1))


BACKOFF: Final = Pauses(first=0.5, growth=2.0, longest=8.0)
"""Between the attempts of one call; each pause is drawn from 0 up to this ("full jitter")."""


def surely_not_executed(error: KakaCloError) -> bool:
    """Return whether the failed request surely changed nothing at KakaClo.

    A refusal that KakaClo words itself (4xx, a business code) comes before any effect; a 5xx, a page of a
    gateway, a redirect, a foreign success, a broken or unreadable answer may come after one.
    """
    match error:
        case ConnectionFailed():
            return not error.sent
        case APIError():
            return error.declined
        case _:
            return not isinstance(error, (DecodeError, OutcomeUnknown))


def may_repeat(error: KakaCloError, *, writes: bool) -> bool:
    """Return whether the same request may be sent again after `error`.

    Reads are repeated after anything that may be temporary. Writes are repeated only when the request never left or
    met the rate limit, so that no order is placed twice.
    """
    if isinstance(error, RateLimited):
        return True
    if isinstance(error, ConnectionFailed):
        return not (writes and error.sent)
    if writes:
        return False
    if isinstance(error, DecodeError):
        return error.where == "body"  # cut off or replaced on the way; a wrong field would be wrong again
    return isinstance(error, ServerError) and error.status != 501


@attrs.define(slots=True)
class Budget:
    """What one request may still cost; waiting for permits and the time after that count apart.

    Attributes:
        options: the limits.
        deadline: the loop's time when the whole call, of which the request may be a part, must have ended.
        attempt: the number of this attempt, from 1.
        refusals: 429s, which cost the bulk lane no attempt: its jobs wait as long as it takes.
        waited: seconds in the queue.
        spent: seconds outside of it.
        preparing: seconds that this attempt took before its request left.
        left: whether a request may have left.
    """

    options: Options
    deadline: float
    attempt: int = 0
    refusals: int = 0
    waited: float = 0.0
    spent: float = 0.0
    preparing: float = 0.0
    left: bool = False

    def wait_left(self, now: float) -> float | None:
        """Return the seconds to wait for a permit at most; None for as long as it takes."""
        limit = self.options.wait_limit
        left = min(
            inf if limit is None else limit - self.waited, self.deadline - now - self.options.least_time
        )
        return None if left == inf else max(0.0, left)

    def time_left(self, now: float) -> float:
        """Return the seconds for attempts, and the pauses between them."""
        return min(self.options.timeout - self.spent, self.deadline - now)

    def attempt_time(self, now: float, *, writes: bool) -> float:
        """Return the seconds for the request of this attempt: for a write, which is sent once, all that are left."""
        left = self.time_left(now)
        own = max(self.options.attempt_limit - self.preparing, self.options.least_time)
        return left if writes else min(left, own)

    def has_time(self, now: float, pause: float = 0.0) -> bool:
        """Return whether an attempt makes sense after a pause."""
        return pause + self.options.least_time <= self.time_left(now)

    def has_attempts(self) -> bool:
        """Return whether another one may be made."""
        used = self.attempt - (self.refusals if self.options.lane is Lane.BULK else 0)
        return used < self.options.max_attempts


_PAUSES: Final = Pauses(first=1.0, growth=1.5, longest=60.0)


def may_pass(error: KakaCloError) -> bool:
    """Return whether a look that failed may succeed later: KakaClo is down, or no permit came in time."""
    return may_repeat(error, writes=False) or isinstance(error, DeadlineExceeded)


async def poll(
    look: Callable[[], Awaitable[T]],
    is_over: Callable[[T], bool],
    *,
    timeout: float | None,  # noqa: ASYNC109 - the last look decides what the error says
    too_late: Callable[[T | None], str],
) -> T:
    """Look until it is over.

    Args:
        look: looks once; a temporary failure counts as no news. It is cut off when the time is up, so it must only
            read; `timeout=0` is one look.
        is_over: whether what was seen ends the wait.
        timeout: seconds at most; None for as long as it takes.
        too_late: words what the last look showed, None if none succeeded, for the error.

    Raises:
        DeadlineExceeded: it is not over after `timeout`.
        KakaCloError: a look failed for good.
    """
    clock = asyncio.get_running_loop().time
    deadline = None if timeout is None else clock() + timeout
    seen: T | None = None
    failure: KakaCloError | None = None
    pauses = iter(_PAUSES)
    while True:
        try:
            async with asyncio.timeout_at(deadline if timeout else None):
                seen, failure = await look(), None
            if is_over(seen):
                return seen
        except TimeoutError as error:
            failure = error if isinstance(error, KakaCloError) else failure
        except KakaCloError as error:
            if not may_pass(error):
                raise
            failure = error
        pause = next(pauses)
        left = pause if deadline is None else deadline - clock()
        if left <= 0:
            raise DeadlineExceeded(f"{too_late(seen)} after {timeout:g} s") from failure
        await asyncio.sleep(min(pause, left))
