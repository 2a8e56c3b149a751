"""A search in the catalog's list: what is looked for, the lines that are searched, and the pages that come of it."""

from __future__ import annotations

import base64
import json
from bisect import bisect_right
from itertools import accumulate
from operator import attrgetter
from typing import TYPE_CHECKING, Final, cast

import attrs

from kakaclo_async.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

PER_PAGE: Final = 48
SORTS: Final = {
    "newest": "Updated last",
    "cheapest": "Cheapest first",
    "dearest": "Dearest first",
    "stock": "Most in stock",
}
NO_PRICE: Final = 1e15
_CHUNK: Final = 1_000


@attrs.frozen(slots=True)
class Line:
    """What of a product is searched; what lists are sorted by is such that the least comes first."""

    spu: str
    text: str
    category: int | None
    status: int | None
    newest: float
    cheapest: float
    dearest: float
    stock: float


class Ordered:
    """The lines in one of the orders, with their texts in one, which is searched many times as fast.

    Args:
        lines: in any order.
        by: one of `SORTS`.
    """

    def __init__(self, lines: Iterable[Line], by: str) -> None:
        self._key: Callable[[Line], tuple[float, str]] = attrgetter(by, "spu")
        self._lines = sorted(lines, key=self._key)
        self._text = "\0".join(line.text for line in self._lines)
        self._starts = [0, *accumulate(len(line.text) + 1 for line in self._lines)]

    def chunks(self, word: str, after: tuple[float, str] | None) -> Iterator[list[Line]]:
        """Iterate over the lines whose text has a word, some at a time.

        Args:
            word: the word; empty: all lines.
            after: where the page before ended.
        """
        lines, starts = self._lines, self._starts
        place = 0 if after is None else bisect_right(lines, after, key=self._key)
        if not word:
            for first in range(place, len(lines), _CHUNK):
                yield lines[first : first + _CHUNK]
            return
        found: list[Line] = []
        while (at := self._text.find(word, starts[place])) >= 0:
            place = bisect_right(starts, at, lo=place)
            found.append(lines[place - 1])
            if len(found) == _CHUNK:
                yield found
                found = []
        yield found


@attrs.frozen(kw_only=True)
class Search:
    """What is looked for.

    Attributes:
        words: each stands in the name, or in the SPU code.
        category: its number.
        status: of the product.
        country: where some of its SKUs lie in stock.
        low: the lowest price, US dollars.
        high: the highest.
        sort: one of `SORTS`.
        after: where the page before ended, as `Found.next` has it.
    """

    words: tuple[str, ...] = ()
    category: int | None = None
    status: int | None = None
    country: str | None = None
    low: float | None = None
    high: float | None = None
    sort: str = "newest"
    after: str | None = None

    def sift(self, lines: list[Line]) -> list[Line]:
        """Return those that are looked for, their country apart; a loop for each wish is what is quick."""
        if self.category is not None:
            lines = [line for line in lines if line.category == self.category]
        if self.status is not None:
            lines = [line for line in lines if line.status == self.status]
        if (low := self.low) is not None:
            lines = [line for line in lines if low <= line.cheapest < NO_PRICE]
        if (high := self.high) is not None:
            lines = [line for line in lines if line.cheapest <= high]
        for word in self.words:
            lines = [line for line in lines if word in line.text]
        return lines


@attrs.frozen
class Found:
    """A page of a list.

    Attributes:
        spus: `PER_PAGE` at most.
        next: where the next page begins; None: all was looked through.
    """

    spus: Sequence[str]
    next: str | None


def page_of(search: Search, lines: Sequence[Line], last: Line | None) -> Found:
    """Make a page; another follows after the last line that was looked at, if one is named."""
    if last is None:
        return Found([line.spu for line in lines], None)
    text = json.dumps([getattr(last, search.sort), last.spu])
    return Found([line.spu for line in lines], base64.urlsafe_b64encode(text.encode()).decode())


def read_cursor(after: str) -> tuple[float, str]:
    """Read where a page ended.

    Raises:
        InvalidRequest: it is no such place.
    """
    try:
        value, spu = cast("list[object]", json.loads(base64.urlsafe_b64decode(after.encode()).decode()))
        if isinstance(value, int | float) and isinstance(spu, str):
            return float(value), spu
    except (ValueError, TypeError, OverflowError, RecursionError):
        pass
    raise InvalidRequest("this page does not belong to the list: start at its first page")
