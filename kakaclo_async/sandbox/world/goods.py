"""Products, SKUs and stock, and how they are written."""

from __future__ import annotations

import json
from enum import IntEnum
from functools import cache
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING

from attrs import frozen

from kakaclo_async.sandbox.wire import iso
from kakaclo_async.sandbox.world.places import CATEGORIES

if TYPE_CHECKING:
    from collections.abc import Sequence
    from decimal import Decimal


class Shelf(IntEnum):
    """The status of a SPU or SKU."""

    OFF = 0
    ON = 1
    DELETED = 2
    DISCONTINUED = 3
    CLEARANCE = 4
    PARTIAL_CLEARANCE = 5
    OUT_OF_STOCK = 6


SELLING = frozenset({Shelf.ON, Shelf.CLEARANCE, Shelf.PARTIAL_CLEARANCE})
"""The statuses under which a SKU can be ordered."""


@frozen
class StockRow:
    """The stock of one SKU in one warehouse.

    Attributes:
        warehouse: Its code.
        qty: Pieces.
        updated: When it last changed, in seconds since 1970.
    """

    warehouse: str
    qty: int
    updated: int


@frozen
class Sku:
    """One variant of a product.

    Attributes:
        code: `sku`.
        colour: `option1`.
        size: `option2`.
        extra: `option3`, a print; None where products have none.
        cost: US dollars.
        price: US dollars.
        status: A `Shelf`.
        weight: Grams.
        size_cm: Length, width and height of the package.
        material: What it is made of.
        image: URL of its picture; neighbours may share it.
        stock: Pieces that each warehouse of the product held when it was made.
    """

    code: str
    colour: str
    size: str
    extra: str | None
    cost: Decimal
    price: Decimal
    status: int
    weight: int
    size_cm: tuple[int, int, int]
    material: str
    image: str
    stock: tuple[int, ...]

    @property
    def options(self) -> dict[str, str | None]:
        """`option1` to `option3`: JSON inside strings."""
        return {
            "option1": option("color", self.colour),
            "option2": option("size", self.size),
            "option3": option("print", self.extra) if self.extra is not None else None,
        }


@frozen
class Product:
    """A product without its stock and update time, which change without it.

    Attributes:
        number: `kkProductId`.
        category: Its leaf of the tree.
        created: In seconds since 1970.
        attributes: A JSON object.
        warehouses: Codes of those that stocked it first.
        skus: 1 to 12, those of one colour side by side.
    """

    number: int
    spu: str
    name: str
    description: str
    category: int
    created: int
    sales: int
    attributes: str
    supplier_level: str
    size_image: str
    warehouses: tuple[str, ...]
    skus: tuple[Sku, ...]

    @property
    def status(self) -> int:
        """The status that follows from those of the SKUs."""
        found = {sku.status for sku in self.skus}
        for decisive in (Shelf.ON, Shelf.OUT_OF_STOCK):
            if decisive in found:
                return decisive
        if len(found) == 1:
            return found.pop()
        return Shelf.PARTIAL_CLEARANCE if found & SELLING else Shelf.OFF

    @property
    def price(self) -> Decimal:
        """The lowest price of a SKU."""
        return min(sku.price for sku in self.skus)


@cache
def option(name: str, value: str) -> str:
    """Write an option: a JSON object inside a string."""
    return json.dumps({"name": name, "value": value}, ensure_ascii=False, separators=(",", ":"))


def product_document(product: Product, updated: int, stocks: Sequence[int]) -> dict[str, object]:
    """Write a product as in `GET /v1/product/products`.

    Args:
        product: The product.
        updated: Its update time.
        stocks: The stock of each SKU, summed over the warehouses.
    """
    return {
        "kkProductId": product.number,
        "spu": product.spu,
        "productName": product.name,
        "description": product.description,
        "sizeImagePath": product.size_image,
        "spuStatus": product.status,
        "categoryId": product.category,
        "fullCategoryName": "/".join(CATEGORIES[product.category].names),
        "salesVolume": product.sales,
        "attributesJson": product.attributes,
        "price": product.price,
        "stock": sum(stocks),
        "supplierLevel": product.supplier_level,
        "createTime": iso(product.created),
        "updateTime": iso(updated),
        "skuDetails": [
            _sku_document(product, sku, stock) for sku, stock in zip(product.skus, stocks, strict=True)
        ],
        "skuImgUrl": [
            {"skus": [sku.code for sku in same], "imgUrl": [image]}
            for image, same in groupby(product.skus, attrgetter("image"))
        ],
    }


def _sku_document(product: Product, sku: Sku, stock: int) -> dict[str, object]:
    length, width, height = sku.size_cm
    return {
        "sku": sku.code,
        "skuName": product.name,
        "mainImg": sku.image,
        "packageLength": length,
        "packageWidth": width,
        "packageHeight": height,
        "packageWeight": sku.weight,
        "cost": sku.cost,
        "price": sku.price,
        "stock": stock,
        **sku.options,
        "material": sku.material,
        "skuStatus": sku.status,
    }
