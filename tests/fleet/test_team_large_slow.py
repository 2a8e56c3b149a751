"""A catalog of 20,000 products, which ten shops read once for all: still, or while it moves and they work."""

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
NETWORK = {"kind": "delay", "seconds": 0.3, "times": None}


async def test_ten_shops_read_a_large_catalog_more_than_eight_times_as_fast_as_one():
    seconds = {}
    for number in (1, 10):
        async with opened_shops(number, **LARGE) as shops, Team(shops.clients) as team:
            shops.sandbox.faults.add(Fault(**NETWORK))
            kk = team if number > 1 else shops.clients["shop-0"]
            found, seconds[number] = await shops.timed(kk)
            told(f"{number} shops: {seconds[number]:.0f} s", shops)

            assert shops.missed(found) == {}
            assert shops.sandbox.throttled == 0
    assert seconds[1] >= 8 * seconds[10]


async def test_ten_shops_mirror_a_large_catalog_while_it_moves_and_they_work(tmp_path):
    path = tmp_path / "catalog.db"
    async with opened_shops(10, **LARGE, **BUSY) as shops, Team(shops.clients) as team:
        shops.sandbox.faults.add(Fault(**NETWORK))
        watches = [Watch(kk) for kk in shops.clients.values()]
        work = [asyncio.create_task(busy_with(kk, every=15.0, times=10**6)) for kk in shops.clients.values()]
        report = await Mirror(team, f"sqlite:///{path}", now=shops.sandbox.now).run(until=shops.end)
        for shop in work:
            shop.cancel()
        with closing(sqlite3.connect(path)) as connection:
            found = {
                "products": {row[0] for row in connection.execute("SELECT spu FROM product")},
                "stock": {row[0] for row in connection.execute("SELECT sku FROM stock")},
            }
        told(f"{report}", shops)

        # A second of hundreds of rows, as bulk jobs leave them, may not stand still for as long as reading it takes.
        assert all(gap.window.start == gap.window.end for gap in report.gaps)
        assert shops.missed(found) == {}
        assert shops.sandbox.throttled == 0
        assert [max(watch.waits) for watch in watches] == [0.0] * 10


def told(what, shops):
    sys.stderr.write(f"{what}, requests {[*shops.requests().values()]}\n")
