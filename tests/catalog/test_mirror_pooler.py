"""A mirror behind a pooler that gives each transaction another connection: a real PgBouncer, as hosters have it."""

from __future__ import annotations

import asyncio
import os
import sys
from decimal import Decimal

import asyncpg
import pytest
from support.killed_mirror import a_mirror_elsewhere
from support.pgbouncer import needs_pgbouncer, running_pooler
from support.postgresql import needs_postgresql

from kakaclo_async import DatabaseAway
from kakaclo_async.database import lock

KAKACLO = "from kakaclo_async.cli import main; main()"

pytestmark = [needs_postgresql(), needs_pgbouncer(), pytest.mark.process]


@pytest.fixture(scope="module")
def pooler(server):
    with running_pooler(server) as url:
        yield url


@pytest.fixture
def pooled(pooler, pg):
    """The URL of an empty database, through the pooler."""
    return f"{pooler}/{pg.url.rpartition('/')[2]}"


_LEFT = """
SELECT (SELECT string_agg(name, ' ') FROM pg_settings WHERE source = 'session' AND name <> 'client_encoding'),
       (SELECT count(*) FROM pg_prepared_statements),
       (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory')
"""


async def seen_by_another_program(pooled):
    """What a program that shares the pool finds in each of its connections."""
    connections = [await asyncpg.connect(pooled, statement_cache_size=0) for _ in range(2)]
    try:
        transactions = [connection.transaction() for connection in connections]
        for transaction in transactions:
            await transaction.start()  # both at once: the pool has two
        found = [tuple(await connection.fetchrow(_LEFT)) for connection in connections]
        for transaction in transactions:
            await transaction.rollback()
    finally:
        for connection in connections:
            await connection.close()
    return found


async def test_it_runs_verifies_and_tells_changes_and_leaves_nothing_in_the_connections(
    shop, mirror_of, pooled
):
    sandbox, kk = shop
    async with mirror_of(sandbox, kk, pooled) as mirror:
        assert (await mirror.run()).products == 60
        assert await seen_by_another_program(pooled) == [(None, 0, 0)] * 2
        sandbox.skip(3600)
        assert (await mirror.verify()).complete

    assert len([change async for change in mirror.changes()]) == 60
    assert (await mirror.status()).products == 60
    assert await seen_by_another_program(pooled) == [(None, 0, 0)] * 2


async def test_following_tells_changes(shop, mirror_of, pooled):
    sandbox, kk = shop
    sku = next(sandbox.catalog.skus())
    seen = []

    async def sleep(_seconds):
        sandbox.skip(1200)
        if not seen:
            sandbox.catalog.set_price(sku, Decimal("55.55"))
        else:
            mirror.stop()
            await asyncio.sleep(0)

    mirror = mirror_of(sandbox, kk, pooled, sleep=sleep)
    await mirror.follow(on_change=seen.append, after=60)

    assert {change.sku for change in seen} == {sku}


async def test_a_second_mirror_is_refused_and_told_who_writes(shop, mirror_of, pooled):
    sandbox, kk = shop
    async with a_mirror_elsewhere(pooled) as holder:
        with pytest.raises(DatabaseAway, match=rf"another mirror is writing to .*process {holder.pid} on "):
            await mirror_of(sandbox, kk, pooled).run()
        holder.kill()
        await holder.wait()

        # The pooler hides from the server that it has gone: its claim has to run out.
        with pytest.raises(DatabaseAway, match=r"if it was killed, start again in \d+ seconds"):
            await mirror_of(sandbox, kk, pooled).run()
    assert sandbox.requests.total() == 0


async def test_the_claim_of_a_killed_mirror_runs_out(shop, mirror_of, pooled, pg):
    sandbox, kk = shop
    async with a_mirror_elsewhere(pooled) as holder:
        holder.kill()
        await holder.wait()
    left = "SELECT extract(epoch FROM until - now()) FROM mirror_writer"
    [(seconds,)] = await pg.rows(left)
    assert 0 < seconds <= lock.CLAIM

    await pg.rows("UPDATE mirror_writer SET until = until - make_interval(secs => $1)", float(lock.CLAIM))

    assert (await mirror_of(sandbox, kk, pooled).run()).complete
    assert (await pg.rows(left))[0][0] <= 0  # a mirror that ends gives its claim back


async def test_a_mirror_whose_claim_ran_out_unnoticed_does_not_write_beside_the_next(
    shop, mirror_of, pooled, pg
):
    sandbox, kk = shop
    async with mirror_of(sandbox, kk, pooled) as first:
        await pg.rows("UPDATE mirror_writer SET until = now()")  # as after a minute in which nothing ran
        async with mirror_of(sandbox, kk, pooled) as second:
            with pytest.raises(DatabaseAway, match="another mirror is writing"):
                await first.run()
            assert (await second.run()).complete

        assert (await first.run()).complete  # begun anew, with what the other one stored


async def test_an_open_mirror_that_has_nothing_to_write_keeps_its_claim(
    shop, mirror_of, pooled, pg, monkeypatch
):
    sandbox, kk = shop
    monkeypatch.setattr(lock, "CLAIM", 0.6)
    async with mirror_of(sandbox, kk, pooled):
        claims = set()
        while len(claims) < 4:
            claims.add((await pg.rows("SELECT until FROM mirror_writer"))[0])
            await asyncio.sleep(0.02)
        monkeypatch.setattr(lock, "GRACE", 0.1)
        with pytest.raises(DatabaseAway, match="another mirror is writing"):
            await mirror_of(sandbox, kk, pooled).run()


async def test_three_commands_at_once_are_one_writer_at_a_time_and_one_whole_mirror(shop, pooled, pg):
    sandbox, _ = shop
    environment = os.environ | {"KAKACLO_TOKEN": sandbox.token, "KAKACLO_BASE_URL": sandbox.url}
    command = [sys.executable, "-c", KAKACLO, "mirror", "--db", pooled]
    commands = [
        await asyncio.create_subprocess_exec(
            *command, env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        for _ in range(3)
    ]
    ends = [(await command.communicate(), command.returncode) for command in commands]

    assert 0 in {code for _, code in ends}
    refused = [(out + complaint).decode() for (out, complaint), code in ends if code]
    assert all("another mirror is writing" in text for text in refused), refused
    assert (await pg.rows("SELECT count(*) FROM product")) == [(60,)]
    assert (await pg.rows("SELECT count(*) FROM change")) == [(60,)]
    assert await seen_by_another_program(pooled) == [(None, 0, 0)] * 2


async def test_a_hosters_url_as_it_is_pasted_works(shop, mirror_of, pooled):
    sandbox, kk = shop
    pasted = (
        f"{pooled.replace('postgresql:', 'postgres:')}?pgbouncer=true&connection_limit=1&sslmode=prefer"
        "&channel_binding=prefer&connect_timeout=10&application_name=shop&target_session_attrs=read-write"
    )

    assert (await mirror_of(sandbox, kk, pasted).run()).complete


async def test_a_schema_is_chosen_by_its_name_for_a_pooler_takes_no_options(shop, mirror_of, pooled, pg):
    sandbox, kk = shop
    await pg.rows("CREATE SCHEMA shop")
    with pytest.raises(ValueError, match=r"unsupported startup parameter: options.*\?schema=NAME"):
        await mirror_of(sandbox, kk, f"{pooled}?options=-csearch_path%3Dshop").run()

    assert (await mirror_of(sandbox, kk, f"{pooled}?schema=shop").run()).complete

    assert await pg.rows("SELECT DISTINCT schemaname FROM pg_tables WHERE tablename = 'product'") == [
        ("shop",)
    ]
