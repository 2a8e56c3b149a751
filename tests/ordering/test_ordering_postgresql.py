"""The same journal in PostgreSQL: a real server, started by the tests."""

from __future__ import annotations

import asyncio
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import pytest
from support.campaign import stock_up
from support.ordering import POST, client, kill_at, submit_until_dead

from kakaclo_async import ConfigurationError, OutcomeUnknown
from kakaclo_async.errors import Conflict
from kakaclo_async.ordering import Journal, WriteStatus
from kakaclo_async.sandbox import Fault

sys.path.append(str(Path(__file__).parents[1] / "catalog"))

from support.postgresql import needs_postgresql

pytestmark = needs_postgresql()


@pytest.fixture
def url(postgresql_url):
    return postgresql_url


async def test_workers_that_submit_the_same_orders_at_once_place_each_once(sandbox, url, order):
    sandbox.skip(0)
    journals = [Journal(url, now=sandbox.now) for _ in range(3)]
    orders = [order(f"SHOP-{number}") for number in range(10)]
    async with client(sandbox) as kk:
        created = await asyncio.gather(
            *(kk.orders.submit(one, journal=journal) for journal in journals for one in orders)
        )

    assert {(c.custom_order_id, c.id) for c in created} == {
        (placed.custom_order_id, placed.orders[0]) for placed in sandbox.journal
    }
    assert len(sandbox.journal) == 10


async def test_many_orders_at_once_open_few_connections_and_keep_none(sandbox, url, order):
    """Whatever the number of journals: the server's own limit is 100."""
    stock_up(sandbox)
    asyncio.get_running_loop().set_debug(False)
    watcher = await asyncpg.connect(url)
    peak = 0

    async def connections():
        found = (
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            " AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
        )
        return await watcher.fetchval(found)

    async def watch():
        nonlocal peak
        while True:
            peak = max(peak, await connections())
            await asyncio.sleep(0.01)

    watching = asyncio.create_task(watch())
    journals = [Journal(url), Journal(url)]
    async with client(sandbox, timeout=100.0) as kk:
        orders = [order(f"SHOP-{number}") for number in range(400)]
        created = await asyncio.gather(
            *(kk.orders.submit(one, journal=journals[place % 2]) for place, one in enumerate(orders))
        )
    watching.cancel()
    await asyncio.wait([watching])

    assert len({one.id for one in created}) == len(sandbox.journal) == 400
    assert 2 <= peak <= 10
    for _ in range(100):  # the server takes a moment to notice that a connection was closed
        if await connections() == 0:
            break
        await asyncio.sleep(0.05)
    assert await connections() == 0
    await watcher.close()


async def test_a_doubt_is_settled_and_an_order_kept_from_conflicts(kk, sandbox, url, order):
    journal = Journal(url, now=sandbox.now)
    sandbox.faults.add(Fault("reset_after", **POST))
    with pytest.raises(OutcomeUnknown):
        await kk.orders.submit(order(), journal=journal, timeout=0)
    assert [entry.key for entry in await journal.pending()] == ["SHOP-1"]
    with pytest.raises(Conflict):
        await kk.orders.submit(order(remark="another"), journal=journal)
    sandbox.skip(700)

    assert await journal.settle(kk) == ()

    created = await kk.orders.submit(order(), journal=journal)
    assert sandbox.journal[0].orders == (created.id,)


@pytest.mark.parametrize(("number", "when"), [(1, "after"), (2, "before"), (2, "after")])
async def test_an_order_of_a_worker_that_died_is_finished_by_the_next(sandbox, url, order, number, when):
    doomed = Journal(url, now=sandbox.now)
    dead = kill_at(doomed, number, when)
    async with client(sandbox) as kk:
        await submit_until_dead(kk, order(), doomed, dead)
        sandbox.skip(1000)
        created = await kk.orders.submit(order(), journal=Journal(url, now=sandbox.now))

    assert [placed.orders[0] for placed in sandbox.journal] == [created.id]


