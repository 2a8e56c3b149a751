"""The product area: categories, warehouses, and searches for products and stock."""

from __future__ import annotations

from itertools import count
from math import ceil, floor
from typing import TYPE_CHECKING

from kakaclo_async.sandbox.http.routing import Request, Route, page
from kakaclo_async.sandbox.wire import Code, Refusal
from kakaclo_async.sandbox.world.places import CATEGORIES, COUNTRY_OF, WAREHOUSES, Warehouse
from kakaclo_async.sandbox.world.seed import mix

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from decimal import Decimal

    from kakaclo_async.sandbox.settings import Settings
    from kakaclo_async.sandbox.world.catalog import Catalog
    from kakaclo_async.sandbox.world.clock import Timeline
    from kakaclo_async.sandbox.world.index import TimeIndex
    from kakaclo_async.sandbox.world.view import View


_MOST_CODES = 30
_SORT_TYPES = ("salasVolume", "stock", "price", "updateTime")
_DAY = 86_400
_EVER = (0, 1 << 33)


class ProductArea:
    """The endpoints under `/v1/product`, without the custom products."""

    def __init__(self, settings: Settings, catalog: Catalog, timeline: Timeline) -> None:
        self._settings = settings
        self._catalog = catalog
        self._timeline = timeline
        self._requests = count(1)
        self._sorted: tuple[object, list[int]] = (None, [])

    def routes(self) -> tuple[Route, ...]:
        """List the endpoints."""
        return (
            Route("GET", "/v1/product/category", self.categories, "kk.api.200"),
            Route("GET", "/v1/product/countryAndWarehouse", self.warehouses, "kk.api.200"),
            Route("GET", "/v1/product/products", self.products, "Success！"),  # noqa: RUF001 - as in the documents
            Route("GET", "/v1/product/stocks", self.stocks, "Success！"),  # noqa: RUF001 - as in the documents
        )

    def categories(self, _: Request) -> object:
        """Answer the category tree."""
        return {"list": category_tree()}

    def warehouses(self, _: Request) -> object:
        """Answer the warehouses."""
        return {"list": [_warehouse_document(warehouse) for warehouse in WAREHOUSES.values()]}

    def products(self, request: Request) -> object:
        """Answer products by codes, by category or by update time."""
        spus, skus = request.codes("spus", _MOST_CODES), request.codes("skus", _MOST_CODES)
        sort_type = request.choice("sortType", _SORT_TYPES, "updateTime")
        ascending = request.choice("sortBy", ("asc", "desc"), "desc") == "asc"
        window, category = self._window(request), request.number("categoryId", 0)
        view = self._catalog.searched()
        if spus or skus:
            rows = _products_of(view, spus, skus)
            return self._page([view.document(row) for row in rows], len(rows), 1)
        if not (category or window):
            raise Refusal(
                Code.BAD_PARAMETER,
                "one of spus, skus, categoryId, dateStartTime with dateEndTime is required",
            )
        number = self._page_number(request)
        if category or sort_type != "updateTime":
            rows = self._sort(view, category, window or _EVER, sort_type, ascending=ascending)
            total, offset = len(rows), (number - 1) * self._settings.page_size
            rows = rows[offset : offset + self._settings.page_size]
        else:
            total, rows = self._slice(view.products, window or _EVER, number, ascending=ascending)
        return self._page([view.document(row) for row in rows], total, number)

    def stocks(self, request: Request) -> object:
        """Answer stock by SKUs or by the stock's update time."""
        skus, window, warehouse = (
            request.codes("skus", _MOST_CODES),
            self._window(request),
            request.text("warehouseCode"),
        )
        if warehouse is not None and warehouse not in WAREHOUSES:
            raise Refusal(Code.UNKNOWN_WAREHOUSE, f"there is no warehouse {warehouse}")
        view = self._catalog.searched()
        if skus:
            rows = [row for row in map(view.sku_row, skus) if row is not None]
            return self._page([_stock_of(view, row, warehouse) for row in rows], len(rows), 1)
        if window is None:
            raise Refusal(Code.BAD_PARAMETER, "one of skus, dateStartTime with dateEndTime is required")
        number = self._page_number(request)
        index = view.stock if warehouse is None else view.stock_in(warehouse)
        total, rows = self._slice(index, window, number, ascending=False)
        return self._page([_stock_of(view, row, warehouse) for row in rows], total, number)

    def _window(self, request: Request) -> tuple[int, int] | None:
        start, end = request.moment("dateStartTime"), request.moment("dateEndTime")
        if start is None and end is None:
            return None
        if start is None or end is None:
            raise Refusal(Code.BAD_PARAMETER, "dateStartTime and dateEndTime belong together")
        if end > self._timeline.now():
            raise Refusal(Code.BAD_PARAMETER, "dateEndTime must not be greater than the current time")
        if start > end:
            raise Refusal(Code.BAD_PARAMETER, "dateStartTime must not be after dateEndTime")
        first, last = ceil(start), floor(end)
        if self._settings.day_granular:
            first, last = first // _DAY * _DAY, last // _DAY * _DAY + _DAY - 1
        return first, last

    def _page_number(self, request: Request) -> int:
        number, limit = request.number("pageNumber", 1), self._settings.page_limit
        if limit is not None and number * self._settings.page_size > limit:
            raise Refusal(
                Code.TOO_DEEP, f"pageNumber {number} reaches beyond the first {limit} rows of the search"
            )
        return number

    def _slice(
        self, index: TimeIndex, window: tuple[int, int], number: int, *, ascending: bool
    ) -> tuple[int, list[int]]:
        size = self._settings.page_size
        rows = index.page(*window, (number - 1) * size, size, newest_first=not ascending, ties=self._ties())
        return index.count(*window), rows

    def _sort(
        self, view: View, category: int, window: tuple[int, int], sort_type: str, *, ascending: bool
    ) -> list[int]:
        # Sorting by anything but time makes every product of the window: keep it for the next page.
        key = (id(view), view.version, category, window, sort_type, ascending)
        if self._sorted[0] == key and not self._settings.tie_shuffle:
            return self._sorted[1]
        rows = view.products.rows(*window)
        if category:
            wanted = set(view.register.in_category(category))
            rows = [row for row in rows if row in wanted]
        values: dict[str, Callable[[int], Decimal | int]] = {
            "salasVolume": lambda row: view.product(row).sales,
            "stock": lambda row: sum(view.stocks(row)),
            "price": lambda row: view.product(row).price,
            "updateTime": view.products.time_of,
        }
        value, ties = values[sort_type], self._ties()
        rows.sort(key=lambda row: (value(row), ties(row) if ties else row), reverse=not ascending)
        self._sorted = (key, rows)
        return rows

    def _ties(self) -> Callable[[int], int] | None:
        if not self._settings.tie_shuffle:
            return None
        salt = mix(next(self._requests))
        return lambda row: mix(salt ^ row)

    def _page(self, rows: list[dict[str, object]], total: int, number: int) -> dict[str, object]:
        cap = self._settings.total_cap
        size = len(rows) if self._settings.row_count_as_page_size else self._settings.page_size
        return page(rows, total if cap is None else min(total, cap), number, size)


