"""Read a list that only has page numbers, and lose no row of it while it moves.

Page 1 tells the total; the other pages are read from the last to the second. Rows that leave move those behind them
forward, onto pages that are still to come, so none is lost. Rows that come in move others back: the reading goes back
as many pages. What was given out is not given out again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

import attrs

from kakaclo_async.errors import IncompletePull
from kakaclo_async.models.pull import Certificate

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from kakaclo_async.models.common import Page


T = TypeVar("T")

_ROUNDS = 5
"""Readings after which a list counts as restless."""

_TURNS = 8
"""Turns back, besides one for each page, after which a reading goes on to its end to show what it can."""


@attrs.define(slots=True)
class _Round(Generic[T]):
    """One reading of the list: what it has seen, and the total that its last page told."""

    seen: set[object] = attrs.field(factory=set[object])
    clock: int = 0


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
        for _ in range(_ROUNDS):
            reading = _Round[T]()
            pages = self._pages(reading)
            async for page in pages:
                for row in page:
                    if (key := self.key(row)) not in self._given:
                        self._given.add(key)
                        yield row
            if len(reading.seen) >= reading.clock:
                return
        raise IncompletePull(
            f"{self.name} kept changing while they were read: rows may be missing; read them again later",
            certificate=Certificate(requests=self._requests, finished=True),
        )

    async def _pages(self, reading: _Round[T]) -> AsyncGenerator[Page[T], None]:
        page = await self._read(1, reading)
        yield page
        total = told_by_first = reading.clock
        size = len(page) or 1
        number = _pages(total, size)
        turns_left = number + _TURNS
        while number > 1 or (number == 1 and total != told_by_first):
            page = await self._read(number, reading)
            yield page
            grown, total = reading.clock - total, reading.clock
            if number == 1:
                told_by_first = total
            if grown > 0 and turns_left > 0:
                turns_left -= 1
                number += _pages(grown, size)
            else:
                number -= 1
            number = min(number, _pages(total, size))

    async def _read(self, number: int, reading: _Round[T]) -> Page[T]:
        page = await self.read(number)
        self._requests += 1
        reading.seen.update(map(self.key, page))
        reading.clock = len(reading.seen) if page.total is None else page.total
        return page


def _pages(rows: int, size: int) -> int:
    return -(-rows // size)
