"""A mirror that is cancelled anywhere holds whole rows, gives its database free, and goes on where it was."""

from __future__ import annotations

import inspect
import shutil
import sqlite3
from contextlib import closing
from functools import partial

import asyncpg
import pytest
from support.cancelling import SUSPENSION, TURN, cancelled_at, cancelled_everywhere
from support.postgresql import needs_postgresql, running_server
from support.quiet import COUNTED, nothing_left, settle
from support.serving import served

from kakaclo_async.catalog import Mirror, export

SUMS = """
SELECT 'sku without product', sku FROM sku WHERE spu NOT IN (SELECT spu FROM product)
UNION ALL SELECT 'stock without sku', sku FROM stock WHERE qty IS NULL
UNION ALL SELECT 'sum of sku', s.sku FROM sku s
    WHERE EXISTS (SELECT 1 FROM stock WHERE stock.sku = s.sku)
    AND s.stock <> (SELECT sum(qty) FROM stock WHERE stock.sku = s.sku)
UNION ALL SELECT 'sum of product', p.spu FROM product p
    WHERE p.stock <> (SELECT sum(stock) FROM sku WHERE sku.spu = p.spu AND sku.gone_since IS NULL)
UNION ALL SELECT 'product without change', spu FROM product
    WHERE spu NOT IN (SELECT spu FROM change WHERE spu IS NOT NULL)
"""
CONTENT = {
    "product": "spu, spu_status, price, stock, update_time, gone_since",
    "sku": "sku, spu, price, cost, stock, sku_status, gone_since",
    "stock": "sku, warehouse_code, qty",
    "change": "kind, spu, sku",
}


def rows_of(path, sql):
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(sql).fetchall()


def content_of(path):
    return {
        table: sorted(rows_of(path, f"SELECT {columns} FROM {table}"), key=repr)  # noqa: S608 - our own names
        for table, columns in CONTENT.items()
    }


def is_mirror(path):
    return path.exists() and rows_of(path, "SELECT 1 FROM sqlite_master WHERE name = 'product'")


async def follow(mirror):
    heard = []

    async def on_change(change):
        heard.append(change.id)
        if len(heard) == 5:
            mirror.stop()

    await mirror.follow(1.0, after=0, on_change=on_change)


async def read_changes(mirror):
    return [change.id async for change in mirror.changes()]


async def opened(mirror):
    async with mirror:
        await mirror.status()


async def closed(mirror):
    await mirror.__aenter__()
    await mirror.aclose()


CALLS = {
    "run": ("empty", lambda mirror, _: mirror.run()),
    "run again": ("full", lambda mirror, _: mirror.run()),
    "verify": ("full", lambda mirror, _: mirror.verify()),
    "follow": ("full", lambda mirror, _: follow(mirror)),
    "status": ("full", lambda mirror, _: mirror.status()),
    "changes": ("full", lambda mirror, _: read_changes(mirror)),
    "__aenter__ and __aexit__": ("empty", lambda mirror, _: opened(mirror)),
    "aclose": ("full", lambda mirror, _: closed(mirror)),
    "export csv": ("full", lambda mirror, path: export(f"sqlite:///{path}", "sku", path.with_suffix(".csv"))),
    "export jsonl": (
        "full",
        lambda mirror, path: export(f"sqlite:///{path}", "stock", path.with_suffix(".jsonl")),
    ),
    "export parquet": (
        "full",
        lambda mirror, path: export(f"sqlite:///{path}", "product", path.with_suffix(".parquet")),
    ),
}
OFTEN = {"run": 15, "run again": 9, "verify": 15, "follow": 9}
"""Turns of the loop between two cancellations, where there are many."""


def test_every_coroutine_of_a_mirror_is_cancelled_here():
    assert coroutines_of(Mirror) == {"run", "verify", "follow", "status", "aclose", "__aenter__", "__aexit__"}


