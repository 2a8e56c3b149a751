"""A journal's file stays the one that it is, and its work does not depend on anybody else's threads."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import update
from support.children import import_path

from kakaclo_async import ConfigurationError, DatabaseAway
from kakaclo_async.database import Threads
from kakaclo_async.ordering import Journal, database as schema


@pytest.mark.parametrize("fate", ["moved", "deleted", "replaced"])
@pytest.mark.parametrize("book", ["the same journal", "another one of the process"])
async def test_a_journal_that_is_gone_is_not_made_anew_under_its_worker(
    fate, book, kk, sandbox, order, url, tmp_path
):
    journal = Journal(url)
    await kk.orders.submit(order(), journal=journal)
    path = tmp_path / "orders.db"
    kept = path.rename(tmp_path / "kept.db")
    if fate == "deleted":
        kept = kept.rename(tmp_path / "trash")
    elif fate == "replaced":
        await Journal(f"sqlite:///{tmp_path}/other.db").find("SHOP-1")
        (tmp_path / "other.db").rename(path)
    worker = journal if book == "the same journal" else Journal(url)

    with pytest.raises(
        ConfigurationError, match="orders.db was moved, deleted or replaced while it was in use"
    ):
        await kk.orders.submit(order(), journal=worker)

    assert len(sandbox.journal) == 1
    assert path.exists() is (fate == "replaced")
    kept.rename(path)
    assert (await worker.find("SHOP-1")).outcome == sandbox.journal[0].orders[0]


async def test_what_a_journal_writes_is_for_its_owner_only(url, tmp_path):
    before = os.umask(0)
    modes = {}

    def look(_connection):
        modes.update({path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()})

    try:
        for pragma in ("DELETE", "WAL"):
            await Journal(url)._database.run(
                lambda connection: connection.execute(
                    update(schema.version).values(version=schema.MIGRATIONS.newest)
                )
            )
            with closing(sqlite3.connect(tmp_path / "orders.db")) as connection:
                connection.execute(f"PRAGMA journal_mode = {pragma}")
                connection.execute("UPDATE kakaclo_journal SET version = version")
                look(connection)
                connection.commit()
    finally:
        os.umask(before)

    assert set(modes) >= {"orders.db", "orders.db-wal", "orders.db-shm"}
    assert set(modes.values()) == {0o600}


async def test_threads_of_the_event_loop_that_all_wait_for_orders_do_not_keep_them_waiting(
    kk, sandbox, order, url
):
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(1))

    def wait_for_it():
        submitting = kk.orders.submit(order(), journal=Journal(url))
        return asyncio.run_coroutine_threadsafe(submitting, loop).result(60)

    placed = await asyncio.to_thread(wait_for_it)

    assert sandbox.journal[0].orders == (placed.id,)


async def test_thousands_of_names_are_looked_up_at_once(url):
    names = [f"SHOP-{number}" for number in range(40_000)]

    assert await Journal(url)._store.names_taken("order", names) == set()
    assert await Journal(url)._store.renew(names, 1.0) == set()


LATE = """
import sys, threading
from kakaclo_sync import Item, KakaClo, NewOrder
from kakaclo_sync.ordering import Journal
from support.shop import ADDRESS

url, token, database, sku = sys.argv[1:]
kk = KakaClo(token, base_url=url.replace("127.0.0.1", "localhost"))
main = threading.main_thread()

def submit():
    main.join()
    order = NewOrder(address=ADDRESS, items=[Item(sku, 1)], custom_order_id="LATE")
    print(kk.orders.submit(order, journal=Journal(database)).id)

kk.warehouses.all()
threading.Thread(target=submit).start()
"""


@pytest.mark.process
async def test_a_thread_that_outlives_the_main_one_still_places_orders_and_records_them(sandbox, url):
    sku = next(iter(sandbox.catalog.selling(pieces=5)))
    late = await asyncio.create_subprocess_exec(
        sys.executable, "-c", LATE, sandbox.url, sandbox.token, url, sku,
        cwd=Path(__file__).parents[1], env=os.environ | {"PYTHONPATH": import_path()},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, complaint = await late.communicate()

    assert complaint == b""
    assert (await Journal(url).find("LATE")).outcome == out.decode().strip() == sandbox.journal[0].orders[0]


def test_threads_do_what_they_are_given_also_when_no_more_can_be_started(monkeypatch):
    threads = Threads()
    assert threads.submit(lambda: 1).result(10) == 1

    def refuse(_thread):
        raise RuntimeError("can't create new thread at interpreter shutdown")

    go = threading.Event()
    busy = threads.submit(go.wait, 10)
    monkeypatch.setattr(threading.Thread, "start", refuse)
    waiting = threads.submit(lambda: 2)
    go.set()
    assert busy.result(10) is True
    assert waiting.result(10) == 2
    with pytest.raises(OSError, match="no thread can be started"):
        Threads().submit(print)


async def test_an_order_of_a_program_that_is_ending_is_not_sent(kk, sandbox, order, url, monkeypatch):
    def refuse(*_):
        raise OSError("no thread can be started")

    monkeypatch.setattr(Threads, "submit", refuse)

    with pytest.raises(DatabaseAway, match="a program that is ending"):
        await kk.orders.submit(order(), journal=Journal(url))

    assert len(sandbox.journal) == 0
