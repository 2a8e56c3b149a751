"""Retry and backoff, pure: which failure allows another attempt, and after which pause."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Final

import attrs

from kakaclo_async.errors import (
    APIError,
    ConnectionFailed,
    DecodeError,
    KakaCloError,
    RateLimited,
    ServerError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator


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
    """Tell whether the request behind `error` can have changed nothing at KakaClo.

    A refusal that KakaClo words itself (4xx, a business code) comes before any effect; a 5xx, a page of a
    gateway, a redirect, a success that is none of the API's, a broken or unreadable answer may come after it.
    """
    if isinstance(error, ConnectionFailed):
        return not error.sent
    return not isinstance(error, (ServerError, DecodeError)) and type(error) is not APIError


def may_repeat(error: KakaCloError, *, writes: bool) -> bool:
    """Tell whether the same request may be sent once more after `error`.

    Reads are repeated after anything that may pass. Writes are repeated only when the first attempt never
    left or was refused for the rate, so that no order can be placed twice.
    """
    if isinstance(error, RateLimited):
        return True
    if isinstance(error, ConnectionFailed):
        return not (writes and error.sent)
    if writes:
        return False
    if isinstance(error, DecodeError):
        return error.where == "body"  # cut or swapped on the way; a wrong field will be wrong again
    return isinstance(error, ServerError) and error.status != 501
