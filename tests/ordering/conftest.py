from __future__ import annotations

from decimal import Decimal

import pytest
from support.ordering import ADDRESS, client

from kakaclo_async import Item, NewOrder
from kakaclo_async.ordering import Journal
from kakaclo_async.sandbox import Sandbox


@pytest.fixture
async def sandbox():
    async with Sandbox(products=60, capacity=1e9, per_second=1e9, balance=Decimal(10**9)) as sandbox:
        yield sandbox


@pytest.fixture
async def kk(sandbox):
    async with client(sandbox) as kk:
        yield kk


@pytest.fixture(autouse=True)
def quick_disk(request, monkeypatch):
    """No test but those of durability waits for the disk: they kill processes, not machines."""
    if "durable" not in request.node.name:
        pragmas = ("synchronous = OFF", "secure_delete = ON")
        monkeypatch.setattr("kakaclo_async.ordering.database._PRAGMAS", pragmas)


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
                "address": ADDRESS,
                "items": items or [Item(sku, 1)],
                "custom_order_id": custom_order_id,
                **changes,
            }
        )

    return make


@pytest.fixture
def two_countries(sandbox):
    """Items that need a warehouse in each country: CN cannot serve the second."""
    in_cn = set(sandbox.catalog.selling("CN", pieces=1))
    only_us = next(sku for sku in sandbox.catalog.selling("US", pieces=3) if sku not in in_cn)
    return [Item(next(iter(sandbox.catalog.selling("CN", pieces=3))), 2), Item(only_us, 1)]