def _products_of(view: View, spus: Iterable[str], skus: Iterable[str]) -> list[int]:
    """Return the products that have one of the codes, each once."""
    found = [row for row in map(view.row, spus) if row is not None]
    found += [view.register.product_of(row)[0] for row in map(view.sku_row, skus) if row is not None]
    return list(dict.fromkeys(found))


def _stock_of(view: View, row: int, warehouse: str | None) -> dict[str, object]:
    return {
        "sku": view.register.sku_code(row),
        "warehouseStockList": [
            {"warehouseCode": line.warehouse, "countryCode": COUNTRY_OF[line.warehouse], "qty": line.qty}
            for line in view.stock_rows(row)
            if warehouse in (None, line.warehouse)
        ],
    }


def _warehouse_document(warehouse: Warehouse) -> dict[str, object]:
    return {
        "warehouseId": warehouse.number,
        "warehouseCode": warehouse.code,
        "warehouseNameExt": warehouse.name,
        "countryCode": warehouse.country,
        "countryCn": warehouse.country_name,
        "status": int(warehouse.enabled),
    }


def category_tree() -> list[dict[str, object]]:
    """Write the tree as in `GET /v1/product/category`."""
    top: list[dict[str, object]] = []
    children: dict[int, list[dict[str, object]]] = {0: top}
    for node in CATEGORIES.values():
        below = children[node.number] = []
        parent = node.path[-2] if len(node.path) > 1 else 0
        children[parent].append(
            {
                "categoryId": node.number,
                "name": node.name,
                "parentId": parent,
                "level": len(node.path),
                "fullCategoryId": "/".join(map(str, node.path)),
                "imgUrl": f"https://img.kakaclo.example/category%2F{node.number}.jpg",
                "child": below,
            }
        )
    return top
