"""Who shares a request with a call that is cancelled anywhere gets what it asked for."""

from __future__ import annotations

import asyncio

import pytest

from kakaclo_async import Item, OutcomeUnknown
from kakaclo_async.ordering import Journal

pytestmark = pytest.mark.stepped

SHARED = {
    "a batch of SKUs": (
        lambda kk, shop: kk.stocks.get(shop.skus[0]),
        lambda kk, shop: [(kk.stocks.get(sku), sku) for sku in shop.skus[:4]],
        lambda level: level.sku,
    ),
    "a batch of SPUs": (
        lambda kk, shop: kk.products.get(shop.spus[0]),
        lambda kk, shop: [(kk.products.get(spu), spu) for spu in shop.spus[:4]],
        lambda product: product.spu,
    ),
    "a batch of orders": (
        lambda kk, shop: kk.orders.get(shop.shipped),
        lambda kk, shop: [(kk.orders.get(order), order) for order in (shop.shipped, shop.paid)],
        lambda order: order.id,
    ),
    "a quote in flight": (
        lambda kk, shop: kk.freight.quote(shop.items, "US"),
        lambda kk, shop: [(kk.freight.quote(shop.items, "US"), True) for _ in range(2)],
        lambda quote: bool(quote.options),
    ),
    "a reference in flight": (
        lambda kk, shop: kk.warehouses.all(),
        lambda kk, shop: [(kk.warehouses.all(), True), (kk.warehouses.all(), True)],
        bool,
    ),
    "a wait for an order": (
        lambda kk, shop: kk.orders.wait(shop.shipped, "completed"),
        lambda kk, shop: [(kk.orders.wait(shop.refunded, "paid"), shop.refunded)],
        lambda order: order.id,
    ),
    "a fan-out": (
        lambda kk, shop: kk.stocks.get_many(shop.skus),
        lambda kk, shop: [(kk.stocks.get(sku), sku) for sku in shop.skus[:3]],
        lambda level: level.sku,
    ),
    "a matrix": (
        lambda kk, shop: kk.freight.matrix([[Item(sku, 1)] for sku in shop.skus[:2]], ["US"]),
        lambda kk, shop: [(kk.freight.quote([Item(sku, 1)], "US"), True) for sku in shop.skus[:2]],
        lambda quote: bool(quote.options),
    ),
}


@pytest.mark.parametrize("when", ["the others first", "the cancelled first"])
@pytest.mark.parametrize("name", SHARED)
async def test_neighbours_of_a_cancelled_call_get_what_they_asked_for(name, when, everywhere, shop):
    cancelled, others, shows = SHARED[name]
    neighbours = []

    def join(kk):
        neighbours[:] = [(asyncio.ensure_future(call), wanted) for call, wanted in others(kk, shop)]

    async def late(kk):
        asyncio.get_running_loop().call_soon(join, kk)
        return await cancelled(kk, shop)

    def call(kk, _):
        neighbours.clear()
        if when == "the others first":
            join(kk)
            return cancelled(kk, shop)
        return late(kk)

    async def judge(kk, _attempt, ended):
        assert ended.error is None or ended.cancelled
        for task, wanted in neighbours:
            assert shows(await task) == wanted

    await everywhere(call, judge)


async def test_all_who_share_a_request_may_leave_and_come_again(everywhere, shop):
    async def all_leave(kk):
        async with asyncio.TaskGroup() as group:
            for sku in shop.skus[:5]:
                group.create_task(kk.stocks.get(sku))
            group.create_task(kk.warehouses.all())
            group.create_task(kk.freight.quote(shop.items, "US"))

    async def judge(kk, _attempt, ended):
        assert ended.error is None or ended.cancelled
        await all_leave(kk)

    await everywhere(lambda kk, _: all_leave(kk), judge)


async def in_a_timeout(work, step):
    """End a call by `asyncio.timeout` at a step, by moving its end to now."""
    limit = asyncio.timeout(None)

    async def run():
        async with limit:
            return await work

    loop = asyncio.get_running_loop()
    met = False

    async def reschedule():
        nonlocal met
        for _ in range(step):
            await asyncio.sleep(0)
        if not task.done():
            met = True
            limit.reschedule(loop.time())

    task = asyncio.create_task(run())
    await asyncio.gather(task, reschedule(), return_exceptions=True)
    return met, task


@pytest.mark.parametrize("name", ["payment", "batch", "submit"])
async def test_a_timeout_of_asyncio_is_a_timeout_wherever_it_comes(name, a_client, shop, tmp_path):
    journal = Journal(f"sqlite:///{tmp_path}/orders.db", quiet_time=0.0, now=shop.sandbox.now)
    async with a_client() as kk:
        calls = {
            "payment": lambda _: kk.payment.balance(),
            "batch": lambda _: kk.stocks.get_many(shop.skus),
            "submit": lambda n: kk.orders.submit(shop.at(n).order, journal=journal),
        }
        step, met = 0, True
        while met:
            step += 1 + step // 3
            met, task = await in_a_timeout(calls[name](step), step)
            assert task.cancelled() is False
            error = task.exception()
            assert error is None or isinstance(error, TimeoutError | OutcomeUnknown)
            await asyncio.sleep(120)
            if name == "submit":
                await kk.orders.submit(shop.at(step).order, journal=journal, timeout=None)
                placed = [one for one in shop.sandbox.journal if one.custom_order_id == f"SHOP-{step}"]
                assert len(placed) == 1
        assert step > 3
        assert await kk.payment.balance()


async def test_a_scope_of_anyio_ends_calls_and_their_neighbours_in_order(a_client, shop):
    anyio = pytest.importorskip("anyio")
    async with a_client() as kk:
        for step in range(60):

            async def cancel_later(scope, step):
                for _ in range(step):
                    await asyncio.sleep(0)
                scope.cancel()

            async with anyio.create_task_group() as group:
                group.start_soon(kk.stocks.get_many, shop.skus)
                group.start_soon(kk.warehouses.all)
                group.start_soon(kk.freight.matrix, [shop.items], ["US", "FR"])
                group.start_soon(cancel_later, group.cancel_scope, step)
            await asyncio.sleep(60)
            assert (await kk.stocks.get(shop.skus[0])).sku == shop.skus[0]
