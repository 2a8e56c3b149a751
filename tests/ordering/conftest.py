from __future__ import annotations

from decimal import Decimal

import pytest

from kakaclo_async import Address, Item, KakaClo, NewOrder, RateLimit
from kakaclo_async.ordering import Journal
from kakaclo_async.sandbox import Sandbox

UNLIMITED = RateLimit(100_000, 50_000.0)
ADDRESS = Address(
    country="US",
    province="Florida",
    recipient="Nobody Shall-See",
    phone="555 0100 999",
    street1="1 Secret St",
    city="Orlando",
)


def client(sandbox, **settings):
    return KakaClo(sandbox.token, base_url=sandbox.url, rate_limit=UNLIMITED, **settings)


@pytest.fixture
async def sandbox():
    async with Sandbox(products=60, capacity=1e9, per_second=1e9, balance=Decimal("1e9")) as sandbox:
        yield sandbox


@pytest.fixture
async def kk(sandbox):
    async with client(sandbox) as kk:
        yield kk


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
