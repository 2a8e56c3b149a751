"""What an order costs PostgreSQL: few connections, which outlive nothing: no use, no restart, no loop, no fork."""

from __future__ import annotations

import asyncio
import os
import warnings

import asyncpg
import pytest
from support.campaign import stock_up
from support.ordering import client
from support.postgresql import needs_postgresql

from kakaclo_async.database import postgresql
from kakaclo_async.database.postgresql import keeping_connections
from kakaclo_async.errors import DatabaseAway
from kakaclo_async.ordering import Journal

pytestmark = [needs_postgresql(), pytest.mark.process]


@pytest.fixture
def url(postgresql_url):
    return postgresql_url


@pytest.fixture
def connected(monkeypatch):
    """Count the connections that are made."""
    made, connect = [], asyncpg.connect

    async def counting(*arguments, **values):
        made.append(None)
        return await connect(*arguments, **values)

    monkeypatch.setattr(asyncpg, "connect", counting)
    return made


async def alive(url):
    """Return how many connections the database has, once those that end have ended."""
    watcher = await asyncpg.connect(url)
    found = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        " AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
    )
    try:
        for _ in range(40):
            if not (number := await watcher.fetchval(found)):
                break
            await asyncio.sleep(0.05)
        return number
    finally:
        await watcher.close()


async def test_a_drain_of_many_orders_opens_no_more_connections_than_it_sends_at_once(
    sandbox, url, order, connected
):
    stock_up(sandbox)
    journal = Journal(url)
    async with client(sandbox) as kk:
        async with keeping_connections():
            for number in range(20):
                await journal.add(order(f"SHOP-{number}"))
        assert len(connected) == 1
        done = await journal.drain(kk, at_once=4, seconds=30)
    assert len(done.placed) == 20
    assert len(connected) <= 1 + 4
    assert await alive(url) == 0


async def test_one_order_opens_one_connection(sandbox, url, order, connected):
    async with client(sandbox) as kk:
        await kk.orders.submit(order(), journal=Journal(url))
    assert len(connected) == 1
    assert await alive(url) == 0


async def test_journals_in_many_schemas_share_connections_and_each_sees_its_own_orders(url, order, connected):
    admin = await asyncpg.connect(url)
    names = [f"shop_{n}" for n in range(5)]
    for name in names:
        await admin.execute(f"CREATE SCHEMA {name}")
    await admin.close()
    connected.clear()
    journals = [Journal(f"{url}?schema={name}") for name in names]
    async with keeping_connections():
        for place, journal in enumerate(journals):
            await journal.add(order(f"SHOP-{place}"))
        for place, journal in enumerate(journals):
            assert [entry.key for entry in await journal.pending()] == [f"SHOP-{place}"]
        assert len(connected) == 1
    assert await alive(url) == 0


async def test_however_many_were_needed_at_once_few_are_kept(url, order):
    journal = Journal(url)
    await journal.add(order())
    async with keeping_connections():
        await asyncio.gather(*(journal.find("SHOP-1") for _ in range(50)))
        assert 1 <= await alive(url) <= 4
    assert await alive(url) == 0


async def test_a_restart_of_the_server_costs_a_kept_connection_and_no_order(postgresql_server, url, order):
    journal = Journal(url)
    async with keeping_connections():
        await journal.add(order("SHOP-1"))
        await asyncio.to_thread(postgresql_server.restart)
        await journal.add(order("SHOP-2"))
        assert len(await journal.pending()) == 2


async def test_a_connection_that_was_idle_for_long_is_replaced(url, order, connected, monkeypatch):
    journal = Journal(url)
    async with keeping_connections():
        await journal.add(order("SHOP-1"))
        await journal.add(order("SHOP-2"))
        assert len(connected) == 1
        monkeypatch.setattr(postgresql, "_LONGEST_IDLE", -1.0)
        await journal.add(order("SHOP-3"))
        assert len(connected) == 2
    assert await alive(url) == 0


def test_a_journal_is_used_by_one_event_loop_after_another(url_of_loops, order):
    journal = Journal(url_of_loops)

    async def work(number):
        async with keeping_connections():
            await journal.add(order(f"SHOP-{number}"))
            return len(await journal.pending())

    assert [asyncio.run(work(number)) for number in range(3)] == [1, 2, 3]


@pytest.fixture
def url_of_loops(postgresql_server):
    async def make():
        connection = await asyncpg.connect(f"{postgresql_server}/postgres")
        await connection.execute("CREATE DATABASE loops")
        await connection.close()

    asyncio.run(make())
    return f"{postgresql_server}/loops"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="it forks")
async def test_a_forked_child_leaves_its_parents_connections_alone(url, order, connected):
    journal = Journal(url)
    async with keeping_connections():
        await journal.add(order("SHOP-1"))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # it has threads
            child = os.fork()
        if not child:
            code = 1
            try:
                asyncio._set_running_loop(None)
                asyncio.run(_add(journal, order("SHOP-2")))
                code = 0
            finally:
                os._exit(code)
        _, status = await asyncio.to_thread(os.waitpid, child, 0)
        assert os.waitstatus_to_exitcode(status) == 0
        assert len(await journal.pending()) == 2
        assert len(connected) == 1


async def _add(journal, one):
    async with keeping_connections():
        await journal.add(one)


async def test_a_transaction_takes_another_connection_when_the_server_has_just_ended_its_own(
    url, order, monkeypatch
):
    journal = Journal(url)
    async with keeping_connections():
        await journal.add(order("SHOP-1"))
        watcher = await asyncpg.connect(url)
        await watcher.execute(
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        await watcher.close()
        # As long as the event loop has not heard of it.
        monkeypatch.setattr(asyncpg.Connection, "is_closed", lambda _: False)
        await journal.add(order("SHOP-2"))
        monkeypatch.undo()
        assert [entry.key for entry in await journal.pending()] == ["SHOP-1", "SHOP-2"]


async def test_who_freezes_within_a_transaction_keeps_others_waiting_for_seconds_only(sandbox, url, order):
    """Its machine may be lost: the server would hold its locks for hours."""
    journal = Journal(url)
    await journal.add(order())

    def ask(connection):
        return connection.exec_driver_sql("SHOW idle_in_transaction_session_timeout").scalar()

    assert await journal._store._database.run(ask) == "15s"


async def test_a_connection_that_falls_silent_is_given_up(url, monkeypatch):
    """A balancer, or a pooler, may pass nothing on and end nothing: whoever waits would wait for ever."""
    monkeypatch.setattr(postgresql, "_PATIENCE", 0.3)
    host, _, rest = url.partition("@")[2].partition(":")
    port, _, name = rest.partition("/")
    silent, writers = asyncio.Event(), []

    async def pipe(reader, writer, is_old):
        while data := await reader.read(65536):
            if not (is_old() and silent.is_set()):
                writer.write(data)

    async def accept(reader, writer):
        is_old = (lambda: True) if not silent.is_set() else (lambda: False)
        far, back = await asyncio.open_connection(host, int(port))
        writers.extend((writer, back))
        await asyncio.gather(pipe(reader, back, is_old), pipe(far, writer, is_old))

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    through = server.sockets[0].getsockname()[1]
    journal = Journal(f"{url.partition('@')[0]}@127.0.0.1:{through}/{name}")
    async with keeping_connections():
        assert await journal._store._database.run(_one) == 1
        silent.set()
        with pytest.raises(DatabaseAway):
            await journal._store._database.run(_one)
        assert await journal._store._database.run(_one) == 1
    server.close()
    for writer in writers:
        writer.close()


def _one(connection):
    return connection.exec_driver_sql("SELECT 1").scalar()
