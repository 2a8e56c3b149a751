"""The catalog: what the database holds, and what its search index has seen of it."""

from __future__ import annotations

from collections import Counter
from itertools import cycle
from random import Random
from typing import TYPE_CHECKING

from attrs import evolve

from kakaclo_async.sandbox.world.drift import Drift
from kakaclo_async.sandbox.world.goods import SELLING, Product, Sku, StockRow
from kakaclo_async.sandbox.world.index import Register, TimeIndex, Trail
from kakaclo_async.sandbox.world.places import COUNTRY_OF
from kakaclo_async.sandbox.world.seed import bulk_second, uneven_times
from kakaclo_async.sandbox.world.view import Change, View

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from decimal import Decimal

    from kakaclo_async.sandbox.settings import Settings
    from kakaclo_async.sandbox.world.clock import Timeline


_YEAR = 365.25 * 86_400
_QUIET = 3600
"""Seconds before the start without updates: clients read up to a while ago, and should see everything."""


class Catalog:
    """The products and their stock.

    Reading and editing here is immediate: this is the database, which tests compare with. Searches go through
    `searched`, which trails it by the index lag.

    Args:
        settings: `products`, `seed`, `years`, the shares in bulk, the rates, the lags and what they hide count.
        timeline: Virtual time.
    """

    def __init__(self, settings: Settings, timeline: Timeline) -> None:
        self._timeline = timeline
        self._rng = rng = Random(settings.seed)
        end = int(timeline.now()) - _QUIET
        start = end - int(settings.years * _YEAR)
        updated = uneven_times(rng, settings.products, start, end)
        register = Register(settings.seed)
        for moment in updated:
            register.add(moment - int(rng.random() ** 3 * _YEAR))
        stock = uneven_times(rng, register.sku_count, start, end)
        bulk = Random(f"bulk {settings.seed}")  # of its own, so that the rest of the catalog stays as it is
        for times, share in ((updated, settings.bulk_product_share), (stock, settings.bulk_stock_share)):
            bulk_second(bulk, times, share, start, end)
        self._truth = View(register, TimeIndex(updated), TimeIndex(stock))
        self._settings = settings
        self._replicas = [(self._truth.copy(), Trail[Change]())]
        self._drift = Drift(settings, timeline, rng, self._truth, self._edit, self._move)
        self.adopt()

    def adopt(self) -> None:
        """Let the lags and rates of the settings, as they are now, count from now on."""
        if not self._settings.replica_lag:
            del self._replicas[1:]
        elif len(self._replicas) == 1:
            view, trail = self._replicas[0]
            second = view.copy()
            second.replica = 1
            self._replicas.append((second, trail.copy()))
        self._turns = cycle(range(len(self._replicas)))
        self._drift.adopt()

    def searched(self) -> View:
        """Return the catalog as the search index knows it now; replicas take turns."""
        return self._catch_up(next(self._turns))

    def catch_up(self) -> None:
        """Let all replicas see what they know by now."""
        for turn in range(len(self._replicas)):
            self._catch_up(turn)

    # Reading the truth

    def spus(self) -> Iterator[str]:
        """Yield the codes of all products."""
        return map(self._truth.register.spu, self._rows())

    def skus(self) -> Iterator[str]:
        """Yield the codes of all SKUs."""
        return (sku.code for _, sku, _ in self._listed())

    def products(self) -> Iterator[dict[str, object]]:
        """Yield all products, as they are on the wire."""
        return map(self._truth.document, self._rows())

    def stock_rows(self) -> Iterator[tuple[str, str, int]]:
        """Yield all stock as (SKU, warehouse code, pieces)."""
        return ((sku.code, line.warehouse, line.qty) for _, sku, lines in self._listed() for line in lines)

    def selling(self, *countries: str, pieces: int = 1) -> Iterator[str]:
        """Yield the SKUs that can be ordered, with at least `pieces` in each of the countries."""
        for _, sku, lines in self._listed():
            stocked = Counter[str]()
            for line in lines:
                stocked[COUNTRY_OF[line.warehouse]] += line.qty
            if sku.status in SELLING and all(stocked[country] >= pieces for country in countries or stocked):
                yield sku.code

    def product(self, spu: str) -> dict[str, object]:
        """Return one product, as it is on the wire.

        Raises:
            LookupError: The product does not exist.
        """
        return self._seen().document(self._row(spu))

    def qty(self, sku: str, warehouse: str | None = None) -> int:
        """Return the pieces of a SKU in one warehouse, or in all.

        Raises:
            LookupError: The SKU does not exist.
        """
        return sum(line.qty for line in self.find(sku)[2] if warehouse in (None, line.warehouse))

    def find(self, sku: str) -> tuple[Product, Sku, tuple[StockRow, ...]]:
        """Return a SKU with its product and its stock.

        Raises:
            LookupError: The SKU does not exist.
        """
        truth = self._seen()
        sku_row = self._sku_row(sku)
        row, place = truth.register.product_of(sku_row)
        product = truth.product(row)
        return product, product.skus[place], truth.stock_rows(sku_row)

    # Editing

    def touch(self, spu: str) -> None:
        """Give a product a new update time, and nothing else."""
        self._edit(self._row(spu), None)

    def touch_many(self, count: int) -> list[str]:
        """Touch that many different products at one moment, as a bulk job does; return their codes."""
        spus = self._rng.sample(list(self.spus()), count)
        for spu in spus:
            self.touch(spu)
        return spus

    def backdate(self, code: str, seconds: float) -> None:
        """Set the update time of a product, or of the stock of a SKU, back by that many seconds; nothing else changes.

        Raises:
            LookupError: There is no such SPU or SKU.
        """
        truth = self._seen()
        if "_" in code:
            sku_row = self._sku_row(code)
            self._move(sku_row, {}, truth.stock.time_of(sku_row) - int(seconds))
        else:
            row = self._row(code)
            self._edit(row, None, truth.products.time_of(row) - int(seconds))

    def set_price(self, code: str, price: Decimal) -> None:
        """Set the price of a SKU, or of all SKUs of a SPU."""
        self._edit_skus(code, lambda found: evolve(found, price=price))

    def set_status(self, code: str, status: int) -> None:
        """Set the status of a SKU, or of all SKUs of a SPU."""
        self._edit_skus(code, lambda found: evolve(found, status=status))

    def set_stock(self, sku: str, warehouse: str, qty: int) -> None:
        """Set the stock of a SKU in one warehouse; those in other warehouses keep their times."""
        if qty < 0 or warehouse not in COUNTRY_OF:
            raise ValueError(
                f"cannot put {qty} pieces into {warehouse}: 0 or more, in one of {', '.join(COUNTRY_OF)}"
            )
        self._move(self._sku_row(sku), {warehouse: qty})

    def shift_stock(self, sku: str, warehouse: str, pieces: int) -> None:
        """Add pieces of a SKU to a warehouse, or take them out; does nothing if the SKU was removed."""
        sku_row = self._truth.sku_row(sku)
        if sku_row is not None:
            self._move(sku_row, {warehouse: self.qty(sku, warehouse) + pieces})

    def add_product(self, design: Product | None = None) -> str:
        """Put a new product on sale, `design` or else the next of the assortment; return its code."""
        now = int(self._timeline.now())
        row = self._truth.register.add(now, design)
        self._commit(lambda view: view.add(row, now), lambda _: None)
        return self._truth.register.spu(row)

    def remove(self, spu: str) -> None:
        """Take a product out of the database altogether, with its stock."""
        row = self._row(spu)
        self._commit(lambda view: view.remove(row), lambda _: None)

    # Within

    def _rows(self) -> Iterator[int]:
        truth = self._seen()
        return (row for row in range(len(truth.register)) if row in truth.products)

    def _listed(self) -> Iterator[tuple[Product, Sku, tuple[StockRow, ...]]]:
        for row in self._rows():
            product = self._truth.product(row)
            for sku_row, sku in zip(self._truth.register.skus(row), product.skus, strict=True):
                yield product, sku, self._truth.stock_rows(sku_row)

    def _catch_up(self, turn: int) -> View:
        view, trail = self._replicas[turn]
        lag = self._settings.index_lag + turn * self._settings.replica_lag
        before = view.version
        for change in trail.until(self._timeline.now() - lag):
            change.show(view)
        if self._settings.hidden_while_lagging and view.version != before:
            for change in trail:  # what one change has shown, a later one still hides
                change.hide(view)
        return view

    def _seen(self) -> View:
        self._timeline.now()
        return self._truth

    def _row(self, spu: str) -> int:
        row = self._truth.row(spu)
        if row is None:
            raise LookupError(f"there is no product {spu}")
        return row

    def _sku_row(self, sku: str) -> int:
        row = self._truth.sku_row(sku)
        if row is None:
            raise LookupError(f"there is no SKU {sku}")
        return row

    def _commit(self, show: Callable[[View], None], hide: Callable[[View], None]) -> None:
        now, change = self._timeline.now(), Change(show, hide)
        show(self._truth)
        for view, trail in self._replicas:
            trail.put(now, change)
            if self._settings.hidden_while_lagging:
                hide(view)

    def _edit(self, row: int, product: Product | None, updated: int | None = None) -> None:
        moment = int(self._timeline.now()) if updated is None else updated
        self._commit(lambda view: view.put_product(row, product, moment), lambda view: view.hide_product(row))

    def _move(self, sku_row: int, qtys: Mapping[str, int], updated: int | None = None) -> None:
        lines = {line.warehouse: line for line in self._truth.stock_rows(sku_row)}
        if updated is not None:  # a SKU is as new as the newest of its lines
            lines = {code: evolve(line, updated=min(line.updated, updated)) for code, line in lines.items()}
        moment = int(self._timeline.now()) if updated is None else updated
        lines |= {warehouse: StockRow(warehouse, qty, moment) for warehouse, qty in qtys.items()}
        moved = tuple(lines.values())
        self._commit(lambda view: view.put_stock(sku_row, moved), lambda view: view.hide_stock(sku_row))

    def _edit_skus(self, code: str, edit: Callable[[Sku], Sku]) -> None:
        spu = code.partition("_")[0]
        row = self._row(spu)
        product = self._truth.product(row)
        if code != spu:
            self._sku_row(code)
        skus = tuple(edit(sku) if code in (spu, sku.code) else sku for sku in product.skus)
        self._edit(row, evolve(product, skus=skus))
