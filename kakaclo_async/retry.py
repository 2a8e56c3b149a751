"""Retry, pure: which failure may be followed by another attempt, and after which pause."""

from __future__ import annotations

from typing import TYPE_CHECKING

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
    from collections.abc import Callable


@attrs.frozen(slots=True, kw_only=True)
class Backoff:
    """Full jitter: a random pause up to a ceiling that doubles with each attempt.

    Attributes:
        first: the ceiling after the first attempt, in seconds.
        ceiling: the highest ceiling, in seconds.
    """

    first: float = 0.5
    ceiling: float = 8.0

    def pause(self, attempt: int, random: Callable[[], float]) -> float:
        """Return the seconds to pause after attempt number `attempt` (from 1); `random` gives [0, 1)."""
        return random() * min(self.ceiling, self.first * 2.0 ** min(attempt - 1, 30))


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
