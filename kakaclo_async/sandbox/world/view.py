"""The catalog as one reader sees it: the database itself, or a search index behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import frozen

from kakaclo_async.sandbox.world.goods import Product, StockRow, product_document
from kakaclo_async.sandbox.world.index import ABSENT, TimeIndex

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kakaclo_async.sandbox.world.index import Register


class View:
    """The catalog as one reader sees it: products and stock, each by update time.

    A stock change moves the stock's time and leaves the product's alone; sums are always those of the stock seen.

    Attributes:
        products: Products by update time.
        stock: SKUs by the newest of their stock rows.
        version: Counts the changes seen.
        replica: Which of the search index's replicas it is, from 0.
    """

    def __init__(self, register: Register, products: TimeIndex, stock: TimeIndex) -> None:
        self.register = register
        self.products = products
        self.stock = stock
        self.version = 0
        self.replica = 0
        self._edited: dict[int, Product] = {}
        self._moved: dict[int, tuple[StockRow, ...]] = {}
        self._by_warehouse: dict[str, TimeIndex] = {}

    def copy(self) -> View:
        """Return an independent view that has seen the same changes."""
        copied = View(self.register, self.products.copy(), self.stock.copy())
        copied.version, copied._edited, copied._moved = self.version, self._edited.copy(), self._moved.copy()
        return copied

    def row(self, spu: str) -> int | None:
        """Return the row of a product; None if it does not exist."""
        row = self.register.row(spu)
        return row if row is not None and row in self.products else None

    def sku_row(self, sku: str) -> int | None:
        """Return the row of a SKU; None if it does not exist."""
        row = self.register.sku_row(sku)
        return row if row is not None and row in self.stock else None

    def product(self, row: int) -> Product:
        """Return a product as last edited."""
        return self._edited.get(row) or self.register.product(row)

    def stock_rows(self, sku_row: int) -> tuple[StockRow, ...]:
        """Return the stock of a SKU in each of its warehouses."""
        moved = self._moved.get(sku_row)
        if moved is not None:
            return moved
        row, place = self.register.product_of(sku_row)
        product, updated = self.register.product(row), self.stock.time_of(sku_row)
        stock = product.skus[place].stock
        return tuple(
            StockRow(code, qty, updated) for code, qty in zip(product.warehouses, stock, strict=True)
        )

    def stocks(self, row: int) -> list[int]:
        """Return the stock of each SKU of a product, summed over the warehouses."""
        return [
            sum(sku.stock) if (moved := self._moved.get(sku_row)) is None else sum(line.qty for line in moved)
            for sku_row, sku in zip(self.register.skus(row), self.register.product(row).skus, strict=True)
        ]

    def document(self, row: int) -> dict[str, object]:
        """Write a product."""
        return product_document(self.product(row), self.products.time_of(row), self.stocks(row))

    def stock_in(self, warehouse: str) -> TimeIndex:
        """Return the SKUs that a warehouse stocks, by the time of that stock."""
        index = self._by_warehouse.get(warehouse)
        if index is None:
            index = self._by_warehouse[warehouse] = TimeIndex(self._times_in(warehouse))
        return index

    def _times_in(self, warehouse: str) -> Iterator[int]:
        for row in range(len(self.register)):
            stocked = warehouse in self.register.warehouses(row)
            for sku_row in self.register.skus(row):
                if sku_row not in self.stock:
                    yield ABSENT
                elif (moved := self._moved.get(sku_row)) is None:
                    yield self.stock.time_of(sku_row) if stocked else ABSENT
                else:
                    yield next((line.updated for line in moved if line.warehouse == warehouse), ABSENT)

    def add(self, row: int, moment: int) -> None:
        """See a product for the first time."""
        self.version += 1
        self.products.put(row, moment)
        for sku_row in self.register.skus(row):
            self.stock.put(sku_row, moment)
            for warehouse in self.register.warehouses(row):
                if warehouse in self._by_warehouse:
                    self._by_warehouse[warehouse].put(sku_row, moment)

    def put_product(self, row: int, product: Product | None, updated: int) -> None:
        """See a product as edited at `updated`; without a product, only the time changes."""
        self.version += 1
        if product is not None:
            self._edited[row] = product
        self.products.put(row, updated)

    def put_stock(self, sku_row: int, lines: tuple[StockRow, ...]) -> None:
        """See the stock of a SKU as it now is."""
        self.version += 1
        self._moved[sku_row] = lines
        self.stock.put(sku_row, max(line.updated for line in lines))
        for line in lines:
            if line.warehouse in self._by_warehouse:
                self._by_warehouse[line.warehouse].put(sku_row, line.updated)

    def remove(self, row: int) -> None:
        """Remove a product and its stock."""
        self.hide_product(row)
        for sku_row in self.register.skus(row):
            self.hide_stock(sku_row)

    def hide_product(self, row: int) -> None:
        """Lose sight of a product, until it is put again."""
        self.version += 1
        self.products.remove(row)

    def hide_stock(self, sku_row: int) -> None:
        """Lose sight of the stock of a SKU, until it is put again."""
        self.version += 1
        for index in (self.stock, *self._by_warehouse.values()):
            index.remove(sku_row)


@frozen
class Change:
    """What a view is shown: an addition, an edit, a move of stock, a removal.

    Attributes:
        show: Shows it to a view.
        hide: Takes what changes out of a view that has not seen the change yet.
    """

    show: Callable[[View], None]
    hide: Callable[[View], None]
