"""Changes that come by themselves, at rates: prices and stock move, and update times are set back."""

from __future__ import annotations

from decimal import Decimal
from functools import partial
from random import Random
from typing import TYPE_CHECKING

from attrs import evolve

if TYPE_CHECKING:
    from collections.abc import Callable

    from kakaclo_async.sandbox.settings import Settings
    from kakaclo_async.sandbox.world.clock import Timeline
    from kakaclo_async.sandbox.world.goods import Product
    from kakaclo_async.sandbox.world.view import View


class Drift:
    """What changes products and stock while time passes.

    Args:
        settings: The rates, and `backdate_by`.
        timeline: Virtual time.
        rng: Source of chance; shared with the catalog.
        truth: What the database holds.
        edit: Changes a product, and sets its update time; None is the present time.
        move: Changes pieces by warehouse of a SKU, likewise.
    """

    def __init__(
        self,
        settings: Settings,
        timeline: Timeline,
        rng: Random,
        truth: View,
        edit: Callable[[int, Product, int | None], None],
        move: Callable[[int, dict[str, int], int | None], None],
    ) -> None:
        self._settings = settings
        self._timeline = timeline
        self._rng = rng
        self._truth = truth
        self._edit = edit
        self._move = move
        self._rates = (0.0, 0.0, 0.0)

    def adopt(self) -> None:
        """Let the rates of the settings, as they are now, count from now on."""
        settings = self._settings
        rates = (settings.update_rate, settings.stock_update_rate, settings.backdate_rate)
        if rates != self._rates:
            self._rates = rates
            for rate, action in zip(
                rates, (self._update_product, self._update_stock, self._backdate), strict=True
            ):
                self._repeat(rate, action)

    def _repeat(self, rate: float, action: Callable[[], None]) -> None:
        if rate > 0:
            rng = Random(self._rng.random())
            again = partial(self._again, self._rates, rng, rate, action)
            self._timeline.after(rng.expovariate(rate), again)

    def _again(self, rates: tuple[float, ...], rng: Random, rate: float, action: Callable[[], None]) -> None:
        # Else it was planned at rates that no longer count; each change of rates starts anew.
        if rates is self._rates:
            action()
            again = partial(self._again, rates, rng, rate, action)
            self._timeline.after(rng.expovariate(rate), again)

    def _update_product(self) -> None:
        row = self._some_product()
        if row is not None:
            self._edit(row, self._repriced(row), None)

    def _update_stock(self) -> None:
        sku_row = self._some_stock()
        if sku_row is not None:
            self._move(sku_row, self._restocked(sku_row), None)

    def _backdate(self) -> None:
        row, sku_row = self._some_product(), self._some_stock()
        if row is not None:
            was = self._truth.products.time_of(row)
            self._edit(row, self._repriced(row), was - self._span())
        if sku_row is not None:
            was = self._truth.stock.time_of(sku_row)
            self._move(sku_row, self._restocked(sku_row), was - self._span())

    def _span(self) -> int:
        return self._rng.randint(1, int(self._settings.backdate_by))

    def _some_product(self) -> int | None:
        row = int(self._rng.random() * len(self._truth.register))
        return row if row in self._truth.products else None

    def _some_stock(self) -> int | None:
        sku_row = int(self._rng.random() * self._truth.register.sku_count)
        return sku_row if sku_row in self._truth.stock else None

    def _repriced(self, row: int) -> Product:
        product = self._truth.product(row)
        factor = Decimal(self._rng.randint(95, 105)).scaleb(-2)
        skus = tuple(
            evolve(sku, price=max(sku.cost, (sku.price * factor).quantize(Decimal("0.01"))))
            for sku in product.skus
        )
        return evolve(product, skus=skus)

    def _restocked(self, sku_row: int) -> dict[str, int]:
        line = self._rng.choice(self._truth.stock_rows(sku_row))
        return {line.warehouse: max(0, line.qty + self._rng.randint(-12, 12))}
