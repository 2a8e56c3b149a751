"""The search index: rows by time, and changes on their way into it."""

from __future__ import annotations

from array import array
from bisect import bisect_left, insort
from collections import deque
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator


T = TypeVar("T")

ABSENT = -1
"""The time of a row that is not there."""

_ROW_BITS = 32
_ROW_MASK = (1 << _ROW_BITS) - 1


class TimeIndex:
    """Row numbers ordered by a time in whole seconds.

    One sorted list of `time << 32 | row` holds the order: a window is two bisections, a page is a slice, a move is two
    shifts of memory.
    """

    def __init__(self, times: Iterable[int] = ()) -> None:
        """Number the rows from 0 in the order given."""
        self._times = array("q", times)
        self._keys = [moment << _ROW_BITS | row for row, moment in enumerate(self._times) if moment != ABSENT]
        self._keys.sort()

    def __len__(self) -> int:
        return len(self._keys)

    def __contains__(self, row: int) -> bool:
        return row < len(self._times) and self._times[row] != ABSENT

    def copy(self) -> TimeIndex:
        """Return an index of its own with the same rows."""
        copy_error = TimeIndex()
        copy_error._times = self._times[:]
        copy_error._keys = self._keys.copy()
        return copy_error

    def time_of(self, row: int) -> int:
        """Return the time of a row that is present."""
        return self._times[row]

    def put(self, row: int, moment: int) -> None:
        """Add a row, or move it."""
        self.remove(row)
        if row >= len(self._times):
            self._times.extend([ABSENT] * (row + 1 - len(self._times)))
        self._times[row] = moment
        insort(self._keys, moment << _ROW_BITS | row)

    def remove(self, row: int) -> None:
        """Take a row out, if it is there."""
        if row in self:
            del self._keys[bisect_left(self._keys, self._times[row] << _ROW_BITS | row)]
            self._times[row] = ABSENT

    def count(self, start: int, end: int) -> int:
        """Count the rows from `start` to `end`, both included."""
        low, high = self._window(start, end)
        return high - low

    def rows(self, start: int, end: int) -> list[int]:
        """Return the rows from `start` to `end`, both included, oldest first."""
        low, high = self._window(start, end)
        return [key & _ROW_MASK for key in self._keys[low:high]]

    def page(
        self,
        start: int,
        end: int,
        offset: int,
        limit: int,
        *,
        newest_first: bool = True,
        ties: Callable[[int], int] | None = None,
    ) -> list[int]:
        """Return `limit` rows of a window from `offset` on.

        Args:
            start: First second of the window.
            end: Last second of the window.
            offset: Rows to leave out.
            limit: Rows to return at most.
            newest_first: The order.
            ties: Sort key for rows of one second; None takes their numbers.
        """
        low, high = self._window(start, end)
        if newest_first:
            low, high = max(low, high - offset - limit), max(low, high - offset)
        else:
            low, high = min(low + offset, high), min(low + offset + limit, high)
        if low == high:
            return []
        rows = (
            [key & _ROW_MASK for key in self._keys[low:high]]
            if ties is None
            else self._shuffled(low, high, ties)
        )
        return rows[::-1] if newest_first else rows

    def _shuffled(self, low: int, high: int, ties: Callable[[int], int]) -> list[int]:
        # A page may begin or end within a second: order the whole of that second, then cut.
        first = bisect_left(self._keys, self._keys[low] >> _ROW_BITS << _ROW_BITS)
        last = bisect_left(self._keys, (self._keys[high - 1] >> _ROW_BITS) + 1 << _ROW_BITS)
        keys = sorted(self._keys[first:last], key=lambda key: (key >> _ROW_BITS, ties(key & _ROW_MASK)))
        return [key & _ROW_MASK for key in keys[low - first : high - first]]

    def _window(self, start: int, end: int) -> tuple[int, int]:
        low = bisect_left(self._keys, max(start, 0) << _ROW_BITS)
        return low, max(low, bisect_left(self._keys, max(end + 1, 0) << _ROW_BITS))


class Trail(Generic[T]):
    """Changes that a search index has not seen yet, in the order they were made.

    Args:
        lag: Virtual seconds by which the index trails the database.
    """

    def __init__(self, lag: float) -> None:
        self._lag = lag
        self._changes: deque[tuple[float, T]] = deque()

    def put(self, moment: float, change: T) -> None:
        """Note a change made at `moment`."""
        self._changes.append((moment, change))

    def due(self, now: float) -> Iterator[T]:
        """Hand out, once, the changes that the index knows at `now`."""
        while self._changes and self._changes[0][0] <= now - self._lag:
            yield self._changes.popleft()[1]
