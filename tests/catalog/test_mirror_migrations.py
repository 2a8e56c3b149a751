"""Databases of other versions: older ones move forward by themselves, newer ones are left alone."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import attrs
import pytest
from support.postgresql import needs_postgresql
from support.serving import served

from kakaclo_async import ConfigurationError
from kakaclo_async.catalog import schema
from kakaclo_async.catalog.database import MirrorDatabase
from kakaclo_async.catalog.mirror import BEGINNING
from kakaclo_async.catalog.state import PullState

HERE = Path(__file__).parent
NEWEST = schema.MIGRATIONS.newest

A_PRODUCT = """
    INSERT INTO product (spu, spu_status, price, stock, seen_at, seen_in)
    VALUES ('OLD1', 1, '6.1600', 5, '2024-01-01 00:00:00{zone}', 0);
    INSERT INTO change (at, kind, spu) VALUES ('2024-01-01 00:00:00{zone}', 'product_added', 'OLD1');
"""
COLUMNS = """
    SELECT table_name, column_name, data_type, is_nullable FROM information_schema.columns
    WHERE table_schema = 'public' ORDER BY table_name, column_name
"""
INDEXES = (
    "SELECT tablename, indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY tablename, indexname"
)


def version_1(dialect):
    return (HERE / f"version_1_{dialect}.sql").read_text()


def layout(path):
    """Columns and indexes of an SQLite file, however its statements were written."""
    with closing(sqlite3.connect(path)) as connection:
        names = "SELECT name FROM sqlite_master WHERE type = ? AND name NOT LIKE 'sqlite_%' ORDER BY name"
        tables = [name for (name,) in connection.execute(names, ["table"])]
        columns = {table: connection.execute(f"PRAGMA table_info({table})").fetchall() for table in tables}
        indexes = "SELECT tbl_name, sql FROM sqlite_master WHERE type = 'index' AND sql > '' ORDER BY name"
        return columns, connection.execute(indexes).fetchall()


async def test_an_sqlite_file_of_version_1_becomes_like_a_new_one_and_keeps_its_rows(
    shop, mirror_of, db, tmp_path
):
    sandbox, kk = shop
    with closing(sqlite3.connect(db.path)) as connection:
        connection.executescript(version_1("sqlite") + A_PRODUCT.format(zone=""))

    report = await mirror_of(sandbox, kk).run()
    await mirror_of(sandbox, kk, f"sqlite:///{tmp_path}/new.db").run()

    assert report.complete
    assert db.one("SELECT version FROM mirror_schema") == NEWEST
    assert db.one("SELECT price FROM product WHERE spu = 'OLD1'") == "6.1600"
    assert db.one("SELECT count(*) FROM product") == 61
    assert layout(db.path) == layout(tmp_path / "new.db")


@needs_postgresql()
async def test_a_postgresql_database_of_version_1_becomes_like_a_new_one_and_keeps_its_rows(
    shop, mirror_of, pg, another_pg
):
    sandbox, kk = shop
    for statement in (version_1("postgresql") + A_PRODUCT.format(zone="+00")).split(";\n"):
        await pg.rows(statement)

    report = await mirror_of(sandbox, kk, pg.url).run()
    await mirror_of(sandbox, kk, another_pg.url).run()

    assert report.complete
    assert await pg.rows("SELECT version FROM mirror_schema") == [(NEWEST,)]
    assert await pg.rows("SELECT stock FROM product WHERE spu = 'OLD1'") == [(5,)]
    for question in (COLUMNS, INDEXES):
        assert await pg.rows(question) == await another_pg.rows(question)


async def test_a_step_that_fails_leaves_the_older_version_whole(shop, mirror_of, db, monkeypatch):
    sandbox, kk = shop
    with closing(sqlite3.connect(db.path)) as connection:
        connection.executescript(version_1("sqlite"))
    before = layout(db.path)
    with monkeypatch.context() as patch:
        steps = [
            *schema.MIGRATIONS.steps,
            lambda connection: connection.exec_driver_sql("ALTER TABLE nothing"),
        ]
        patch.setattr(schema, "MIGRATIONS", attrs.evolve(schema.MIGRATIONS, steps=steps))

        with pytest.raises(ConfigurationError, match="syntax error"):
            await mirror_of(sandbox, kk).run()

    assert sandbox.requests.total() == 0
    assert db.one("SELECT version FROM mirror_schema") == 1
    assert layout(db.path) == before
    assert (await mirror_of(sandbox, kk).run()).complete


async def test_a_database_of_a_newer_version_is_left_to_a_newer_package(shop, mirror_of, db):
    sandbox, kk = shop
    await mirror_of(sandbox, kk).run()
    sandbox.requests.clear()
    with closing(sqlite3.connect(db.path)) as connection:
        connection.execute("UPDATE mirror_schema SET version = 99")
        connection.commit()
    newer = f"of version 99; this package knows up to {NEWEST}: update kakaclo"

    with pytest.raises(ConfigurationError, match=newer):
        await mirror_of(sandbox, kk).run()
    with pytest.raises(ConfigurationError, match=newer):
        await mirror_of(sandbox, kk).status()

    assert sandbox.requests.total() == 0


@needs_postgresql()
async def test_a_postgresql_database_of_a_newer_version_is_left_alone_as_well(shop, mirror_of, pg):
    sandbox, kk = shop
    await mirror_of(sandbox, kk, pg.url).run()
    await pg.rows("UPDATE mirror_schema SET version = 99")
    sandbox.requests.clear()

    with pytest.raises(ConfigurationError, match="of version 99"):
        await mirror_of(sandbox, kk, pg.url).run()

    assert sandbox.requests.total() == 0


async def test_a_mirror_of_version_2_in_mid_pull_is_brought_up_to_date_and_goes_on(mirror_of, db):
    async with served(products=400) as (sandbox, kk):
        until = sandbox.now() - timedelta(minutes=10)
        whole = await mirror_of(sandbox, kk, f"sqlite:///{db.path}.whole").run(until=until)
        half = mirror_of(
            sandbox, kk, progress=lambda report: report.requests > whole.requests // 2 and half.stop()
        )
        await half.follow(since=BEGINNING)
        windows = db.rows("SELECT start, page, last_total, first_page_total FROM mirror_open ORDER BY start")
        with closing(sqlite3.connect(db.path)) as connection:
            connection.execute("ALTER TABLE mirror_open RENAME COLUMN last_total TO clock")
            connection.execute("ALTER TABLE mirror_open RENAME COLUMN first_page_total TO first")
            connection.execute("ALTER TABLE product ADD COLUMN seen_in INTEGER NOT NULL DEFAULT 0")
            connection.execute("DROP INDEX ix_product_missing_since")
            connection.execute("ALTER TABLE product DROP COLUMN missing_since")
            connection.execute("DROP TABLE mirror_number")
            connection.execute("ALTER TABLE change DROP COLUMN country")
            connection.execute("UPDATE mirror_schema SET version = 2")
            connection.commit()

        status = await mirror_of(sandbox, kk).status()
        changes = [change async for change in mirror_of(sandbox, kk).changes()]
        async with MirrorDatabase(db.url).reading() as connection:
            assert await connection.run_sync(schema.MIGRATIONS.check_version) == 2
        database = MirrorDatabase(db.url)
        await database.open()
        state = await database.write(lambda connection: PullState.load(connection, "stock"))
        await database.close()
        report = await mirror_of(sandbox, kk).run(until=until)

    assert windows
    assert len(state.open) == len(windows)
    assert {(c.page, c.last_total, c.first_page_total) for c in state.open.values()} == {
        row[1:] for row in windows
    }
    assert status.last_change == len(changes) > 0
    assert report.complete
    assert report.requests < whole.requests
    assert db.one("SELECT version FROM mirror_schema") == NEWEST
    assert db.one("SELECT count(*) FROM product") == 400
    assert db.one("SELECT count(*) FROM mirror_open") == 0
