"""10,000 orders through a KakaClo that fails 30 % of them, on each database, by workers that meet all that can happen.

Two processes at once, killed and interrupted again and again, whose clocks are set by an hour, whose calls are cancelled
when their answer comes, and whose clients are closed in the middle.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import sqlite3
import sys
import time
from collections import Counter
from contextlib import closing, suppress

import asyncpg
import pytest
from support.campaign import (
    KINDS,
    check_books,
    duplicates,
    fail_30_percent,
    faults_met,
    gateways_408,
    stock_up,
)
from support.children import import_path
from support.ordering import RICH, client
from support.postgresql import needs_postgresql, running_server

from kakaclo_async import KakaCloError
from kakaclo_async.ordering import Journal

ORDERS = int(os.environ.get("KAKACLO_CAMPAIGN_ORDERS", "10000"))
BALANCE = RICH["balance"]
BATCH = 1000
INDEX_LAG = 1.0
QUIET_TIME = 6.0  # real seconds, as KakaClo's own clock runs: its `Date` must be able to contradict a clock that was set
OF_A_WORKER = ("clock steps", "calls cancelled at the answer", "clients closed in the middle")

SANDBOX = pytest.mark.kakaclo_sandbox(**RICH, index_lag=INDEX_LAG, log_size=None)


@pytest.fixture
def sandbox(sandbox):
    stock_up(sandbox)
    return sandbox


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=needs_postgresql())])
def url(request, tmp_path):
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/orders.db"
        return
    with running_server() as server:
        yield f"{server}/postgres"


@pytest.mark.slow
@pytest.mark.timeout(5400)
@SANDBOX
async def test_exactly_once_holds_for_10_000_orders_and_not_for_a_naive_client(sandbox, url, tmp_path, order):
    asyncio.get_running_loop().set_debug(False)
    fail_30_percent(sandbox)

    happened, numbers = await campaign(sandbox, url, tmp_path, ORDERS, BATCH, lives=3)

    check_books(sandbox, numbers, BALANCE)
    assert len(numbers) == ORDERS
    assert await Journal(url).pending() == ()
    batches = ORDERS // BATCH
    for what in ("kill -9", "Ctrl-C", "orders under way at a death", *OF_A_WORKER):
        assert happened[what] >= batches, what
    met = faults_met(sandbox)
    assert met.keys() == KINDS
    assert sum(met.values()) >= 0.25 * ORDERS
    happened["408s of a gateway"] = gateways_408(sandbox)
    assert happened["408s of a gateway"] >= 0.01 * ORDERS

    naive = [order(f"NAIVE-{number}") for number in range(1000)]
    async with client(sandbox, timeout=1.0) as kk:
        await asyncio.gather(*(order_naively(kk, one) for one in naive))
    assert len(duplicates(sandbox)) >= 100
    print(  # noqa: T201 - the figures of the run
        f"{ORDERS} orders on {url.partition(':')[0]}: 0 doubled, 0 lost; {dict(happened)}; faults {dict(met)};"
        f" {sandbox.requests.total()} requests; a naive client: {len(duplicates(sandbox))} of 1000 twice or more"
    )


@pytest.mark.process
@pytest.mark.long
@SANDBOX
async def test_exactly_once_holds_for_some_orders_of_workers_that_meet_all_that_can_happen(
    sandbox, url, tmp_path
):
    asyncio.get_running_loop().set_debug(False)
    fail_30_percent(sandbox)

    happened, numbers = await campaign(sandbox, url, tmp_path, 40, 40, lives=1)

    check_books(sandbox, numbers, BALANCE)
    assert len(numbers) == 40
    assert happened["clock steps"] > 0
    assert await Journal(url).pending() == ()


async def campaign(sandbox, url, tmp_path, orders, batch, lives):
    """Let two workers at a time submit the orders, batch by batch; return what happened, and the numbers heard."""
    ids = [f"SHOP-{number:05d}" for number in range(orders)]
    numbers: dict[str, str] = {}
    happened = Counter()
    for first in range(0, orders, batch):
        began = time.monotonic()
        part = ids[first : first + batch]
        workers = (
            live_and_die(sandbox, url, tmp_path / f"{seed}.json", part, numbers, happened, seed, lives)
            for seed in (1, 2)
        )
        await asyncio.gather(*workers)
        assert duplicates(sandbox) == {}
        if orders > batch:
            took = time.monotonic() - began
            print(f"{first + batch} of {orders}, the last {batch} in {took:.0f} s", flush=True)  # noqa: T201 - for who waits
    return happened, numbers


async def live_and_die(sandbox, url, file, batch, numbers, happened, seed, lives):
    """Start a worker for what is left of a batch, end it at a random moment, again until one has finished."""
    dice = random.Random(f"{seed} {batch[0]}")
    sku = next(iter(sandbox.catalog.selling()))
    deaths = 0
    while left := [key for key in batch if key not in numbers]:
        file.write_text(json.dumps({"ids": left, "sku": sku, "quiet_time": QUIET_TIME}))
        worker = await asyncio.create_subprocess_exec(
            *[sys.executable, "-m", "support.campaign_worker", sandbox.url, sandbox.token, url, file],
            env=os.environ | {"PYTHONPATH": import_path()},
            stdout=asyncio.subprocess.PIPE,
        )
        heard = asyncio.create_task(hear(worker, numbers, happened))
        if deaths < lives:
            with suppress(TimeoutError):
                async with asyncio.timeout(dice.uniform(1.5, 5.0)):
                    await worker.wait()
            if worker.returncode is None:
                interrupted = deaths % 2 == 1
                worker.send_signal(signal.SIGINT if interrupted else signal.SIGKILL)
                await worker.wait()
                happened["Ctrl-C" if interrupted else "kill -9"] += 1
                happened["orders under way at a death"] += await under_way(url, worker.pid)
            deaths += 1
        await heard
        assert await worker.wait() in {0, -signal.SIGKILL, -signal.SIGINT}


async def under_way(url, pid):
    """Return the number of claims that a dead worker has left."""
    claims = "SELECT count(*) FROM kakaclo_write WHERE state = 'sent' AND holder LIKE "
    if not url.startswith("sqlite"):
        connection = await asyncpg.connect(url)
        try:
            return await connection.fetchval(f"{claims} $1", f"{pid}-%")
        except asyncpg.UndefinedTableError:
            return 0
        finally:
            await connection.close()
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"), timeout=60)) as connection:
        tables = "SELECT count(*) FROM sqlite_master WHERE name = 'kakaclo_write'"
        [there] = connection.execute(tables).fetchone()
        return connection.execute(f"{claims} ?", [f"{pid}-%"]).fetchone()[0] if there else 0


async def hear(worker, numbers, happened):
    async for line in worker.stdout:
        if not line.endswith(b"\n"):
            continue
        key, *rest = line.decode().split()
        if key == "#":
            happened.update(dict(zip(OF_A_WORKER, map(int, rest), strict=True)))
        else:
            assert numbers.setdefault(key, rest[0]) == rest[0]


async def order_naively(kk, order):
    """What people write first."""
    for _ in range(5):
        with suppress(KakaCloError):
            return await kk.orders.create(order)
    return None
