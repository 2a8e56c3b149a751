"""The tables of a mirror.

Columns that hold what KakaClo sends are named as its fields are, in snake case. `product` 1-n `sku` 1-n `stock`;
`change` tells what happened to them; the tables that start with `mirror_` belong to the mirror.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    false,
)

from kakaclo_async.catalog.types import ExactDecimal, UtcTime

__all__ = [
    "change",
    "metadata",
    "mirror_done",
    "mirror_open",
    "mirror_schema",
    "mirror_undecodable",
    "product",
    "sku",
    "stock",
]

metadata = MetaData()

# SQLite numbers rows by itself only in a column that is declared INTEGER.
_Number = BigInteger().with_variant(Integer(), "sqlite")

product = Table(
    "product",
    metadata,
    Column("spu", String, primary_key=True),
    Column("kk_product_id", BigInteger),
    Column("product_name", Text),
    Column("description", Text),
    Column("size_image_path", Text),
    Column("spu_status", Integer, index=True),
    Column("category_id", BigInteger, index=True),
    Column("full_category_name", Text),
    Column("sales_volume", Integer),
    Column("attributes_json", Text),
    Column("price", ExactDecimal),
    Column("stock", Integer, index=True, comment="the sum over the product's SKUs"),
    Column("supplier_level", String),
    Column("create_time", UtcTime),
    Column("update_time", UtcTime, index=True),
    Column("sku_img_url", Text, comment="JSON, as KakaClo sends it"),
    Column(
        "retired", Boolean, nullable=False, server_default=false(), comment="spu_status is 2 or 3: for good"
    ),
    Column("gone_since", UtcTime, comment="when KakaClo was found not to know the SPU any more"),
    Column("seen_at", UtcTime, nullable=False, comment="when this row was last received"),
    Column("seen_in", Integer, nullable=False, comment="verifications begun before that"),
)

sku = Table(
    "sku",
    metadata,
    Column("sku", String, primary_key=True),
    Column("spu", String, ForeignKey("product.spu"), nullable=False, index=True),
    Column("sku_name", Text),
    Column("main_img", Text),
    Column("package_length", ExactDecimal, comment="cm"),
    Column("package_width", ExactDecimal, comment="cm"),
    Column("package_height", ExactDecimal, comment="cm"),
    Column("package_weight", ExactDecimal, comment="g"),
    Column("cost", ExactDecimal, comment="USD"),
    Column("price", ExactDecimal, comment="USD"),
    Column("stock", Integer, index=True, comment="the sum over the warehouses, once stock was pulled"),
    Column("option1", Text, comment="JSON, as KakaClo sends it"),
    Column("option2", Text),
    Column("option3", Text),
    Column("material", Text),
    Column("sku_status", Integer, index=True),
    Column(
        "retired", Boolean, nullable=False, server_default=false(), comment="sku_status is 2 or 3: for good"
    ),
    Column("gone_since", UtcTime, comment="when the SKU was missing from its product"),
)

stock = Table(
    "stock",
    metadata,
    # No foreign key: stock may arrive before its product, which was updated a moment ago.
    Column("sku", String, primary_key=True),
    Column("warehouse_code", String, primary_key=True),
    Column("country_code", String),
    Column("qty", Integer),
    Column("as_of", UtcTime, nullable=False, comment="the end of the window that told it: newer wins"),
)

change = Table(
    "change",
    metadata,
    Column("id", _Number, primary_key=True, autoincrement=True),
    Column("at", UtcTime, nullable=False, comment="when the mirror saw it"),
    Column("kind", String, nullable=False),
    Column("spu", String),
    Column("sku", String),
    Column("old", Text),
    Column("new", Text),
    Index("ix_change_sku", "sku"),
    sqlite_autoincrement=True,  # a cursor must never meet a number for the second time
)

mirror_schema = Table(
    "mirror_schema",
    metadata,
    Column("version", Integer, primary_key=True),
)

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
    Column("clock", Integer),
    Column("first", Integer),
    Column("distinct_rows", Integer, nullable=False),
)

mirror_undecodable = Table(
    "mirror_undecodable",
    metadata,
    Column("id", _Number, primary_key=True, autoincrement=True),
    Column("endpoint", String, nullable=False),
    Column("key", String, comment="SPU or SKU, where it could be read"),
    Column("reason", Text, nullable=False),
    Column("raw", Text, nullable=False),
    Column("seen_at", UtcTime, nullable=False),
)
