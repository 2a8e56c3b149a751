"""The same mirror in PostgreSQL: a real server, started by the tests."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from support.killed_mirror import a_mirror_elsewhere
from support.postgresql import needs_postgresql

from kakaclo_async import ConfigurationError, DatabaseAway
from kakaclo_async.catalog import ChangeKind

pytestmark = needs_postgresql()


async def test_a_mirror_in_postgresql_holds_what_one_in_sqlite_holds(shop, mirror_of, db, pg):
    sandbox, kk = shop
    await mirror_of(sandbox, kk).run()

    report = await mirror_of(sandbox, kk, pg.url).run()

    assert report.complete
    for table, columns in {
        "product": "spu, spu_status, stock, kk_product_id, attributes_json, sku_img_url",
        "sku": "sku, spu, stock, sku_status, option1",
        "stock": "sku, warehouse_code, qty",
        "change": "id, kind, spu",
    }.items():
        sql = f"SELECT {columns} FROM {table}"  # noqa: S608 - our own names
        assert sorted(await pg.rows(sql)) == sorted(db.rows(sql))


async def test_money_keeps_its_digits_and_times_their_zone(shop, mirror_of, pg):
    sandbox, kk = shop
    sku = next(sandbox.catalog.skus())
    sandbox.catalog.set_price(sku, Decimal("6.1600"))
    sandbox.skip(3600)

    await mirror_of(sandbox, kk, pg.url).run()

    [(price,)] = await pg.rows("SELECT price FROM sku WHERE sku = $1", sku)
    [(updated,)] = await pg.rows("SELECT max(update_time) FROM product")
    assert str(price) == "6.1600"
    assert updated == sandbox.now().astimezone(UTC).replace(microsecond=0) - (
        sandbox.now().astimezone(UTC).replace(microsecond=0) - updated
    )
    assert updated.tzinfo is not None


async def test_a_later_run_brings_changes_and_a_quiet_one_costs_two_requests(shop, mirror_of, pg):
    sandbox, kk = shop
    mirror = mirror_of(sandbox, kk, pg.url)
    after = (await mirror.run()).changes
    sku = next(sandbox.catalog.skus())
    sandbox.catalog.set_price(sku, Decimal("12.3400"))
    sandbox.skip(3600)

    assert (await mirror.run()).changes == 1
    sandbox.skip(3600)
    assert (await mirror.run()).requests == 2

    [change] = [change async for change in mirror.changes(after)]
    assert (change.kind, change.new) == (ChangeKind.PRICE_CHANGED, "12.3400")
    assert isinstance(change.at, datetime)
    assert change.at.microsecond == 0  # as in SQLite
    status = await mirror.status()
    assert status.products == 60
    assert status.last_change == change.id


async def test_a_second_mirror_is_refused_while_the_first_one_lives(shop, mirror_of, pg):
    sandbox, kk = shop

    async with mirror_of(sandbox, kk, pg.url):
        with pytest.raises(ConfigurationError, match="another mirror is writing to postgresql://"):
            await mirror_of(sandbox, kk, pg.url).run()

    assert (await mirror_of(sandbox, kk, pg.url).run()).complete


async def test_tables_of_others_are_left_alone_unless_their_names_are_ours(shop, mirror_of, pg):
    sandbox, kk = shop
    await pg.rows("CREATE TABLE invoice (id integer)")
    assert (await mirror_of(sandbox, kk, pg.url).run()).complete

    await pg.rows("DROP TABLE mirror_schema")
    with pytest.raises(ConfigurationError, match="holds tables that no mirror made"):
        await mirror_of(sandbox, kk, pg.url).run()


async def test_verify_marks_what_is_gone(shop, mirror_of, pg):
    sandbox, kk = shop
    mirror = mirror_of(sandbox, kk, pg.url)
    await mirror.run()
    spu = next(sandbox.catalog.spus())
    sandbox.catalog.remove(spu)
    sandbox.skip(3600)

    assert (await mirror.verify()).missing == 1
    sandbox.skip(700)
    assert (await mirror.verify()).gone == 1

    assert await pg.rows("SELECT spu FROM product WHERE gone_since IS NOT NULL") == [(spu,)]


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("?options=-csearch_path%3Da", "?options=-csearch_path%3Db"),
        ("?options=-csearch_path%3Da,b,public", "?schema=b"),
        ("?schema=a", "?schema=b"),
    ],
)
async def test_mirrors_in_two_schemas_of_a_database_do_not_know_each_other(a, b, shop, mirror_of, pg):
    sandbox, kk = shop
    for name in ("a", "b"):
        await pg.rows(f"CREATE SCHEMA {name}")

    async with mirror_of(sandbox, kk, pg.url + b) as second, mirror_of(sandbox, kk, pg.url + a) as first:
        assert (await second.run()).products == 60
        assert (await first.run()).products == 60
        with pytest.raises(ConfigurationError, match="another mirror is writing"):
            await mirror_of(sandbox, kk, pg.url + a).run()

    assert await pg.rows("SELECT (SELECT count(*) FROM a.product), (SELECT count(*) FROM b.product)") == [
        (60, 60)
    ]
    assert await pg.rows("SELECT 1 FROM pg_tables WHERE schemaname = 'public'") == []


@pytest.mark.parametrize(
    ("query", "schema"),
    [
        ("?schema=acme", "acme"),
        ("?schema=Acme%20Ltd", "Acme Ltd"),
        ("?options=-csearch_path%3Dacme", "acme"),
    ],
)
async def test_a_schema_that_is_not_there_is_made(query, schema, shop, mirror_of, pg):
    sandbox, kk = shop
    with pytest.raises(ConfigurationError, match="there is no mirror"):
        await mirror_of(sandbox, kk, pg.url + query).status()
    assert await pg.rows("SELECT 1 FROM pg_namespace WHERE nspname = $1", schema) == []  # reading makes none
    assert (await mirror_of(sandbox, kk, pg.url + query).run()).complete
    tables = "SELECT DISTINCT schemaname FROM pg_tables WHERE tablename IN ('product', 'mirror_writer')"
    assert await pg.rows(tables) == [(schema,)]


async def test_a_role_that_may_make_no_schema_is_told_so(shop, mirror_of, pg):
    sandbox, kk = shop
    await pg.rows("CREATE ROLE plain LOGIN")
    url = pg.url.replace("postgres@", "plain@")
    try:
        with pytest.raises(ConfigurationError, match="permission denied for database"):
            await mirror_of(sandbox, kk, f"{url}?schema=acme").run()
    finally:
        await pg.rows("DROP ROLE plain")


async def test_a_mirror_that_is_killed_gives_way_at_once(shop, mirror_of, pg):
    """Without a pooler the server knows that it has gone."""
    sandbox, kk = shop
    async with a_mirror_elsewhere(pg.url) as holder:
        with pytest.raises(DatabaseAway, match=rf"process {holder.pid} on .*; stop that one first$"):
            await mirror_of(sandbox, kk, pg.url).run()
        holder.kill()
        await holder.wait()

        assert (await mirror_of(sandbox, kk, pg.url).run()).complete
