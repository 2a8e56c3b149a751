"""What the board's pages of a catalog of 100,000 products cost, beside a mirror that writes to the same database.

    python benchmarks/bench_board.py [sqlite|postgresql://...]

The mirror is a process of its own: it pulls a sandbox at ten times KakaClo's rate. 200 requests are made one after
another, each to another page: lists in each order, their later pages, searches with many hits, one, and none, filters,
and products. The time of a request is what its client sees. The bar: a median below 100 ms, over all and for each kind.
"""

from __future__ import annotations

import asyncio
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from html import unescape
from re import search

import aiohttp
from sqlalchemy import insert

from kakaclo_async.board import serve
from kakaclo_async.catalog import schema
from kakaclo_async.catalog.database import MirrorDatabase

PRODUCTS, SKUS, REQUESTS, BAR = 100_000, 6, 200, 0.1
WORDS = [
    "Casual",
    "Cropped",
    "Pants",
    "Women's",
    "Men's",
    "Vintage",
    "Striped",
    "Hoodie",
    "Pleated",
    "Skirt",
    "Denim",
    "Jacket",
    "Cotton",
    "Loose",
    "Slim",
    "Printed",
    "Floral",
    "Knitted",
    "Sweater",
    "Tank",
    "Tops",
    "Yoga",
    "Leggings",
    "Pajama",
]
START = datetime(2025, 1, 1, tzinfo=UTC)

MIRROR = """
import asyncio, sys
from kakaclo_async import KakaClo, RateLimit
from kakaclo_async.catalog import Mirror
from kakaclo_async.sandbox import Sandbox
async def main():
    async with (
        Sandbox(products=20_000, speed=10) as sandbox,
        KakaClo(sandbox.token, base_url=sandbox.url, rate_limit=RateLimit(120, 20.0)) as kk,
    ):
        print("ready", flush=True)
        report = lambda done: print(done.products, flush=True)
        await Mirror(kk, sys.argv[1], now=sandbox.now, progress=report).run()
asyncio.run(main())
"""


def rows(first: int, last: int, rng: random.Random) -> dict[str, list[dict[str, object]]]:
    """Make products as KakaClo has them, with their SKUs and stock."""
    made: dict[str, list[dict[str, object]]] = {"product": [], "sku": [], "stock": []}
    for number in range(first, last):
        spu, price = f"AMX{number:06d}", Decimal(rng.randrange(299, 6999)) / 100
        updated = START + timedelta(seconds=rng.randrange(40_000_000))
        category = rng.randrange(70)
        made["product"].append({
            "spu": spu, "product_name": " ".join(rng.sample(WORDS, 6)), "description": "Comfortable. " * 20,
            "spu_status": rng.choice((1, 1, 1, 1, 0, 2, 6)), "category_id": 3600 + category,
            "full_category_name": f"Women/Clothes/Kind {category}", "price": price, "stock": rng.randrange(900),
            "create_time": START, "update_time": updated, "seen_at": updated,
            "sku_img_url": f'[{{"skus":["{spu}_0"],"imgUrl":["https://img.kakaclo.example/{spu}.jpg"]}}]',
        })  # fmt: skip
        for place in range(SKUS):
            sku = f"{spu}_{place}"
            made["sku"].append({"sku": sku, "spu": spu, "price": price, "stock": 20, "sku_status": 1})
            country = "US" if number % 5 == 0 else "CN"
            made["stock"].append({
                "sku": sku, "warehouse_code": f"{country}1", "country_code": country, "qty": rng.randrange(30),
                "as_of": updated,
            })  # fmt: skip
    return made


async def fill(url: str) -> None:
    """Make the database."""
    database, rng = MirrorDatabase(url), random.Random(1)
    tables = {"product": schema.product, "sku": schema.sku, "stock": schema.stock}
    await database.open()
    for first in range(0, PRODUCTS, 5_000):
        for name, values in rows(first, first + 5_000, rng).items():
            await database.write(
                lambda on, name=name, values=values: on.execute(insert(tables[name]), values)
            )
    await database.close()


def asked(rng: random.Random) -> list[tuple[str, str]]:
    """List the addresses, with what kind each is of; `+` goes on to the next page of the one before."""
    word = partial(rng.choice, WORDS)
    kinds = {
        "first page": lambda: f"/?sort={rng.choice(('newest', 'cheapest', 'dearest', 'stock'))}",
        "next page": lambda: "+",
        "two words": lambda: f"/?q={word()}+{word()}",
        "one product": lambda: f"/?q=amx{rng.randrange(PRODUCTS):06d}",
        "no product": lambda: f"/?q=none{rng.randrange(1000)}",
        "category": lambda: f"/?category={3600 + rng.randrange(70)}&sort=cheapest",
        "country": lambda: f"/?country={rng.choice(('US', 'CN'))}&status=1",
        "price": lambda: f"/?low={rng.randrange(3, 60)}&high=65",
        "all at once": lambda: f"/?q={word()}&country=US&status=1&low=10&high=40&sort=stock",
        "a product": lambda: f"/products/AMX{rng.randrange(PRODUCTS):06d}",
    }
    return [(kind, make()) for _ in range(REQUESTS // len(kinds)) for kind, make in kinds.items()]


async def measure(url: str) -> bool:
    """Print the medians; return whether they are below the bar."""
    await fill(url)
    writer = await asyncio.create_subprocess_exec(sys.executable, "-c", MIRROR, url, stdout=subprocess.PIPE)
    jar = aiohttp.CookieJar(unsafe=True)
    try:
        for _ in range(5):  # it writes by now
            await writer.stdout.readline()
        async with serve(db=url) as board, aiohttp.ClientSession(cookie_jar=jar) as visitor:
            began = time.perf_counter()
            async with visitor.get(board.url) as answer:
                answer.raise_for_status()
            print(f"first page, with reading {PRODUCTS:,} products: {time.perf_counter() - began:.1f} s")
            took, page = defaultdict[str, list[float]](list), ""
            home = board.url.partition("/?")[0]
            for kind, path in asked(random.Random(2)):
                further = search(r'id="next" rel="next" href="([^"]+)"', page) if path == "+" else None
                began = time.perf_counter()
                async with visitor.get(home + (unescape(further[1]) if further else path)) as answer:
                    page = await answer.text()
                took[kind].append(time.perf_counter() - began)
                assert answer.status == 200, page
                await asyncio.sleep(0.02)  # somebody looks at it
        assert writer.returncode is None, "the mirror ended before the requests"
    finally:
        if writer.returncode is None:
            writer.kill()
        await writer.wait()
    for kind, times in took.items():
        print(f"  {kind:<12} {statistics.median(times) * 1000:6.1f} ms, longest {max(times) * 1000:6.1f} ms")
    every = sorted(time for times in took.values() for time in times)
    median = statistics.median(every)
    print(
        f"{len(every)} requests beside a running mirror: median {median * 1000:.1f} ms,"
        f" 95 % below {every[len(every) * 95 // 100] * 1000:.1f} ms (bar: a median below {BAR * 1000:.0f} ms)"
    )
    return median < BAR and all(statistics.median(times) < BAR for times in took.values())


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        place = (
            sys.argv[1] if len(sys.argv) > 1 and "://" in sys.argv[1] else f"sqlite:///{folder}/catalog.db"
        )
        sys.exit(not asyncio.run(measure(place)))
