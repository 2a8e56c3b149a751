"""A catalog of 20,000 products, which ten shops mirror once for all while it moves and while they work."""

from __future__ import annotations

import asyncio
import sqlite3
import sys
from contextlib import closing

import pytest
from support.team import Watch, busy_with, opened_shops

from kakaclo_async.catalog import Mirror
from kakaclo_async.fleet.team import Team
from kakaclo_async.sandbox import Fault

pytestmark = [pytest.mark.stepped, pytest.mark.slow, pytest.mark.timeout(1800)]

LARGE = {"products": 20_000, "capacity": 120, "reserve": 20}
BUSY = {"update_rate": 1.0, "stock_update_rate": 10.0}


async def mirrored(shops, kk, path):
    """Mirror up to the end of the shops' range; return the report, the codes stored, and the loop's seconds."""
    shops.sandbox.faults.add(Fault("delay", seconds=0.3, times=None))
    started = asyncio.get_running_loop().time()
    mirror = Mirror(kk, f"sqlite:///{path}", now=shops.sandbox.now)
    report = await mirror.run(until=shops.end)
    seconds = asyncio.get_running_loop().time() - started
    with closing(sqlite3.connect(path)) as connection:
        found = {
            "products": {row[0] for row in connection.execute("SELECT spu FROM product")},
            "stock": {row[0] for row in connection.execute("SELECT sku FROM stock")},
        }
    return report, found, seconds


async def test_ten_shops_mirror_a_moving_catalog_eight_times_as_fast_as_one_a_still_one(tmp_path):
    async with opened_shops(1, **LARGE) as shops:
        _, _, seconds_alone = await mirrored(shops, shops.clients["shop-0"], tmp_path / "alone.db")
    async with opened_shops(10, **LARGE, **BUSY) as shops, Team(shops.clients) as team:
        watches = [Watch(kk) for kk in shops.clients.values()]
        work = [asyncio.create_task(busy_with(kk, every=15.0, times=10**6)) for kk in shops.clients.values()]
        report, found, seconds = await mirrored(shops, team, tmp_path / "together.db")
        for shop in work:
            shop.cancel()

        table = f"{seconds_alone:.0f} s alone, {seconds:.0f} s together, {report.requests} requests"
        sys.stderr.write(f"{table}: {shops.requests()}\n")
        assert seconds_alone >= 8 * seconds
        assert report.gaps == ()
        assert shops.missed(found) == {}
        assert shops.sandbox.throttled == 0
        assert max(max(watch.waits) for watch in watches) == 0
