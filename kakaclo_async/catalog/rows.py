"""Models to table rows: plain values under the columns' names."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import attrs

from kakaclo_async.models.product import ProductStatus, WarehouseStock

if TYPE_CHECKING:
    from datetime import datetime

    from kakaclo_async.models.common import Attributes, Option
    from kakaclo_async.models.product import Product, Sku, StockLevel


Row = dict[str, object]

_FOR_GOOD = {ProductStatus.DELETED, ProductStatus.DISCONTINUED}


def product_row(product: Product, *, stock: int | None, seen_at: datetime, seen_in: int) -> Row:
    """Return the row of a product.

    Args:
        product: the product.
        stock: the sum over its SKUs.
        seen_at: when it was received.
        seen_in: verifications begun before that.
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
        "seen_in": seen_in,
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

    A SKU that no warehouse lists has one row without a warehouse: it is known to be nowhere, which a product that
    tells some older sum must not undo.

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
        {
            "sku": level.sku,
            "warehouse_code": code,
            "country_code": at.country_code,
            "qty": at.qty,
            "as_of": as_of,
        }
        for code, at in held.items()
    ]


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
