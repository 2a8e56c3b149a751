"""A shop whose journal is watched, and a receiver of its events."""

from __future__ import annotations

import itertools

import pytest
from support import shop
from support.ordering import RICH
from support.receiver import Receiver

from kakaclo_async import Item, NewOrder
from kakaclo_async.feed import Feed
from kakaclo_async.ordering import Journal


def pytest_itemcollected(item):
    if item.get_closest_marker("kakaclo_sandbox") is None:
        item.add_marker(pytest.mark.kakaclo_sandbox(**RICH, index_lag=0))


@pytest.fixture(autouse=True)
def quick_disk(monkeypatch):
    """No test waits for the disk: they kill processes, not machines."""
    monkeypatch.setattr("kakaclo_async.ordering.database._PRAGMAS", ("synchronous = OFF",))


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path}/orders.db"


@pytest.fixture
def journal(sandbox, url):
    return Journal(url, now=sandbox.now)


@pytest.fixture
def feed(sandbox, journal):
    return Feed(journal, now=sandbox.now)


@pytest.fixture
async def receiver(sandbox):
    async with Receiver(sandbox.now) as receiver:
        yield receiver


@pytest.fixture
def place(kk, journal, sandbox):
    """Place an order; return its number."""
    skus = itertools.cycle(list(sandbox.catalog.selling(pieces=20)))

    async def place(name="SHOP-1", *items):
        order = NewOrder(address=shop.ADDRESS, items=items or [Item(next(skus), 1)], custom_order_id=name)
        return (await kk.orders.submit(order, journal=journal)).id

    return place


@pytest.fixture
def two_countries(sandbox):
    """Items that need a warehouse in each country."""
    cn, us = shop.two_countries(sandbox.catalog)
    return [Item(cn, 2), Item(us, 1)]
