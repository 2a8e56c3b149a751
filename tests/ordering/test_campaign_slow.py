"""10,000 orders through a KakaClo that fails 30 % of them; two processes at once, killed again and again."""

from __future__ import annotations

import asyncio
import json
import os
import random
import sqlite3
import sys
from contextlib import closing, suppress
from itertools import pairwise

import pytest
from support.campaign import KINDS, check_books, duplicates, fail_30_percent, faults_met, stock_up
from support.ordering import RICH, client

from kakaclo_async import KakaCloError
from kakaclo_async.ordering import Journal

ORDERS = 10_000
BALANCE = RICH["balance"]
BATCH = 500
SPEED = 200.0  # so that the index lag of 5 minutes takes 1.5 s
QUIET_TIME = 4.0

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(3600),
    pytest.mark.kakaclo_sandbox(**RICH, speed=SPEED, log_size=None),
]


@pytest.fixture
def sandbox(sandbox):
    stock_up(sandbox)
    return sandbox


async def test_exactly_once_holds_for_10_000_orders_under_kill_9_and_not_for_a_naive_client(
    sandbox, url, tmp_path, order
):
    asyncio.get_running_loop().set_debug(False)
    fail_30_percent(sandbox)
    ids = [f"SHOP-{number:05d}" for number in range(ORDERS)]
    numbers: dict[str, str] = {}
    deaths = orphans = 0
    for first, last in pairwise(range(0, ORDERS + 1, BATCH)):
        batch = ids[first:last]
        lives = (
            live_and_die(sandbox, url, tmp_path / f"{seed}.json", batch, numbers, seed) for seed in (1, 2)
        )
        for left in await asyncio.gather(*lives):
            deaths += len(left)
            orphans += sum(left)

    check_books(sandbox, numbers, BALANCE)
    assert len(numbers) == ORDERS
    assert await Journal(url).pending() == ()
    assert deaths >= 40
    assert orphans >= 40
    met = faults_met(sandbox)
    assert met.keys() == KINDS
    assert sum(met.values()) >= 0.25 * ORDERS

    naive = [order(f"NAIVE-{number}") for number in range(1000)]
    async with client(sandbox, timeout=1.0) as kk:
        await asyncio.gather(*(order_naively(kk, one) for one in naive))
    assert len(duplicates(sandbox)) >= 100
    print(  # noqa: T201 - the figures of the run
        f"{ORDERS} orders, {deaths} kills with {orphans} orders under way, {dict(met)},"
        f" {sandbox.requests.total()} requests; a naive client: {len(duplicates(sandbox))} of 1000 twice or more"
    )


async def live_and_die(sandbox, url, file, batch, numbers, seed):
    """Start a worker for what is left of a batch, kill it at a random moment, again until one has finished.

    Returns:
        How many orders were under way, at each death.
    """
    dice = random.Random(f"{seed} {batch[0]}")
    sku = next(iter(sandbox.catalog.selling()))
    deaths = []
    while left := [key for key in batch if key not in numbers]:
        file.write_text(json.dumps({"ids": left, "sku": sku, "quiet_time": QUIET_TIME}))
        worker = await asyncio.create_subprocess_exec(
            *[sys.executable, "-m", "support.campaign_worker", sandbox.url, sandbox.token, url, file],
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
            stdout=asyncio.subprocess.PIPE,
        )
        heard = asyncio.create_task(hear(worker, numbers))
        if len(deaths) < 2:
            with suppress(TimeoutError):
                async with asyncio.timeout(dice.uniform(1.0, 4.0)):
                    await worker.wait()
            if worker.returncode is None:
                worker.kill()
                await worker.wait()
                deaths.append(under_way(url, worker.pid))
        await heard
        assert await worker.wait() in {0, -9}
    return deaths


def under_way(url, pid):
    """Return the number of claims that a dead worker has left."""
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"), timeout=60)) as connection:
        claims = "SELECT count(*) FROM kakaclo_write WHERE state = 'sent' AND holder LIKE ?"
        tables = "SELECT count(*) FROM sqlite_master WHERE name = 'kakaclo_write'"
        [there] = connection.execute(tables).fetchone()
        return connection.execute(claims, [f"{pid}-%"]).fetchone()[0] if there else 0


async def hear(worker, numbers):
    async for line in worker.stdout:
        if line.endswith(b"\n"):
            key, number = line.decode().split()
            assert numbers.setdefault(key, number) == number


async def order_naively(kk, order):
    """What people write first."""
    for _ in range(5):
        with suppress(KakaCloError):
            return await kk.orders.create(order)
    return None
