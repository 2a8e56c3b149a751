from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from itertools import count

import pytest
from support.postgresql import needs_postgresql, running_server
from support.serving import served

from kakaclo_async.catalog import Mirror

numbers = count(1)


async def no_pause(_seconds):
    await asyncio.sleep(0)


@pytest.fixture
def without_pauses():
    """A `sleep` for pulls that yields to the others and takes no time."""
    return no_pause


@pytest.fixture
async def shop():
    """A sandbox of 60 products and a client."""
    async with served() as both:
        yield both


class Database:
    """What a test asks a mirror's SQLite file."""

    def __init__(self, path):
        self.path = path
        self.url = f"sqlite:///{path}"

    def rows(self, sql, *parameters):
        with closing(sqlite3.connect(self.path)) as connection:
            return connection.execute(sql, parameters).fetchall()

    def one(self, sql, *parameters):
        [row] = self.rows(sql, *parameters)
        return row[0] if len(row) == 1 else row

    def tables(self):
        """Everything that a mirror of the same catalog must hold in the same way."""
        return {
            table: sorted(self.rows(f"SELECT {columns} FROM {table}"), key=repr)  # noqa: S608 - our own names
            for table, columns in {
                "product": "spu, spu_status, price, stock, update_time, gone_since",
                "sku": "sku, spu, price, cost, stock, sku_status, gone_since",
                "stock": "sku, warehouse_code, qty",
                "change": "kind, spu, sku",
                "mirror_done": "endpoint, start, end",
                "mirror_open": "endpoint, start, end",
            }.items()
        }


@pytest.fixture
def db(tmp_path):
    return Database(tmp_path / "catalog.db")


@pytest.fixture
def mirror_of(db):
    """Makes mirrors of a sandbox that live in the sandbox's time."""

    def make(sandbox, kk, url=None, **settings):
        return Mirror(kk, url or db.url, now=sandbox.now, **settings)

    return make


@pytest.fixture(scope="session")
def server():
    """A PostgreSQL server of the tests' own."""
    with running_server() as url:
        yield url


class PostgresqlDatabase:
    """What a test asks a mirror's PostgreSQL database."""

    def __init__(self, url):
        self.url = url

    async def rows(self, sql, *parameters):
        import asyncpg

        connection = await asyncpg.connect(self.url)
        try:
            return [tuple(row) for row in await connection.fetch(sql, *parameters)]
        finally:
            await connection.close()


async def empty_database(server):
    name = f"catalog_{next(numbers)}"
    await PostgresqlDatabase(f"{server}/postgres").rows(f"CREATE DATABASE {name}")
    return PostgresqlDatabase(f"{server}/{name}")


@pytest.fixture
async def pg(server):
    """An empty PostgreSQL database."""
    return await empty_database(server)


@pytest.fixture
async def another_pg(server):
    """One more."""
    return await empty_database(server)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=needs_postgresql())])
def url(request):
    """An empty database of each kind."""
    return request.getfixturevalue("db" if request.param == "sqlite" else "pg").url
