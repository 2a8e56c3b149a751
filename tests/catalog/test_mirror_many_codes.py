"""More codes in one transaction than a statement may have parameters: 32,767 in PostgreSQL, 32,766 in SQLite."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sqlalchemy import Delete, Select, Update, create_engine
from sqlalchemy.dialects import sqlite

from kakaclo_async.catalog import schema, store
from kakaclo_async.catalog.database import MirrorDatabase
from kakaclo_async.catalog.rows import Newer
from kakaclo_async.catalog.store import mark_gone, put_products, put_stock
from kakaclo_async.models.product import Product, Sku, StockLevel, WarehouseStock

NOW = datetime(2026, 1, 1, tzinfo=UTC)


async def test_a_page_of_products_with_thousands_of_skus_each_is_stored(url):
    products = [
        Product(spu=f"S{number}", sku_details=tuple(Sku(sku=f"S{number}_{size}") for size in range(1100)))
        for number in range(31)
    ]
    database = MirrorDatabase(url)
    await database.open()
    try:
        for _ in range(2):
            await database.write(
                lambda connection: put_products(connection, products, seen_at=NOW, newer=Newer(now=NOW))
            )
        gone = [product.spu for product in products] + [f"T{number}" for number in range(40_000)]
        await database.write(lambda connection: mark_gone(connection, gone, since=NOW))
        assert (await database.status()).skus == 31 * 1100
    finally:
        await database.close()


async def test_a_code_with_a_null_character_is_found_again(url):
    product = Product(spu="A\0B", product_name="A\0", sku_details=(Sku(sku="C\0D", stock=1, option2=None),))
    level = StockLevel(sku="C\0D", warehouses=(WarehouseStock(warehouse_code="E\0", qty=3),))
    database = MirrorDatabase(url)
    await database.open()

    def store(connection):
        stored = put_products(connection, [product], seen_at=NOW, newer=Newer(now=NOW))
        return stored + put_stock(connection, [level], as_of=NOW, seen_at=NOW, newer=Newer(now=NOW))

    try:
        changes = [await database.write(store) for _ in range(2)]
        status = await database.status()
    finally:
        await database.close()

    assert changes == [2, 0]
    assert (status.products, status.skus) == (1, 1)


MAY_READ_A_TABLE = {
    "_LIVE",  # counts, and only when something is missing
    "_FIRST_KEPT",  # in the order of the key, up to the first that is kept
}
STATEMENTS = {
    name: statement
    for name, statement in vars(store).items()
    if isinstance(statement, Select | Update | Delete) and name not in MAY_READ_A_TABLE
}


@pytest.mark.parametrize("name", STATEMENTS)
def test_an_index_finds_the_rows_and_no_table_is_read_from_end_to_end(name):
    engine = create_engine("sqlite://")
    schema.metadata.create_all(engine)
    sql = str(STATEMENTS[name].compile(dialect=sqlite.dialect()))
    with engine.connect() as connection:
        driver = connection.connection.dbapi_connection
        plan = driver.execute(f"EXPLAIN QUERY PLAN {sql}", ['["A"]'] * sql.count("?")).fetchall()
    engine.dispose()
    steps = [row[3] for row in plan]
    assert [step for step in steps if step.startswith("SCAN") and "json_each" not in step] == []


def test_every_statement_of_the_store_is_among_those():
    assert {"_PRODUCTS_BEFORE", "_STOCK_BEFORE", "_MISSING", "_SPUS", "_MARK_GONE"} <= STATEMENTS.keys()
