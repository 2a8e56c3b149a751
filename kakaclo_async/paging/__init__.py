"""Pull lists that move while one reads them, without losing a row: all rows of a range, each once."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING, TypeVar

from kakaclo_async.errors import IncompletePull, InvalidRequest
from kakaclo_async.models.pull import Window, merged as merged, subtract as subtract
from kakaclo_async.paging.jobs import (
    INDEX_LAG as INDEX_LAG,
    TOO_DEEP as TOO_DEEP,
    Checkpoint as Checkpoint,
    Knowledge as Knowledge,
    Progress as Progress,
    Source as Source,
    checked_window as checked_window,
    complete_until as complete_until,
)
from kakaclo_async.paging.listing import RowStream, Unread
from kakaclo_async.paging.windows import MAX_CONCURRENCY, Windows as Windows

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable

    from kakaclo_async.codec import Undecodable
    from kakaclo_async.models.pull import Certificate
    from kakaclo_async.paging.jobs import Progress, Source


T = TypeVar("T")

_GAPS_SHOWN = 3
"""Gaps that an error names."""


class Pull(RowStream[T]):
    """All rows of a range of update times, each once, while they move.

    Iterate over it for the rows; a slow consumer holds it, and at most one page per window being read is in memory.
    Close it (`aclose`, `contextlib.aclosing`) to end it early. The `certificate` tells how complete it is.

    Args:
        source: the endpoint.
        window: the range, or the checkpoints that an interrupted pull left.
        concurrency: windows read at once, for each shop, 1 to 16; None: 2 to 16, as the first answer's latency and
            `rate` call for.
        rate: requests per second that the API grants a shop.
        coarse: the server is known to filter by whole days.
        sleep: waits some seconds.
        clock: tells seconds, to measure latency.
        known: what was learned about the server; the pulls of one endpoint may share it.
        shops: tells how many shops' permits the source spends now.

    Raises:
        InvalidRequest: `concurrency` out of its range.
        IncompletePull: from iteration, after the last row: some ranges could not be certified.
        DecodeError: likewise, some rows cannot be read; it names them.
    """

    def __init__(
        self,
        source: Source[T | Undecodable],
        window: Window | Iterable[Checkpoint],
        *,
        concurrency: int | None = None,
        rate: float = 2.0,
        coarse: bool = False,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        clock: Callable[[], float] | None = None,
        known: Knowledge | None = None,
        shops: Callable[[], int] = lambda: 1,
    ) -> None:
        if concurrency is not None and not 1 <= concurrency <= MAX_CONCURRENCY:
            raise InvalidRequest(f"concurrency must be 1 to {MAX_CONCURRENCY}, not {concurrency}")
        checkpoints = [Checkpoint(window=window)] if isinstance(window, Window) else window
        # Apart, so that a dropped pull is collected, and its requests end, although its windows are being read.
        self._windows = Windows(
            source,
            checkpoints,
            concurrency,
            rate,
            coarse,
            sleep,
            clock,
            Knowledge() if known is None else known,
            shops=shops,
        )
        super().__init__(_pages(self._windows))

    @property
    def name(self) -> str:
        """What the rows are."""
        return self._windows.source.name

    @property
    def certificate(self) -> Certificate:
        """What can be said about completeness so far."""
        return self._windows.certificate

    @property
    def coarse(self) -> bool:
        """Whether the server was seen to filter by whole days."""
        return self._windows.coarse

    @property
    def known(self) -> Knowledge:
        """What was learned about the server."""
        return self._windows.known

    def batches(self, most: int) -> AsyncGenerator[tuple[Progress[T | Undecodable], ...], None]:
        """Iterate over the pages that have arrived since the last batch, with rows that cannot be read.

        See `Windows.batches`.

        Args:
            most: pages in a batch.
        """
        return RowStream(_one_by_one(self._windows.batches(most)))

    def __repr__(self) -> str:
        return f"<Pull of {self.name}: {self.certificate}>"


async def _pages(windows: Windows[T | Undecodable]) -> AsyncGenerator[tuple[T, ...], None]:
    """Yield the rows of one page after another.

    Raises:
        IncompletePull: after the last page: some ranges could not be certified.
        DecodeError: likewise: some rows cannot be read.
    """
    unread = Unread()
    async with aclosing(windows.batches(1)) as batches:
        async for (page,) in batches:
            yield unread.sift(page.rows)
    if gaps := windows.certificate.gaps:
        more = f" and {len(gaps) - _GAPS_SHOWN} more" if len(gaps) > _GAPS_SHOWN else ""
        shown = ", ".join(map(str, gaps[:_GAPS_SHOWN])) + more
        raise IncompletePull(
            f"{windows.source.name} of {shown} kept moving or cannot be paged: rows may be missing;"
            f" pull those ranges again later ({windows.certificate.reasons[0]})"
            + (f"; and {unread}" if unread.count else ""),
            certificate=windows.certificate,
        )
    unread.check(windows.source.name)


async def _one_by_one(
    batches: AsyncGenerator[tuple[Progress[T], ...], None],
) -> AsyncGenerator[tuple[tuple[Progress[T], ...]], None]:
    async with aclosing(batches):
        async for batch in batches:
            yield (batch,)
