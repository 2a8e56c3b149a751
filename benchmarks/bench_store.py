"""What storing and exporting a catalog costs in CPU time, beside an earlier revision in the same minute.

    python benchmarks/bench_store.py                          this tree alone
    python benchmarks/bench_store.py REVISION                 both, in turns; medians and their ratios
    python benchmarks/bench_store.py REVISION --pg URL        also PostgreSQL, in a schema that it makes and drops
    python benchmarks/bench_store.py REVISION --rounds 5

A ratio stands on a machine that others use as well; a figure of seconds does not. The bars are meant for an idle one.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import io
import json
import os
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from contextlib import closing
from functools import partial
from importlib import import_module
from pathlib import Path
from sqlite3 import connect

from bench_catalog import START, UNLIMITED, product, shop

from kakaclo_async import KakaClo
from kakaclo_async.catalog import Mirror, export
from kakaclo_async.catalog.database import MirrorDatabase
from kakaclo_async.catalog.rows import Newer
from kakaclo_async.catalog.store import put_products, put_stock
from kakaclo_async.models.product import StockLevel, WarehouseStock

PAGES = 30
EXPORTED = 65_000
BARS = {
    "sqlite, new page, ms": 2.0,
    "sqlite, same page, ms": 2.0,
    "postgresql, new page, ms": 3.0,
    "postgresql, same page, ms": 3.0,
    "csv of 650,000 SKUs, s": 5.0,
    "parquet of 650,000 SKUs, s": 3.0,
}
FILL = """
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
    INSERT INTO sku (sku, spu, sku_name, main_img, package_length, package_width, package_height, package_weight,
        price, cost, stock, option1, option2, material, sku_status)
    SELECT 'SKU' || (i * 7919 % 1000003), 'P', 'Fashion All-Match Casual Threaded Contrast Cropped Pants',
        'https://img.example/image/' || i || '/87c26392683a1a34df19f3b2cfb053b6.jpg', '32', '22', '3', 200 + i % 100,
        '6.' || (1000 + i % 500), '4.' || (1000 + i % 500), i % 50,
        '{"name":"color","value":"Black"}', '{"name":"size","value":"XL"}', '100% Cotton', 1
    FROM n
"""


async def store(url: str, name: str) -> dict[str, float]:
    """Return the CPU time of a page of 30 products with 8 SKUs, new and again, and of 30 SKUs' stock; medians."""
    models = [[product(page * 30 + place) for place in range(30)] for page in range(PAGES)]
    at = (WarehouseStock(warehouse_code="CN1", qty=15), WarehouseStock(warehouse_code="US1", qty=5))
    skus = [sku.sku for page in models[:4] for model in page for sku in model.sku_details]
    levels = [
        [StockLevel(sku=sku, warehouses=at) for sku in skus[n : n + 30]] for n in range(0, len(skus), 30)
    ]
    gc.freeze()
    database = MirrorDatabase(url)
    await database.open()
    found: dict[str, float] = {}
    newer = Newer(now=START)
    put = partial(put_products, seen_at=START, newer=newer)
    put_levels = partial(put_stock, as_of=START, seen_at=START, newer=newer)
    for what, work, of, pages in (
        ("new page", put, "products", models),
        ("same page", put, "products", models),
        ("new stock page", put_levels, "levels", levels),
    ):  # fmt: skip
        times = []
        for page in pages:
            began = time.process_time()
            await database.write(partial(work, **{of: page}))
            times.append(time.process_time() - began)
        found[f"{name}, {what}, ms"] = 1000 * statistics.median(times)
    await database.close()
    return found


async def mirror(url: str, folder: str) -> dict[str, float]:
    """Return the CPU time of a request of a whole mirror of 600 products."""
    async with KakaClo("sandbox-token", base_url=url, rate_limit=UNLIMITED) as kk:
        began = time.process_time()
        report = await Mirror(kk, f"sqlite:///{folder}/mirror.db").run()
        return {"mirror, a page with all, ms": 1000 * (time.process_time() - began) / report.requests}


