"""The same models as msgspec structs: the quickest that a user can write by hand.

Options and attributes, which come as JSON inside of texts, are read in a second step, as a user of them has to.
Unknown fields are dropped here; the package keeps them. A whole number that comes as a text is refused, unless the
decoder is told not to be strict.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class Base(msgspec.Struct, frozen=True, rename="camel"):
    """Their base."""


class Option(Base, frozen=True):
    """An option out of its string."""

    name: str | None = None
    value: str | None = None


class Sku(Base, frozen=True):
    """A SKU."""

    sku: str
    sku_name: str | None = None
    main_img: str | None = None
    package_length: Decimal | None = None
    package_width: Decimal | None = None
    package_height: Decimal | None = None
    package_weight: Decimal | None = None
    cost: Decimal | None = None
    price: Decimal | None = None
    stock: int | None = None
    option1: str | None = None
    option2: str | None = None
    option3: str | None = None
    material: str | None = None
    sku_status: int | None = None


class Images(Base, frozen=True):
    """Pictures of SKUs."""

    skus: tuple[str, ...] = ()
    img_url: tuple[str, ...] = ()


class Product(Base, frozen=True):
    """A product."""

    spu: str
    kk_product_id: int | None = None
    product_name: str | None = None
    description: str | None = None
    size_image_path: str | None = None
    spu_status: int | None = None
    category_id: int | None = None
    full_category_name: str | None = None
    sales_volume: int | None = None
    attributes_json: str | None = None
    price: Decimal | None = None
    stock: int | None = None
    supplier_level: str | None = None
    create_time: datetime | None = None
    update_time: datetime | None = None
    sku_details: tuple[Sku, ...] = ()
    sku_img_url: tuple[Images, ...] = ()


class Warehouse(Base, frozen=True):
    """What a warehouse holds of a SKU."""

    warehouse_code: str | None = None
    country_code: str | None = None
    qty: int | None = None


class Stock(Base, frozen=True):
    """The stock of a SKU."""

    sku: str
    warehouse_stock_list: tuple[Warehouse, ...] = ()


class Item(Base, frozen=True):
    """A line of an order."""

    id: str
    item_id: str
    product_num: int
    total: Decimal
    amount: Decimal
    refund_status: str | None = None
    image_url: str | None = None
    product_name: str | None = None
    sku_code: str | None = None
    option1: str | None = None
    option2: str | None = None
    option3: str | None = None


class Package(Base, frozen=True):
    """A package of an order."""

    id: str | None = None
    delivery_time: datetime | None = None
    tracking_code: str | None = None
    status: str | None = None
    carrier: str | None = None
    carrier_type: str | None = None
    logistics_search_url: str | None = None
    items: tuple[Item, ...] = ()


class Order(Base, frozen=True):
    """An order; the address stays a dict."""

    id: str
    custom_order_id: str | None = None
    remark: str | None = None
    status: str | None = None
    financial_status: str | None = None
    fulfillment_status: str | None = None
    refund_status: str | None = None
    purchase_date: datetime | None = None
    pay_date: datetime | None = None
    completed_date: datetime | None = None
    cancel_date: datetime | None = None
    refund_date: datetime | None = None
    create_date: datetime | None = None
    modify_date: datetime | None = None
    shipping_address: dict[str, str | None] | None = None
    final_amount: Decimal | None = None
    freight_amount: Decimal | None = None
    sub_total_amount: Decimal | None = None
    order_items: tuple[Item, ...] = ()
    fulfillments: tuple[Package, ...] = ()


class Page(Base, Generic[T], frozen=True):
    """A page."""

    list: tuple[T, ...]
    total: int | None = None
    page_number: int | None = None
    page_size: int | None = None


class Envelope(Base, Generic[T], frozen=True):
    """An answer."""

    code: int
    message: str
    data: Page[T]


Products = tuple[tuple[Product, ...], list[Any]]
"""The products of a page; and the options and the attributes of each."""

read_option = msgspec.json.Decoder(Option).decode
read_attributes = msgspec.json.Decoder(dict[str, str]).decode
read_products = msgspec.json.Decoder(Envelope[Product]).decode
read_orders = msgspec.json.Decoder(Envelope[Order]).decode


def options_of(rows: tuple[Any, ...]) -> list[Option]:
    texts = (text for row in rows for text in (row.option1, row.option2, row.option3))
    return [read_option(text) for text in texts if text is not None]


def products(body: bytes, read: Callable[[bytes], Envelope[Product]] = read_products) -> Products:
    page = read(body).data.list
    return page, [
        (options_of(one.sku_details), one.attributes_json and read_attributes(one.attributes_json))
        for one in page
    ]


lax_products = partial(products, read=msgspec.json.Decoder(Envelope[Product], strict=False).decode)


def orders(body: bytes) -> object:
    page = read_orders(body).data.list
    packed = [item for one in page for package in one.fulfillments for item in package.items]
    return page, [options_of(one.order_items) for one in page], options_of(tuple(packed))


READERS = {"product": products, "stock": msgspec.json.Decoder(Envelope[Stock]).decode, "order": orders}
