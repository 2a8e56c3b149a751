"""The engine's database is away: whoever asks hears so soon and in plain words, and work goes on soon after."""

from __future__ import annotations

import asyncio

import pytest
from support.fleet import entries, sandboxes, serving, until, written
from support.ports import free_port
from support.postgresql import needs_postgresql

from kakaclo_async.errors import DatabaseAway
from kakaclo_async.fleet import Fleet
from kakaclo_async.fleet.turns import Turn


@pytest.fixture
def asked(monkeypatch):
    """What connections were asked by themselves, which is how a pool finds out whether they are there."""
    import psycopg

    queries, real = [], psycopg.AsyncConnection.execute

    async def counting(self, query, *rest, **values):
        queries.append(query)
        return await real(self, query, *rest, **values)

    monkeypatch.setattr(psycopg.AsyncConnection, "execute", counting)
    return queries


@needs_postgresql()
async def test_after_an_outage_of_any_length_the_database_is_tried_again_within_seconds(tmp_path, shared):
    from psycopg_pool.base import AttemptWithBackoff

    path = written(tmp_path, [("a", "t", {})], **shared)
    await Fleet.open(path).migrate()
    async with Fleet.open(path) as fleet:
        attempt = AttemptWithBackoff(timeout=fleet._engine._sql.connector._async_pool.reconnect_timeout)
    outage, delays = 0.0, [0.0]
    while outage < 3600 and not attempt.time_to_give_up(outage):
        attempt.update_delay(outage)
        delays.append(attempt.delay)
        outage += attempt.delay + 0.001
    assert max(delays) < 5, "and having given up, it begins anew for the next tick"


