"""A walk through every endpoint with every parameter and field that the client can send, and what was answered."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from functools import cache
from itertools import islice

import attrs

from kakaclo_async import (
    Item,
    KakaClo,
    KakaCloError,
    NewOrder,
    NotFound,
    RefundItem,
    SalePlatform,
)
from kakaclo_async.sandbox import Sandbox
from kakaclo_async.testing import SteppedLoop
from kakaclo_async.transport import Transport
from support.calls import BY_ENDPOINT, made, v1
from support.contract import template
from support.shop import ANYWHERE, UNLIMITED, OpenShop


@attrs.frozen
class Exchange:
    """A request of the client, and its answer."""

    request: object
    status: int
    body: bytes
    content_type: str

    @property
    def endpoint(self):
        return template(self.request.method, self.request.path)

    @property
    def sent(self):
        return None if self.request.body is None else json.loads(self.request.body)


class Tap(Transport):
    """A transport that keeps what went through it."""

    def __init__(self, base_url):
        super().__init__(base_url)
        self.exchanges = []

    async def send(self, request, token, *, timeout):
        answer = await super().send(request, token, timeout=timeout)
        kept = Exchange(request, answer.status, answer.body, answer.headers["content-type"])
        self.exchanges.append(kept)
        return answer


def tapped(sandbox, *, token=None, **options):
    """Return a client of a sandbox and what it exchanges with it, as a list that grows."""
    kk = KakaClo(token or sandbox.token, base_url=sandbox.url, rate_limit=UNLIMITED, **options)
    state = kk._sender.state
    state.transport = tap = Tap(sandbox.url)
    return kk, tap.exchanges


@cache
def walked(**settings):
    """Walk through a sandbox with these settings, once; return the exchanges, and those that were refused."""

    async def run():
        async with Sandbox(
            products=60, index_lag=0, capacity=10_000, per_second=10_000, **settings
        ) as sandbox:
            kk, exchanges = tapped(sandbox)
            async with kk:
                await walk(kk, sandbox)
                taken = len(exchanges)
                await provoke(kk, sandbox)
        return exchanges[:taken], exchanges[taken:]

    with asyncio.Runner(loop_factory=SteppedLoop) as runner:
        return runner.run(run())


async def walk(kk, sandbox):
    """Send every request that the client can send, with all that it can hold."""
    await _place_orders(kk, sandbox)
    shop = OpenShop(sandbox, own=900.0)
    # What is written first is there when it is read.
    for number, call in enumerate(sorted(BY_ENDPOINT.values(), key=lambda call: call.kind != "write")):
        for send in (call.send, *call.more):
            await made(send(kk, shop.at(number)))


async def _place_orders(kk, sandbox):
    """Bring orders to all their states, V1 and V2, and look at them."""
    sku, other = islice(sandbox.catalog.selling("CN", pieces=20), 2)
    items = [Item(sku, 1), Item(other, 1)]
    order = NewOrder(
        address=ANYWHERE,
        items=items,
        channel_type="Express",
        remark="with care",
        sale_platform=SalePlatform.SHOPIFY,
    )
    placed = await kk.orders.create(attrs.evolve(order, custom_order_id="A1"))
    many = [Item(sku, 13), Item(other, 1)]
    partly = await kk.orders.create(attrs.evolve(order, items=many, custom_order_id="A2"))
    old = v1(kk)
    outdated = await old.orders.create(attrs.evolve(order, custom_order_id="A3"))
    shipped = await kk.orders.create(attrs.evolve(order, custom_order_id="A4"))
    line = (await kk.orders.get(partly.id)).order_items[0]
    one = RefundItem(
        item_id=line.item_id or line.id,
        sku_code=line.sku_code,
        quantity=1,
        country_code=line.country_code or "CN",
    )
    for _ in range(11):  # more than the first page of refunds holds
        await kk.refunds.request(partly.id, items=[one], reason="Out Of Stock", remark="gone")
    await kk.refunds.request(placed.id, remark="all of it")
    await old.refunds.request(outdated.id, "all of it")
    sandbox.skip(sandbox.refund_settle + sandbox.ship_after * 3 + sandbox.index_lag)
    assert len(await kk.refunds.of(partly.id)) == 11
    assert len(await old.refunds.of(partly.id)) == 11
    await old.refunds.of(outdated.id)
    sandbox.skip(sandbox.complete_after + sandbox.index_lag)
    ends = {f"{kind}_{end}": moment for kind in ("created", "updated")
            for end, moment in (("from", sandbox.now() - timedelta(days=90)), ("to", sandbox.now()))}  # fmt: skip
    for orders, more in ((kk.orders, {}), (old.orders, {"statuses": ["delivered", "refunded", "shipped"]})):
        assert len(await orders.page(ids=[placed.id, shipped.id])) == 2
        assert len(await orders.page(**ends, **more, page_number=1, page_size=50)) > 1


async def provoke(kk, sandbox):
    """Send what a shop refuses."""
    sku = next(iter(sandbox.catalog.selling(pieces=5)))
    order = NewOrder(address=attrs.evolve(ANYWHERE, country="ZZ"), items=[Item(sku, 1)])
    line = RefundItem(item_id="1", sku_code=sku, quantity=1)
    for call in (
        lambda: kk.stocks.page(skus=["NO_SUCH"], warehouse_code="NONE"),
        lambda: kk.freight.quote([Item("NO_SUCH", 1)], "US"),
        lambda: kk.freight.channels([Item(sku, 1)], "ZZ"),
        lambda: kk.orders.create(order),
        lambda: v1(kk).orders.create(order),
        lambda: kk.refunds.request("1", items=[line]),
        lambda: v1(kk).refunds.request("1", "why"),
        lambda: kk.custom.model(999_999),
    ):
        try:
            await call()
        except (KakaCloError, NotFound):
            continue
        raise AssertionError("it was taken")
