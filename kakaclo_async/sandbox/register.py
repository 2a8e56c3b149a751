"""Which products and SKUs were ever made, and where to find them."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections import defaultdict
from typing import TYPE_CHECKING

from kakaclo_async.sandbox.places import CATEGORIES
from kakaclo_async.sandbox.seed import Assortment

if TYPE_CHECKING:
    from kakaclo_async.sandbox.goods import Product


class Register:
    """Which rows were ever made, under which codes; shared by all views, and only ever grows.

    Products have row numbers; so have SKUs, those of a product one after the other.
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
        """Make the next product, of the assortment or of one's own design, and return its row."""
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
        """Return the row of a product; None if there never was one under that code."""
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
        """Return the row of a SKU; None if there never was one under that code."""
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
