"""Models to table rows, which are plain values under the columns' names, and rows to the events they are."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING, cast

import attrs

from kakaclo_async.catalog.report import ChangeKind
from kakaclo_async.catalog.types import without_nul
from kakaclo_async.models.product import ProductStatus, WarehouseStock

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy import Executable
    from sqlalchemy.engine import Connection

    from kakaclo_async.models.common import Attributes, Option
    from kakaclo_async.models.product import Product, Sku, StockLevel


Row = dict[str, object]

_WHEN_SEEN = {"seen_at", "as_of"}
_FOR_GOOD = {ProductStatus.DELETED, ProductStatus.DISCONTINUED}


def run_for_each(connection: Connection, statement: Executable, rows: Sequence[Row]) -> None:
    """Execute a statement with many rows; without any it would be executed once."""
    if rows:
        connection.execute(statement, rows)


def is_unchanged(old: Row | None, new: Row) -> bool:
    """Tell whether a stored row says the same, to the digit; when that was seen does not count."""
    if old is None:
        return False
    for name, value in new.items():
        held = old[name]
        if value == held:
            if type(value) is Decimal and str(value) != str(held):
                return False
        elif name not in _WHEN_SEEN and not _is_held_as(value, held):
            return False
    return True


def _is_held_as(value: object, stored: object) -> bool:
    """Tell whether a text with a NUL is stored as PostgreSQL can."""
    return isinstance(value, str) and "\0" in value and without_nul(value) == stored


def as_held(products: Sequence[Product], dialect: str) -> Sequence[Product]:
    """Return products with the codes that they have in a database."""
    if dialect == "sqlite":
        return products
    return [
        attrs.evolve(
            product,
            spu=without_nul(product.spu),
            sku_details=tuple(attrs.evolve(sku, sku=without_nul(sku.sku)) for sku in product.sku_details),
        )
        if "\0" in product.spu or any("\0" in sku.sku for sku in product.sku_details)
        else product
        for product in products
    ]


def levels_as_held(levels: Sequence[StockLevel], dialect: str) -> Sequence[StockLevel]:
    """Return stock with the codes that it has in a database."""
    if dialect == "sqlite":
        return levels
    return [
        attrs.evolve(
            level,
            sku=without_nul(level.sku),
            warehouses=tuple(
                attrs.evolve(at, warehouse_code=without_nul(at.warehouse_code)) for at in level.warehouses
            ),
        )
        if any("\0" in (code or "") for code in (level.sku, *(at.warehouse_code for at in level.warehouses)))
        else level
        for level in levels
    ]


def product_row(product: Product, *, stock: int | None, seen_at: datetime) -> Row:
    """Return the row of a product.

    Args:
        product: the product.
        stock: the sum over its SKUs.
        seen_at: when it was received.
    """
    return {
        "spu": product.spu,
        "kk_product_id": product.kk_product_id,
        "product_name": product.product_name,
        "description": product.description,
        "size_image_path": product.size_image_path,
        "spu_status": _number(product.spu_status),
        "category_id": product.category_id,
        "full_category_name": product.full_category_name,
        "sales_volume": product.sales_volume,
        "attributes_json": _raw(product.attributes_json),
        "price": product.price,
        "stock": stock,
        "supplier_level": None if product.supplier_level is None else product.supplier_level.value,
        "create_time": product.create_time,
        "update_time": product.update_time,
        "sku_img_url": _images(product),
        "retired": product.spu_status in _FOR_GOOD,
        "gone_since": None,
        "seen_at": seen_at,
        "missing_since": None,
    }


def sku_row(sku: Sku, *, spu: str, stock: int | None) -> Row:
    """Return the row of a SKU.

    Args:
        sku: the SKU.
        spu: its product's code.
        stock: the sum over the warehouses.
    """
    return {
        "sku": sku.sku,
        "spu": spu,
        "sku_name": sku.sku_name,
        "main_img": sku.main_img,
        "package_length": sku.package_length,
        "package_width": sku.package_width,
        "package_height": sku.package_height,
        "package_weight": sku.package_weight,
        "cost": sku.cost,
        "price": sku.price,
        "stock": stock,
        "option1": _raw(sku.option1),
        "option2": _raw(sku.option2),
        "option3": _raw(sku.option3),
        "material": sku.material,
        "sku_status": _number(sku.sku_status),
        "retired": sku.sku_status in _FOR_GOOD,
        "gone_since": None,
    }


def stock_rows(level: StockLevel, *, as_of: datetime) -> list[Row]:
    """Return the rows of a SKU's stock, one per warehouse.

    A SKU that no warehouse lists has one row without a warehouse: its stock is known to be 0, which a product with an
    older sum must not undo.

    Args:
        level: the stock of one SKU; what a warehouse holds in several entries is summed, as `level.qty` is.
        as_of: the end of the window that told it.
    """
    held: dict[str, WarehouseStock] = {}
    for at in level.warehouses or (WarehouseStock(qty=0),):
        code = at.warehouse_code or ""
        before = held.get(code)
        held[code] = at if before is None else attrs.evolve(at, qty=(before.qty or 0) + (at.qty or 0))
    return [
        Row(sku=level.sku, warehouse_code=code, country_code=at.country_code, qty=at.qty, as_of=as_of)
        for code, at in held.items()
    ]


def product_changes(old: Row | None, new: Row) -> list[Row]:
    """Return the events of a product, apart from its SKUs.

    Args:
        old: the stored row, None for a new product.
        new: the row that replaces it.
    """
    if old is None or old["gone_since"] is not None:
        return [_event(ChangeKind.PRODUCT_ADDED, new)]
    if old["spu_status"] == new["spu_status"]:
        return []
    return [_event(ChangeKind.STATUS_CHANGED, new, old["spu_status"], new["spu_status"])]


def sku_changes(old: Row | None, new: Row, *, new_product: bool) -> list[Row]:
    """Return the events of a SKU that came with its product.

    Args:
        old: the stored row, None for a new SKU.
        new: the row that replaces it.
        new_product: the product itself is new, which is one event for all its SKUs.
    """
    if old is None or old["gone_since"] is not None:
        return [] if new_product else [_event(ChangeKind.SKU_ADDED, new)]
    events = [
        _event(kind, new, old[name], new[name])
        for name, kind in (
            ("price", ChangeKind.PRICE_CHANGED),
            ("cost", ChangeKind.COST_CHANGED),
            ("sku_status", ChangeKind.STATUS_CHANGED),
        )
        if old[name] != new[name]
    ]
    return events + stock_change(old, new)


def stock_change(old: Row, new: Row) -> list[Row]:
    """Return the event of a SKU's stock over all warehouses."""
    before, now = cast("int | None", old["stock"]), cast("int | None", new["stock"])
    if before == now:
        return []
    was_there, is_there = (before or 0) > 0, (now or 0) > 0
    kind = ChangeKind.STOCK_CHANGED
    if was_there and not is_there:
        kind = ChangeKind.SOLD_OUT
    elif is_there and not was_there and before is not None:
        kind = ChangeKind.BACK_IN_STOCK
    return [_event(kind, new, before, now)]


def gone(row: Row) -> Row:
    """Return the event of a product or SKU that KakaClo does not know any more."""
    return _event(ChangeKind.GONE, row)


def _event(kind: ChangeKind, row: Row, old: object = None, new: object = None) -> Row:
    return {
        "kind": kind.value,
        "spu": row["spu"],
        "sku": row.get("sku"),
        "old": None if old is None else str(old),
        "new": None if new is None else str(new),
    }


def _number(status: ProductStatus | None) -> int | None:
    return None if status is None else int(status)


def _raw(parsed: Attributes | Option | None) -> str | None:
    return None if parsed is None else parsed.raw  # attributes that could not be read are an empty mapping


def _images(product: Product) -> str | None:
    if not product.sku_img_url:
        return None
    return json.dumps(
        [{"skus": images.skus, "imgUrl": images.img_url} for images in product.sku_img_url],
        ensure_ascii=False,
        separators=(",", ":"),
    )
