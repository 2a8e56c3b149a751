"""Products as models, a mirror's database full of SKUs, and plain tables beside it."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from kakaclo_async import Option, Product, ProductStatus, Sku
from kakaclo_async.catalog.database import MirrorDatabase

if TYPE_CHECKING:
    from collections.abc import Sequence

    import asyncpg

START = datetime(2024, 1, 1, tzinfo=UTC)
FILL_PRODUCTS = """
    WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
    INSERT INTO product (spu, seen_at) SELECT 'P' || i, '2024-01-01 00:00:00' FROM n
"""
FILL = """
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
    INSERT INTO sku (sku, spu, sku_name, main_img, package_length, package_width, package_height, package_weight,
        price, cost, stock, option1, option2, material, sku_status)
    SELECT 'SKU' || (i * 7919 % 1000003), 'P' || (i / 8), 'Fashion All-Match Casual Threaded Contrast Cropped Pants',
        'https://img.example/image/' || i || '/87c26392683a1a34df19f3b2cfb053b6.jpg', '32', '22', '3', 200 + i % 100,
        '6.' || (1000 + i % 500), '4.' || (1000 + i % 500), i % 50,
        '{"name":"color","value":"Black"}', '{"name":"size","value":"XL"}', '100% Cotton', 1
    FROM n
"""


def product(number: int, skus: int = 8) -> Product:
    """Make a product as the sandbox would."""
    color, size = (
        Option("color", "Black", '{"name":"color","value":"Black"}'),
        Option("size", "M", '{"name":"size"}'),
    )
    details = tuple(
        Sku(
            sku=f"S{number:07d}_{place}",
            sku_name="Fashion All-Match Casual Threaded Contrast Cropped Pants",
            main_img="https://img.kakaclo.com/image/AMN00769/AMN00769_DGR_S/87c26392683a1a34df19f3b2cfb053b6.jpg",
            package_length=Decimal(32),
            package_width=Decimal(22),
            package_height=Decimal(3),
            package_weight=Decimal(256),
            cost=Decimal("4.6000"),
            price=Decimal("5.9800"),
            stock=20,
            option1=color,
            option2=size,
            material="100% Cotton",
            sku_status=ProductStatus.ON_SHELF,
        )
        for place in range(skus)
    )
    return Product(
        spu=f"S{number:07d}",
        product_name="Fashion All-Match Casual Threaded Contrast Cropped Pants",
        description="Comfortable fabric / fashionable style / casual and versatile " * 5,
        spu_status=ProductStatus.ON_SHELF,
        category_id=3658,
        price=Decimal("5.9800"),
        stock=20 * skus,
        create_time=START,
        update_time=START,
        sku_details=details,
    )


def page(number: int) -> list[Product]:
    """Make the 30 products of a page."""
    return [product(number * 30 + place) for place in range(30)]


async def filled(path: str, skus: int) -> str:
    """Make a mirror's database with some SKUs, of 8 to a product; return its URL."""
    url = f"sqlite:///{path}"
    made = MirrorDatabase(url)
    await made.open()
    await made.close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(FILL_PRODUCTS, [max(1, skus // 8)])
        connection.execute(FILL, [skus])
        connection.commit()
    return url


PLAIN = """
    CREATE TABLE IF NOT EXISTS product (spu TEXT PRIMARY KEY, name TEXT, description TEXT, status INTEGER,
        category INTEGER, price TEXT, stock INTEGER, created TEXT, updated TEXT);
    CREATE TABLE IF NOT EXISTS sku (sku TEXT PRIMARY KEY, spu TEXT, name TEXT, image TEXT, length TEXT, width TEXT,
        height TEXT, weight TEXT, cost TEXT, price TEXT, stock INTEGER, option1 TEXT, option2 TEXT, option3 TEXT,
        material TEXT, status INTEGER);
    CREATE INDEX IF NOT EXISTS sku_spu ON sku (spu);
"""
"""What one makes in an afternoon: no history, no foreign key, no check whether anything changed."""


_COLUMNS = {
    table: re.findall(r"(\w+) (?:TEXT|INTEGER)", body)
    for table, body in re.findall(r"EXISTS (\w+) \(([^)]*)\)", PLAIN)
}


def open_plain(path: str) -> sqlite3.Connection:
    """Open a file of plain tables as a mirror opens its own: a log that is synced when it goes into the file."""
    connection = sqlite3.connect(path)
    for pragma in ("journal_mode = WAL", "synchronous = NORMAL", "foreign_keys = ON"):
        connection.execute(f"PRAGMA {pragma}")
    return connection


def plain(path: str, skus: int) -> str:
    """Make plain tables with some SKUs; return the path."""
    with closing(open_plain(path)) as connection:
        connection.executescript(PLAIN)
        for number in range(skus // 240):
            put_plain(connection, page(10**5 + number))
    return path


def put_plain(connection: sqlite3.Connection, products: Sequence[Product]) -> None:
    """Store products with `executemany`, in one transaction."""
    with connection:
        for table, rows in _plain_rows(products).items():
            places = ", ".join("?" * len(rows[0]))
            statement = f"INSERT OR REPLACE INTO {table} VALUES ({places})"  # noqa: S608 - names of its own
            connection.executemany(statement, rows)


async def put_plain_remotely(connection: asyncpg.Connection, products: Sequence[Product]) -> None:
    """Store products with `executemany`, in one transaction, in PostgreSQL."""
    async with connection.transaction():
        for table, rows in _plain_rows(products).items():
            key, *columns = _COLUMNS[table]
            places = ", ".join(f"${place}" for place in range(1, len(rows[0]) + 1))
            changes = ", ".join(f"{name} = excluded.{name}" for name in columns)
            statement = f"INSERT INTO {table} VALUES ({places}) ON CONFLICT ({key}) DO UPDATE SET {changes}"  # noqa: S608 - names of its own
            await connection.executemany(statement, rows)


def _plain_rows(products: Sequence[Product]) -> dict[str, list[tuple[object, ...]]]:
    return {
        "product": [
            (one.spu, one.product_name, one.description, one.spu_status, one.category_id, str(one.price), one.stock,
             str(one.create_time), str(one.update_time))
            for one in products
        ],
        "sku": [
            (sku.sku, one.spu, sku.sku_name, sku.main_img, str(sku.package_length), str(sku.package_width),
             str(sku.package_height), str(sku.package_weight), str(sku.cost), str(sku.price), sku.stock,
             *(option and option.raw for option in (sku.option1, sku.option2, sku.option3)), sku.material,
             sku.sku_status)
            for one in products
            for sku in one.sku_details
        ],
    }  # fmt: skip