async def test_a_worker_keeps_its_claim_while_it_lives(sandbox, url, order):
    sandbox.faults.add(Fault("delay", seconds=2.0, **POST))
    async with client(sandbox) as kk:
        first = asyncio.create_task(kk.orders.submit(order(), journal=Journal(url, lease=0.3)))
        second = asyncio.create_task(kk.orders.submit(order(), journal=Journal(url, lease=0.3)))
        assert await first == await second

    assert len(sandbox.journal) == 1


async def test_a_server_that_does_not_listen_is_one_error_without_the_password(kk, order):
    journal = Journal("postgresql://shop:secret@127.0.0.1:1/orders")

    with pytest.raises(ConfigurationError, match=r"shop:\*\*\*@127.0.0.1:1") as caught:
        await kk.orders.submit(order(), journal=journal)

    assert "secret" not in str(caught.value)


async def test_a_database_without_a_journal_has_nothing_pending_to_tell(url):
    with pytest.raises(ConfigurationError, match="no journal"):
        await Journal(url).pending()


async def test_workers_get_on_in_a_database_whose_transactions_are_strict_by_default(sandbox, url, order):
    connection = await asyncpg.connect(url)
    name = await connection.fetchval("SELECT current_database()")
    await connection.execute(f"ALTER DATABASE {name} SET default_transaction_isolation = 'serializable'")
    await connection.close()
    async with client(sandbox) as kk:
        created = await asyncio.gather(
            *(
                kk.orders.submit(order(f"SHOP-{number}"), journal=Journal(url, now=sandbox.now))
                for number in range(5)
                for _ in range(3)
            )
        )

    assert len({one.id for one in created}) == len(sandbox.journal) == 5


async def test_two_looks_that_settle_the_same_orders_at_once_do_not_wait_for_each_other(url):
    clock = [datetime(2026, 1, 1, tzinfo=UTC)]
    journal = Journal(url, now=lambda: clock[0], quiet_time=0)
    store, leases = journal._store, journal._leases.get()
    for round_ in range(5):
        keys = [f"{round_}-{number}" for number in range(6)]
        for key in keys:
            await store.enter("order", key, b"{}", "digest", leases.new(1.0))
        clock[0] += timedelta(hours=1)
        ripe = [entry for entry in await store.open("order") if entry.key in keys]
        found = dict.fromkeys(keys, ("7", b"{}"))

        await asyncio.gather(
            store.settle("order", found, {}, []),
            store.settle("order", dict(reversed(found.items())), {}, []),
            store.settle("order", {}, {}, list(reversed(ripe))),
            store.settle("order", {}, dict.fromkeys(reversed(keys), "unclear"), []),
        )

        entries = [await store.find("order", key) for key in keys]
        assert {entry.status for entry in entries} <= {WriteStatus.DONE, WriteStatus.NOT_EXECUTED}


@pytest.mark.parametrize("query", ["?sslmode=disable", "?application_name=shop"])
async def test_a_url_is_read_as_postgresqls_own_programs_read_it(url, query):
    assert await Journal(url + query).find("SHOP-1") is None


async def test_what_cannot_be_reached_is_one_error_without_any_password(postgresql_server):
    for url, reason in (
        (f"{postgresql_server}/nowhere", 'database "nowhere" does not exist'),
        ("postgresql://127.0.0.1:1/orders?password=secret", "Connect call failed"),
    ):
        with pytest.raises(ConfigurationError, match=reason) as caught:
            await Journal(url).find("SHOP-1")
        assert "secret" not in str(caught.value) + repr(Journal(url))


async def test_postgresql_without_its_driver_is_one_error(url, monkeypatch):
    monkeypatch.setitem(sys.modules, "asyncpg", None)

    with pytest.raises(ConfigurationError, match=r"kakaclo\[postgres\]"):
        await Journal(url).find("SHOP-1")