def coroutines_of(kind):
    methods = {name for name, _ in inspect.getmembers(kind, inspect.iscoroutinefunction)}
    return {name for name in methods if name.startswith("__") or not name.startswith("_")}


@pytest.mark.stepped
@pytest.mark.parametrize("name", CALLS)
async def test_a_mirror_that_is_cancelled_anywhere_holds_whole_rows_and_goes_on(
    name, a_client, shop, tmp_path, stride
):
    begins, call = CALLS[name]
    work = tmp_path / "work"

    def mirror_of(kk, path):
        return Mirror(kk, f"sqlite:///{path}", now=shop.sandbox.now)

    shop.sandbox.skip(3600)  # the shop's orders changed its stock: a run shall find nothing new
    with nothing_left():
        async with a_client() as kk:
            full = tmp_path / "full.db"
            await mirror_of(kk, full).run()
            wanted = content_of(full)

            def path_of(attempt):
                return work / f"{attempt}.db"

            def attempt_of(attempt):
                shutil.rmtree(work, ignore_errors=True)
                work.mkdir()
                if begins == "full":
                    shutil.copy(full, path_of(attempt))
                return call(mirror_of(kk, path_of(attempt)), path_of(attempt))

            async def judge(attempt, ended):
                assert ended.error is None or ended.cancelled
                await settle()
                path = path_of(attempt)
                there = {file.name for file in work.iterdir()}
                whole = {path.name, f"{path.name}.lock"}
                results = {path.with_suffix(f".{kind}").name for kind in ("csv", "jsonl", "parquet")}
                assert there <= whole | results  # no part of an export, no log of SQLite's
                if is_mirror(path):
                    assert rows_of(path, SUMS) == []
                async with mirror_of(kk, path):
                    pass
                if begins == "empty" and name == "run":
                    assert (await mirror_of(kk, path).run()).complete
                    assert content_of(path) == wanted
                elif is_mirror(path) and begins == "full":
                    assert content_of(path) == wanted

            points = await cancelled_everywhere(attempt_of, judge, every=stride(OFTEN.get(name, 3)))
        await settle()
    COUNTED["operations"] += 1
    COUNTED["cancellations"] += points


@pytest.fixture(scope="session")
def server():
    with running_server() as url:
        yield url


@needs_postgresql()
@pytest.mark.parametrize("again", [False, True], ids=["once", "again and again"])
@pytest.mark.parametrize("name", ["run", "verify", "status", "follow", "export"])
async def test_so_it_is_in_postgresql(name, again, server, tmp_path, stride):
    async with served(products=12) as (sandbox, kk):
        admin = await asyncpg.connect(f"{server}/postgres")
        database = f"cancel_{name}_{again}_{stride(2)}".lower()
        await admin.execute(f"CREATE DATABASE {database}")
        url = f"{server}/{database}"
        calls = {
            "run": Mirror.run,
            "verify": Mirror.verify,
            "status": Mirror.status,
            "follow": follow,
            "export": lambda _: export(url, "sku", tmp_path / "sku.csv"),
        }
        make = partial(Mirror, kk, url, now=sandbox.now)
        assert (await make().run()).complete
        points = 0
        for at in (SUSPENSION, TURN):
            step, met = 1, True
            while met:
                ended = await cancelled_at(step, calls[name](make()), again=again, at=at)
                met = ended.met
                assert ended.error is None or ended.cancelled
                points += ended.met
                step += 1 if at == SUSPENSION else stride(60)
                async with make():  # the claim is free
                    pass
                others = "SELECT count(*) FROM pg_stat_activity WHERE datname = $1"
                while await admin.fetchval(others, database):  # a server process ends a little later
                    pass
        assert (await make().run()).complete
        connection = await asyncpg.connect(url)
        assert await connection.fetch(SUMS) == []
        await connection.close()
        await admin.close()
    COUNTED["operations"] += 1
    COUNTED["cancellations"] += points