async def write_files(database: str, folder: str) -> dict[str, float]:
    """Return the CPU time of exports, as for ten times as many rows."""
    found = {}
    for kind in ("csv", "parquet"):
        path = f"{folder}/out.{kind}"
        await export(database, "product", path)  # imports what it needs
        began = time.process_time()
        count = await export(database, "sku", path)
        found[f"{kind} of 650,000 SKUs, s"] = (time.process_time() - began) * 650_000 / count
    return found


async def measure(big: str, server: str, postgresql: str | None) -> None:
    """Measure all in this process, and print it."""
    with tempfile.TemporaryDirectory() as folder:
        found = await store(f"sqlite:///{folder}/catalog.db", "sqlite")
        if postgresql:
            found |= await store(postgresql, "postgresql")
        found |= await mirror(server, folder)
        found |= await write_files(big, folder)
    print(json.dumps(found))


async def fill(database: str) -> None:
    """Make a mirror with many SKUs."""
    made = MirrorDatabase(f"sqlite:///{database}")
    await made.open()
    await made.close()
    with closing(connect(database)) as connection:
        connection.execute("INSERT INTO product (spu, seen_at) VALUES ('P', '2024-01-01 00:00:00')")
        connection.execute(FILL, [EXPORTED])
        connection.commit()


async def in_schema(url: str, statement: str) -> None:
    """Make or drop a schema of its own for a measurement."""
    asyncpg = import_module("asyncpg")
    connection = await asyncpg.connect(url)
    await connection.execute(f"{statement} SCHEMA bench_store {'CASCADE' if statement == 'DROP' else ''}")
    await connection.close()


def checkout(revision: str, folder: str) -> str:
    """Put a revision's files into a folder."""
    root = Path(__file__).parents[1]
    done = subprocess.run(["git", "archive", revision], cwd=root, check=True, capture_output=True)
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as files:
        files.extractall(folder, filter="data")
    return folder


async def run(tree: str, big: str, server: str, postgresql: str | None) -> dict[str, float]:
    """Measure a tree in a process of its own."""
    schema = f"{postgresql}?schema=bench_store" if postgresql else ""
    if postgresql:
        await in_schema(postgresql, "CREATE")
    command = [sys.executable, __file__, "--measure", f"sqlite:///{big}", server, schema]
    paths = os.pathsep.join((tree, str(Path(__file__).parent)))
    process = await asyncio.create_subprocess_exec(
        *command, env={**os.environ, "PYTHONPATH": paths}, stdout=subprocess.PIPE
    )
    answer, _ = await process.communicate()
    if postgresql:
        await in_schema(postgresql, "DROP")
    if process.returncode:
        raise SystemExit(f"the measurement of {tree} failed")
    found: dict[str, float] = json.loads(answer)
    return found


async def compare(revision: str | None, rounds: int, postgresql: str | None) -> None:
    """Measure this tree and perhaps an earlier one, in turns; print medians."""
    with tempfile.TemporaryDirectory() as folder:
        trees = {"now": str(Path(__file__).parents[1])}
        if revision:
            trees["before"] = checkout(revision, f"{folder}/before")
        big = f"{folder}/big.db"
        await fill(big)
        found: dict[str, list[dict[str, float]]] = {name: [] for name in trees}
        async with shop(600, capacity=1e9, per_second=1e9) as server:
            for number in range(rounds):
                for name in sorted(trees, reverse=number % 2 == 1):
                    found[name].append(await run(trees[name], big, server, postgresql))
    for what in found["now"][0]:
        now, *before = (
            statistics.median(one[what] for one in found[name]) for name in sorted(found, reverse=True)
        )
        bar = f" (bar: {BARS[what]:g})" if what in BARS else ""
        ratio = "".join(f", before {then:.2f}, ratio {now / then:.2f}" for then in before)
        print(f"{what}: {now:.2f}{ratio}{bar}")


def main() -> None:
    """Read the command line."""
    if sys.argv[1:2] == ["--measure"]:
        big, server, postgresql = sys.argv[2:]
        asyncio.run(measure(big, server, postgresql or None))
        return
    parser = argparse.ArgumentParser()
    parser.add_argument("revision", nargs="?")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--pg")
    given = parser.parse_args()
    asyncio.run(compare(given.revision, given.rounds, given.pg))


if __name__ == "__main__":
    main()
