"""Retry and backoff, pure: which failure allows another attempt, and after which pause."""

from __future__ import annotations

import asyncio
from itertools import count
from typing import TYPE_CHECKING, Final, TypeVar

import attrs

from kakaclo_async.config import check_timeout
from kakaclo_async.errors import (
    APIError,
    ClientClosed,
    ConnectionFailed,
    DeadlineExceeded,
    DecodeError,
    KakaCloError,
    OutcomeUnknown,
    RateLimited,
    ServerError,
    Unauthorized,
)
from kakaclo_async.events import Retried

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from kakaclo_async.events import Named


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


def outcome(error: BaseException) -> tuple[int | str | None, str]:
    """Return the business code that an error brings, if any, and the name of its class."""
    return error.code if isinstance(error, APIError) else None, type(error).__name__


def retried(named: Named, error: KakaCloError, attempt: int, pause: float = 0.0) -> Retried:
    """Return the event of a request that will be sent again."""
    code, reason = outcome(error)
    return Retried(**named, attempt=attempt, reason=reason, pause=pause, code=code)


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


def never_left(error: BaseException, *, writes: bool) -> bool:
    """Return whether a request that ended without an answer surely sent nothing."""
    match error:
        case ConnectionFailed():
            return not error.sent
        case ClientClosed():
            return True
        case KakaCloError():
            return False
        case _:  # a cancelled write that had left would be a ConnectionFailed; of a read, it is not known
            return writes


def asked_pause(error: KakaCloError) -> float:
    """Return the seconds that KakaClo asks to wait, whatever status says so; 0 when none does."""
    return (error.retry_after or 0.0) if isinstance(error, APIError) else 0.0


def doubts_token(error: KakaCloError) -> bool:
    """Return whether another token may help; a 403 is about a token that KakaClo knows."""
    return isinstance(error, Unauthorized) and error.status != 403


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
        InvalidRequest: `timeout` is no number.
        DeadlineExceeded: it is not over after `timeout`.
        KakaCloError: a look failed for good.
    """
    check_timeout(timeout)
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
