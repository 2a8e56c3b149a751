"""Databases that cannot be used: one clear error each, before anything is sent."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing

import attrs
import pytest

from kakaclo_async import ConfigurationError
from kakaclo_async.ordering import Journal, database as schema

pytestmark = pytest.mark.stepped


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("orders.db", "cannot be read: it looks like sqlite:///orders.db"),
        ("mysql://root@localhost/shop", "not in mysql"),
        ("sqlite+pysqlite:///orders.db", "not in sqlite\\+pysqlite"),
        ("sqlite://", "needs a file"),
        ("sqlite:///:memory:", "needs a file"),
        ("postgresql+psycopg://localhost/shop", "not in postgresql\\+psycopg"),
    ],
)
def test_a_url_that_is_no_database_of_ours_is_refused_at_once(url, sentence):
    with pytest.raises(ConfigurationError, match=sentence):
        Journal(url)


@pytest.mark.parametrize("settings", [{"quiet_time": -1}, {"lease": 0}, {"quiet_time": float("nan")}])
def test_times_that_cannot_be_are_refused(settings):
    with pytest.raises(ConfigurationError, match="^(quiet_time|lease) must be a number"):
        Journal("sqlite:///orders.db", **settings)


async def refused(kk, sandbox, order, url, sentence):
    with pytest.raises(ConfigurationError, match=sentence):
        await kk.orders.submit(order(), journal=Journal(url))
    assert sandbox.requests.total() == 0


async def test_a_folder_that_does_not_exist_is_named(kk, sandbox, order, tmp_path):
    await refused(kk, sandbox, order, f"sqlite:///{tmp_path}/nowhere/orders.db", "nowhere does not exist")


async def test_a_folder_is_no_database(kk, sandbox, order, tmp_path):
    await refused(kk, sandbox, order, f"sqlite:///{tmp_path}", "is a folder")


async def test_a_file_of_something_else_is_left_as_it_is(kk, sandbox, order, tmp_path):
    (tmp_path / "orders.db").write_text("id;price\n" * 20)

    await refused(kk, sandbox, order, f"sqlite:///{tmp_path}/orders.db", "file is not a database")

    assert (tmp_path / "orders.db").read_text().startswith("id;price")


async def test_a_journal_of_a_newer_version_is_left_to_a_newer_package(kk, sandbox, order, url, tmp_path):
    await kk.orders.submit(order(), journal=Journal(url))
    sandbox.requests.clear()
    with closing(sqlite3.connect(tmp_path / "orders.db")) as connection:
        connection.execute("UPDATE kakaclo_journal SET version = 99")
        connection.commit()

    newest = schema.MIGRATIONS.newest
    await refused(
        kk, sandbox, order, url, f"of version 99; this package knows up to {newest}: update kakaclo"
    )


def add_a_column(connection):
    connection.exec_driver_sql("ALTER TABLE kakaclo_write ADD COLUMN shop VARCHAR")


async def test_an_older_journal_is_brought_up_to_date_and_keeps_its_entries(
    kk, sandbox, order, url, tmp_path, monkeypatch
):
    created = await kk.orders.submit(order(), journal=Journal(url))
    newer = attrs.evolve(schema.MIGRATIONS, steps=[*schema.MIGRATIONS.steps, add_a_column])
    monkeypatch.setattr(schema, "MIGRATIONS", newer)

    assert await Journal(url).pending() == ()  # reading does it, too
    assert (await Journal(url).find("SHOP-1")).outcome == created.id
    assert (await kk.orders.submit(order(), journal=Journal(url))).id == created.id
    assert (await kk.orders.submit(order("SHOP-2"), journal=Journal(url))).custom_order_id == "SHOP-2"

    with closing(sqlite3.connect(tmp_path / "orders.db")) as connection:
        assert connection.execute("SELECT version FROM kakaclo_journal").fetchall() == [(newer.newest,)]
        assert connection.execute("SELECT key, shop FROM kakaclo_write").fetchall() == [
            ("SHOP-1", None),
            ("SHOP-2", None),
        ]


async def test_a_journal_from_before_shops_were_told_of_packages_gets_the_very_tables_of_a_new_one(
    kk, order, url, tmp_path
):
    """The steps are never edited, and the tables may not drift away from them."""

    def tables(path):
        with closing(sqlite3.connect(path)) as connection:
            names = [
                name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            ]
            columns = {
                name: sorted(row[1:4] + row[5:] for row in connection.execute(f"PRAGMA table_info({name})"))
                for name in names
            }
            indices = "SELECT name, tbl_name FROM sqlite_master WHERE type = 'index' ORDER BY name"
            return columns, connection.execute(indices).fetchall()

    created = await kk.orders.submit(order(), journal=Journal(url))
    with closing(sqlite3.connect(tmp_path / "orders.db")) as connection:
        connection.executescript(
            "DROP TABLE kakaclo_told; ALTER TABLE kakaclo_write DROP COLUMN server_until;"
            "ALTER TABLE kakaclo_write DROP COLUMN marks; DROP INDEX kakaclo_write_line;"
            "ALTER TABLE kakaclo_write DROP COLUMN queued_at; ALTER TABLE kakaclo_write DROP COLUMN sent_with;"
            " UPDATE kakaclo_journal SET version = 1"
        )

    assert (await Journal(url).find("SHOP-1")).outcome == created.id
    await Journal(f"sqlite:///{tmp_path}/new.db").find("SHOP-1")

    old, new = tables(tmp_path / "orders.db"), tables(tmp_path / "new.db")
    assert {"kakaclo_told", "kakaclo_write"} < set(new[0])
    assert normal(old) == normal(new)


def normal(tables):
    """Types as SQLite takes them: DOUBLE and DOUBLE PRECISION are one."""
    columns, indices = tables
    return {
        name: [(column, kind.replace(" PRECISION", ""), *rest) for column, kind, *rest in rows]
        for name, rows in columns.items()
    }, indices


async def test_a_step_that_fails_leaves_the_older_journal_whole(kk, sandbox, order, url, monkeypatch):
    created = await kk.orders.submit(order(), journal=Journal(url))
    sandbox.requests.clear()
    broken = [
        *schema.MIGRATIONS.steps,
        add_a_column,
        lambda connection: connection.exec_driver_sql("ALTER TABLE nothing"),
    ]
    with monkeypatch.context() as patched:
        patched.setattr(schema, "MIGRATIONS", attrs.evolve(schema.MIGRATIONS, steps=broken))
        await refused(kk, sandbox, order, url, "syntax error")

    assert (await Journal(url).find("SHOP-1")).outcome == created.id


async def test_a_table_that_only_has_the_name_of_a_journals_is_no_journal(kk, sandbox, order, url, tmp_path):
    with closing(sqlite3.connect(tmp_path / "orders.db")) as connection:
        connection.execute("CREATE TABLE kakaclo_write (id INTEGER)")

    await refused(kk, sandbox, order, url, r"tables that no journal made \(kakaclo_write\)")


async def test_a_journal_may_stand_beside_other_tables(kk, order, url, tmp_path):
    with closing(sqlite3.connect(tmp_path / "orders.db")) as connection:
        connection.execute("CREATE TABLE invoice (id INTEGER)")

    created = await kk.orders.submit(order(), journal=Journal(url))

    assert (await Journal(url).find("SHOP-1")).outcome == created.id


@pytest.mark.parametrize("there", [True, False])
async def test_a_journal_that_is_not_there_has_nothing_to_tell_and_is_not_made(url, tmp_path, there):
    path = tmp_path / "orders.db"
    if there:
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("CREATE TABLE invoice (id INTEGER)")

    with pytest.raises(ConfigurationError, match="there is no journal in"):
        await Journal(url).pending()

    assert path.exists() is there


async def test_an_error_of_the_database_shows_no_address(kk, order, url, tmp_path):
    await kk.orders.submit(order(), journal=Journal(url))
    with closing(sqlite3.connect(tmp_path / "orders.db")) as connection:
        connection.execute("ALTER TABLE kakaclo_write DROP COLUMN notes")
        connection.commit()

    with pytest.raises(ConfigurationError, match="no such column") as caught:
        await kk.orders.submit(order("SHOP-2"), journal=Journal(url))

    assert "Shall-See" not in str(caught.value)


async def test_a_journal_that_another_process_locks_is_waited_for_and_then_told_before_anything_is_sent(
    kk, sandbox, order, url, tmp_path, monkeypatch
):
    await kk.orders.submit(order(), journal=Journal(url))
    sandbox.requests.clear()
    with closing(
        sqlite3.connect(tmp_path / "orders.db", isolation_level=None, check_same_thread=False)
    ) as other:
        other.execute("BEGIN EXCLUSIVE")
        for_streams = Journal(url)
        for_streams._database._transactions = for_streams._database._connect()  # with the usual timeout
        waiting = asyncio.create_task(kk.orders.submit(order("SHOP-2"), journal=for_streams))
        with monkeypatch.context() as patched:
            patched.setattr("kakaclo_async.database.engines.LOCK_TIMEOUT", 0.01)
            await refused(kk, sandbox, order, url, "database is locked")
        assert not waiting.done()

        other.execute("ROLLBACK")
        assert (await waiting).custom_order_id == "SHOP-2"


async def test_orders_are_durable_before_they_are_sent(url):
    seen = []

    def look(connection):
        seen.extend(
            connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("synchronous", "journal_mode", "secure_delete")
        )

    await Journal(url)._database.run(look)

    assert seen == [3, "delete", 1]


def test_a_journal_belongs_to_no_event_loop(url):
    journal = Journal(url)

    assert asyncio.run(journal.find("SHOP-1")) is None
    assert asyncio.run(journal.find("SHOP-1")) is None
    assert len(journal._database._turn._made) == 1
