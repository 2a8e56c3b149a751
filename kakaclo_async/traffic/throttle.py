"""What a 429 sets off: all hold, one probe goes out after a pause, and the estimate of our share shrinks."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["LONGEST_PAUSE", "MARBLES_TO_RECOVER", "SMALLEST_SHARE", "Throttle"]

LONGEST_PAUSE = 60.0
"""Seconds that a pause after a 429 takes at most, whatever the server asks for."""

SMALLEST_SHARE = 1 / 16
"""The part of the leak that we always believe is ours."""

MARBLES_TO_RECOVER = 100
"""Marbles that leak while the believed share grows from nothing to all."""


class Throttle:
    """The state between a 429 and the first answer that is none.

    While nobody else spends the shop's marbles, no 429 comes and `share` is 1. When another program uses the
    same token, each 429 halves the share of the leak that we count on, and it grows again evenly with time
    (additive increase, multiplicative decrease): the client settles at what the others leave, at few
    refusals.

    Args:
        per_second: marbles that leak per second.
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
        """Whether the next marble is a probe."""
        return self._refusals > 0

    def hold(self, now: float) -> float:
        """Return the seconds until the next marble may go; infinity while the probe is out."""
        if not self._refusals:
            return 0.0
        return inf if self._probing else max(0.0, self._until - now)

    def share(self, now: float) -> float:
        """Return the part of the leak that is believed to be ours, up to 1."""
        if self._share < 1.0:
            grown = (now - self._share_at) * self._per_second / MARBLES_TO_RECOVER
            self._share = min(1.0, self._share + grown)
        self._share_at = now
        return self._share

    def probe(self) -> None:
        """Note that the marble just granted is the probe."""
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
        """Note that nothing is known of the probe: the next marble is one again, without another pause."""
        self._probing = False

    def _pause(self) -> float:
        longest = min(LONGEST_PAUSE, 2.0 ** min(self._refusals, 30) / self._per_second)
        return longest * (0.5 + self._random() / 2)
