"""Write pages of products and stock, and note what they changed.

One writer, so rows are compared with those stored before in the same transaction: that finds the changes, keeps
what is newer, and needs no trigger. Every statement is built once and run with a list of rows.
"""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, cast

from sqlalchemy import Table, bindparam, delete, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from kakaclo_async.catalog import schema
from kakaclo_async.catalog.rows import (
    Row,
    gone,
    product_changes,
    product_row,
    sku_changes,
    sku_row,
    stock_change,
    stock_rows,
)
from kakaclo_async.resources._checks import CODES_PER_REQUEST

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from sqlalchemy import Executable
    from sqlalchemy.engine import Connection

    from kakaclo_async.models.product import Product, StockLevel


_PRODUCTS_BEFORE = select(
    schema.product.c.spu,
    schema.product.c.spu_status,
    schema.product.c.update_time,
    schema.product.c.gone_since,
).where(schema.product.c.spu.in_(bindparam("spus", expanding=True)))

_SKUS_BEFORE = select(
    schema.sku.c.sku,
    schema.sku.c.spu,
    schema.sku.c.price,
    schema.sku.c.cost,
    schema.sku.c.stock,
    schema.sku.c.sku_status,
    schema.sku.c.gone_since,
)
_SKUS_OF_PRODUCTS = _SKUS_BEFORE.where(schema.sku.c.spu.in_(bindparam("spus", expanding=True)))
_SKU_STOCKS_BEFORE = select(schema.sku.c.sku, schema.sku.c.spu, schema.sku.c.stock).where(
    schema.sku.c.sku.in_(bindparam("skus", expanding=True))
)

_STOCK_SUMS = (
    select(schema.stock.c.sku, func.sum(schema.stock.c.qty).label("qty"))
    .where(schema.stock.c.sku.in_(bindparam("skus", expanding=True)))
    .group_by(schema.stock.c.sku)
)
_STOCK_BEFORE = select(
    schema.stock.c.sku, schema.stock.c.warehouse_code, schema.stock.c.as_of > bindparam("as_of")
).where(schema.stock.c.sku.in_(bindparam("skus", expanding=True)))
_DROP_WAREHOUSE = delete(schema.stock).where(
    schema.stock.c.sku == bindparam("of_sku"), schema.stock.c.warehouse_code == bindparam("at")
)
_SET_SKU_STOCK = (
    update(schema.sku).where(schema.sku.c.sku == bindparam("of_sku")).values(stock=bindparam("qty"))
)
_SUM_PRODUCT_STOCK = (
    update(schema.product)
    .where(schema.product.c.spu.in_(bindparam("spus", expanding=True)))
    .values(
        stock=select(func.coalesce(func.sum(schema.sku.c.stock), 0))
        .where(schema.sku.c.spu == schema.product.c.spu, schema.sku.c.gone_since.is_(None))
        .scalar_subquery()
    )
)
_MARK_SKU_GONE = (
    update(schema.sku).where(schema.sku.c.sku == bindparam("of_sku")).values(gone_since=bindparam("since"))
)
_MARK_GONE = (
    update(schema.product)
    .where(schema.product.c.spu.in_(bindparam("spus", expanding=True)))
    .values(gone_since=bindparam("since"))
)
_MARK_ITS_SKUS_GONE = (
    update(schema.sku)
    .where(schema.sku.c.spu.in_(bindparam("spus", expanding=True)), schema.sku.c.gone_since.is_(None))
    .values(gone_since=bindparam("since"))
)
_NOT_SEEN = (
    select(schema.product.c.spu)
    .where(
        schema.product.c.seen_in < bindparam("before"),
        schema.product.c.spu > bindparam("after"),
        schema.product.c.gone_since.is_(None),
    )
    .order_by(schema.product.c.spu)
    .limit(CODES_PER_REQUEST)
)
_ADD_CHANGES = insert(schema.change)


def _upsert(table: Table) -> dict[str, Executable]:
    """Build the statement that inserts a row or replaces the one with its key, for each dialect."""
    keys = [column.name for column in table.primary_key]
    statements: dict[str, Executable] = {}
    for dialect in (sqlite, postgresql):
        statement = dialect.insert(table)
        replaced = {
            column.name: statement.excluded[column.name] for column in table.c if column.name not in keys
        }
        statements[dialect.dialect.name] = statement.on_conflict_do_update(index_elements=keys, set_=replaced)
    return statements


_PUT_PRODUCT = _upsert(schema.product)
_PUT_SKU = _upsert(schema.sku)
_PUT_STOCK = _upsert(schema.stock)


