"""Models to table rows, as databases hold them; and the types of the columns.

They keep money exact and times in UTC, on every database. They give SQLAlchemy a function per dialect, or none: a page
of products binds thousands of values.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias, TypeVar, cast

import attrs
from sqlalchemy import DateTime, Numeric, String, Text
from sqlalchemy.types import TypeDecorator

from kakaclo_async.models.product import FOR_GOOD, WarehouseStock

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy import Executable
    from sqlalchemy.engine import Connection, Dialect

    from kakaclo_async.models.common import Attributes, Option
    from kakaclo_async.models.product import Product, ProductStatus, Sku, StockLevel


Row = dict[str, object]

Values: TypeAlias = tuple[Any, ...]
"""A row in the order of its table's columns, as a database holds it."""

WHEN_SEEN: Final = {"seen_at", "as_of"}
"""Columns that tell when a row was seen, not what it says."""


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
        """Tell whether a stored version stays; it comes as it is held."""
        if stored is None or come is None:
            return False
        version = as_utc(stored)
        if version > self.now:
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
        elif name not in WHEN_SEEN and not _is_held_as(value, held):
            return False
    return True


def _is_held_as(value: object, stored: object) -> bool:
    """Tell whether a text with a NUL is stored as PostgreSQL can."""
    return isinstance(value, str) and "\0" in value and without_nul(value) == stored


def with_held_codes(products: Sequence[Product], dialect: str) -> Sequence[Product]:
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


def levels_with_held_codes(levels: Sequence[StockLevel], dialect: str) -> Sequence[StockLevel]:
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


def product_values(
    product: Product, *, stock: int | None, seen_at: object, time: Callable[[datetime | None], object]
) -> Values:
    """Return the row of a product, in the order of the columns.

    Args:
        product: the product.
        stock: the sum over its SKUs.
        seen_at: when it was received, as it is held.
        time: makes of a time what is held.
    """
    status, retired = _status(product.spu_status)
    return (
        product.spu,
        product.kk_product_id,
        product.product_name,
        product.description,
        product.size_image_path,
        status,
        product.category_id,
        product.full_category_name,
        product.sales_volume,
        _raw(product.attributes_json),
        plain(product.price),
        stock,
        None if product.supplier_level is None else product.supplier_level.value,
        time(product.create_time),
        time(product.update_time),
        _images(product),
        retired,
        None,  # gone_since
        seen_at,
        None,  # missing_since
    )


def sku_values(sku: Sku, *, spu: str, stock: int | None) -> Values:
    """Return the row of a SKU, in the order of the columns.

    Args:
        sku: the SKU.
        spu: its product's code.
        stock: the sum over the warehouses.
    """
    status, retired = _status(sku.sku_status)
    option1, option2, option3 = sku.option1, sku.option2, sku.option3
    return (
        sku.sku,
        spu,
        sku.sku_name,
        sku.main_img,
        plain(sku.package_length),
        plain(sku.package_width),
        plain(sku.package_height),
        plain(sku.package_weight),
        plain(sku.cost),
        plain(sku.price),
        stock,
        None if option1 is None else option1.raw,
        None if option2 is None else option2.raw,
        None if option3 is None else option3.raw,
        sku.material,
        status,
        retired,
        None,  # gone_since
    )


def stock_values(level: StockLevel, *, as_of: object) -> dict[str, Values]:
    """Return the rows of a SKU's stock by their warehouses, in the order of the columns.

    A SKU that no warehouse lists has one row without a warehouse: its stock is known to be 0, which a product with an
    older sum must not undo.

    Args:
        level: the stock of one SKU; what a warehouse holds in several entries is summed, as `level.qty` is.
        as_of: the end of the window that told it, as it is held.
    """
    rows: dict[str, Values] = {}
    for at in level.warehouses or (WarehouseStock(qty=0),):
        code = at.warehouse_code or ""
        qty = at.qty if code not in rows else rows[code][3] + at.qty
        rows[code] = (level.sku, code, at.country_code, qty, as_of)
    return rows


@lru_cache(maxsize=64)  # an enumeration is slow to ask, and has few members
def _status(status: ProductStatus | None) -> tuple[int | None, bool]:
    """Return a status as a number, and whether it is for good."""
    return (None if status is None else int(status)), status in FOR_GOOD


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
        return plain if dialect.name == "sqlite" else super().bind_processor(dialect)

    def process_result_value(self, value: object, dialect: Dialect) -> Decimal | None:
        """Read."""
        del dialect
        return None if value is None else Decimal(str(value))


def plain(value: Decimal | None) -> str | None:
    """Return all digits, without an exponent, so that SQLite's CAST(price AS REAL) reads every text."""
    if value is None:
        return None
    text = str(value)
    return format(value, "f") if "E" in text else text  # which takes three times as long


class UtcTime(TypeDecorator[datetime]):
    """An aware UTC time, to the second.

    `timestamptz` where there is one; SQLite stores `2024-01-07 03:29:18`, which sorts, and which its date
    functions read.
    """

    impl = DateTime(timezone=True).with_variant(String(19), "sqlite")
    cache_ok = True

    def bind_processor(self, dialect: Dialect) -> _Binder[datetime] | None:
        """Write."""
        return in_text if dialect.name == "sqlite" else in_whole_seconds

    def process_result_value(self, value: object, dialect: Dialect) -> datetime | None:
        """Read."""
        del dialect
        return None if value is None else as_utc(value)


@lru_cache(maxsize=1024)  # the rows of a page share most of their times
def as_utc(stored: object) -> datetime:
    """Return a time as it is held in any database."""
    moment = stored if isinstance(stored, datetime) else datetime.fromisoformat(str(stored))
    # Without a zone come SQLite's texts, and what asyncpg makes of the year 1, others' word for "never".
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def in_whole_seconds(value: datetime | None) -> datetime | None:
    """Return a time as PostgreSQL holds it."""
    return None if value is None else value.astimezone(UTC).replace(microsecond=0)


@lru_cache(maxsize=1024)
def in_text(value: datetime | None) -> str | None:
    """Return a time as SQLite holds it."""
    moment = in_whole_seconds(value)
    return None if moment is None else moment.isoformat(" ")[:19]
