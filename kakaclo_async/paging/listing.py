"""Read a list that only has page numbers, and lose no row of it while it moves.

Page 1 has the total; the other pages are read from the last to the second. Rows that leave move those behind them
forward, onto pages that are still to come, so none is lost. Rows that come in move others back: the reading goes back
as many pages. No row is given out twice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

import attrs

from kakaclo_async.errors import IncompletePull
from kakaclo_async.models.pull import Certificate
from kakaclo_async.paging.jobs import page_count

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from kakaclo_async.models.common import Page


T = TypeVar("T")

_MAX_READINGS = 5
"""Readings after which the list is reported as incomplete."""

_MAX_BACKTRACKS = 8
"""Times that a reading may go back, besides once for each page; after that it goes on to its end."""


@attrs.define(slots=True)
class _Reading:
    """One reading of the list: the keys it has seen, and the total of its last page."""

    seen: set[object] = attrs.field(factory=set[object])
    total: int = 0


@attrs.define(slots=True)
class Listing(Generic[T]):
    """A list behind page numbers.

    Attributes:
        name: what the rows are, for messages.
        read: asks for one page, counted from 1.
        key: what makes a row one row.
    """

    name: str
    read: Callable[[int], Awaitable[Page[T]]]
    key: Callable[[T], object]
    _given: set[object] = attrs.field(factory=set[object], init=False)
    _requests: int = attrs.field(default=0, init=False)

    async def rows(self) -> AsyncGenerator[T, None]:
        """Yield every row once, in no promised order.

        Raises:
            IncompletePull: after the last row, when the list moved too much to be sure of all of them.
        """
        for _ in range(_MAX_READINGS):
            reading = _Reading()
            pages = self._pages(reading)
            async for page in pages:
                for row in page:
                    if (key := self.key(row)) not in self._given:
                        self._given.add(key)
                        yield row
            if len(reading.seen) >= reading.total:
                return
        raise IncompletePull(
            f"{self.name} kept changing while they were read: rows may be missing; read them again later",
            certificate=Certificate(
                requests=self._requests
            ),  # rows without times: no range can be named as a gap
        )

    async def _pages(self, reading: _Reading) -> AsyncGenerator[Page[T], None]:
        page = await self._read(1, reading)
        yield page
        total = total_at_first = reading.total
        size = len(page) or 1
        number = page_count(total, size)
        backtracks_left = number + _MAX_BACKTRACKS
        while number > 1 or (number == 1 and total != total_at_first):
            page = await self._read(number, reading)
            yield page
            grown, total = reading.total - total, reading.total
            if number == 1:
                total_at_first = total
            if grown > 0 and backtracks_left > 0:
                backtracks_left -= 1
                number += page_count(grown, size)
            else:
                number -= 1
            number = min(number, page_count(total, size))

    async def _read(self, number: int, reading: _Reading) -> Page[T]:
        page = await self.read(number)
        self._requests += 1
        reading.seen.update(map(self.key, page))
        reading.total = len(reading.seen) if page.total is None else page.total
        return page
