"""Stock per SKU and warehouse."""

import attrs

from kakaclo_async.models.common import Record, wire


@attrs.frozen(kw_only=True)
class WarehouseStock(Record):
    """What one warehouse holds of a SKU."""

    warehouse_code: str | None = None
    country_code: str | None = None
    qty: int | None = None


@attrs.frozen(kw_only=True)
class StockLevel(Record):
    """The stock of one SKU (`GET /v1/product/stocks`)."""

    sku: str
    warehouses: tuple[WarehouseStock, ...] = attrs.field(default=(), metadata=wire("warehouseStockList"))

    @property
    def qty(self) -> int:
        """The sum over the warehouses; one that reports no number counts as none."""
        return sum(warehouse.qty or 0 for warehouse in self.warehouses)
