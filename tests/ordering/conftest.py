from __future__ import annotations

from itertools import count

import pytest
from support import shop
from support.ordering import RICH
from support.postgresql import running_server

from kakaclo_async import Item, NewOrder
from kakaclo_async.ordering import Journal


def pytest_itemcollected(item):
    if item.get_closest_marker("kakaclo_sandbox") is None:
        item.add_marker(pytest.mark.kakaclo_sandbox(**RICH))


@pytest.fixture(autouse=True)
def quick_disk(request, monkeypatch):
    """No test but those of durability waits for the disk: they kill processes, not machines."""
    if "durable" not in request.node.name:
        pragmas = ("synchronous = OFF", "secure_delete = ON")
        monkeypatch.setattr("kakaclo_async.ordering.database._PRAGMAS", pragmas)


_numbers = count(1)


@pytest.fixture(scope="module")
def postgresql_server():
    with running_server() as url:
        yield url


@pytest.fixture
async def postgresql_url(postgresql_server):
    """The URL of a new database."""
    import asyncpg

    name = f"orders{next(_numbers)}"
    connection = await asyncpg.connect(f"{postgresql_server}/postgres")
    await connection.execute(f"CREATE DATABASE {name}")
    await connection.close()
    return f"{postgresql_server}/{name}"


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path}/orders.db"


@pytest.fixture
def journal(sandbox, url):
    return Journal(url, now=sandbox.now)


@pytest.fixture
def order(sandbox):
    sku = next(iter(sandbox.catalog.selling(pieces=5)))

    def make(custom_order_id="SHOP-1", *items, **changes):
        return NewOrder(
            **{
                "address": shop.ADDRESS,
                "items": items or [Item(sku, 1)],
                "custom_order_id": custom_order_id,
                **changes,
            }
        )

    return make


@pytest.fixture
def two_countries(sandbox):
    """Items that need a warehouse in each country."""
    cn, us = shop.two_countries(sandbox.catalog)
    return [Item(cn, 2), Item(us, 1)]
