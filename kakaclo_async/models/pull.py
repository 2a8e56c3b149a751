"""What a pull is about: a range of update times, and how it knows that it saw every row of it.

This module imports no other with errors, because an error carries a certificate.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import attrs

from kakaclo_async.travel.shown import Shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

SECOND: Final = timedelta(seconds=1)
DAY: Final = timedelta(days=1)


@attrs.frozen(order=True)
class Window(Shown):
    """A closed range of update times.

    The API's times are whole seconds, so the window after `[a, b]` starts at `b` + 1 s.

    Attributes:
        start: the first second, aware UTC.
        end: the last second, aware UTC, not before `start`.
    """

    start: datetime
    end: datetime

    def __contains__(self, moment: datetime) -> bool:
        return self.start <= moment <= self.end

    def __str__(self) -> str:
        return f"{self.start:%Y-%m-%dT%H:%M:%SZ}..{self.end:%Y-%m-%dT%H:%M:%SZ}"

    def halves(self, grid: timedelta = SECOND) -> tuple[Window, Window] | None:
        """Cut in the middle, on a boundary of the grid; None when the window contains no boundary.

        Args:
            grid: a second, or a day for servers that filter by whole days.
        """
        middle = self.start + (self.end - self.start + SECOND) / 2
        step = grid.total_seconds()
        cut = datetime.fromtimestamp(middle.timestamp() // step * step, UTC)
        if cut <= self.start:
            cut += grid
        if cut > self.end:
            return None
        return Window(self.start, cut - SECOND), Window(cut, self.end)


def merged(windows: Iterable[Window]) -> tuple[Window, ...]:
    """Return the same seconds as few windows in order."""
    result: list[Window] = []
    for window in sorted(windows):
        if result and window.start <= result[-1].end + SECOND:
            result[-1] = Window(result[-1].start, max(result[-1].end, window.end))
        else:
            result.append(window)
    return tuple(result)


def subtract(windows: Iterable[Window], taken: Sequence[Window]) -> tuple[Window, ...]:
    """Return the seconds of `windows` that are in none of `taken`, as few windows in order."""
    left: list[Window] = []
    for window in merged(windows):
        start = window.start
        for hole in merged(taken):
            if hole.end < start or hole.start > window.end:
                continue
            if hole.start > start:
                left.append(Window(start, hole.start - SECOND))
            start = hole.end + SECOND
        if start <= window.end:
            left.append(Window(start, window.end))
    return tuple(left)


@attrs.frozen(kw_only=True)
class Certificate(Shown):
    """How a pull knows that it saw every row.

    A window is certified when it fitted on one page, when it was read by key to its end, or when it was read
    from its last page to its first with as many distinct rows as its total.

    Attributes:
        windows: windows that were certified.
        requests: pages asked for.
        rereads: requests among them whose answer could not be used, because rows had moved or a replica was
            stale, or that asked for a page again.
        gaps: ranges that could not be certified down to the second; their rows may be incomplete.
        reasons: why, for each gap.
        bounded: whether some of them were not tried to the end, because the pull had made the requests that it may: 3
            for each page of stock, 5 for each page of products.
        finished: whether the pull came to its end.
    """

    windows: int = 0
    requests: int = 0
    rereads: int = 0
    gaps: tuple[Window, ...] = ()
    reasons: tuple[str, ...] = ()
    bounded: bool = False
    finished: bool = False

    @property
    def complete(self) -> bool:
        """Whether the pull ended, and saw every row."""
        return self.finished and not self.gaps

    @property
    def rests_on(self) -> tuple[str, ...]:
        """What is taken for granted about the server; where it does not hold, only a later reading finds the rows."""
        return (
            "a total below the largest one of the pull counts every row of its range",
            "an answer shows its rows and its total in one state of the index",
            "update times only grow: a row leaves a range that has ended, and none enters it",
            "rows with equal times keep their order while others leave, until they are seen in another one",
        )
