"""What the mirror costs: rows per second, memory, requests, and time against the rate limit.

    python benchmarks/bench_catalog.py rows          SKU rows per second into SQLite, from ready models
    python benchmarks/bench_catalog.py memory        peak memory for 1,000 and for 100,000 products
    python benchmarks/bench_catalog.py requests      requests over the pages that there are, calm and busy
    python benchmarks/bench_catalog.py makespan      a full mirror at 50 times the speed, over the rate's minimum

Without a name it runs all but `memory`, which takes minutes.
"""

from __future__ import annotations

import asyncio
import gc
import re
import subprocess
import sys
import tempfile
import time
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from kakaclo_async import Event, KakaClo, Option, Product, ProductStatus, RateLimit, Sent, Sku
from kakaclo_async.catalog import Mirror
from kakaclo_async.catalog.database import MirrorDatabase
from kakaclo_async.catalog.rows import Newer
from kakaclo_async.catalog.store import put_products
from kakaclo_async.paging import INDEX_LAG
from kakaclo_async.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

UNLIMITED = RateLimit(100_000, 50_000.0)
START = datetime(2024, 1, 1, tzinfo=UTC)


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


async def rows(pages: int = 100, rounds: int = 5) -> None:
    """Store pages of 30 products with 8 SKUs, one transaction each, into a new database and again; best of rounds."""
    models = [[product(page * 30 + place) for place in range(30)] for page in range(pages)]
    gc.freeze()  # a mirror holds a few pages, not all of them: they are not to be searched for garbage
    best = {"new": 0.0, "unchanged": 0.0}
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            database = MirrorDatabase(f"sqlite:///{folder}/catalog.db")
            await database.open()
            for what, fastest in best.items():
                started = time.perf_counter()
                for page in models:
                    put = partial(put_products, products=page, seen_at=START, newer=Newer(now=START))
                    await database.write(put)
                best[what] = max(fastest, pages * 240 / (time.perf_counter() - started))
            await database.close()
    for what, rate in best.items():
        print(f"rows: {rate:,.0f} SKU rows/s, {what} (bar: 20,000)")


@asynccontextmanager
async def shop(products: int, **settings: float) -> AsyncGenerator[str, None]:
    """Serve a sandbox from a process of its own, as KakaClo is one; give its URL."""
    arguments = ", ".join(f"{name}={value!r}" for name, value in settings.items())
    script = (
        "import asyncio\n"
        "from kakaclo_async.sandbox import Sandbox\n"
        "async def main():\n"
        f"    async with Sandbox(products={products}, {arguments}) as sandbox:\n"
        "        print(sandbox.url, flush=True)\n"
        "        await asyncio.Event().wait()\n"
        "asyncio.run(main())\n"
    )
    server = await asyncio.create_subprocess_exec(sys.executable, "-c", script, stdout=subprocess.PIPE)
    try:
        yield (await server.stdout.readline()).decode().strip()
    finally:
        server.kill()
        await server.wait()


async def memory_of(products: int) -> None:
    """Mirror that many products."""
    async with (
        shop(products, capacity=1e9, per_second=1e9) as url,
        KakaClo("sandbox-token", base_url=url, rate_limit=UNLIMITED) as kk,
    ):
        with tempfile.TemporaryDirectory() as folder:
            await Mirror(kk, f"sqlite:///{folder}/catalog.db").run()


def peak_memory() -> float:
    """Return the most memory that this process has held so far, in MB."""
    found = re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())
    if found is None:
        raise RuntimeError("this system does not tell")
    return int(found[1]) / 1024


def memory() -> None:
    """Compare the peaks of two mirrors, each in a process of its own."""
    peaks = {}
    for products in (1_000, 100_000):
        command = [sys.executable, __file__, "memory-of", str(products)]
        peaks[products] = float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        print(f"memory: {peaks[products]:.0f} MB at {products:,} products")
    print(f"memory: {peaks[100_000] - peaks[1_000]:.0f} MB more (bar: 60)")


class Ticks:
    """A clock for a sandbox: half a second passes with each request, as at 2 per second."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        """Tell the seconds so far."""
        return self.seconds

    def heard(self, event: Event) -> None:
        """Let time pass."""
        self.seconds += 0.5 * isinstance(event, Sent)


async def requests() -> None:
    """Count the requests for 20,000 products and their stock, calm and busy, against their pages."""
    busy = {"update_rate": 0.2, "stock_update_rate": 1.0}
    for name, settings, bar in (("calm", {}, 1.03), ("busy", busy, 1.15)):
        ticks = Ticks()
        async with (
            Sandbox(products=20_000, capacity=1e9, per_second=1e9, clock=ticks, **settings) as sandbox,
            KakaClo(sandbox.token, base_url=sandbox.url, rate_limit=UNLIMITED) as kk,
        ):
            kk.on_event(ticks.heard)
            for what, updated in (("products", kk.products.updated), ("stock", kk.stocks.updated)):
                pull = updated(datetime(2015, 1, 1, tzinfo=UTC), sandbox.now() - INDEX_LAG)
                count = 0
                async for _ in pull:
                    count += 1
                over = pull.certificate.requests / -(-count // 30)
                print(f"requests: {name} {what}: {over:.3f} over {count:,} rows (bar: {bar})")


async def makespan(speed: float = 50.0, rounds: int = 3) -> None:
    """Mirror 20,000 products at 50 times the speed; compare with the time that the rate alone asks for.

    Best of rounds: both sides of the line share this machine with others.
    """
    for _ in range(rounds):
        async with shop(20_000, speed=speed) as url:
            limit = RateLimit(120, 2.0 * speed)
            async with KakaClo("sandbox-token", base_url=url, rate_limit=limit, reserve=20) as kk:
                with tempfile.TemporaryDirectory() as folder:
                    started = time.perf_counter()
                    report = await Mirror(kk, f"sqlite:///{folder}/catalog.db").run()
                    seconds = time.perf_counter() - started
        least = (report.requests - 120) / (2.0 * speed)
        print(
            f"makespan: {seconds:.1f} s for {report.requests} requests, {seconds / least:.3f} of the least"
            f" (bar: 1.10); throttled: {kk.stats().throttled}"
        )
        if seconds <= 1.10 * least:
            return
    raise SystemExit("the makespan misses its bar")


def main(names: list[str]) -> None:
    """Run the benchmarks named."""
    if names[:1] == ["memory-of"]:
        asyncio.run(memory_of(int(names[1])))
        print(peak_memory())
        return
    for name in names or ["rows", "requests", "makespan"]:
        if name == "memory":
            memory()
        else:
            asyncio.run({"rows": rows, "requests": requests, "makespan": makespan}[name]())


if __name__ == "__main__":
    main([Path(name).name for name in sys.argv[1:]])
