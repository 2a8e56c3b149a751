"""Waiting for orders: one poller for all who wait."""

from __future__ import annotations

import asyncio

import pytest
from support.ordering import client

from kakaclo_async import ClientClosed, DeadlineExceeded, InvalidRequest, OrderStatus, Rejected
from kakaclo_async.models.order import FulfillmentStatus
from kakaclo_async.sandbox import Fault

pytestmark = pytest.mark.stepped
PATH = "/v2/order/orders"
ALONE = 25
"""Looks of one who waits for an hour or two: every ten minutes, after some quicker ones."""


@pytest.fixture(autouse=True)
def plenty(sandbox):
    for sku, warehouse, _ in list(sandbox.catalog.stock_rows()):
        sandbox.catalog.set_stock(sku, warehouse, sandbox.catalog.qty(sku, warehouse) and 1000)
    sandbox.ship_after, sandbox.complete_after = 3600.0, 3600.0


async def test_an_order_is_waited_for_until_it_is_shipped_and_completed(kk, sandbox, order):
    created = await kk.orders.create(order())

    shipped = await kk.orders.wait(created.id)
    completed = await kk.orders.wait(created.id, until="completed")

    assert (shipped.id, shipped.fulfillment_status) == (created.id, FulfillmentStatus.FULLY_SHIPPED)
    assert completed.status is OrderStatus.COMPLETED


async def test_a_shipment_in_parts_can_be_waited_for(kk, sandbox, order, two_countries):
    created = await kk.orders.create(order("A", *two_countries))

    assert (await kk.orders.wait(created.id, until="paid")).financial_status == "paid"
    first = await kk.orders.wait(created.id, until="partially_shipped")
    last = await kk.orders.wait(created.id, until="shipped")

    assert first.fulfillment_status is FulfillmentStatus.PARTIALLY_SHIPPED
    assert last.fulfillment_status is FulfillmentStatus.FULLY_SHIPPED


async def test_a_cancelled_order_comes_at_once_and_as_what_it_is(kk, sandbox, order):
    created = await kk.orders.create(order())
    sandbox.ledger.settle(sandbox.ledger.refund(created.id, None, "Other", None))

    assert (await kk.orders.wait(created.id, until="shipped")).status is OrderStatus.CANCEL


@pytest.mark.long
async def test_a_hundred_who_wait_share_requests_of_thirty(kk, sandbox, order):
    created = [await kk.orders.create(order(str(number))) for number in range(100)]
    requests = sandbox.requests[PATH]

    await asyncio.gather(*(kk.orders.wait(one.id, timeout=10_000) for one in created))

    looks = sandbox.requests[PATH] - requests
    assert looks <= ALONE * 4


async def test_those_who_begin_to_wait_at_different_times_come_to_share_requests(kk, sandbox, order):
    created = [await kk.orders.create(order(str(number))) for number in range(10)]
    requests = sandbox.requests[PATH]
    tasks = []
    for one in created:
        tasks.append(asyncio.create_task(kk.orders.wait(one.id)))
        await asyncio.sleep(17)

    await asyncio.gather(*tasks)

    assert sandbox.requests[PATH] - requests <= ALONE * 3.5


async def test_two_views_of_a_client_share_one_poller(kk, sandbox, order):
    created = await kk.orders.create(order())
    requests = sandbox.requests[PATH]

    await asyncio.gather(kk.orders.wait(created.id), kk.bulk().orders.wait(created.id))

    assert sandbox.requests[PATH] - requests <= ALONE


async def test_a_wait_ends_with_its_time_and_says_how_far_the_order_is(kk, sandbox, order):
    created = await kk.orders.create(order())

    with pytest.raises(
        DeadlineExceeded, match=f"order {created.id} is not seen yet, not shipped, after 100 s"
    ):
        await kk.orders.wait(created.id, timeout=100)
    with pytest.raises(DeadlineExceeded, match=f"order {created.id} is waiting_to_ship, not shipped, after"):
        await kk.orders.wait(created.id, timeout=1000)
    await asyncio.sleep(1)
    assert [task.get_name() for task in asyncio.all_tasks() if "watch" in task.get_name()] == []


async def test_a_wait_survives_an_outage(kk, sandbox, order):
    created = await kk.orders.create(order())
    sandbox.faults.add(Fault("bad_gateway", times=20, path=PATH))

    assert (await kk.orders.wait(created.id)).id == created.id


async def test_a_refusal_ends_all_waits(kk, sandbox, order):
    sandbox.faults.add(Fault("rejected", path=PATH, times=None))

    heard = await asyncio.gather(kk.orders.wait("1"), kk.orders.wait("2"), return_exceptions=True)

    assert [type(error) for error in heard] == [Rejected, Rejected]


async def test_closing_the_client_ends_a_wait(sandbox, order):
    async with client(sandbox) as kk:
        created = await kk.orders.create(order())
        waiting = asyncio.create_task(kk.orders.wait(created.id))
        await asyncio.sleep(100)

    with pytest.raises(ClientClosed):
        await waiting


async def test_a_stage_that_is_none_is_refused(kk):
    with pytest.raises(InvalidRequest, match="paid, partially_shipped, shipped, completed, not 'sent'"):
        await kk.orders.wait("1", until="sent")
