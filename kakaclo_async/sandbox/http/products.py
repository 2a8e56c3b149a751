"""The product area: categories, warehouses, and searches for products and stock."""

from __future__ import annotations

from functools import partial
from math import ceil, floor
from typing import TYPE_CHECKING, TypeAlias

from kakaclo_async.sandbox.http.routing import Request, Route, page
from kakaclo_async.sandbox.wire import Code, Refusal
from kakaclo_async.sandbox.world.places import CATEGORIES, COUNTRY_OF, WAREHOUSES, Warehouse
from kakaclo_async.sandbox.world.seed import mix

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from decimal import Decimal

    from kakaclo_async.sandbox.http.habits import Habits
    from kakaclo_async.sandbox.settings import Settings
    from kakaclo_async.sandbox.world.catalog import Catalog
    from kakaclo_async.sandbox.world.clock import Timeline
    from kakaclo_async.sandbox.world.index import TimeIndex
    from kakaclo_async.sandbox.world.view import View


_MOST_CODES = 30
_SORT_TYPES = ("salasVolume", "stock", "price", "updateTime")
_DAY = 86_400
_EVER = (0, 1 << 33)

Row: TypeAlias = "dict[str, object]"
Cut: TypeAlias = "Callable[[int, int], list[int]]"


class ProductArea:
    """The endpoints under `/v1/product`, without the custom products."""

    def __init__(self, settings: Settings, habits: Habits, catalog: Catalog, timeline: Timeline) -> None:
        self._settings = settings
        self._habits = habits
        self._catalog = catalog
        self._timeline = timeline
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
        self._habits.refuse([*spus, *skus])
        view = self._catalog.searched()
        if spus or skus:
            rows = _products_of(view, spus, skus)
            return self._found(rows, partial(self._document, view))
        if not (category or window):
            raise Refusal(
                Code.BAD_PARAMETER,
                "one of spus, skus, categoryId, dateStartTime with dateEndTime is required",
            )
        number = request.number("pageNumber", 1)
        ties = self._habits.ties(number, view.replica)
        if category or sort_type != "updateTime":
            rows = self._sort(view, category, window or _EVER, sort_type, ties, ascending=ascending)
            total, cut = len(rows), _cuts_of(rows)
        else:
            total, cut = _cuts(view.products, window or _EVER, ties, ascending=ascending)
        return self._page(number, total, cut, partial(self._document, view))

    def stocks(self, request: Request) -> object:
        """Answer stock by SKUs or by the stock's update time."""
        skus, window, warehouse = (
            request.codes("skus", _MOST_CODES),
            self._window(request),
            request.text("warehouseCode"),
        )
        if warehouse is not None and warehouse not in WAREHOUSES:
            raise Refusal(Code.UNKNOWN_WAREHOUSE, f"there is no warehouse {warehouse}")
        self._habits.refuse(skus)
        view = self._catalog.searched()
        write = partial(_stock_of, view, warehouse)
        if skus:
            return self._found([row for row in map(view.sku_row, skus) if row is not None], write)
        if window is None:
            raise Refusal(Code.BAD_PARAMETER, "one of skus, dateStartTime with dateEndTime is required")
        number = request.number("pageNumber", 1)
        index = view.stock if warehouse is None else view.stock_in(warehouse)
        total, cut = _cuts(index, window, self._habits.ties(number, view.replica), ascending=False)
        return self._page(number, total, cut, write)

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

    def _sort(
        self,
        view: View,
        category: int,
        window: tuple[int, int],
        sort_type: str,
        ties: int | None,
        *,
        ascending: bool,
    ) -> list[int]:
        # Sorting by anything but time makes every product of the window: keep it for the next page.
        key = (id(view), view.version, category, window, sort_type, ascending)
        if self._sorted[0] == key and ties is None:
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
        value = values[sort_type]
        rows.sort(
            key=lambda row: (value(row), row if ties is None else mix(ties ^ row)), reverse=not ascending
        )
        self._sorted = (key, rows)
        return rows

    def _document(self, view: View, row: int) -> Row:
        found, updated = view.document(row), view.products.time_of(row)
        self._habits.show_time(row, found, updated, self._timeline.now())
        return found

    def _found(self, rows: list[int], write: Callable[[int], Row]) -> Row:
        size = self._habits.page_size
        return self._answer(1, len(rows), self._habits.looked_up(rows), size, write)

    def _page(self, number: int, total: int, cut: Cut, write: Callable[[int], Row]) -> Row:
        rows, size = self._habits.page(number, total, cut)
        return self._answer(number, total, rows, size, write)

    def _answer(
        self, number: int, total: int, rows: list[int], size: int, write: Callable[[int], Row]
    ) -> Row:
        if self._settings.index_empty:
            total, rows = 0, []
        cap = self._settings.total_cap
        return page(
            list(map(write, rows)),
            total if cap is None else min(total, cap),
            number,
            len(rows) if self._settings.row_count_as_page_size else size,
        )


def _cuts(index: TimeIndex, window: tuple[int, int], ties: int | None, *, ascending: bool) -> tuple[int, Cut]:
    """Return how many rows a window holds, and what cuts a page out of them."""
    return index.count(*window), partial(index.page, *window, newest_first=not ascending, ties=ties)


def _cuts_of(rows: list[int]) -> Cut:
    return lambda offset, limit: rows[offset : offset + limit]


def _products_of(view: View, spus: Iterable[str], skus: Iterable[str]) -> list[int]:
    """Return the products that have one of the codes, each once."""
    found = [row for row in map(view.row, spus) if row is not None]
    found += [view.register.product_of(row)[0] for row in map(view.register.sku_row, skus) if row is not None]
    return [row for row in dict.fromkeys(found) if row in view.products]


def _stock_of(view: View, warehouse: str | None, row: int) -> Row:
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
