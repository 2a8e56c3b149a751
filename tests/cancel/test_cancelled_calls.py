"""A public call that is cancelled anywhere takes nothing with it, and leaves nothing behind."""

from __future__ import annotations

import asyncio
from contextlib import aclosing, suppress

import attrs
import pytest
from support.calls import public_calls, v1

from kakaclo_async import DeadlineExceeded, FreightRequest, Item
from kakaclo_async.sandbox import Fault

pytestmark = pytest.mark.stepped


async def all_rows(stream):
    return [row async for row in stream]


async def first_row(stream):
    async with aclosing(stream):
        return await anext(stream, None)


async def in_time(wait, order_id):
    with suppress(DeadlineExceeded):  # it waits for what never comes
        return await wait(order_id, timeout=5.0)


READS = {
    "categories.tree": lambda kk, _: kk.categories.tree(),
    "warehouses.all": lambda kk, _: kk.warehouses.all(),
    "payment.balance": lambda kk, _: kk.payment.balance(),
    "products.get": lambda kk, shop: kk.products.get(shop.spus[0]),
    "products.get_many": lambda kk, shop: kk.products.get_many(skus=shop.skus * 2),
    "products.page": lambda kk, shop: kk.products.page(updated_from=shop.since, updated_to=shop.until),
    "products.updated": lambda kk, shop: all_rows(kk.products.updated(shop.since, shop.until)),
    "products.in_category": lambda kk, _: first_row(kk.products.in_category(1)),
    "stocks.get": lambda kk, shop: kk.stocks.get(shop.skus[0]),
    "stocks.get_many": lambda kk, shop: kk.stocks.get_many(shop.skus),
    "stocks.page": lambda kk, shop: kk.stocks.page(skus=shop.skus[:3]),
    "stocks.updated": lambda kk, shop: all_rows(kk.stocks.updated(shop.since, shop.until)),
    "freight.quote": lambda kk, shop: kk.freight.quote(shop.items, "US"),
    "freight.quote_many": lambda kk, shop: kk.freight.quote_many(
        [FreightRequest([Item(sku, 1)], "US") for sku in shop.skus[:4]]
    ),
    "freight.matrix": lambda kk, shop: kk.freight.matrix(
        [[Item(sku, 1)] for sku in shop.skus[:2]], ["US", "FR"]
    ),
    "freight.channels": lambda kk, shop: kk.freight.channels(shop.items, "US"),
    "orders.get": lambda kk, shop: kk.orders.get(shop.order_id),
    "orders.get_many": lambda kk, shop: kk.orders.get_many([shop.order_id, shop.refunded]),
    "orders.page": lambda kk, _: kk.orders.page(),
    "orders.query": lambda kk, _: all_rows(kk.orders.query()),
    "orders.find": lambda kk, shop: kk.orders.find("FIRST", shop.since),
    "orders.family": lambda kk, _: kk.orders.family("FIRST"),
    "orders.check": lambda kk, shop: kk.orders.check(shop.order("C")),
    "orders.wait": lambda kk, shop: in_time(kk.orders.wait, shop.open_id),
    "refunds.plan": lambda kk, shop: kk.refunds.plan(shop.open_id),
    "refunds.of": lambda kk, shop: kk.refunds.of(shop.refunded),
    "refunds.wait": lambda kk, shop: in_time(kk.refunds.wait, shop.pending),
    "custom.category_names": lambda kk, _: kk.custom.category_names(),
    "custom.model": lambda kk, shop: kk.custom.model(int(shop.models[0])),
    "custom.models": lambda kk, _: all_rows(kk.custom.models()),
    "custom.designs": lambda kk, _: all_rows(kk.custom.designs()),
    "v1.orders.get": lambda kk, shop: v1(kk).orders.get(shop.order_id),
    "v1.orders.page": lambda kk, _: v1(kk).orders.page(),
    "v1.freight.channels": lambda kk, shop: v1(kk).freight.channels(shop.items, "US"),
    "v1.refunds.of": lambda kk, shop: v1(kk).refunds.of(shop.refunded),
}
WRITES = {
    "orders.create",
    "orders.submit",
    "refunds.request",
    "custom.add_design",
    "v1.orders.create",
    "v1.refunds.request",
}
"""They are in `test_cancelled_writes.py`."""


def test_every_public_call_is_cancelled_in_some_test():
    assert public_calls() == {*READS, *WRITES}


@pytest.mark.parametrize("name", READS)
async def test_a_read_that_is_cancelled_anywhere_leaves_nothing_and_its_client_usable(name, everywhere, shop):
    await everywhere(lambda kk, _: READS[name](kk, shop), only_cancelled)


async def only_cancelled(_kk, _attempt, ended):
    assert ended.error is None or ended.cancelled


TROUBLE = {
    "503": Fault("bad_gateway", status=503),
    "reset": Fault("reset_after"),
    "429": Fault("throttled", retry_after="3"),
    "slow": Fault("delay", seconds=4.0),
}


@pytest.mark.parametrize("trouble", TROUBLE)
async def test_so_it_is_while_it_waits_to_be_tried_again(trouble, everywhere, shop):
    faults = shop.sandbox.faults

    def call(kk, _):
        faults.clear()
        faults.add(attrs.evolve(TROUBLE[trouble]))
        return kk.payment.balance()

    await everywhere(call, only_cancelled, refused=trouble == "429")


async def test_so_it_is_while_it_waits_for_its_token(everywhere, shop):
    async def token():
        await asyncio.sleep(0.01)
        return shop.sandbox.token

    await everywhere(lambda kk, _: kk.payment.balance(), only_cancelled, token=token)


async def test_so_it_is_while_it_waits_for_its_permit(everywhere, shop, stride):
    async def call(kk):
        await asyncio.gather(*(kk.payment.balance() for _ in range(125)))

    await everywhere(lambda kk, _: call(kk), only_cancelled, every=stride(40))