def put_products(
    connection: Connection, products: Sequence[Product], *, seen_at: datetime, seen_in: int
) -> int:
    """Store products with their SKUs, unless something newer is there.

    Args:
        connection: the transaction.
        products: no SPU twice.
        seen_at: now.
        seen_in: verifications begun so far.

    Returns:
        The changes noted.
    """
    if not products:
        return 0
    spus = [product.spu for product in products]
    before = _rows_by("spu", connection, _PRODUCTS_BEFORE, spus=spus)
    fresh = [product for product in products if not _is_older(product, before.get(product.spu))]
    skus_before = _rows_by("sku", connection, _SKUS_OF_PRODUCTS, spus=spus)
    sums = _stock_sums(connection, [sku.sku for product in fresh for sku in product.sku_details])

    product_rows: list[Row] = []
    sku_rows: dict[str, Row] = {}
    changes: list[Row] = []
    for product in fresh:
        details = {
            sku.sku: sku_row(sku, spu=product.spu, stock=sums.get(sku.sku, sku.stock))
            for sku in product.sku_details
        }
        stock = sum(cast("int", row["stock"] or 0) for row in details.values()) if details else product.stock
        row = product_row(product, stock=stock, seen_at=seen_at, seen_in=seen_in)
        old = before.get(product.spu)
        events = product_changes(old, row)
        new_product = old is None or old["gone_since"] is not None
        for code, detail in details.items():
            events += sku_changes(skus_before.get(code), detail, new_product=new_product)
        product_rows.append(row)
        sku_rows |= details
        changes += events
    missing = _missing(skus_before.values(), {product.spu for product in fresh}, sku_rows)
    changes += [gone(row) for row in missing]

    _run(connection, _PUT_PRODUCT[connection.dialect.name], sorted(product_rows, key=itemgetter("spu")))
    _run(connection, _PUT_SKU[connection.dialect.name], sorted(sku_rows.values(), key=itemgetter("sku")))
    _run(connection, _MARK_SKU_GONE, [{"of_sku": row["sku"], "since": seen_at} for row in missing])
    _note(connection, changes, seen_at)
    return len(changes)


def put_stock(
    connection: Connection,
    levels: Sequence[StockLevel],
    *,
    as_of: datetime,
    seen_at: datetime,
) -> int:
    """Store stock per warehouse, unless something newer is there, and sum it per SKU and product.

    Args:
        connection: the transaction.
        levels: no SKU twice.
        as_of: the end of the range that was pulled.
        seen_at: now.

    Returns:
        The changes noted.
    """
    if not levels:
        return 0
    codes = [level.sku for level in levels]
    stored: dict[str, set[str]] = {}
    newer: set[str] = set()
    for code, warehouse, is_newer in connection.execute(_STOCK_BEFORE, {"skus": codes, "as_of": as_of}).all():
        stored.setdefault(code, set()).add(warehouse)
        if is_newer:
            newer.add(code)
    fresh = [level for level in levels if level.sku not in newer]
    skus_before = _rows_by("sku", connection, _SKU_STOCKS_BEFORE, skus=codes)

    rows: list[Row] = []
    dropped: list[Row] = []
    changes: list[Row] = []
    moved: list[Row] = []
    for level in fresh:
        at_warehouses = {str(row["warehouse_code"]): row for row in stock_rows(level, as_of=as_of)}
        rows += at_warehouses.values()
        gone_from = stored.get(level.sku, set()) - at_warehouses.keys()
        dropped += [Row(of_sku=level.sku, at=warehouse) for warehouse in gone_from]
        old = skus_before.get(level.sku)
        if old is not None and old["stock"] != level.qty:
            moved.append(old | {"stock": level.qty})
            changes += stock_change(old, moved[-1])

    _run(
        connection, _PUT_STOCK[connection.dialect.name], sorted(rows, key=itemgetter("sku", "warehouse_code"))
    )
    _run(connection, _DROP_WAREHOUSE, dropped)
    _run(connection, _SET_SKU_STOCK, [{"of_sku": row["sku"], "qty": row["stock"]} for row in moved])
    if moved:
        connection.execute(_SUM_PRODUCT_STOCK, {"spus": sorted({str(row["spu"]) for row in moved})})
    _note(connection, changes, seen_at)
    return len(changes)


def verifications(connection: Connection) -> int:
    """Return how many verifications have begun to store what they met."""
    return connection.scalar(select(func.max(schema.product.c.seen_in))) or 0


def not_seen(connection: Connection, *, before: int, after: str) -> list[str]:
    """Return up to 30 SPUs in order that no verification since `before` has met, from `after` on."""
    found = connection.execute(_NOT_SEEN, {"before": before, "after": after})
    return [row.spu for row in found]


def mark_gone(connection: Connection, spus: Sequence[str], *, since: datetime) -> None:
    """Flag products that KakaClo was asked for by code, and did not know, with their SKUs."""
    if not spus:
        return
    connection.execute(_MARK_ITS_SKUS_GONE, {"spus": spus, "since": since})
    connection.execute(_MARK_GONE, {"spus": spus, "since": since})
    _note(connection, [gone({"spu": spu}) for spu in spus], since)


def _stock_sums(connection: Connection, skus: list[str]) -> dict[str, int]:
    if not skus:
        return {}
    found = connection.execute(_STOCK_SUMS, {"skus": skus})
    return {code: int(qty or 0) for code, qty in found.all()}


def _note(connection: Connection, changes: Sequence[Row], at: datetime) -> None:
    _run(connection, _ADD_CHANGES, [{**change, "at": at} for change in changes])


def _run(connection: Connection, statement: Executable, rows: Sequence[Row]) -> None:
    if rows:
        connection.execute(statement, rows)


def _rows_by(key: str, connection: Connection, statement: Executable, **codes: list[str]) -> dict[str, Row]:
    found = connection.execute(statement, codes)
    names = tuple(found.keys())
    rows = (dict(zip(names, row, strict=True)) for row in found.all())
    return {str(row[key]): row for row in rows}


def _is_older(product: Product, stored: Row | None) -> bool:
    version = None if stored is None else cast("datetime | None", stored["update_time"])
    return version is not None and product.update_time is not None and product.update_time < version


def _missing(stored: Iterable[Row], spus: set[str], received: dict[str, Row]) -> list[Row]:
    """Return SKUs that their product, received in full, does not list any more."""
    return [
        row
        for row in stored
        if row["spu"] in spus and row["sku"] not in received and row["gone_since"] is None
    ]
