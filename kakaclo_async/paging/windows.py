"""Ranges of update times: the check of what a caller gave, and the arithmetic of what is done and what is left."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from kakaclo_async.errors import InvalidRequest
from kakaclo_async.models.pull import SECOND, Window

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


INDEX_LAG: Final = timedelta(minutes=10)
"""How far behind now a window ends: the search index trails the database by up to 5 minutes."""


def checked_window(start: datetime, end: datetime) -> Window:
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
        raise InvalidRequest(f"the range starts at {start.isoformat()}, not before its end {end.isoformat()}")
    return Window(start.astimezone(UTC).replace(microsecond=0), end.astimezone(UTC).replace(microsecond=0))


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
