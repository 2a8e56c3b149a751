"""Row numbers by code and by time, and changes on their way into the search index."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right, insort
from collections import defaultdict, deque
from math import gcd
from typing import TYPE_CHECKING, Generic, TypeVar

from kakaclo_async.sandbox.world.places import CATEGORIES
from kakaclo_async.sandbox.world.seed import Assortment, mix

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from kakaclo_async.sandbox.world.goods import Product


T = TypeVar("T")

ABSENT = -1
"""The time of a row that is not there."""

_ROW_BITS = 32
_ROW_MASK = (1 << _ROW_BITS) - 1


class Register:
    """All rows ever made, and their codes; shared by all views, and only ever grows.

    Products and SKUs have row numbers; the SKUs of one product are neighbours.
    """

    def __init__(self, seed: int) -> None:
        self._assortment = Assortment(seed)
        self._designs: dict[int, Product] = {}
        self._rows_of_designs: dict[str, int] = {}
        self._created = array("q")
        self._first_sku = array("q", [0])
        self._rows_by_category: defaultdict[int, list[int]] = defaultdict(list)

    def __len__(self) -> int:
        return len(self._created)

    @property
    def sku_count(self) -> int:
        """How many SKUs were ever made."""
        return self._first_sku[-1]

    def add(self, created: int, design: Product | None = None) -> int:
        """Make the next product, a given design or the next of the assortment, and return its row."""
        row = len(self._created)
        if design is None:
            skus, category = self._assortment.sku_count(row), self._assortment.category(row)
        else:
            skus, category = len(design.skus), design.category
            self._designs[row] = design
            self._rows_of_designs[design.spu] = row
        self._created.append(created)
        self._first_sku.append(self._first_sku[-1] + skus)
        self._rows_by_category[category].append(row)
        return row

    def product(self, row: int) -> Product:
        """Return a product as it was made."""
        return self._designs.get(row) or self._assortment.product(row, self._created[row])

    def spu(self, row: int) -> str:
        """Return the code of a product."""
        design = self._designs.get(row)
        return design.spu if design else self._assortment.spu(row)

    def row(self, spu: str) -> int | None:
        """Return the row of a product; None if the code was never used."""
        row = self._rows_of_designs.get(spu)
        if row is None:
            row = self._assortment.row(spu)
        # A design may have taken the row number that the assortment would have used.
        return row if row is not None and row < len(self) and self.spu(row) == spu else None

    def skus(self, row: int) -> range:
        """Return the rows of the SKUs of a product."""
        return range(self._first_sku[row], self._first_sku[row + 1])

    def product_of(self, sku_row: int) -> tuple[int, int]:
        """Return the row of the product of a SKU, and the SKU's place in it."""
        row = bisect_right(self._first_sku, sku_row) - 1
        return row, sku_row - self._first_sku[row]

    def sku_row(self, sku: str) -> int | None:
        """Return the row of a SKU; None if the code was never used."""
        row = self.row(sku.partition("_")[0])
        if row is not None:
            for sku_row, known in zip(self.skus(row), self.product(row).skus, strict=True):
                if known.code == sku:
                    return sku_row
        return None

    def sku_code(self, sku_row: int) -> str:
        """Return the code of a SKU."""
        row, place = self.product_of(sku_row)
        return self.product(row).skus[place].code

    def warehouses(self, row: int) -> tuple[str, ...]:
        """Return the warehouses that a product was first stocked in."""
        design = self._designs.get(row)
        return design.warehouses if design else self._assortment.warehouses(row)

    def in_category(self, category: int) -> list[int]:
        """Return the products of a category and of all below it."""
        below = (node.number for node in CATEGORIES.values() if category in node.path)
        return [row for number in below for row in self._rows_by_category.get(number, ())]


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
        """Return an independent index of the same rows."""
        copied = TimeIndex()
        copied._times, copied._keys = self._times[:], self._keys.copy()
        return copied

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
        """Remove a row, if present."""
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
        ties: int | None = None,
    ) -> list[int]:
        """Return `limit` rows of a window from `offset` on.

        Args:
            start: First second of the window.
            end: Last second of the window.
            offset: Rows to leave out.
            limit: Rows to return at most.
            newest_first: The order.
            ties: Shuffles the rows of each second: equal numbers alike, others otherwise. None orders them by number.
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

    def _shuffled(self, low: int, high: int, ties: int) -> list[int]:
        # A second may hold hundreds of thousands of rows: step through it, rather than sort it.
        rows: list[int] = []
        while low < high:
            second = self._keys[low] >> _ROW_BITS
            first = bisect_left(self._keys, second << _ROW_BITS)
            count = bisect_left(self._keys, second + 1 << _ROW_BITS) - first
            end = min(high, first + count)
            shift, step = mix(ties) % count, mix(ties ^ second) % count
            while gcd(step, count) != 1:  # only then each row has its turn once
                step += 1
            places = range(low - first, end - first)
            rows += [self._keys[first + (shift + place * step) % count] & _ROW_MASK for place in places]
            low = end
        return rows

    def _window(self, start: int, end: int) -> tuple[int, int]:
        low = bisect_left(self._keys, max(start, 0) << _ROW_BITS)
        return low, max(low, bisect_left(self._keys, max(end + 1, 0) << _ROW_BITS))


class Trail(Generic[T]):
    """Changes that a search index has not seen yet, in the order they were made."""

    def __init__(self) -> None:
        self._changes: deque[tuple[float, T]] = deque()

    def copy(self) -> Trail[T]:
        """Return an independent trail of the same changes."""
        copied = Trail[T]()
        copied._changes = self._changes.copy()
        return copied

    def put(self, moment: float, change: T) -> None:
        """Note a change made at `moment`."""
        self._changes.append((moment, change))

    def __iter__(self) -> Iterator[T]:
        """Look at the changes that are still to be handed out."""
        return (change for _, change in self._changes)

    def until(self, moment: float) -> Iterator[T]:
        """Hand out, once, the changes made until `moment`."""
        while self._changes and self._changes[0][0] <= moment:
            yield self._changes.popleft()[1]
