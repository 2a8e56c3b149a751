"""Products and their SKUs, size charts, the stock of each SKU; categories and warehouses."""

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Final

import attrs

from kakaclo_async.models.common import Attributes, OpenIntEnum, OpenStrEnum, Option, Record, wire
from kakaclo_async.travel.shown import Shown, Tabled


class ProductStatus(OpenIntEnum):
    """Whether a product (`spu_status`) or one of its SKUs (`sku_status`) is sold.

    A product is ON_SHELF while any of its SKUs is; OUT_OF_STOCK when some SKU is and none is ON_SHELF;
    OFF_SHELF, DELETED or DISCONTINUED when all are.
    """

    OFF_SHELF = 0
    ON_SHELF = 1
    DELETED = 2
    DISCONTINUED = 3
    CLEARANCE = 4
    PARTIAL_CLEARANCE = 5
    OUT_OF_STOCK = 6


ON_SALE: Final = frozenset({ProductStatus.ON_SHELF, ProductStatus.CLEARANCE, ProductStatus.PARTIAL_CLEARANCE})
"""The states in which a SKU can be ordered."""

FOR_GOOD: Final = frozenset({ProductStatus.DELETED, ProductStatus.DISCONTINUED})
"""The states that no SKU comes back from."""


class SupplierLevel(OpenStrEnum):
    """How much a supplier keeps in stock, and so how far the stock figures can be trusted.

    A: above 300 per product, typically above 100 per SKU. B: above 150 and 50. C: below 100 per product,
    10 to 50 per SKU. NOT_CONNECTED: the supplier's stock may be stale.
    """

    NOT_CONNECTED = ""
    A = "A"
    B = "B"
    C = "C"


class SortType(OpenStrEnum):
    """What a product search is sorted by; the first value is misspelt by the API itself."""

    SALES_VOLUME = "salasVolume"
    STOCK = "stock"
    PRICE = "price"
    UPDATE_TIME = "updateTime"


class SortBy(OpenStrEnum):
    """The direction of a sorted search."""

    ASC = "asc"
    DESC = "desc"


@attrs.frozen(kw_only=True)
class Sku(Record):
    """One variant of a product: what is ordered and delivered.

    Attributes:
        package_length: centimetres, like the width and the height.
        package_weight: grams.
        cost: US dollars, like the price.
        stock: the sum over all warehouses.
        option1: a colour, as a rule; option2 a size; option3 a print.
    """

    _shown = ("sku", "option1", "option2", "option3", "price", "stock", "sku_status")

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
    option1: Option | None = None
    option2: Option | None = None
    option3: Option | None = None
    material: str | None = None
    sku_status: ProductStatus | None = None


@attrs.frozen(kw_only=True)
class SkuImages(Record):
    """Pictures, and the SKUs that they show; `resized_image` gives them other sizes."""

    skus: tuple[str, ...] = ()
    img_url: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class Product(Tabled, Record):
    """A product, KakaClo's SPU, with all its SKUs (`GET /v1/product/products`).

    Attributes:
        full_category_name: the names from the top down: "Women/Bottoms/Cropped Pants".
        price: the lowest price of a SKU, in US dollars.
        stock: the sum over all SKUs.
        update_time: UTC; windows of updates go by it.
    """

    _shown = ("spu", "product_name", "price", "stock", "spu_status", "sku_details")
    _rows = "sku_details"

    spu: str
    kk_product_id: int | None = None
    product_name: str | None = None
    description: str | None = None
    size_image_path: str | None = None
    spu_status: ProductStatus | None = None
    category_id: int | None = None
    full_category_name: str | None = None
    sales_volume: int | None = None
    attributes_json: Attributes | None = None
    price: Decimal | None = None
    stock: int | None = None
    supplier_level: SupplierLevel | None = None
    create_time: datetime | None = None
    update_time: datetime | None = None
    sku_details: tuple[Sku, ...] = ()
    sku_img_url: tuple[SkuImages, ...] = ()

    @property
    def _picture(self) -> str | None:
        every = [
            *(sku.main_img for sku in self.sku_details),
            *(url for one in self.sku_img_url for url in one.img_url),
        ]
        return next(filter(None, every), None)


@attrs.frozen
class SizeValue(Shown):
    """One cell of a size chart: a size's name, and its measure (a Decimal if it is a number)."""

    name: str | None = None
    value: Decimal | str | None = None


@attrs.frozen
class SizeRow(Shown):
    """One row of a size chart: "Sleeve Length" of every size."""

    name: str | None = None
    size_value: tuple[SizeValue, ...] = ()


@attrs.frozen
class SizeSheet(Shown):
    """One size chart."""

    sheet_name: str | None = None
    size: tuple[SizeRow, ...] = ()


@attrs.frozen
class SizeContent(Shown):
    """The size charts of a model; iterable, with a length, indexable.

    Attributes:
        sheets: empty when the text could not be read.
        raw: the JSON text as it came.
    """

    sheets: tuple[SizeSheet, ...]
    raw: str = attrs.field(eq=False, repr=False)

    def __iter__(self) -> Iterator[SizeSheet]:
        return iter(self.sheets)

    def __len__(self) -> int:
        return len(self.sheets)

    def __getitem__(self, index: int) -> SizeSheet:
        return self.sheets[index]


@attrs.frozen(kw_only=True)
class WarehouseStock(Record):
    """What one warehouse holds of a SKU."""

    warehouse_code: str | None = None
    country_code: str | None = None
    qty: int


@attrs.frozen(kw_only=True)
class StockLevel(Record):
    """The stock of one SKU (`GET /v1/product/stocks`)."""

    sku: str
    warehouses: tuple[WarehouseStock, ...] = attrs.field(default=(), metadata=wire("warehouseStockList"))

    @property
    def qty(self) -> int:
        """The sum over the warehouses."""
        return sum(warehouse.qty for warehouse in self.warehouses)


class WarehouseStatus(OpenIntEnum):
    """Whether a warehouse delivers."""

    DISABLED = 0
    ENABLED = 1


@attrs.frozen(kw_only=True)
class Category(Record):
    """A node of the category tree (`GET /v1/product/category`).

    Attributes:
        parent_id: 0 at the top.
        level: the depth in the tree.
        full_category_id: the ids from the top down to here: "3600/3516".
        child: the categories right below.
    """

    _shown = ("category_id", "name", "level", "child")

    category_id: int | None = None
    name: str | None = None
    parent_id: int | None = None
    level: int | None = None
    full_category_id: str | None = None
    img_url: str | None = None
    child: tuple["Category", ...] = ()

    def walk(self) -> Iterator["Category"]:
        """Yield this category and all below it, parents first."""
        waiting: list[Category] = [self]
        while waiting:
            category = waiting.pop()
            yield category
            waiting.extend(reversed(category.child))


@attrs.frozen(kw_only=True)
class Warehouse(Record):
    """A warehouse (`GET /v1/product/countryAndWarehouse`).

    Attributes:
        warehouse_code: "G004".
        warehouse_name: removed from the API in 2023-04, still seen.
        warehouse_name_ext: the Chinese name.
        country_code: "CN", "US"; "CN_S" and "CN_N" before 2023-04.
        country_cn: the country's name.
    """

    _shown = ("warehouse_id", "warehouse_code", "country_code", "status")

    warehouse_id: int | None = None
    warehouse_code: str | None = None
    warehouse_name: str | None = None
    warehouse_name_ext: str | None = None
    country_code: str | None = None
    country_cn: str | None = None
    status: WarehouseStatus | None = None
