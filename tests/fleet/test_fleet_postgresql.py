"""Several workers on PostgreSQL: bells rung once, lost ones rung again, and nothing secret in the engine."""

from __future__ import annotations

import asyncio
import gc
import logging
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
import redis
from support.fleet import entries, orders, placed, sandboxes, serving, until, written
from support.ordering import POST
from support.ports import free_port
from support.postgresql import needs_postgresql
from support.redis_server import running
from support.shop import ADDRESS

from kakaclo_async.errors import ConfigurationError
from kakaclo_async.fleet import Fleet
from kakaclo_async.fleet.postgresql import _FETCH
from kakaclo_async.sandbox import Fault

pytestmark = [pytest.mark.process, needs_postgresql()]


async def rows(fleet, statement, **values):
    return await fleet._engine.table.sql(statement, **values)


async def tick(fleet, dead=5.0):
    return (await rows(fleet, "SELECT fleet_tick(:worker, :dead) AS rung", worker="w", dead=dead))[0]["rung"]


async def migrated(path):
    await Fleet.open(path).migrate()
    return path


async def test_tables_are_made_once_however_many_ask_at_once(tmp_path, shared):
    path = written(tmp_path, [("a", "t", {})], **shared)
    with pytest.raises(ConfigurationError, match="run kakaclo fleet migrate"):
        async with Fleet.open(path):
            pass
    await asyncio.gather(*(Fleet.open(path).migrate() for _ in range(3)))
    await Fleet.open(path).migrate()
    async with Fleet.open(path) as fleet:
        assert len(await rows(fleet, "SELECT version, engine FROM fleet_version")) == 1


async def test_a_database_with_jobs_of_another_program_is_refused(tmp_path, shared):
    import psycopg

    with psycopg.connect(shared["engine"], autocommit=True) as connection:
        connection.execute("CREATE TABLE procrastinate_jobs (id int)")
    with pytest.raises(ConfigurationError, match="that no fleet made"):
        await Fleet.open(written(tmp_path, [("a", "t", {})], **shared)).migrate()


async def test_two_workers_place_each_order_once(tmp_path, shared):
    async with sandboxes("a", "b", "c") as opened, AsyncExitStack() as stack:
        for sandbox in opened.values():
            sandbox.faults.add(Fault("delay", seconds=0.05, times=None, **POST))
        path = await migrated(written(tmp_path, entries(opened), **shared))
        fleets = [await stack.enter_async_context(serving(path)) for _ in range(2)]
        for name, sandbox in opened.items():
            for number, order in enumerate(orders(sandbox, 15, prefix=name)):
                await fleets[number % 2].submit(name, order)
        await until(lambda: all(len(sandbox.journal) == 15 for sandbox in opened.values()))
        await until(lambda: _is_quiet(fleets[0]))
        for name, sandbox in opened.items():
            assert placed(sandbox) == sorted(f"{name}-{n}" for n in range(15))
        assert len((await fleets[0].status()).workers) == 2


async def _is_quiet(fleet):
    status = await fleet.status()
    return not await fleet.pending() and all(
        shop.error is None and shop.pending == 0 for shop in status.shops
    )


async def test_ticks_at_once_ring_each_bell_once_and_no_statement_fails(tmp_path, shared):
    path = written(tmp_path, [(f"s{n}", "t", {}) for n in range(50)], **shared)
    async with AsyncExitStack() as stack:
        await migrated(path)
        fleets = [await stack.enter_async_context(Fleet.open(path)) for _ in range(4)]
        failed = "SELECT xact_rollback AS n FROM pg_stat_database WHERE datname = current_database()"
        before = (await rows(fleets[0], failed))[0]["n"]
        rung = await asyncio.gather(*(tick(fleet) for fleet in fleets for _ in range(5)))
        assert sum(rung) == 50 * 2 + 1
        assert await fleets[0]._engine.queued() == 101
        await asyncio.sleep(0)
        assert (await rows(fleets[0], failed))[0]["n"] == before


async def test_many_bells_at_once_leave_no_history_and_wake_each_worker_once(tmp_path, shared):
    """That, and not the bells, is what a tick over a thousand shops would take its time for."""
    path = await migrated(written(tmp_path, [(f"s{n}", "t", {}) for n in range(50)], **shared))
    async with Fleet.open(path) as fleet, hearing(fleet) as heard:
        assert await tick(fleet) == 101
        assert await tick(fleet) == 0
        await rows(fleet, "SELECT fleet_ring('orders', 's1', false)")
        await rows(fleet, "DELETE FROM procrastinate_jobs WHERE args->>'shop' = 's2'")
        assert await tick(fleet) == 2
        await until(lambda: len(heard) >= 2)
        assert [bell["type"] for bell in heard] == ["job_inserted"] * 2
        assert await rows(fleet, "SELECT * FROM procrastinate_events") == []


