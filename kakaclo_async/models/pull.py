"""What a pull is about: a range of update times, and how it knows that it saw every row of it.

This module imports nothing of the package, because an error carries a certificate.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

import attrs

SECOND: Final = timedelta(seconds=1)
DAY: Final = timedelta(days=1)


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


@attrs.frozen(kw_only=True)
class Certificate:
    """How a pull knows that it saw every row.

    A window is certified when it fitted on one page, when it was read by key to its end, or when it was read
    from its last page to its first with as many distinct rows as its total.

    Attributes:
        windows: windows that were certified.
        requests: pages asked for.
        rereads: requests among them whose answer could not be used, because rows had moved or a replica was
            stale, or that asked for a page again.
        gaps: ranges that could not be certified down to the second; their rows may be incomplete.
        finished: whether the pull came to its end.
    """

    windows: int = 0
    requests: int = 0
    rereads: int = 0
    gaps: tuple[Window, ...] = ()
    finished: bool = False

    @property
    def complete(self) -> bool:
        """Whether the pull ended, and saw every row."""
        return self.finished and not self.gaps
