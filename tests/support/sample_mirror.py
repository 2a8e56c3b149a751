"""A mirror that holds the sample product of the files for shops, or whatever a test puts into it."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

from kakaclo_async.catalog.database import MirrorDatabase

FILES = Path(__file__).parents[1] / "shop" / "files_out"
RULE = "x2.5 +3 end .99"


async def empty_mirror(path):
    """Make a mirror's database without rows, and return its path."""
    database = MirrorDatabase(f"sqlite:///{path}")
    await database.open()
    await database.close()
    return path


def fill(path, statement, rows):
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executemany(statement, rows)


def add(path, product, skus, stock=()):
    """Write the rows of a product as a mirror does."""
    product = {"seen_at": "2026-11-01 00:00:00", "retired": 0} | product
    product["sku_img_url"] = json.dumps(product.get("sku_img_url"))
    rows = [
        {name: json.dumps(value) if isinstance(value, dict) else value for name, value in sku.items()}
        for sku in skus
    ]
    for table, found in (("product", [product]), ("sku", rows), ("stock", stock)):
        for row in found:
            names = ", ".join(row)
            marks = ", ".join(f":{name}" for name in row)
            fill(path, f"INSERT INTO {table} ({names}) VALUES ({marks})", [row])  # noqa: S608 - our own names


def add_sample(path):
    """Write the sample product; its first SKU also lies in the US."""
    document = json.loads((FILES / "catalog_in.json").read_text())
    skus = [{name: value for name, value in sku.items() if name != "stock_us"} for sku in document["skus"]]
    for sku in skus:
        sku["gone_since"] = sku["gone_since"] and "2026-11-01 00:00:00"
    first = {"sku": "AMN09001_GR_M", "as_of": "2026-11-01 00:00:00"}
    add(
        path,
        document["product"],
        skus,
        [
            first | {"warehouse_code": "US1", "country_code": "US", "qty": 3},
            first | {"warehouse_code": "US2", "country_code": "us ", "qty": 1},
            first | {"warehouse_code": "CN1", "country_code": "CN", "qty": 16},
        ],
    )
