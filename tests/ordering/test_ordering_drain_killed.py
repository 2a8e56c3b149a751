"""Workers that drain one journal are killed in the middle: nothing is lost, and nothing is placed twice."""

from __future__ import annotations

import asyncio
import os
import sys

import pytest
from support.campaign import check_books, stock_up
from support.children import import_path
from support.drain_worker import TIMES
from support.ordering import POST, RICH
from support.postgresql import needs_postgresql, running_server

from kakaclo_async.ordering import Journal
from kakaclo_async.sandbox import Fault

pytestmark = [pytest.mark.process, pytest.mark.kakaclo_sandbox(**RICH, index_lag=0.2, log_size=None)]

ORDERS = 40


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=needs_postgresql())])
def url(request, tmp_path):
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/orders.db"
        return
    with running_server() as server:
        yield f"{server}/postgres?schema=acme"


async def worker(sandbox, url):
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "support.drain_worker", sandbox.url, sandbox.token, url),
        env={**os.environ, "PYTHONPATH": import_path()},
    )


async def test_drains_that_are_killed_lose_and_double_nothing(sandbox, url, order):
    stock_up(sandbox)
    sandbox.faults.add(Fault("delay", seconds=0.1, times=None, **POST))
    journal = Journal(url, **TIMES)
    for number in range(ORDERS):
        await journal.add(order(f"SHOP-{number}"))
    workers = [await worker(sandbox, url) for _ in range(2)]
    in_the_middle = 0
    for placed in (4, 12, 20, 28):
        while len(sandbox.journal) < placed:
            assert all(one.returncode is None for one in workers), "a worker ended before its time"
            await asyncio.sleep(0.005)
        victim = workers.pop(0)
        victim.kill()
        assert await victim.wait() < 0
        in_the_middle += any(entry.attempts for entry in await journal.pending())
        workers.append(await worker(sandbox, url))
    assert [await one.wait() for one in workers] == [0, 0]
    assert in_the_middle
    assert await journal.pending() == ()
    entries = [await journal.find(f"SHOP-{number}") for number in range(ORDERS)]
    check_books(sandbox, {entry.key: entry.outcome for entry in entries}, RICH["balance"])
    assert len(sandbox.journal) == ORDERS
