"""A journal behind a pooler that gives each transaction another connection: a real PgBouncer, as hosters have it."""

from __future__ import annotations

import asyncio
import os
import sys
from collections import Counter

import asyncpg
import pytest
from support.ordering import POST, client
from support.pgbouncer import needs_pgbouncer, running_pooler
from support.postgresql import needs_postgresql, running_server

from kakaclo_async import OutcomeUnknown
from kakaclo_async.ordering import Journal
from kakaclo_async.sandbox import Fault

pytestmark = [needs_postgresql(), needs_pgbouncer(), pytest.mark.process]

KAKACLO = "from kakaclo_async.cli import main; main()"
ORDERS = 8


@pytest.fixture(scope="module")
def pooler():
    with running_server() as server, running_pooler(server) as url:
        yield url


@pytest.fixture
async def pooled(pooler, request):
    name = f"orders_{abs(hash(request.node.name))}"
    connection = await asyncpg.connect(f"{pooler}/postgres", statement_cache_size=0)
    await connection.execute(f"CREATE DATABASE {name}")
    await connection.close()
    return f"{pooler}/{name}"


async def test_an_order_is_placed_and_a_doubt_is_settled(kk, sandbox, pooled, order):
    journal = Journal(pooled, now=sandbox.now)
    placed = await kk.orders.submit(order("SHOP-1"), journal=journal)
    sandbox.faults.add(Fault("reset_after", **POST))
    with pytest.raises(OutcomeUnknown):
        await kk.orders.submit(order("SHOP-2"), journal=journal, timeout=0)
    sandbox.skip(700)

    assert await journal.settle(kk) == ()

    assert (await journal.find("SHOP-1")).outcome == placed.id
    assert len(sandbox.journal) == 2


async def test_workers_that_submit_the_same_orders_at_once_place_each_once(sandbox, pooled, order):
    journals = [Journal(pooled, now=sandbox.now) for _ in range(3)]
    orders = [order(f"SHOP-{number}") for number in range(ORDERS)]
    async with client(sandbox) as kk:
        created = await asyncio.gather(
            *(kk.orders.submit(one, journal=journal) for journal in journals for one in orders)
        )

    assert len({one.id for one in created}) == len(sandbox.journal) == ORDERS


async def test_three_commands_that_submit_one_file_at_once_place_each_order_once(sandbox, pooled, tmp_path):
    sku = next(iter(sandbox.catalog.selling(pieces=5)))
    rows = [
        f"SHOP-{number},{sku},1,US,Nobody Shall-See,555 0100 999,Florida,Miami,1 Main St,33101"
        for number in range(ORDERS)
    ]
    header = "custom_order_id,sku,quantity,country,recipient,phone,province,city,street1,zip"
    environment = os.environ | {"KAKACLO_TOKEN": sandbox.token, "KAKACLO_BASE_URL": sandbox.url}
    commands = []
    for number in range(3):
        file = tmp_path / f"orders{number}.csv"
        file.write_text("\n".join([header, *rows]))
        command = [sys.executable, "-c", KAKACLO, "orders", "submit", str(file), "--journal", pooled]
        commands.append(
            await asyncio.create_subprocess_exec(
                *command, env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
            )
        )
    ends = [(await command.communicate(), command.returncode) for command in commands]

    assert [code for _, code in ends] == [0, 0, 0], ends
    assert Counter(placed.custom_order_id for placed in sandbox.journal) == {
        f"SHOP-{number}": 1 for number in range(ORDERS)
    }


async def test_nothing_of_it_is_left_in_the_connections(kk, pooled, order):
    await kk.orders.submit(order(), journal=Journal(pooled))

    other = await asyncpg.connect(pooled, statement_cache_size=0)
    try:
        settings = await other.fetchval(
            "SELECT string_agg(name, ' ') FROM pg_settings WHERE source = 'session' AND name <> 'client_encoding'"
        )
        statements = await other.fetchval("SELECT count(*) FROM pg_prepared_statements")
    finally:
        await other.close()

    assert (settings, statements) == (None, 0)
