"""One mirror writes to a database at a time, and its lock goes with it."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import asyncpg
import pytest
from support.killed_mirror import HOLD, a_mirror_elsewhere
from support.postgresql import needs_postgresql

from kakaclo_async import ClientClosed, ConfigurationError
from kakaclo_async.catalog import database, export
from kakaclo_async.database import engines, lock
from kakaclo_async.errors import DatabaseAway

FORKING = HOLD.replace("import asyncio, sys", "import asyncio, os, sys, time").replace(
    'print("open", flush=True)',
    """child = os.fork()
        if not child:
            os.close(1)  # else its parent's end would be heard only after its own
            time.sleep(600)
            os._exit(0)
        print("open", child, sep="\\n", flush=True)""",
)

CHANGE_THE_JOURNAL = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], timeout=0)
print(connection.execute("PRAGMA journal_mode = DELETE").fetchone()[0])
"""


async def test_a_second_mirror_is_refused_before_a_request_while_the_first_one_lives(shop, mirror_of, url):
    sandbox, kk = shop

    async with mirror_of(sandbox, kk, url):
        with pytest.raises(ConfigurationError, match="another mirror is writing to (sqlite|postgresql)://"):
            await mirror_of(sandbox, kk, url).run()
        assert sandbox.requests.total() == 0

    assert (await mirror_of(sandbox, kk, url).run()).complete


@pytest.mark.process
async def test_a_mirror_that_is_killed_gives_its_lock_back(shop, mirror_of, url):
    sandbox, kk = shop
    async with a_mirror_elsewhere(url) as holder:
        with pytest.raises(ConfigurationError, match="another mirror is writing"):
            await mirror_of(sandbox, kk, url).run()

        holder.kill()
        await holder.wait()

        assert (await mirror_of(sandbox, kk, url).run()).complete


@pytest.mark.process
async def test_a_forked_child_does_not_keep_the_lock_of_a_mirror_that_is_killed(shop, mirror_of, db):
    sandbox, kk = shop
    async with a_mirror_elsewhere(db.url, FORKING) as holder:
        with pytest.raises(ConfigurationError, match="another mirror is writing"):
            await mirror_of(sandbox, kk).run()
        child = int(await holder.stdout.readline())
        try:
            holder.kill()
            await holder.wait()

            os.kill(child, 0)  # it lives
            assert (await mirror_of(sandbox, kk).run()).complete
        finally:
            os.kill(child, signal.SIGKILL)


async def test_another_name_of_the_same_file_has_the_same_lock(shop, mirror_of, db, tmp_path):
    sandbox, kk = shop
    link = tmp_path / "link.db"
    link.symlink_to(db.path)

    async with mirror_of(sandbox, kk):
        with pytest.raises(ConfigurationError, match="another mirror is writing"):
            await mirror_of(sandbox, kk, f"sqlite:///{link}").run()


async def test_a_run_that_begins_while_another_one_of_the_mirror_goes_on_waits_for_its_turn(
    shop, mirror_of, url
):
    sandbox, kk = shop
    begun = asyncio.Event()
    mirror = mirror_of(sandbox, kk, url, progress=lambda _: begun.set())
    first = asyncio.create_task(mirror.run())
    await begun.wait()

    second = await mirror.run()

    assert (await first).products == 60
    assert second.products == 0
    assert second.complete


