"""Orders with something under way, asked for with few requests, and families whole."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from support.shop import ADDRESS, two_countries

from kakaclo_async import InvalidRequest, Item, NewOrder
from kakaclo_async.shop.outgoing.tracking import tracking
from kakaclo_async.shop.outgoing.tracking_lines import shipped

pytestmark = [
    pytest.mark.stepped,
    pytest.mark.kakaclo_sandbox(
        products=60, index_lag=0, capacity=10_000, per_second=10_000, ship_after=3600
    ),
]


async def place(kk, custom_order_id, *skus):
    order = NewOrder(address=ADDRESS, items=[Item(sku, 1) for sku in skus], custom_order_id=custom_order_id)
    return (await kk.orders.create(order)).id


def asked(sandbox):
    """What was asked for in the lists of orders."""
    return [
        next(name for name in served.query if name.endswith("StartTime")) + f" {served.query['pageSize']}"
        for served in sandbox.log
        if served.method == "GET" and served.path.endswith("/order/orders")
    ]


async def test_a_part_of_a_family_that_was_shipped_before_is_read_as_well(kk, sandbox):
    one, other = two_countries(sandbox.catalog)
    first = await place(kk, "S-1", one)
    sandbox.ship_after = 3 * 3600
    second = await place(kk, "S-1", other)
    await place(kk, "S-2", one)  # not under way yet at the first look
    sandbox.skip(2 * 3600)
    early = await tracking(kk, since=sandbox.now() - timedelta(hours=3))
    since = sandbox.now()
    sandbox.skip(2 * 3600)
    sandbox.log.clear()

    late = await tracking(kk, since=since, custom_order_ids=["S-1"])

    assert [order.id for order in early.orders] == [first, second]
    assert [row.family_shipped for row in shipped(early.orders).rows] == [False]
    assert [order.id for order in late.orders] == [first, second]
    rows = shipped(late.orders).rows
    assert {row.shop_sku for row in rows} == {one, other}
    assert len({code for row in rows for code in row.tracking_codes}) == 2
    assert all(row.family_shipped for row in rows)
    assert asked(sandbox) == ["updateStartTime 250", "createStartTime 250"]


async def test_one_request_tells_that_nothing_is_under_way(kk, sandbox):
    await place(kk, "S-1", next(sandbox.catalog.selling(pieces=5)))

    found = await tracking(kk, since=sandbox.now() - timedelta(hours=1))

    assert (found.orders, found.problems) == ((), ())
    assert asked(sandbox) == ["updateStartTime 250"]


async def test_an_order_that_cannot_be_read_is_told_and_hides_no_other(kk, sandbox, damage):
    sku = next(sandbox.catalog.selling(pieces=5))
    good, bad = await place(kk, "S-1", sku), await place(kk, "S-2", sku)
    sandbox.skip(2 * 3600)
    damage(lambda body: body.replace(b'"customOrderId":"S-2"', b'"customOrderId":{}'))

    found = await tracking(kk, since=sandbox.now() - timedelta(hours=3))

    assert [order.id for order in found.orders] == [good]
    assert any(bad in problem for problem in found.problems)


async def test_a_naive_time_is_refused(kk):
    with pytest.raises(InvalidRequest):
        await tracking(kk, since=datetime(2026, 1, 1))  # noqa: DTZ001 - that is the point
