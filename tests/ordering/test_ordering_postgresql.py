"""The same journal in PostgreSQL: a real server, started by the tests."""

from __future__ import annotations

import asyncio
import sys
from itertools import count
from pathlib import Path

import asyncpg
import pytest
from ordering_kit import POST, client, kill_at, submit_until_dead

from kakaclo_async import ConfigurationError, OutcomeUnknown
from kakaclo_async.errors import Conflict
from kakaclo_async.ordering import Journal
from kakaclo_async.sandbox import Fault

sys.path.append(str(Path(__file__).parents[1] / "catalog"))

from postgres import needs_postgresql, running_server

pytestmark = needs_postgresql()

numbers = count(1)


@pytest.fixture(scope="module")
def server():
    with running_server() as url:
        yield url


@pytest.fixture
async def url(server):
    name = f"orders{next(numbers)}"
    connection = await asyncpg.connect(f"{server}/postgres")
    await connection.execute(f"CREATE DATABASE {name}")
    await connection.close()
    return f"{server}/{name}"


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
