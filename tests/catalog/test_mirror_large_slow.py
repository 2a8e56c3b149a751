"""A catalog of the largest size that is known, with a bulk job's second in it, in both databases: no gap, every row."""

from __future__ import annotations

import json
import os
import sqlite3
import sys
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime, timedelta

import pytest
from support.serving import served

from kakaclo_async.catalog import Mirror

PRODUCTS = int(os.environ.get("KAKACLO_LARGE_MIRROR", "117000"))
BULK = {"bulk_stock_share": 0.08, "total_cap": 10_000, "index_lag": 0.0}

pytestmark = [pytest.mark.slow, pytest.mark.timeout(7200)]


@asynccontextmanager
async def rows_of(url):
    """Give a function that asks the database."""
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:

            async def ask(sql):
                return connection.execute(sql).fetchall()

            yield ask
        return
    import asyncpg

    connection = await asyncpg.connect(url)
    try:

        async def ask(sql):
            return [tuple(row) for row in await connection.fetch(sql)]

        yield ask
    finally:
        await connection.close()


@pytest.mark.parametrize("depth", [10_000, None], ids=["refuses deep pages", "pages on"])
async def test_a_mirror_of_a_large_catalog_lacks_no_row(url, depth):
    async with served(products=PRODUCTS, page_limit=depth, **BULK) as (sandbox, kk):
        began = datetime.now(UTC)
        report = await Mirror(kk, url, now=sandbox.now).run()
        seconds = (datetime.now(UTC) - began) / timedelta(seconds=1)
        again = await Mirror(kk, url, now=sandbox.now).run()
        truth: dict[str, int] = {}
        for sku, _, qty in sandbox.catalog.stock_rows():
            truth[sku] = truth.get(sku, 0) + qty
        spus = set(sandbox.catalog.spus())

    async with rows_of(url) as ask:
        stored = dict(await ask("SELECT sku, sum(qty) FROM stock GROUP BY sku"))
        sums = dict(await ask("SELECT sku, stock FROM sku"))
        products = {spu for (spu,) in await ask("SELECT spu FROM product")}
    counts = {"products": len(products), "SKUs": len(stored), "requests": report.requests}
    sys.stderr.write(json.dumps(counts | {"seconds": seconds, "database": url.partition(":")[0]}) + "\n")
    assert report.complete
    assert again.requests == 2
    assert products == spus
    assert {sku: int(qty) for sku, qty in stored.items()} == truth
    assert sums == truth
    assert report.requests <= 1.1 * (len(products) + len(truth)) / 30