@pytest.mark.process  # a driver of PostgreSQL looks for its library
async def test_a_fleet_whose_database_is_away_says_so_soon_and_why(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr("kakaclo_async.fleet.engine._PATIENCE", 0.0)
    url = f"postgresql://somebody:PASSWORD@127.0.0.1:{free_port()}/fleet"
    path = written(tmp_path, [("a", "t", {})], engine=url, home=url, bucket="redis://127.0.0.1:1")
    with pytest.raises(
        DatabaseAway, match="the fleet's database cannot be used: Connection refused"
    ) as failure:
        async with Fleet.open(path):
            pass
    assert "PASSWORD" not in str(failure.value)
    assert caplog.text == "", "no line of a driver's"


@needs_postgresql()
async def test_a_server_that_refuses_a_fleet_is_quoted(tmp_path, shared, monkeypatch):
    monkeypatch.setattr("kakaclo_async.fleet.engine._PATIENCE", 0.0)
    url = f"{shared['engine'].rpartition('/')[0]}/nowhere"
    path = written(tmp_path, [("a", "t", {})], **shared | {"engine": url})
    with pytest.raises(DatabaseAway, match='cannot be used: database "nowhere" does not exist'):
        await Fleet.open(path).migrate()


@needs_postgresql()
async def test_connections_that_ended_while_nobody_used_them_are_replaced_and_asked_only_then(
    tmp_path, shared, asked
):
    import psycopg

    path = written(tmp_path, [("a", "t", {})], **shared)
    await Fleet.open(path).migrate()
    async with Fleet.open(path) as fleet:
        asked.clear()
        for _ in range(3):
            await fleet.ring("a", "orders")
        assert asked == [], "a question would cost as much as what is to be done"

        with psycopg.connect(shared["engine"], autocommit=True) as other:
            ended = other.execute(
                "SELECT count(pg_terminate_backend(pid, 10000)) FROM pg_stat_activity"
                " WHERE application_name = 'kakaclo fleet' AND datname = current_database()"
            ).fetchone()
        assert ended is not None
        assert ended[0] > 0
        await asyncio.sleep(0.05)  # the loop is busy with other things
        await fleet.ring("a", "orders")
        assert asked


@needs_postgresql()
async def test_a_connection_that_rested_is_asked_for_a_network_may_have_forgotten_it(
    tmp_path, shared, asked, monkeypatch
):
    monkeypatch.setattr("kakaclo_async.fleet.connections._REST", 0.0)
    path = written(tmp_path, [("a", "t", {})], **shared)
    await Fleet.open(path).migrate()
    async with Fleet.open(path) as fleet:
        asked.clear()
        await fleet.ring("a", "orders")
        assert asked


@needs_postgresql()
async def test_what_is_due_stays_so_when_its_bell_cannot_be_rung(tmp_path, shared):
    """Another worker's tick holds the bells for longer than the database lets anybody wait."""
    import psycopg

    path = written(
        tmp_path, [("a", "t", {})], **shared | {"engine": f"{shared['engine']}?options=-clock_timeout%3D100"}
    )
    await Fleet.open(path).migrate()
    async with Fleet.open(path) as fleet:
        table = fleet._engine.table
        await table.sql("UPDATE fleet_turn SET due = NULL")
        async with await psycopg.AsyncConnection.connect(shared["engine"]) as other:
            await other.execute(
                "SELECT pg_advisory_xact_lock(hashtextextended('kakaclo fleet ' || current_schema(), 0))"
            )
            with pytest.raises(DatabaseAway, match="lock timeout"):
                await fleet.ring("a", "orders")
        assert ("orders", "a") in await table.due()


@needs_postgresql()
async def test_a_bell_whose_end_could_not_be_written_is_not_under_way_for_ever(tmp_path, shared, monkeypatch):
    """The connection is lost just then: the turn would never be rung for again."""
    from procrastinate.exceptions import ConnectorException

    monkeypatch.setattr("kakaclo_async.fleet.postgresql._PAUSE", 0.0)
    path = written(tmp_path, [("a", "t", {})], **shared)
    await Fleet.open(path).migrate()
    async with Fleet.open(path) as fleet:
        engine = fleet._engine
        real, lost = engine._sql.connector.execute_query_all_async, []

        async def losing(query, **values):
            if len(lost) < 3:
                lost.append(query)
                raise ConnectorException
            return await real(query, **values)

        await engine.table.sql("SELECT fleet_tick('w', 5) AS rung")
        [job, *_] = await engine.table.sql(
            "UPDATE procrastinate_jobs SET status = 'doing' WHERE queueing_lock = :bell RETURNING id",
            bell="orders:a",
        )
        monkeypatch.setattr(engine._sql.connector, "execute_query_all_async", losing)
        await engine._bells.finish_job_by_id_async(job["id"], None, None)
        assert len(lost) == 3
        assert await engine.table.sql("SELECT id FROM procrastinate_jobs WHERE id = :id", id=job["id"]) == []


@pytest.mark.process
@needs_postgresql()
async def test_a_worker_that_ends_slowly_is_not_taken_for_dead(tmp_path, shared, monkeypatch, caplog):
    """Its turns would be taken over while they run, and it would say that it was frozen."""
    entered, leave = asyncio.Event(), asyncio.Event()
    real = Turn.run

    async def slowly(self, kind, shop):
        if kind == "orders":
            entered.set()
            await leave.wait()
        return await real(self, kind, shop)

    monkeypatch.setattr(Turn, "run", slowly)
    async with sandboxes("a") as opened:
        path = written(tmp_path, entries(opened), **shared | {"dead": 1.5, "tick": 0.1, "beat": 0.1})
        await Fleet.open(path).migrate()
        async with serving(path) as fleet:
            await entered.wait()
            [before] = await fleet._engine.table.sql(_UNDER_WAY, bell="orders:a")
            fleet.stop()
            for _ in range(25):
                await asyncio.sleep(0.1)
                assert await fleet._engine.table.sql(_UNDER_WAY, bell="orders:a") == [before]
            leave.set()
            await until(lambda: _is_over(fleet))
    assert "was it frozen" not in caplog.text


_UNDER_WAY = "SELECT id FROM procrastinate_jobs WHERE queueing_lock = :bell AND status = 'doing'"


async def _is_over(fleet):
    return not await fleet._engine.table.sql(_UNDER_WAY, bell="orders:a")


@pytest.mark.process
@needs_postgresql()
async def test_a_turn_that_was_cut_off_does_not_wait_behind_those_of_others_that_were_not(tmp_path, shared):
    """Where all workers are busy, the mirror of a dead one would be resumed when all orders are placed."""
    path = written(tmp_path, [(name, f"t{name}", {}) for name in "abc"], catalog="own", **shared)
    await Fleet.open(path).migrate()
    async with Fleet.open(path) as fleet:
        table = fleet._engine.table
        assert await table.begin("mirror", "b") is not None  # and its worker dies
        await table.sql("UPDATE fleet_turn SET due = due - 60 WHERE shop = 'b' AND kind = 'mirror'")
        await table.sql("SELECT fleet_tick('w', 5) AS rung")
        waiting = await table.sql(
            "SELECT queueing_lock AS bell FROM procrastinate_jobs ORDER BY priority DESC, id"
        )
    bells = [row["bell"] for row in waiting]
    assert bells[0] == "mirror:b"
    assert {*bells[1:4]} == {"orders:a", "orders:b", "orders:c"}
    assert {*bells[-2:]} == {"mirror:a", "mirror:c"}
