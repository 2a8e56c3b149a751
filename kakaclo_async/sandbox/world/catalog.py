"""The catalog: what the database holds, and what its search index has seen of it."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from functools import partial
from itertools import cycle
from random import Random
from typing import TYPE_CHECKING

from attrs import evolve

from kakaclo_async.sandbox.world.goods import SELLING, Product, Sku, StockRow
from kakaclo_async.sandbox.world.index import Register, TimeIndex, Trail
from kakaclo_async.sandbox.world.places import COUNTRY_OF
from kakaclo_async.sandbox.world.seed import uneven_times
from kakaclo_async.sandbox.world.view import Change, View

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

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
        settings: `products`, `seed`, `years`, the rates and the lags count.
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
        self._truth = View(register, TimeIndex(updated), TimeIndex(stock))
        self._settings = settings
        self._replicas = [(self._truth.copy(), Trail[Change]())]
        self._rates = (0.0, 0.0)
        self.adopt()

    def adopt(self) -> None:
        """Let the lags and rates of the settings, as they are now, count from now on."""
        if not self._settings.replica_lag:
            del self._replicas[1:]
        elif len(self._replicas) == 1:
            view, trail = self._replicas[0]
            self._replicas.append((view.copy(), trail.copy()))
        self._turns = cycle(range(len(self._replicas)))
        rates = (self._settings.update_rate, self._settings.stock_update_rate)
        if rates != self._rates:
            self._rates = rates
            self._repeat(rates[0], self._update_some_product)
            self._repeat(rates[1], self._update_some_stock)

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
        self._commit(lambda view: view.add(row, now))
        return self._truth.register.spu(row)

    def remove(self, spu: str) -> None:
        """Take a product out of the database altogether, with its stock."""
        row = self._row(spu)
        self._commit(lambda view: view.remove(row))

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
        for change in trail.until(self._timeline.now() - lag):
            change(view)
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

    def _commit(self, change: Change) -> None:
        now = self._timeline.now()
        change(self._truth)
        for _, trail in self._replicas:
            trail.put(now, change)

    def _edit(self, row: int, product: Product | None) -> None:
        now = int(self._timeline.now())
        self._commit(lambda view: view.put_product(row, product, now))

    def _edit_skus(self, code: str, edit: Callable[[Sku], Sku]) -> None:
        spu = code.partition("_")[0]
        row = self._row(spu)
        product = self._truth.product(row)
        if code != spu:
            self._sku_row(code)
        skus = tuple(edit(sku) if code in (spu, sku.code) else sku for sku in product.skus)
        self._edit(row, evolve(product, skus=skus))

    def _move(self, sku_row: int, qtys: Mapping[str, int]) -> None:
        now = int(self._timeline.now())
        lines = {line.warehouse: line for line in self._truth.stock_rows(sku_row)}
        lines |= {warehouse: StockRow(warehouse, qty, now) for warehouse, qty in qtys.items()}
        moved = tuple(lines.values())
        self._commit(lambda view: view.put_stock(sku_row, moved))

    def _repeat(self, rate: float, action: Callable[[], None]) -> None:
        if rate > 0:
            rng = Random(self._rng.random())
            self._timeline.after(rng.expovariate(rate), partial(self._again, self._rates, rng, rate, action))

    def _again(
        self, rates: tuple[float, float], rng: Random, rate: float, action: Callable[[], None]
    ) -> None:
        if (
            rates is self._rates
        ):  # else planned at rates that no longer count; each change of rates starts anew
            action()
            self._timeline.after(rng.expovariate(rate), partial(self._again, rates, rng, rate, action))

    def _update_some_product(self) -> None:
        row = int(self._rng.random() * len(self._truth.register))
        if row in self._truth.products:
            product = self._truth.product(row)
            factor = Decimal(self._rng.randint(95, 105)).scaleb(-2)
            skus = tuple(
                evolve(sku, price=max(sku.cost, (sku.price * factor).quantize(Decimal("0.01"))))
                for sku in product.skus
            )
            self._edit(row, evolve(product, skus=skus))

    def _update_some_stock(self) -> None:
        sku_row = int(self._rng.random() * self._truth.register.sku_count)
        if sku_row in self._truth.stock:
            line = self._rng.choice(self._truth.stock_rows(sku_row))
            qty = max(0, line.qty + self._rng.randint(-12, 12))
            self._move(sku_row, {line.warehouse: qty})