async def test_a_bell_that_rings_while_a_worker_learns_that_there_is_none_is_answered_at_once(
    tmp_path, shared, monkeypatch
):
    path = await migrated(written(tmp_path, [("a", "t", {})], **shared))
    async with Fleet.open(path) as fleet, hearing(fleet) as heard:
        jobs = fleet._engine._sql.app.job_manager
        fetch = jobs.connector.execute_query_all_async

        async def fetch_slowly(*words, **values):
            found = await fetch(*words, **values)
            if not heard:
                await tick(fleet)
                await until(lambda: heard)
            return found

        worker = "INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now()) RETURNING id"
        found = await rows(fleet, worker)
        monkeypatch.setattr(jobs.connector, "execute_query_all_async", fetch_slowly)
        job = await jobs.fetch_job(["fleet"], found[0]["id"])
        assert job.task_kwargs == {"kind": "orders", "shop": "a"}


@asynccontextmanager
async def hearing(fleet):
    """Listen to the bells of a fleet as its workers do; yield what is heard."""
    heard, listens = [], asyncio.Event()
    jobs = fleet._engine._sql.app.job_manager

    async def note(*, channel, notification):
        listens.set()
        if notification["type"] != "hello":
            heard.append(notification)

    listener = asyncio.create_task(jobs.listen_for_jobs(on_notification=note, queues=["fleet"]))
    try:
        hello = "SELECT pg_notify('procrastinate_queue_v1#fleet', '{\"type\": \"hello\"}')"
        while not listens.is_set():
            await rows(fleet, hello)
            await asyncio.sleep(0)
        yield heard
    finally:
        listener.cancel()
        await asyncio.wait((listener,))


async def test_a_bell_whose_worker_died_is_rung_again_also_when_a_younger_one_waits(tmp_path, shared):
    path = await migrated(written(tmp_path, [("a", "t", {})], **shared))
    async with Fleet.open(path) as fleet:
        assert await tick(fleet) == 3
        await rows(
            fleet,
            "INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now() - interval '1 hour') RETURNING id",
        )
        await rows(
            fleet,
            "UPDATE procrastinate_jobs SET status = 'doing', worker_id = (SELECT id FROM procrastinate_workers) RETURNING id",
        )
        await rows(fleet, "SELECT fleet_ring('orders', 'a', true)")
        assert await fleet._engine.queued() == 4
        assert await tick(fleet) == 2
        assert await fleet._engine.queued() == 3
        statuses = await rows(fleet, "SELECT DISTINCT status FROM procrastinate_jobs")
        assert [row["status"] for row in statuses] == ["todo"]


async def test_a_bell_that_is_being_answered_is_not_rung_and_a_paused_shop_has_none(tmp_path, shared):
    path = await migrated(written(tmp_path, [("a", "t", {}), ("b", "t", {})], **shared))
    async with Fleet.open(path) as fleet:
        await fleet.pause("b")
        assert await tick(fleet) == 3
        await rows(fleet, "INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now()) RETURNING id")
        await rows(
            fleet,
            "UPDATE procrastinate_jobs SET status = 'doing', worker_id = (SELECT id FROM procrastinate_workers) RETURNING id",
        )
        assert await tick(fleet) == 0
        await fleet.resume("b")
        assert await fleet._engine.queued() == 5


async def test_a_clock_that_is_set_back_keeps_no_shop_waiting(tmp_path, shared):
    path = await migrated(written(tmp_path, [("a", "t", {})], **shared))
    async with Fleet.open(path) as fleet:
        await rows(
            fleet, "UPDATE fleet_turn SET started = @now, ended = @now, due = @now + 60 RETURNING shop"
        )
        assert await tick(fleet) == 0
        await rows(fleet, "UPDATE fleet_turn SET ended = @now + 3600, due = @now + 3660 RETURNING shop")
        assert await tick(fleet) == 3


async def test_whoever_rings_during_a_turn_is_heard_when_it_ends(tmp_path, shared):
    path = await migrated(written(tmp_path, [("a", "t", {})], **shared))
    async with Fleet.open(path) as fleet:
        from kakaclo_async.fleet.values import Ended

        table = fleet._engine.table
        began = await table.begin("orders", "a")
        await fleet.ring("a", "orders")
        assert await table.end("orders", "a", began, Ended(after=3600.0)) == 0
        began = await table.begin("orders", "a")
        assert await table.end("orders", "a", began, Ended(after=3600.0)) == 3600


async def test_a_worker_that_was_replaced_has_no_say_any_more(tmp_path, shared):
    from kakaclo_async.fleet.values import Ended

    path = await migrated(written(tmp_path, [("a", "t", {})], **shared))
    async with Fleet.open(path) as frozen, Fleet.open(path) as other:
        began = await frozen._engine.table.begin("orders", "a")
        await other._engine.table.begin("orders", "a")
        assert await frozen._engine.table.end("orders", "a", began, Ended(after=0.0)) is None
        turn = next(
            turn for shop in (await other.status()).shops for turn in shop.turns if turn.kind == "orders"
        )
        assert turn.ended is None


