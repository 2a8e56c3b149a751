"""The catalog that all shops share is read by all of them at once, at nobody's cost; who joins or leaves does so at once."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from statistics import median

import pytest
from support.fleet import ticks, until, write_shop, written
from support.team import SMALL, Watch, busy_with

from kakaclo_async import RateLimit
from kakaclo_async.catalog import Mirror
from kakaclo_async.errors import InvalidRequest
from kakaclo_async.fleet import Fleet
from kakaclo_async.sandbox import Sandbox

LIMITS = {"rate": SMALL["per_second"], "burst": SMALL["capacity"], "reserve": 4}
ALL = RateLimit(LIMITS["burst"], LIMITS["rate"]).burst


@asynccontextmanager
async def fleet_of(folder, number, *, products=600, **settings):
    """Open a fleet of so many shops of one sandbox; yield both."""
    first, *others = names = [f"s{n}" for n in range(number)]
    async with Sandbox(
        token=f"token-{first}", tokens=tuple(f"token-{name}" for name in others), products=products, **SMALL
    ) as sandbox:
        sandbox.skip(3600)
        shops = [(name, f"token-{name}", {"base_url": sandbox.url} | LIMITS) for name in names]
        async with Fleet.open(written(folder, shops, **settings)) as fleet:
            yield fleet, sandbox


async def read_whole(fleet):
    """Take turns until the catalog is whole; return the loop's seconds and how many products there are."""
    loop = asyncio.get_running_loop()
    start = loop.time()
    while not await fleet.turn("mirror", "catalog"):
        assert loop.time() - start < 3600
    seconds = loop.time() - start
    async with fleet._pool.reader() as team:
        status = await Mirror(team, fleet._pool.mirror_url("catalog")).status()
    assert status.gaps == ()
    return seconds, status.products


@pytest.mark.stepped(grace=0.02, patience=30.0)
async def test_eight_shops_read_the_catalog_more_than_seven_times_as_fast_as_one(tmp_path):
    """By the usual turn: a bucket is full at first, and the catalog ends."""
    speed, clock = {}, asyncio.get_running_loop().time
    for number in (1, 8):
        (folder := tmp_path / str(number)).mkdir()
        async with fleet_of(folder, number, products=1200) as (fleet, sandbox):
            speeds = []
            for _ in range(5):
                start, before = clock(), sandbox.requests.total()
                if await fleet.turn("mirror", "catalog"):
                    break
                speeds.append((sandbox.requests.total() - before) / (clock() - start))
            speed[number] = median(speeds[1:])  # in the first one the buckets were full
            assert sandbox.throttled == 0
            asked = [sandbox.shop(f"token-s{n}").requests.total() for n in range(number)]
            assert max(asked) - min(asked) <= 3, "all give the same"
    assert speed[8] > 7 * speed[1]


@pytest.mark.stepped(grace=0.02, patience=30.0)
async def test_a_catalog_that_shops_have_read_together_is_whole(tmp_path):
    async with fleet_of(tmp_path, 4, products=300) as (fleet, sandbox):
        _, products = await read_whole(fleet)
        assert products == len(list(sandbox.catalog.spus())) == 300


@pytest.mark.stepped(grace=0.02, patience=30.0)
async def test_a_shops_own_calls_wait_no_longer_while_the_catalog_is_read(tmp_path):
    waits = {}
    for working in (False, True):
        (folder := tmp_path / str(working)).mkdir()
        async with fleet_of(folder, 4) as (fleet, sandbox):
            reading = asyncio.create_task(read_whole(fleet)) if working else None
            await asyncio.sleep(1)
            async with fleet._pool.client("s1") as kk:
                watch = Watch(kk)
                await busy_with(kk, every=4.0, times=3, at_once=4)
            if reading is not None:
                assert not reading.done(), "the catalog was whole before the calls were made"
                await reading
            assert sandbox.throttled == 0
            waits[working] = max(watch.waits)
    assert waits[True] == pytest.approx(waits[False], abs=1e-6)


