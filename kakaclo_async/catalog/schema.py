"""The tables of a mirror, and what changed about them since version 1.

Columns that hold what KakaClo sends are named as its fields are, in snake case. `product` 1-n `sku` 1-n `stock`;
`change` lists what happened to them; the tables that start with `mirror_` belong to the mirror.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    REAL,
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    cast,
    false,
    null,
    type_coerce,
)

from kakaclo_async.catalog.rows import AnyCode, AnyText, ExactDecimal, UtcTime
from kakaclo_async.database.migrations import Migrations

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement
    from sqlalchemy.engine import Connection


metadata = MetaData()

# In SQLite, where every number has 64 bits, INTEGER is what numbers rows by itself.
_Number = BigInteger().with_variant(Integer(), "sqlite")


def _retired(status: str) -> Column[bool]:
    comment = f"{status} is 2 or 3: for good"
    return Column("retired", Boolean, nullable=False, server_default=false(), comment=comment)


product = Table(
    "product",
    metadata,
    Column("spu", AnyCode, primary_key=True),
    Column("kk_product_id", BigInteger),
    Column("product_name", AnyText),
    Column("description", AnyText),
    Column("size_image_path", AnyText),
    Column("spu_status", _Number, index=True),
    Column("category_id", BigInteger, index=True),
    Column("full_category_name", AnyText),
    Column("sales_volume", _Number),
    Column("attributes_json", AnyText),
    Column("price", ExactDecimal),
    Column("stock", _Number, index=True, comment="the sum over the product's SKUs"),
    Column("supplier_level", AnyCode),
    Column("create_time", UtcTime),
    Column("update_time", UtcTime, index=True),
    Column("sku_img_url", AnyText, comment="JSON, as KakaClo sends it"),
    _retired("spu_status"),
    Column("gone_since", UtcTime, comment="when KakaClo was found not to know the SPU any more"),
    Column("seen_at", UtcTime, nullable=False, comment="when this row was last received and written"),
    Column("missing_since", UtcTime, index=True, comment="when KakaClo was first found not to know the SPU"),
)

sku = Table(
    "sku",
    metadata,
    Column("sku", AnyCode, primary_key=True),
    Column("spu", AnyCode, ForeignKey("product.spu"), nullable=False, index=True),
    Column("sku_name", AnyText),
    Column("main_img", AnyText),
    Column("package_length", ExactDecimal, comment="cm"),
    Column("package_width", ExactDecimal, comment="cm"),
    Column("package_height", ExactDecimal, comment="cm"),
    Column("package_weight", ExactDecimal, comment="g"),
    Column("cost", ExactDecimal, comment="USD"),
    Column("price", ExactDecimal, comment="USD"),
    Column("stock", _Number, index=True, comment="the sum over the warehouses, once stock was pulled"),
    Column("option1", AnyText, comment="JSON, as KakaClo sends it"),
    Column("option2", AnyText),
    Column("option3", AnyText),
    Column("material", AnyText),
    Column("sku_status", _Number, index=True),
    _retired("sku_status"),
    Column("gone_since", UtcTime, comment="when the SKU was missing from its product"),
)

stock = Table(
    "stock",
    metadata,
    # No foreign key: stock may arrive before its product, which was updated a moment ago.
    Column("sku", AnyCode, primary_key=True),
    Column("warehouse_code", AnyCode, primary_key=True),
    Column("country_code", AnyCode),
    Column("qty", _Number),
    Column("as_of", UtcTime, nullable=False, comment="the end of the window that told it: newer wins"),
)

change = Table(
    "change",
    metadata,
    Column("id", _Number, primary_key=True, autoincrement=True),
    Column("at", UtcTime, nullable=False, comment="when the mirror saw it"),
    Column("kind", String, nullable=False),
    Column("spu", AnyCode),
    Column("sku", AnyCode, index=True),
    Column("old", AnyText),
    Column("new", AnyText),
    Column("country", AnyCode, comment="of the stock; empty: all. '-' and '*': see events.py"),
    sqlite_autoincrement=True,  # a cursor must never meet a number for the second time
)

mirror_schema = Table("mirror_schema", metadata, Column("version", Integer, primary_key=True))

mirror_done = Table(
    "mirror_done",
    metadata,
    Column("endpoint", String, primary_key=True),
    Column("start", UtcTime, primary_key=True),
    Column("end", UtcTime, nullable=False),
)

mirror_open = Table(
    "mirror_open",
    metadata,
    Column("endpoint", String, primary_key=True),
    Column("start", UtcTime, primary_key=True),
    Column("end", UtcTime, nullable=False),
    Column("page", Integer, nullable=False),
    Column("page_size", Integer, nullable=False),
    Column("total", Integer, nullable=False),
    Column("last_total", Integer),
    Column("first_page_total", Integer),
    Column("distinct_rows", Integer, nullable=False),
)

mirror_undecodable = Table(
    "mirror_undecodable",
    metadata,
    Column("id", _Number, primary_key=True, autoincrement=True),
    Column("endpoint", String, nullable=False),
    Column("key", AnyCode, comment="SPU or SKU, where it could be read"),
    Column("reason", AnyText, nullable=False),
    Column("raw", AnyText, nullable=False),
    Column("seen_at", UtcTime, nullable=False),
)

DROPPED_UNTIL = "changes dropped until"
"""The number that tells which change was the last that is not kept any more."""

DROPS_CHANGES = 4
"""The version from which on changes may be dropped."""

COUNTRIES = 5
"""The version from which on changes of stock know the country."""

mirror_number = Table(
    "mirror_number",
    metadata,
    Column("name", String, primary_key=True),
    Column("value", BigInteger, nullable=False),
)

for _priced in (product, sku):
    # Texts sort by their first digits: SQLite compares prices as `CAST(price AS REAL)`, and so does its index.
    Index(f"ix_{_priced.name}_price", cast(_priced.c.price, REAL)).ddl_if("sqlite")
    Index(f"ix_{_priced.name}_price", _priced.c.price).ddl_if("postgresql")


def _to_2(connection: Connection) -> None:
    """Index prices; hold numbers that 32 bits do not."""
    lite = connection.dialect.name == "sqlite"
    price = "CAST(price AS REAL)" if lite else "price"
    for table in ("product", "sku"):
        connection.exec_driver_sql(f"CREATE INDEX ix_{table}_price ON {table} ({price})")
    if lite:  # there every number has 64
        return
    for table, columns in {
        "product": ("spu_status", "sales_volume", "stock"),
        "sku": ("sku_status", "stock"),
        "stock": ("qty",),
    }.items():
        wider = ", ".join(f"ALTER COLUMN {column} TYPE bigint" for column in columns)
        connection.exec_driver_sql(f"ALTER TABLE {table} {wider}")


def _to_3(connection: Connection) -> None:
    """Name what is noted of a window that is being read after what it is."""
    for old, new in (("clock", "last_total"), ("first", "first_page_total")):
        connection.exec_driver_sql(f'ALTER TABLE mirror_open RENAME COLUMN "{old}" TO {new}')


def _to_4(connection: Connection) -> None:
    """Note what was missed once, and up to where changes were dropped; verifications keep what they met in mind."""
    connection.exec_driver_sql("ALTER TABLE product DROP COLUMN seen_in")
    mirror_number.create(connection)
    kind = "VARCHAR(19)" if connection.dialect.name == "sqlite" else "TIMESTAMP WITH TIME ZONE"
    connection.exec_driver_sql(f"ALTER TABLE product ADD COLUMN missing_since {kind}")
    connection.exec_driver_sql("CREATE INDEX ix_product_missing_since ON product (missing_since)")


def _to_5(connection: Connection) -> None:
    """Tell stock in each country."""
    connection.exec_driver_sql("ALTER TABLE change ADD COLUMN country VARCHAR")


_ADDED = {product.c.missing_since: DROPS_CHANGES, change.c.country: COUNTRIES}


def columns(table: Table, version: int) -> list[ColumnElement[Any]]:
    """Return the columns of a table to be read, of any version: reading does not migrate. What is lacking is empty."""
    return [
        type_coerce(null(), column.type).label(column.name) if version < _ADDED.get(column, 1) else column
        for column in table.c
    ]


MIGRATIONS = Migrations(
    holds="mirror",
    hint="run one first",
    metadata=metadata,
    version=mirror_schema,
    steps=[_to_2, _to_3, _to_4, _to_5],
    alone=True,
)
