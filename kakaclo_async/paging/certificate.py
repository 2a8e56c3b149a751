"""What a pull can say about its completeness."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from kakaclo_async.paging.windows import Window


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