@pytest.mark.stepped(grace=0.02, patience=30.0)
async def test_a_shop_that_is_paused_or_comes_while_the_catalog_is_read_leaves_or_joins_the_team(tmp_path):
    async with fleet_of(tmp_path, 3) as (fleet, sandbox):
        write_shop(tmp_path, "s2", "token-s2", base_url=sandbox.url, paused=True, **LIMITS)
        await ticks(fleet)
        async with fleet._pool.reader() as team:
            assert team.members == ("s0", "s1")
            await fleet.pause("s0")
            write_shop(tmp_path, "s2", "token-s2", base_url=sandbox.url, **LIMITS)
            await ticks(fleet)
            assert team.members == ("s1", "s2")
            await fleet.resume("s0")
            (tmp_path / "shops.d" / "s1.toml").unlink()
            await ticks(fleet)
            assert team.members == ("s0", "s2")
            write_shop(tmp_path, "s0", "token-s0", base_url=sandbox.url, timeout=20, **LIMITS)
            write_shop(tmp_path, "elsewhere", "token", base_url="http://127.0.0.1:9", **LIMITS)
            await ticks(fleet)
            assert team.members == ("s0", "s2")
            async with fleet._pool.client("s0") as renewed:
                assert team._members.all["s0"].sender.state is renewed._sender.state
            assert len(await team.products.get_many(spus=list(sandbox.catalog.spus())[:50])) == 50


@pytest.mark.stepped(grace=0.02, patience=30.0)
async def test_a_paused_shop_reads_nothing_and_when_all_are_paused_nobody_does(tmp_path):
    async with fleet_of(tmp_path, 2, products=30) as (fleet, sandbox):
        await ticks(fleet)
        await fleet.pause("s0")
        await read_whole(fleet)
        assert sandbox.shop("token-s0").requests.total() == 0
        await fleet.pause("s1")
        with pytest.raises(InvalidRequest, match="no shops that may read"):
            async with fleet._pool.reader():
                pass


@pytest.mark.stepped(grace=0.02, patience=30.0)
async def test_where_few_shops_may_be_open_at_once_half_of_them_read_and_others_the_next_time(tmp_path):
    async with fleet_of(tmp_path, 5, products=10, keep_open=4) as (fleet, _):
        seen = []
        for _ in range(5):
            async with fleet._pool.reader() as team:
                seen.append(team.members)
            assert len(fleet._pool._shops) <= 4
    assert all(len(members) == 2 for members in seen)
    assert {name for members in seen for name in members} == {f"s{n}" for n in range(5)}


async def test_a_worker_reads_the_catalog_with_all_of_its_shops(tmp_path):
    async with fleet_of(tmp_path, 3, products=200) as (fleet, sandbox):
        worker = asyncio.create_task(fleet.serve(stop_on_signals=False))
        try:
            await until(lambda: all(_has_read(sandbox.shop(f"token-s{n}")) for n in range(3)))
        finally:
            fleet.stop()
            await worker


def _has_read(shop):
    return shop.requests.get("/v1/product/products", 0) + shop.requests.get("/v1/product/stocks", 0)


@pytest.mark.process
async def test_free_permits_are_told_by_redis_also_to_those_who_have_sent_nothing(tmp_path, port):
    async with fleet_of(tmp_path, 2, products=10, bucket=f"redis://127.0.0.1:{port}/15") as (fleet, _):
        assert await fleet.permits() == {"s0": ALL, "s1": ALL}
        async with fleet._pool.client("s1") as kk:
            await asyncio.gather(*(kk.payment.balance() for _ in range(6)))
        async with Fleet.open(tmp_path / "fleet.toml") as elsewhere:
            found = await elsewhere.permits()
    assert found["s0"] == ALL
    assert ALL - 6 <= found["s1"] < ALL


async def test_without_redis_only_the_permits_of_shops_that_are_open_here_are_known(tmp_path):
    async with fleet_of(tmp_path, 2, products=10) as (fleet, _):
        async with fleet._pool.client("s1") as kk:
            await kk.payment.balance()
        found = await fleet.permits()
    assert found["s0"] is None
    assert ALL - 1 <= found["s1"] < ALL
