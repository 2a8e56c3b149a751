"""Models to table rows, which are plain values under the columns' names; and the types of the columns.

They keep money exact and times in UTC, on every database. They give SQLAlchemy a function per dialect, or none: a page
of products binds thousands of values.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Protocol, TypeVar, cast

import attrs
from sqlalchemy import DateTime, Numeric, String, Text
from sqlalchemy.types import TypeDecorator

from kakaclo_async.models.product import FOR_GOOD, WarehouseStock

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy import Executable
    from sqlalchemy.engine import Connection, Dialect

    from kakaclo_async.models.common import Attributes, Option
    from kakaclo_async.models.product import Product, ProductStatus, Sku, StockLevel


Row = dict[str, object]

_WHEN_SEEN = {"seen_at", "as_of"}


@attrs.frozen(kw_only=True)
class Newer:
    """What is stored already, and newer than what has come: it stays.

    Attributes:
        now: by KakaClo's clock. A stored time after it was wrong, and protects nothing.
        repair_until: what is stored of times up to then is put right by what has come, even if that is older; None
            outside of a verification.
    """

    now: datetime
    repair_until: datetime | None = None

    def stays(self, stored: object, come: datetime | None) -> bool:
        """Tell whether a stored version stays."""
        version = cast("datetime | None", stored)
        if version is None or come is None or version > self.now:
            return False
        return come < version and (self.repair_until is None or version > self.repair_until)


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
        "retired": product.spu_status in FOR_GOOD,
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
        "retired": sku.sku_status in FOR_GOOD,
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
        held[code] = at if before is None else attrs.evolve(at, qty=before.qty + at.qty)
    return [
        Row(sku=level.sku, warehouse_code=code, country_code=at.country_code, qty=at.qty, as_of=as_of)
        for code, at in held.items()
    ]


def unlisted(stored: Iterable[Row], spus: set[str], received: dict[str, Row]) -> list[Row]:
    """Return SKUs that their product, received in full, does not list any more."""
    return [
        row
        for row in stored
        if row["spu"] in spus and row["sku"] not in received and row["gone_since"] is None
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


T = TypeVar("T")
T_contra = TypeVar("T_contra", contravariant=True)


class _Binder(Protocol[T_contra]):
    """Makes of a value what the driver takes."""

    def __call__(self, value: T_contra | None) -> object: ...


class AnyCode(TypeDecorator[str]):
    """A code as KakaClo sends it; in PostgreSQL, which has no room for a NUL, that becomes a replacement character."""

    impl = String
    cache_ok = True

    def bind_processor(self, dialect: Dialect) -> _Binder[str] | None:
        """Write."""
        return None if dialect.name == "sqlite" else without_nul


class AnyText(AnyCode):
    """Likewise, for texts of any length."""

    impl = Text
    cache_ok = True


def without_nul(value: T) -> T:
    """Return a text as PostgreSQL holds it, and anything else as it is."""
    if not isinstance(value, str) or "\0" not in value:
        return value
    return cast("T", value.replace("\0", "\ufffd"))


class ExactDecimal(TypeDecorator[Decimal]):
    """A Decimal with all its digits: `6.1600` stays `6.1600`.

    NUMERIC where the database keeps the scale; SQLite has no such type, and stores the text.
    """

    impl = Numeric().with_variant(String(), "sqlite")
    cache_ok = True

    def bind_processor(self, dialect: Dialect) -> _Binder[Decimal] | None:
        """Write."""
        return _plain if dialect.name == "sqlite" else super().bind_processor(dialect)

    def process_result_value(self, value: object, dialect: Dialect) -> Decimal | None:
        """Read."""
        del dialect
        return None if value is None else Decimal(str(value))


def _plain(value: Decimal | None) -> str | None:
    # Without an exponent, so that SQLite's CAST(price AS REAL) reads every text.
    return None if value is None else format(value, "f")


class UtcTime(TypeDecorator[datetime]):
    """An aware UTC time, to the second.

    `timestamptz` where there is one; SQLite stores `2024-01-07 03:29:18`, which sorts, and which its date
    functions read.
    """

    impl = DateTime(timezone=True).with_variant(String(19), "sqlite")
    cache_ok = True

    def bind_processor(self, dialect: Dialect) -> _Binder[datetime] | None:
        """Write."""
        return _sqlite_time if dialect.name == "sqlite" else _whole_second

    def process_result_value(self, value: object, dialect: Dialect) -> datetime | None:
        """Read."""
        del dialect
        if value is None:
            return None
        moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
        # Without a zone come SQLite's texts, and what asyncpg makes of the year 1, others' word for "never".
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _whole_second(value: datetime | None) -> datetime | None:
    return None if value is None else value.astimezone(UTC).replace(microsecond=0)


@lru_cache(maxsize=1024)  # the rows of a page share most of their times
def _sqlite_time(value: datetime | None) -> str | None:
    moment = _whole_second(value)
    return None if moment is None else moment.isoformat(" ")[:19]
