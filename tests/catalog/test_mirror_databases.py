"""Databases that cannot be used: one clear error each, and nothing half-written."""

from __future__ import annotations

import asyncio
import sqlite3
import sys
from contextlib import closing

import pytest

from kakaclo_async import ConfigurationError, KakaClo
from kakaclo_async.catalog import Mirror, migrations


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("catalog.db", "cannot be read: it looks like sqlite:///catalog.db"),
        ("mysql://root@localhost/shop", "not in mysql"),
        ("sqlite+pysqlite:///catalog.db", "not in sqlite\\+pysqlite"),
        ("sqlite://", "needs a file"),
        ("sqlite:///:memory:", "needs a file"),
        ("postgresql+psycopg://localhost/shop", "not in postgresql\\+psycopg"),
    ],
)
def test_a_url_that_is_no_database_of_ours_is_refused_at_once(url, sentence):
    with pytest.raises(ConfigurationError, match=sentence):
        Mirror(KakaClo("t"), url)


async def refused(shop, mirror_of, url, sentence):
    sandbox, kk = shop
    with pytest.raises(ConfigurationError, match=sentence) as caught:
        await mirror_of(sandbox, kk, url).run()
    assert sandbox.requests.total() == 0
    return caught.value


async def test_a_folder_that_does_not_exist_is_named(shop, mirror_of, tmp_path):
    await refused(shop, mirror_of, f"sqlite:///{tmp_path}/nowhere/catalog.db", "nowhere does not exist")

    assert list(tmp_path.iterdir()) == []


async def test_a_folder_is_no_database(shop, mirror_of, tmp_path):
    await refused(shop, mirror_of, f"sqlite:///{tmp_path}", "is a folder, not a database file")


async def test_a_file_of_something_else_is_left_as_it_is(shop, mirror_of, db):
    db.path.write_text("spu;price\nA;1\n" * 20)

    await refused(shop, mirror_of, db.url, "is not an SQLite database")

    assert db.path.read_text().startswith("spu;price")


async def test_a_database_of_another_program_is_left_as_it_is(shop, mirror_of, db):
    with closing(sqlite3.connect(db.path)) as connection:
        connection.execute("CREATE TABLE invoice (id INTEGER)")

    await refused(shop, mirror_of, db.url, "holds tables that no mirror made \\(invoice\\)")

    assert db.rows("SELECT name FROM sqlite_master") == [("invoice",)]


async def test_a_database_of_a_newer_version_is_left_to_a_newer_package(shop, mirror_of, db):
    sandbox, kk = shop
    await mirror_of(sandbox, kk).run()
    sandbox.requests.clear()
    with closing(sqlite3.connect(db.path)) as connection:
        connection.execute("UPDATE mirror_schema SET version = 99")
        connection.commit()

    await refused(shop, mirror_of, db.url, "of version 99; this package knows up to 1: update kakaclo")


async def test_an_older_database_is_brought_up_to_date_with_its_rows(shop, mirror_of, db, monkeypatch):
    sandbox, kk = shop
    await mirror_of(sandbox, kk).run()

    def add_a_column(connection):
        connection.exec_driver_sql("ALTER TABLE product ADD COLUMN brand VARCHAR")

    monkeypatch.setattr(migrations, "STEPS", [add_a_column])
    await mirror_of(sandbox, kk).run()
    await mirror_of(sandbox, kk).run()

    assert db.one("SELECT version FROM mirror_schema") == 2
    assert db.one("SELECT count(*) FROM product WHERE brand IS NULL") == 60


async def test_a_read_only_database_is_one_error_before_a_request(shop, mirror_of, db, monkeypatch):
    sandbox, kk = shop
    from kakaclo_async.catalog import database

    monkeypatch.setattr(database, "_WRITER_PRAGMAS", ("query_only = ON",))

    await refused(shop, mirror_of, db.url, "readonly database")


