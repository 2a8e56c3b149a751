"""Listings of both kinds of database are the same."""

from __future__ import annotations

import asyncio
import csv

import pytest
from support.postgresql import needs_postgresql, running_server
from support.serving import served

from kakaclo_async.catalog import Mirror
from kakaclo_async.shop.outgoing.listings import export_listings
from kakaclo_async.shop.outgoing.targets import TARGETS
from kakaclo_async.shop.outgoing.targets_columns import Settings


@pytest.fixture(scope="module")
def server():
    with running_server() as url:
        yield url


async def create(server, name):
    import asyncpg

    connection = await asyncpg.connect(f"{server}/postgres")
    await connection.execute(f"CREATE DATABASE {name}")
    await connection.close()
    return f"{server}/{name}"


def rows(path, delimiter):
    with path.open(newline="", encoding="utf-8") as file:
        return sorted(tuple(row.items()) for row in csv.DictReader(file, delimiter=delimiter))


@needs_postgresql()
async def test_listings_of_postgresql_are_those_of_sqlite(server, tmp_path):
    urls = [f"sqlite:///{tmp_path}/catalog.db", await create(server, "listings")]
    async with served() as (sandbox, kk):
        some = sorted(sandbox.catalog.spus())[::3]
        await asyncio.gather(*(Mirror(kk, url, now=sandbox.now).run() for url in urls))

    for target, kind in TARGETS.items():
        for wanted in ({}, {"country": "US", "only": some}, {"category": "Women"}):
            reports = [
                await export_listings(
                    url,
                    tmp_path / f"{number}.csv",
                    target=target,
                    settings=Settings(link="https://shop.example/{sku}"),
                    price="x2.5 +3 end .99",
                    **wanted,
                )
                for number, url in enumerate(urls)
            ]
            assert reports[0] == reports[1]
            assert reports[0].products > 0
            assert rows(tmp_path / "0.csv", kind.delimiter) == rows(tmp_path / "1.csv", kind.delimiter)
