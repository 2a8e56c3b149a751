from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from support.cancelling import cancelled_everywhere
from support.quiet import COUNTED, Books, nothing_left
from support.shop import OpenShop

from kakaclo_async import Caching, Item, KakaClo

SANDBOX = {
    "products": 12,
    "index_lag": 0,
    "custom_models": 3,
    "design_delay": 2.0,
    "refund_settle": 2.0,
    "ship_after": 1.0,
    "complete_after": 1.0,
    "balance": Decimal(10**9),
}


def pytest_itemcollected(item):
    item.add_marker(pytest.mark.long)
    if item.get_closest_marker("kakaclo_sandbox") is None:
        item.add_marker(pytest.mark.kakaclo_sandbox(**SANDBOX))


def pytest_terminal_summary(terminalreporter):
    if any(COUNTED.values()):  # xdist's workers count for themselves
        terminalreporter.write_line(", ".join(f"{number} {what}" for what, number in COUNTED.items()))


@pytest.fixture
def a_client(sandbox):
    """Make a client that keeps no answers: each call sends its requests."""

    def make(token=sandbox.token, **settings):
        nothing_kept = Caching(freight=0, reference=0)
        return KakaClo(token, base_url=sandbox.url, caching=nothing_kept, **settings)

    return make


@pytest.fixture
async def shop(sandbox):
    """`shipped` has arrived, and `paid` is never shipped: it is waited for in vain, as is the refund of `settling`."""
    shop = OpenShop(sandbox, own=5.0)
    shop.skus = list(sandbox.catalog.selling(pieces=5))
    shop.some = shop.skus * 2
    shop.parcels = [[Item(sku, 1)] for sku in shop.skus[:2]]
    shop.start = datetime(2015, 1, 1, tzinfo=UTC)
    sandbox.ship_after = sandbox.refund_settle = 1e9
    shop.awaited = shop.paid
    shop.settling = shop.place("SETTLING")
    sandbox.ledger.refund(shop.settling, None, "Other", "why")
    await asyncio.sleep(120)
    return shop


@pytest.fixture(params=["sampled", pytest.param("all", marks=pytest.mark.slow)])
def stride(request):
    """Leaves turns of the loop out where there are many; the slow tests leave none out."""
    return lambda turns: turns if request.param == "sampled" else 1


@pytest.fixture
def everywhere(shop, a_client):
    """Cancel a call at every step; after each, nothing may be left, no permit lost, and the client be usable."""

    async def run(call, judge, *, refused=False, every=1, most=10_000, **settings):
        with nothing_left():
            async with a_client(**settings) as kk:
                books = Books(shop.sandbox, kk)

                async def close(attempt, ended):
                    await books.close(refused=refused)
                    if judge is not None:
                        await judge(kk, attempt, ended)
                        await books.close(refused=refused)

                points = await cancelled_everywhere(
                    lambda attempt: call(kk, attempt), close, every=every, most=most
                )
        COUNTED["operations"] += 1
        COUNTED["cancellations"] += points

    run.client = a_client
    return run