async def test_a_disk_that_fills_up_midway_keeps_what_was_stored_and_goes_on_later(
    shop, mirror_of, db, monkeypatch
):
    sandbox, kk = shop
    from kakaclo_async.catalog import database

    full = ("journal_mode = WAL", "foreign_keys = ON", "max_page_count = 60")
    monkeypatch.setattr(database, "_WRITER_PRAGMAS", full)
    with pytest.raises(ConfigurationError, match="database or disk is full"):
        await mirror_of(sandbox, kk).run()
    stored = db.one("SELECT count(*) FROM product")
    monkeypatch.undo()

    report = await mirror_of(sandbox, kk).run()

    assert db.one("PRAGMA integrity_check") == "ok"
    assert stored > 0
    assert report.complete
    assert db.one("SELECT count(*) FROM product") == 60


async def test_a_database_that_somebody_keeps_locked_is_one_error(shop, mirror_of, db, monkeypatch):
    sandbox, kk = shop
    from kakaclo_async.catalog import database

    await mirror_of(sandbox, kk).run()
    make_engine = database.make_engine
    monkeypatch.setattr(
        database, "make_engine", lambda url, *pragmas, **_: make_engine(url, *pragmas, timeout=0)
    )
    with closing(sqlite3.connect(db.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")

        with pytest.raises(ConfigurationError, match="database is locked"):
            await mirror_of(sandbox, kk).run()


async def test_a_second_mirror_on_one_database_is_refused_while_the_first_one_lives(shop, mirror_of, db):
    sandbox, kk = shop

    async with mirror_of(sandbox, kk):
        with pytest.raises(ConfigurationError, match="another mirror is writing to sqlite:///"):
            await mirror_of(sandbox, kk).run()

    assert (await mirror_of(sandbox, kk).run()).complete


async def test_the_lock_of_a_killed_mirror_is_free_at_once(shop, mirror_of, db):
    sandbox, kk = shop
    holder = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        "import asyncio, sys\n"
        "from kakaclo_async import KakaClo\n"
        "from kakaclo_async.catalog import Mirror\n"
        "async def hold():\n"
        "    async with Mirror(KakaClo('t'), sys.argv[1]):\n"
        "        print('open', flush=True)\n"
        "        await asyncio.sleep(600)\n"
        "asyncio.run(hold())\n",
        db.url,
        stdout=asyncio.subprocess.PIPE,
    )
    assert await holder.stdout.readline() == b"open\n"
    with pytest.raises(ConfigurationError, match="another mirror is writing"):
        await mirror_of(sandbox, kk).run()

    holder.kill()
    await holder.wait()

    assert (await mirror_of(sandbox, kk).run()).complete


async def test_reading_before_there_is_a_mirror_is_one_error_and_makes_no_file(shop, mirror_of, db):
    sandbox, kk = shop
    mirror = mirror_of(sandbox, kk)

    with pytest.raises(ConfigurationError, match="there is no mirror in .* yet: run one first"):
        await mirror.status()
    with pytest.raises(ConfigurationError, match="there is no mirror in .* yet: run one first"):
        await anext(mirror.changes())

    assert not db.path.exists()


async def test_reading_a_database_without_a_mirror_is_one_error(shop, mirror_of, db):
    sandbox, kk = shop
    with closing(sqlite3.connect(db.path)) as connection:
        connection.execute("CREATE TABLE invoice (id INTEGER)")

    with pytest.raises(ConfigurationError, match="there is no mirror in the database yet"):
        await mirror_of(sandbox, kk).status()


async def test_a_postgresql_server_that_does_not_listen_is_one_error_without_the_password(shop, mirror_of):
    error = await refused(
        shop, mirror_of, "postgresql://shop:secret@127.0.0.1:1/catalog", "cannot be used|refused"
    )

    assert "secret" not in str(error)
    assert "shop:***@127.0.0.1:1" in str(error)


async def test_an_error_of_the_database_shows_no_row(shop, mirror_of, db):
    sandbox, kk = shop
    async with mirror_of(sandbox, kk) as mirror:
        await mirror.run(until=sandbox.now().replace(year=sandbox.now().year - 2))
        with closing(sqlite3.connect(db.path)) as connection:
            connection.execute("DROP TABLE sku")
            connection.commit()

        with pytest.raises(ConfigurationError, match="no such table: sku") as caught:
            await mirror.run()

    assert "INSERT" not in str(caught.value)