@pytest.mark.process
async def test_reading_in_the_same_process_keeps_the_locks_of_the_writer(shop, mirror_of, db):
    """POSIX locks belong to a process: whoever opens and closes the file himself drops them."""
    sandbox, kk = shop
    async with mirror_of(sandbox, kk) as mirror:
        await mirror.run()
        await mirror.status()
        assert [change async for change in mirror.changes()]

        other = await asyncio.create_subprocess_exec(
            sys.executable, "-c", CHANGE_THE_JOURNAL, str(db.path),
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, complaint = await other.communicate()

    assert out != b"delete\n"
    assert b"database is locked" in complaint


async def test_a_connection_that_cannot_be_set_up_is_one_error_and_is_closed(
    shop, mirror_of, db, monkeypatch
):
    sandbox, kk = shop
    with monkeypatch.context() as patch:
        patch.setattr(database, "_WRITER_PRAGMAS", ("journal_mode = WAL", "foreign_keys ="))
        with pytest.raises(ConfigurationError, match="refused: "):
            await mirror_of(sandbox, kk).run()

    assert (await mirror_of(sandbox, kk).run()).complete


async def test_a_mirror_that_is_closed_while_it_runs_says_so(shop, mirror_of, db):
    sandbox, kk = shop
    closing_it = []
    mirror = mirror_of(
        sandbox, kk, progress=lambda _: closing_it.append(asyncio.create_task(mirror.aclose()))
    )

    with pytest.raises(ClientClosed, match="the mirror was closed"):
        await mirror.run()

    await asyncio.gather(*closing_it)
    assert (await mirror_of(sandbox, kk).run()).complete


async def test_a_database_that_another_program_keeps_locked_is_one_error(shop, mirror_of, db, monkeypatch):
    sandbox, kk = shop
    await mirror_of(sandbox, kk).run()
    sandbox.requests.clear()
    monkeypatch.setattr(engines, "LOCK_TIMEOUT", 0.1)
    with closing(sqlite3.connect(db.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")

        with pytest.raises(DatabaseAway, match="refused: database is locked"):
            await mirror_of(sandbox, kk).run()

    assert sandbox.requests.total() == 0


@needs_postgresql()
async def test_a_table_that_another_program_keeps_locked_is_one_error(shop, mirror_of, pg, monkeypatch):
    sandbox, kk = shop
    await mirror_of(sandbox, kk, pg.url).run()
    sandbox.requests.clear()
    monkeypatch.setattr(lock, "LOCK_TIMEOUT", 0.2)
    other = await asyncpg.connect(pg.url)
    try:
        async with other.transaction():
            await other.execute("LOCK TABLE mirror_schema")

            with pytest.raises(DatabaseAway, match="refused: .*lock timeout"):
                await mirror_of(sandbox, kk, pg.url).run()
    finally:
        await other.close()

    assert sandbox.requests.total() == 0
    assert (await mirror_of(sandbox, kk, pg.url).run()).complete


@needs_postgresql()
async def test_who_wants_to_write_is_refused_at_once_while_the_writer_is_in_a_transaction(
    shop, mirror_of, pg, monkeypatch
):
    """It holds the lock of migrations, which a writer's transaction may wait for: to wait for each other is a deadlock."""
    monkeypatch.setattr(lock, "LOCK_TIMEOUT", 0.5)
    monkeypatch.setattr(lock, "GRACE", 0.1)
    sandbox, kk = shop
    async with mirror_of(sandbox, kk, pg.url):
        writer = await asyncpg.connect(pg.url)
        try:
            async with writer.transaction():
                await writer.execute("UPDATE mirror_writer SET id = id, until = until + interval '1 second'")
                with pytest.raises(DatabaseAway, match="another mirror is writing"):
                    await mirror_of(sandbox, kk, pg.url).run()
        finally:
            await writer.close()


@needs_postgresql()
async def test_a_writer_that_lost_its_connection_takes_the_lock_again_before_it_writes(
    shop, mirror_of, pg, monkeypatch
):
    monkeypatch.setattr(lock, "GRACE", 0.2)
    sandbox, kk = shop
    cut = "SELECT pg_terminate_backend(backend) FROM mirror_writer"
    async with mirror_of(sandbox, kk, pg.url) as mirror:
        await mirror.run()
        await pg.rows(cut)
        assert (await mirror.run()).complete  # with a new connection
        await pg.rows(cut)

        async with mirror_of(sandbox, kk, pg.url):
            with pytest.raises(ConfigurationError, match="another mirror is writing"):
                await mirror.run()


async def test_a_scope_of_anyio_that_is_cancelled_waits_for_a_transaction_without_turning_the_loop(
    mirror_of, shop, db
):
    anyio = pytest.importorskip("anyio")
    sandbox, kk = shop
    turns = 0

    async with mirror_of(sandbox, kk) as mirror:
        begun, end = threading.Event(), threading.Event()

        def wait(_connection):
            begun.set()
            end.wait(10)

        async def cancel_in_the_middle():
            nonlocal turns
            while not begun.is_set():
                await asyncio.sleep(0.001)
            scope.cancel()
            loop = asyncio.get_running_loop()
            select, turns = loop._selector.select, 0

            def counting(timeout=None):
                nonlocal turns
                turns += 1
                return select(timeout)

            loop._selector.select = counting
            await asyncio.sleep(0.2)
            loop._selector.select = select
            end.set()

        cancelling = asyncio.create_task(cancel_in_the_middle())
        with anyio.CancelScope() as scope:
            await mirror._database.write(wait)
            await asyncio.sleep(10)
        await cancelling

    assert scope.cancelled_caught
    assert turns < 20


async def test_threads_of_the_event_loop_that_all_wait_for_a_mirror_do_not_keep_it_waiting(
    shop, mirror_of, url, tmp_path
):
    sandbox, kk = shop
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(1))

    async def work():
        report = await mirror_of(sandbox, kk, url).run()
        await export(url, "sku", tmp_path / "sku.csv")
        return report.complete, (await mirror_of(sandbox, kk, url).status()).products

    def wait_for_it():
        return asyncio.run_coroutine_threadsafe(work(), loop).result(60)

    assert await asyncio.to_thread(wait_for_it) == (True, 60)
