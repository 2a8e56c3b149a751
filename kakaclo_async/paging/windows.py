"""Closed ranges of update times, and the arithmetic of what is done and what is left."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import attrs

from kakaclo_async.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


SECOND: Final = timedelta(seconds=1)
DAY: Final = timedelta(days=1)

INDEX_LAG: Final = timedelta(minutes=10)
"""How far behind now a window ends: the search index trails the database by up to 5 minutes."""


@attrs.frozen(order=True)
class Window:
    """A closed range of update times.

    The API's times are whole seconds, so the window after `[a, b]` starts at `b` + 1 s.

    Attributes:
        start: the first second, aware UTC.
        end: the last second, aware UTC, not before `start`.
    """

    start: datetime
    end: datetime

    @classmethod
    def between(cls, start: datetime, end: datetime) -> Window:
        """Check a range that a caller gave, and widen it to whole UTC seconds.

        Args:
            start: aware.
            end: aware, after `start`.

        Raises:
            InvalidRequest: a naive time, or a range that ends before it starts.
        """
        for name, moment in (("start", start), ("end", end)):
            if moment.tzinfo is None or moment.utcoffset() is None:
                raise InvalidRequest(
                    f"{name} {moment.isoformat()} has no time zone: pass an aware datetime,"
                    " for example datetime.now(UTC)"
                )
        if start >= end:
            raise InvalidRequest(
                f"the range starts at {start.isoformat()}, not before its end {end.isoformat()}"
            )
        return cls(
            start.astimezone(UTC).replace(microsecond=0),
            end.astimezone(UTC).replace(microsecond=0),
        )

    def __contains__(self, moment: datetime) -> bool:
        return self.start <= moment <= self.end

    def __str__(self) -> str:
        return f"{self.start:%Y-%m-%dT%H:%M:%SZ}..{self.end:%Y-%m-%dT%H:%M:%SZ}"

    def halves(self, grid: timedelta = SECOND) -> tuple[Window, Window] | None:
        """Cut in the middle, on a boundary of the grid; None when there is none inside.

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


def complete_until(now: datetime) -> datetime:
    """Return the latest end of a window whose rows are all in the index."""
    return now.astimezone(UTC).replace(microsecond=0) - INDEX_LAG


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
