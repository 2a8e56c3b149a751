"""Those who wait for a marble, lane by lane, first come first served."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterator

    from kakaclo_async.events import Lane
    from kakaclo_async.traffic.marble import Marble

__all__ = ["LaneQueue", "Waiter"]


@attrs.define(slots=True, eq=False)
class Waiter:
    """One call that waits.

    Attributes:
        lane: its lane.
        again: it is a retry.
        since: the loop's time when it came.
        max_wait: seconds that it waits at most; None for as long as it takes.
        turn: gets the marble.
    """

    lane: Lane
    again: bool
    since: float
    max_wait: float | None
    turn: asyncio.Future[Marble]


class LaneQueue:
    """The waiters of one lane: retries first, both in the order they came.

    Whoever leaves is unlinked at once, wherever it stands: a cancelled waiter leaves nothing behind.
    """

    def __init__(self) -> None:
        self._retries: OrderedDict[Waiter, None] = OrderedDict()
        self._calls: OrderedDict[Waiter, None] = OrderedDict()

    def push(self, waiter: Waiter) -> None:
        """Let a waiter queue up."""
        (self._retries if waiter.again else self._calls)[waiter] = None

    def pop(self) -> Waiter | None:
        """Return the first waiter whose turn can still come, and forget it."""
        for queue in (self._retries, self._calls):
            while queue:
                waiter, _ = queue.popitem(last=False)
                if not waiter.turn.done():  # cancelled in this very turn of the loop
                    return waiter
        return None

    def discard(self, waiter: Waiter) -> None:
        """Forget a waiter, if it is still there."""
        (self._retries if waiter.again else self._calls).pop(waiter, None)

    def ahead_of(self, *, again: bool) -> int:
        """Return how many would go before a newcomer."""
        return len(self._retries) if again else len(self)

    def __len__(self) -> int:
        return len(self._retries) + len(self._calls)

    def __iter__(self) -> Iterator[Waiter]:
        yield from self._retries
        yield from self._calls
