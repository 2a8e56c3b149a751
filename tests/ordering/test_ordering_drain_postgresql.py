"""Drains in several processes, and journals of several shops, in one PostgreSQL database: a real server."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest
from support.campaign import stock_up
from support.ordering import POST, client
from support.postgresql import needs_postgresql

from kakaclo_async import OutcomeUnknown
from kakaclo_async.ordering import Drained, Journal, WriteStatus
from kakaclo_async.sandbox import Fault

pytestmark = needs_postgresql()


@pytest.fixture
def url(postgresql_url):
    return postgresql_url


@pytest.fixture
def shops(sandbox, url):
    return [Journal(f"{url}?schema={name}", now=sandbox.now) for name in ("acme", "zeta")]


async def test_journals_in_two_schemas_know_nothing_of_each_other(kk, sandbox, shops, order):
    stock_up(sandbox)
    acme, zeta = shops
    await acme.add(order("SHOP-1", remark="acme"))
    await zeta.add(order("SHOP-1", remark="zeta"))  # no Conflict
    assert len((await acme.drain(kk)).placed) == 1
    [entry] = await zeta.pending()
    assert entry.status is WriteStatus.WAITING
    assert len((await zeta.drain(kk)).placed) == 1
    assert len(sandbox.journal) == 2


async def test_a_lease_and_a_doubt_in_one_schema_hold_nothing_in_the_other(kk, sandbox, shops, order):
    stock_up(sandbox)
    sandbox.faults.add(Fault("reset_after", takes_effect=False, **POST))
    acme, zeta = shops
    with pytest.raises(OutcomeUnknown):
        await kk.orders.submit(order(), journal=acme, timeout=0)
    assert await zeta.drain(kk) == Drained()
    await zeta.add(order())
    assert len((await zeta.drain(kk)).placed) == 1
    [doubt] = await acme.pending()
    assert doubt.status is WriteStatus.UNKNOWN
    sandbox.skip(601)


async def test_many_schemas_of_a_database_share_the_few_connections_of_a_process(sandbox, url, order):
    journals = [Journal(f"{url}?schema=shop{number}", now=sandbox.now) for number in range(40)]
    watcher = await asyncpg.connect(url)
    peak = 0

    async def watch():
        nonlocal peak
        found = (
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            " AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
        )
        while True:
            peak = max(peak, await watcher.fetchval(found))
            await asyncio.sleep(0.002)

    watching = asyncio.create_task(watch())
    await asyncio.gather(*(journal.add(order()) for journal in journals))
    watching.cancel()
    await watcher.close()
    assert 1 <= peak <= 10
    assert [len(await journal.pending()) for journal in journals] == [1] * 40


async def test_workers_that_meet_a_new_schema_at_once_all_get_it(sandbox, url, order):
    journals = [Journal(f"{url}?schema=acme", now=sandbox.now) for _ in range(8)]
    entries = await asyncio.gather(*(journal.add(order()) for journal in journals))
    assert {entry.status for entry in entries} == {WriteStatus.WAITING}
    assert len(await journals[0].pending()) == 1


async def test_drains_of_several_workers_share_the_work_and_place_each_once(sandbox, url, order):
    stock_up(sandbox)
    workers = [Journal(url, now=sandbox.now) for _ in range(4)]
    for number in range(40):
        await workers[0].add(order(f"SHOP-{number}"))
    async with client(sandbox) as kk:
        done = await asyncio.gather(*(worker.drain(kk, at_once=3, seconds=60) for worker in workers))
    assert [one.failure for one in done] == [None] * 4
    assert sorted(key for one in done for key in one.placed) == sorted(f"SHOP-{n}" for n in range(40))
    assert len(sandbox.journal) == 40
    assert all(one.placed for one in done)


async def drained(journal, sandbox):
    async with client(sandbox) as kk:
        return await journal.drain(kk)


async def test_a_claim_passes_over_what_another_worker_is_claiming(sandbox, url, order):
    """It waits for no lock: one who stands still while he claims keeps nobody."""
    mine, other = (Journal(url, now=sandbox.now) for _ in range(2))
    await mine.add(order("SHOP-1"))
    await mine.add(order("SHOP-2"))
    held = await asyncpg.connect(url)
    async with held.transaction():
        await held.execute("SELECT 1 FROM kakaclo_write WHERE key = 'SHOP-1' FOR UPDATE")
        draining = asyncio.create_task(drained(other, sandbox))
        await asyncio.wait([draining], timeout=20)
        waited = not draining.done()
    done = await draining
    await held.close()
    assert not waited
    assert list(done.placed) == ["SHOP-2"]


async def test_a_claim_reads_the_head_of_the_line_by_its_index(sandbox, url, order):
    journal = Journal(url, now=sandbox.now)
    await journal.add(order())
    connection = await asyncpg.connect(url)
    for state, many in (("done", 20000), ("waiting", 5000)):
        await connection.execute(
            "INSERT INTO kakaclo_write (kind, key, digest, payload, state, attempts, created_at, queued_at)"
            " SELECT 'order', $1 || n, '', '', $1, 0, n, n FROM generate_series(1, $2::int) n",
            *(state, many),
        )
    await connection.execute("ANALYZE kakaclo_write")
    claim = (
        "SELECT kind, key FROM kakaclo_write WHERE (state || '') IN ('lost', 'waiting')"
        " ORDER BY queued_at LIMIT 1 FOR UPDATE SKIP LOCKED"
    )
    plan = "\n".join(row[0] for row in await connection.fetch("EXPLAIN " + claim))
    assert "Index Scan using kakaclo_write_line" in plan
    assert "Sort" not in plan
    await connection.close()
