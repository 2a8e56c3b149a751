"""The same models in pydantic v2. Unknown fields are dropped here; the package keeps them."""

from __future__ import annotations

from decimal import Decimal
from enum import IntEnum, StrEnum
from typing import Annotated, Generic, TypeVar

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Json
from pydantic.alias_generators import to_camel

T = TypeVar("T")


class Status(IntEnum):
    """The codes of `spuStatus` and `skuStatus`."""

    OFF_SHELF = 0
    ON_SHELF = 1
    DELETED = 2
    DISCONTINUED = 3
    CLEARANCE = 4
    PARTIAL_CLEARANCE = 5
    OUT_OF_STOCK = 6


class Level(StrEnum):
    """The supplier levels."""

    NOT_CONNECTED = ""
    A = "A"
    B = "B"
    C = "C"


class Model(BaseModel):
    """The base of the equal models; unknown fields are dropped here and kept by the package."""

    model_config = ConfigDict(alias_generator=to_camel, frozen=True)


class OptionModel(Model):
    """An option out of its string."""

    name: str | None = None
    value: str | None = None


class SkuModel(Model):
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
    option1: Json[OptionModel] | None = None
    option2: Json[OptionModel] | None = None
    option3: Json[OptionModel] | None = None
    material: str | None = None
    sku_status: Status | None = None


class ImagesModel(Model):
    """Pictures of SKUs."""

    skus: tuple[str, ...] = ()
    img_url: tuple[str, ...] = ()


class ProductModel(Model):
    """A product."""

    spu: str
    kk_product_id: int | None = None
    product_name: str | None = None
    description: str | None = None
    size_image_path: str | None = None
    spu_status: Status | None = None
    category_id: int | None = None
    full_category_name: str | None = None
    sales_volume: int | None = None
    attributes_json: Json[dict[str, str]] | None = None
    price: Decimal | None = None
    stock: int | None = None
    supplier_level: Level | None = None
    create_time: AwareDatetime | None = None
    update_time: AwareDatetime | None = None
    sku_details: tuple[SkuModel, ...] = ()
    sku_img_url: tuple[ImagesModel, ...] = ()


class WarehouseModel(Model):
    """What a warehouse holds of a SKU."""

    warehouse_code: str | None = None
    country_code: str | None = None
    qty: int | None = None


class StockModel(Model):
    """The stock of a SKU."""

    sku: str
    warehouse_stock_list: tuple[WarehouseModel, ...] = ()


class AddressModel(Model):
    """Where an order goes."""

    country: str | None = None
    phone: str | None = None
    recipient: str | None = None
    province: str | None = None
    street1: str | None = None
    street2: str | None = None
    city: str | None = None
    zip: str | None = None
    ioss: str | None = None
    vat: str | None = None


State = Annotated[str | None, BeforeValidator(lambda text: None if text == "NULL" else text)]
"""A status; the wire's "NULL" is none."""


class ItemModel(Model):
    """A line of an order."""

    id: str
    item_id: str
    refund_status: State = None
    image_url: str | None = None
    product_name: str | None = None
    product_num: int
    sku_code: str | None = None
    option1: Json[OptionModel] | None = None
    option2: Json[OptionModel] | None = None
    option3: Json[OptionModel] | None = None
    total: Decimal
    amount: Decimal


class PackageModel(Model):
    """A package of an order."""

    id: str | None = None
    delivery_time: AwareDatetime | None = None
    tracking_code: str | None = None
    status: State = None
    carrier: str | None = None
    carrier_type: State = None
    logistics_search_url: str | None = None
    items: tuple[ItemModel, ...] = ()


class OrderModel(Model):
    """An order."""

    id: str
    custom_order_id: str | None = None
    remark: str | None = None
    status: State = None
    financial_status: State = None
    fulfillment_status: State = None
    refund_status: State = None
    purchase_date: AwareDatetime | None = None
    pay_date: AwareDatetime | None = None
    completed_date: AwareDatetime | None = None
    cancel_date: AwareDatetime | None = None
    refund_date: AwareDatetime | None = None
    create_date: AwareDatetime | None = None
    modify_date: AwareDatetime | None = None
    shipping_address: AddressModel | None = None
    final_amount: Decimal | None = None
    freight_amount: Decimal | None = None
    sub_total_amount: Decimal | None = None
    order_items: tuple[ItemModel, ...] = ()
    fulfillments: tuple[PackageModel, ...] = ()


class PageModel(Model, Generic[T]):
    """A page."""

    list: tuple[T, ...]
    total: int | None = None
    page_number: int | None = None
    page_size: int | None = None


class EnvelopeModel(Model, Generic[T]):
    """An answer."""

    code: int
    message: str
    data: PageModel[T]


READERS = {
    "product": EnvelopeModel[ProductModel].model_validate_json,
    "stock": EnvelopeModel[StockModel].model_validate_json,
    "order": EnvelopeModel[OrderModel].model_validate_json,
}