async def test_neither_tokens_nor_addresses_are_in_the_engines_tables(tmp_path, shared):
    async with sandboxes("a") as opened:
        sandbox = opened["a"]
        path = await migrated(written(tmp_path, entries(opened), **shared))
        async with serving(path) as fleet:
            sandbox.faults.add(Fault("rejected", times=2, message=f"no: {ADDRESS.recipient}", **POST))
            for order in orders(sandbox, 5):
                await fleet.submit("a", order)
            await until(lambda: len(sandbox.journal) == 3)
            text = str(await rows(fleet, "SELECT database_to_xml(true, false, '')::text AS everything"))
        assert "orders:a" in text or "<shop>a</shop>" in text
        for secret in (sandbox.token, ADDRESS.recipient, ADDRESS.phone, ADDRESS.street1):
            assert secret not in text


async def test_a_worker_outlives_a_restart_of_postgresql(tmp_path, shared, server):
    async with sandboxes("a") as opened:
        path = await migrated(written(tmp_path, entries(opened), **shared))
        async with serving(path) as fleet:
            first, second = orders(opened["a"], 2)
            await fleet.submit("a", first)
            await until(lambda: placed(opened["a"]) == ["A-0"])
            await asyncio.to_thread(server.restart)
            await until(lambda: _submitted(fleet, second))
            await until(lambda: placed(opened["a"]) == ["A-0", "A-1"])


async def test_a_worker_outlives_a_restart_of_redis(tmp_path, shared):
    port = free_port()
    async with sandboxes("a") as opened:
        shared |= {"bucket": f"redis://127.0.0.1:{port}"}
        path = await migrated(written(tmp_path, entries(opened), **shared))
        async with serving(path) as fleet:
            first, second = orders(opened["a"], 2)
            with running(port):
                await fleet.submit("a", first)
                await until(lambda: placed(opened["a"]) == ["A-0"])
            await fleet.submit("a", second)
            await until(lambda: _has_failed(fleet))
            assert placed(opened["a"]) == ["A-0"]
            with running(port):
                await until(lambda: placed(opened["a"]) == ["A-0", "A-1"])


async def _has_failed(fleet):
    return any(shop.error for shop in (await fleet.status()).shops if shop.shop == "a")


async def test_the_buckets_of_all_shops_share_a_few_connections(tmp_path, shared, port):
    names = [f"s{n}" for n in range(15)]
    async with sandboxes("a") as opened:
        [(_, token, values)] = entries(opened)
        path = await migrated(written(tmp_path, [(name, token, values) for name in names], **shared))
        async with serving(path) as fleet:
            for number, order in enumerate(orders(opened["a"], 15)):
                await fleet.submit(names[number], order)
            await until(lambda: len(opened["a"].journal) == 15)
            with redis.Redis(port=port) as client:
                assert len(client.client_list()) - 1 <= 10


async def test_a_worker_whose_bells_were_taken_from_it_says_so_in_one_line(tmp_path, shared, caplog):
    names = ["a", "b", "c"]
    async with sandboxes(*names) as opened:
        for sandbox in opened.values():
            sandbox.faults.add(Fault("delay", seconds=0.5, times=None, **POST))
        path = await migrated(written(tmp_path, entries(opened), **shared))
        async with serving(path) as fleet:
            for name in names:
                await fleet.submit(name, orders(opened[name], 1)[0])
            await until(lambda: all(sandbox.journal for sandbox in opened.values()))
            taken = "DELETE FROM procrastinate_jobs WHERE status = 'doing' RETURNING id"
            assert len(await rows(fleet, taken)) >= 3
            await until(lambda: _is_quiet(fleet))
            await until(lambda: "took over its turns" in caplog.text)
        gc.collect()
    loud = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert [record.name for record in loud] == ["kakaclo.fleet"]
    assert [record for record in caplog.records if record.exc_info and record.exc_info[0]] == []


async def test_a_bell_is_fetched_by_the_index_of_those_that_wait_however_many_they_are(tmp_path, shared):
    """Not by comparing all jobs, as the planner likes to of a table that was empty a moment ago."""
    path = await migrated(written(tmp_path, [(f"s{n}", "t", {}) for n in range(400)], **shared))
    async with Fleet.open(path) as fleet:
        assert await tick(fleet) == 801
        workers = "INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now()) RETURNING id"
        worker = (await rows(fleet, workers))[0]["id"]
        jobs = fleet._engine._sql.app.job_manager
        fetched = [await jobs.fetch_job(["fleet"], worker) for _ in range(20)]
        assert [job.task_kwargs["kind"] for job in fetched] == ["orders"] * 20
        assert len({job.id for job in fetched}) == 20
        explained = await jobs.connector.execute_query_all_async(f"EXPLAIN {_FETCH}", worker=worker)
        plan = " ".join(row["QUERY PLAN"] for row in explained)
        assert [word for word in ("Sort", "Seq Scan", "Join") if word in plan] == []


async def _submitted(fleet, order):
    try:
        return await fleet.submit("a", order)
    except ConfigurationError:
        return None
