"""Write pages of products and stock, and note what they changed.

One writer, so rows are compared with those stored before in the same transaction: that finds the changes, keeps
what is newer, and needs no trigger. Every statement is built once and run with a list of rows.
"""

from __future__ import annotations

from functools import cache
from operator import itemgetter
from typing import TYPE_CHECKING, cast

from sqlalchemy import bindparam, delete, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from kakaclo_async.catalog import schema
from kakaclo_async.catalog.rows import (
    Row,
    gone,
    product_changes,
    product_row,
    run_for_each,
    sku_changes,
    sku_row,
    stock_change,
    stock_rows,
)
from kakaclo_async.database.migrations import among
from kakaclo_async.resources._lookup import CODES_PER_REQUEST

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from sqlalchemy import Executable, Table
    from sqlalchemy.engine import Connection

    from kakaclo_async.models.product import Product, StockLevel


_product, _sku, _stock = schema.product.c, schema.sku.c, schema.stock.c

_PRODUCTS_BEFORE = select(_product.spu, _product.spu_status, _product.update_time, _product.gone_since).where(
    among(_product.spu, "spus")
)
_SKUS_BEFORE = select(
    _sku.sku, _sku.spu, _sku.price, _sku.cost, _sku.stock, _sku.sku_status, _sku.gone_since
).where(among(_sku.spu, "spus"))
_SKU_STOCKS_BEFORE = select(_sku.sku, _sku.spu, _sku.stock).where(among(_sku.sku, "skus"))
_STOCK_BEFORE = select(_stock.sku, _stock.warehouse_code, _stock.as_of > bindparam("as_of")).where(
    among(_stock.sku, "skus")
)
_STOCK_SUMS = select(_stock.sku, func.sum(_stock.qty)).where(among(_stock.sku, "skus")).group_by(_stock.sku)
_DROP_WAREHOUSE = delete(schema.stock).where(
    _stock.sku == bindparam("of_sku"), _stock.warehouse_code == bindparam("at")
)
_SET_SKU_STOCK = update(schema.sku).where(_sku.sku == bindparam("of_sku")).values(stock=bindparam("qty"))
_SUM_PRODUCT_STOCK = (
    update(schema.product)
    .where(among(_product.spu, "spus"))
    .values(
        stock=select(func.coalesce(func.sum(_sku.stock), 0))
        .where(_sku.spu == _product.spu, _sku.gone_since.is_(None))
        .scalar_subquery()
    )
)
_MARK_SKU_GONE = (
    update(schema.sku).where(_sku.sku == bindparam("of_sku")).values(gone_since=bindparam("since"))
)
_MARK_GONE = update(schema.product).where(among(_product.spu, "spus")).values(gone_since=bindparam("since"))
_MARK_ITS_SKUS_GONE = (
    update(schema.sku)
    .where(among(_sku.spu, "spus"), _sku.gone_since.is_(None))
    .values(gone_since=bindparam("since"))
)
_NOT_SEEN = (
    select(_product.spu)
    .where(
        _product.seen_in < bindparam("before"),
        _product.spu > bindparam("after"),
        _product.gone_since.is_(None),
    )
    .order_by(_product.spu)
    .limit(CODES_PER_REQUEST)
)
_ADD_CHANGES = insert(schema.change)


@cache
def _upsert(table: Table, dialect: str) -> Executable:
    """Build the statement that inserts a row or replaces the one with its key."""
    statement = (sqlite if dialect == "sqlite" else postgresql).insert(table)
    replaced = {name: column for name, column in statement.excluded.items() if not table.c[name].primary_key}
    upsert: Executable = statement.on_conflict_do_update(
        index_elements=list(table.primary_key), set_=replaced
    )
    return upsert


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
    skus_before = _rows_by("sku", connection, _SKUS_BEFORE, spus=spus)
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
        changes += product_changes(old, row)
        new_product = old is None or old["gone_since"] is not None
        for code, detail in details.items():
            changes += sku_changes(skus_before.get(code), detail, new_product=new_product)
        product_rows.append(row)
        sku_rows |= details
    missing = _missing(skus_before.values(), {product.spu for product in fresh}, sku_rows)
    changes += [gone(row) for row in missing]

    _put(connection, schema.product, product_rows)
    _put(connection, schema.sku, sku_rows.values())
    run_for_each(connection, _MARK_SKU_GONE, [{"of_sku": row["sku"], "since": seen_at} for row in missing])
    _note(connection, changes, seen_at)
    return len(changes)


def put_stock(
    connection: Connection, levels: Sequence[StockLevel], *, as_of: datetime, seen_at: datetime
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

    _put(connection, schema.stock, rows)
    run_for_each(connection, _DROP_WAREHOUSE, dropped)
    run_for_each(connection, _SET_SKU_STOCK, [{"of_sku": row["sku"], "qty": row["stock"]} for row in moved])
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
    return {code: int(qty or 0) for code, qty in connection.execute(_STOCK_SUMS, {"skus": skus}).all()}


def _put(connection: Connection, table: Table, rows: Iterable[Row]) -> None:
    by_key = itemgetter(*(column.name for column in table.primary_key))
    run_for_each(connection, _upsert(table, connection.dialect.name), sorted(rows, key=by_key))


def _note(connection: Connection, changes: Sequence[Row], at: datetime) -> None:
    run_for_each(connection, _ADD_CHANGES, [{**change, "at": at} for change in changes])


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
