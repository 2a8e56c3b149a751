"""kill -9 at any moment: the next run goes on, and ends with what an undisturbed one has."""

from __future__ import annotations

from datetime import timedelta
from itertools import count
from random import Random

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import create_async_engine
from support.killed_mirror import CONCURRENCY, run_and_kill
from support.serving import served

from kakaclo_async.catalog import schema
from kakaclo_async.catalog.database import MirrorDatabase
from kakaclo_async.catalog.mirror import BEGINNING
from kakaclo_async.catalog.state import PullState
from kakaclo_async.models.pull import Window
from kakaclo_async.sandbox.http.products import ProductArea

from support.postgresql import needs_postgresql, running_server  # isort: skip

pytestmark = pytest.mark.process

numbers = count(1)


@pytest.fixture(scope="module")
def postgresql():
    with running_server() as url:
        yield url


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=needs_postgresql())])
async def fresh_database(request, tmp_path):
    """Makes the URLs of empty databases."""

    async def make():
        number = next(numbers)
        if request.param == "sqlite":
            return f"sqlite:///{tmp_path}/catalog{number}.db"
        server = request.getfixturevalue("postgresql")
        engine = create_async_engine(server.replace("://", "+asyncpg://") + "/postgres")
        async with engine.connect() as connection:
            raw = await connection.get_raw_connection()
            await raw.driver_connection.execute(f"CREATE DATABASE catalog{number}")
        await engine.dispose()
        return f"{server}/catalog{number}"

    return make


async def contents(url):
    """All rows of the catalog's tables; not when they came, nor in which order their changes were noted."""
    ignored = {"seen_at", "id", "at"}
    found = {}
    async with MirrorDatabase(url).reading() as connection:
        for table in (schema.product, schema.sku, schema.stock, schema.change, schema.mirror_done):
            columns = [column for column in table.c if column.name not in ignored]
            rows = await connection.execute(select(*columns))
            found[table.name] = sorted(map(repr, rows.all()))
        assert (await connection.execute(select(schema.mirror_open))).all() == []
    return found


async def open_windows(url, until):
    """How many windows a killed mirror has left; each of the tasks was reading a window, which may be a part of one."""
    whole = Window(BEGINNING, until)
    async with MirrorDatabase(url).reading() as connection:
        plans = [
            (await connection.run_sync(PullState.load, name)).plan(whole, whole.end)
            for name in ("products", "stock")
        ]
    return sum(max(CONCURRENCY, len(plan)) for plan in plans)


@pytest.fixture
def rows_served(monkeypatch):
    """Counts the rows that sandboxes send."""
    sent = []
    page = ProductArea._page

    def counted(area, *others):
        answer = page(area, *others)
        sent.append(len(answer["list"]))
        return answer

    monkeypatch.setattr(ProductArea, "_page", counted)
    return sent


async def check(kills, seed, fresh_database, mirror_of, rows_served):
    random = Random(seed)
    killed = 0
    async with served(products=200, seed=seed) as (sandbox, kk):
        until = sandbox.now().replace(microsecond=0) - timedelta(minutes=10)
        undisturbed = await fresh_database()
        await mirror_of(sandbox, kk, undisturbed, concurrency=CONCURRENCY).run(until=until)
        needed = sum(rows_served)
        expected = await contents(undisturbed)

        while killed < kills:
            url = await fresh_database()
            rows_served.clear()
            lost = 0
            while killed < kills and await run_and_kill(sandbox, url, until, random):
                killed += 1
                # Of each open window the page under way may be read again, the one before, which no later total has
                # confirmed, and the row that the window goes on from.
                lost += await open_windows(url, until) * (30 + 30 + 1)
            await mirror_of(sandbox, kk, url, concurrency=CONCURRENCY).run(until=until)

            assert await contents(url) == expected
            assert sum(rows_served) <= needed + lost


async def test_killed_mirrors_go_on_and_end_like_an_undisturbed_one(fresh_database, mirror_of, rows_served):
    await check(3, 1, fresh_database, mirror_of, rows_served)


@pytest.mark.slow
@pytest.mark.timeout(3600)
async def test_200_kills_lose_nothing_and_reread_at_most_two_pages_per_window(
    fresh_database, mirror_of, rows_served
):
    await check(200, 2, fresh_database, mirror_of, rows_served)
