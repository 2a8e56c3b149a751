from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import attrs
import pytest
from support.cancelling import cancelled_everywhere
from support.quiet import COUNTED, Books, nothing_left
from support.shop import ADDRESS

from kakaclo_async import Caching, Item, KakaClo, NewDesign, NewOrder

SANDBOX = {
    "products": 12,
    "index_lag": 0,
    "custom_models": 3,
    "design_delay": 2.0,
    "refund_settle": 2.0,
    "ship_after": 1.0,
    "complete_after": 1.0,
    "balance": 10**9,
}


def pytest_itemcollected(item):
    if item.get_closest_marker("kakaclo_sandbox") is None:
        item.add_marker(pytest.mark.kakaclo_sandbox(**SANDBOX))


def pytest_terminal_summary(terminalreporter):
    terminalreporter.write_line(", ".join(f"{number} {what}" for what, number in COUNTED.items()))


@attrs.define
class Shop:
    """What the calls are about: `order_id` is an order that has arrived, `open_id` one that is never shipped."""

    sandbox: object
    skus: list
    spus: list
    since: datetime = datetime(2015, 1, 1, tzinfo=UTC)
    until: datetime = attrs.field(factory=lambda: datetime.now(UTC) - timedelta(minutes=10))
    order_id: str = ""
    refunded: str = ""
    open_id: str = ""
    pending: str = ""
    models: list = attrs.field(factory=list)
    _refundable: dict = attrs.field(factory=dict)

    @property
    def items(self):
        return [Item(self.skus[0], 1)]

    def order(self, custom_order_id):
        return NewOrder(address=ADDRESS, items=self.items, custom_order_id=custom_order_id)

    def design(self, name):
        return NewDesign(
            model_id=self.models[0],
            en_name=name,
            image_url="https://example.com/cat.png",
            material_images=[],
        )

    def refundable(self, number):
        """Return the number of an order to refund in this attempt; it is made directly, while no call is under way."""
        if number not in self._refundable:
            ledger = self.sandbox.ledger
            order = attrs.evolve(
                ledger.orders[self.open_id], number=f"2000000000{number:04d}", custom_order_id=f"R-{number}"
            )
            ledger._save(order)
            self._refundable[number] = order.number
        return self._refundable[number]


@pytest.fixture
def a_client(sandbox):
    """Make a client that keeps no answers: each call sends its requests."""

    def make(token=sandbox.token, **settings):
        nothing_kept = Caching(freight=0, reference=0)
        return KakaClo(token, base_url=sandbox.url, caching=nothing_kept, **settings)

    return make


@pytest.fixture
async def shop(sandbox, a_client):
    async with a_client() as kk:
        shop = Shop(sandbox, list(sandbox.catalog.selling(pieces=5)), [])
        for sku, warehouse, _ in tuple(sandbox.catalog.stock_rows()):
            if sku == shop.skus[0]:
                sandbox.catalog.set_stock(sku, warehouse, 10**6)
        page = await kk.products.page(updated_from=shop.since, updated_to=shop.until)
        shop.spus = [product.spu for product in page]
        shop.models = [model.id async for model in kk.custom.models()]
        shop.order_id = (await kk.orders.create(shop.order("FIRST"))).id
        shop.refunded = (await kk.orders.create(shop.order("SECOND"))).id
        await kk.refunds.request(shop.refunded)
        sandbox.ship_after = sandbox.refund_settle = 1e9
        shop.open_id = (await kk.orders.create(shop.order("THIRD"))).id
        shop.pending = (await kk.orders.create(shop.order("FOURTH"))).id
        await kk.refunds.request(shop.pending)
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
