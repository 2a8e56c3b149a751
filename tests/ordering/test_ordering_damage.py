"""An order that cannot be read hides no other, and is not taken for "not the order"."""

from __future__ import annotations

import asyncio
import re
from datetime import timedelta

import attrs
import pytest
from hypothesis import given, strategies as st
from support.ordering import POST
from support.shop import ADDRESS
from support.whole import an_order

from kakaclo_async import NotFound, OutcomeUnknown
from kakaclo_async.codec import Undecodable
from kakaclo_async.errors import DecodeError
from kakaclo_async.models.order import Order
from kakaclo_async.ordering import WriteStatus
from kakaclo_async.resources.orders.requests import may_mean, recognizable
from kakaclo_async.sandbox import Fault
from kakaclo_async.sandbox.http import orders as sandbox_orders, routing

pytestmark = pytest.mark.stepped

ELSEWHERE = attrs.evolve(ADDRESS, recipient="Somebody Else", phone="999 1", street1="Rue 9", country="FR")


@pytest.fixture
def spoil(sandbox, monkeypatch):
    """Lets the list show the order with this number with other fields."""
    write = sandbox_orders._order_v2
    sandbox.index_lag = 0.0

    def spoil(number, /, **fields):
        def spoiled(order):
            found = write(order)
            return {**found, **fields} if order.number == number else found

        monkeypatch.setattr(sandbox_orders, "_order_v2", spoiled)

    return spoil


async def in_doubt(kk, sandbox, journal, order, fault):
    sandbox.faults.add(Fault(fault, **POST))
    with pytest.raises(OutcomeUnknown):
        await kk.orders.submit(order, journal=journal, timeout=0)


SPOILED = [{"finalAmount": "much"}, {"payDate": "soon"}, {"fulfillments": 5}, {"orderItems": "none"}]


@pytest.mark.parametrize("fields", [*SPOILED, {"shippingAddress": 5}, {"createDate": "today"}])
@pytest.mark.parametrize("fault", ["reset_after", "reset_before"])
async def test_an_order_of_others_that_cannot_be_read_keeps_no_doubt(
    kk, sandbox, journal, order, spoil, fields, fault
):
    theirs = await kk.orders.create(order("OTHER-1"))
    spoil(theirs.id, **fields)
    await in_doubt(kk, sandbox, journal, order(), fault)

    created = await kk.orders.submit(order(), journal=journal, timeout=None)

    assert [placed.orders[0] for placed in sandbox.journal] == [theirs.id, created.id]


@pytest.mark.parametrize(
    "name", [b"Anna\xf0\x9f\x98", b"Anna \\ud83d", b"Anna\t"], ids=["bytes", "half", "tab"]
)
async def test_an_address_that_comes_damaged_makes_no_order_unreadable(
    kk, sandbox, journal, order, damage, name
):
    await kk.orders.create(order("OTHER-1", address=attrs.evolve(ADDRESS, recipient="Anna")))
    damage(lambda body: body.replace(b'"Anna"', b'"%b"' % name))
    await in_doubt(kk, sandbox, journal, order(), "reset_after")

    created = await kk.orders.submit(order(), journal=journal, timeout=None)

    assert sandbox.journal[-1].orders == (created.id,)
    assert len(sandbox.journal) == 2


LACKING = [{"status": None}, {"freightAmount": ""}, {"fulfillments": [{"items": [{"skuCode": "A"}]}]}]


@pytest.mark.parametrize(
    "fields", [*LACKING, {"finalAmount": "much"}, {"payDate": "soon"}, {"fulfillments": 5}]
)
async def test_ours_is_found_by_what_can_be_read_of_it(kk, sandbox, journal, order, spoil, fields):
    await in_doubt(kk, sandbox, journal, order(), "reset_after")
    [placed] = sandbox.journal
    spoil(placed.orders[0], **fields)

    created = await kk.orders.submit(order(), journal=journal, timeout=None)

    assert placed.orders == (created.id,)
    assert len(sandbox.journal) == 1


@pytest.mark.parametrize(
    "fields",
    [
        {"customOrderId": {}},
        {"customOrderId": "SHOP-\ufffd"},
        {"customOrderId": "\ufffdHOP-1", "finalAmount": "much"},
        {"customOrderId": None, "orderItems": "none"},
        {"customOrderId": "\ufffd", "orderItems": [{"skuCode": "A\ufffd", "productNum": 1}]},
        {"customOrderId": "SHOP-1", "orderItems": 5},
        {"id": None},
        {"id": {}, "customOrderId": None},
        {"customOrderId": "", "orderItems": [{"skuCode": "A", "productNum": "some"}]},
        {"customOrderId": "SHOP", "shippingAddress": {"phone": {}}},
        {"customOrderId": None, "orderItems": []},
        {"customOrderId": " ", "orderItems": [{}]},
        {"customOrderId": None, "orderItems": [{"skuCode": "", "productNum": 1}]},
        {"customOrderId": None, "orderItems": [{}], "finalAmount": "much"},
        {"customOrderId": "SHOP-\ufffd", "orderItems": None},
        {"customOrderId": "NULL"},
        {"customOrderId": None, "createDate": "1970-01-20T00:00:00Z"},
        {"customOrderId": None, "createDate": "2099-01-01T00:00:00Z"},
    ],
)
async def test_ours_is_not_sent_again_whatever_of_it_cannot_be_read(
    kk, sandbox, journal, order, spoil, fields
):
    await in_doubt(kk, sandbox, journal, order(), "reset_after")
    [placed] = sandbox.journal
    spoil(placed.orders[0], **fields)

    with pytest.raises(OutcomeUnknown):
        await kk.orders.submit(order(), journal=journal, timeout=None)

    assert len(sandbox.journal) == 1
    [entry] = await journal.pending()
    assert entry.status is WriteStatus.UNKNOWN


async def test_ours_is_not_sent_again_without_its_id_and_with_its_skus_in_small_letters(
    kk, sandbox, journal, order, spoil
):
    await in_doubt(kk, sandbox, journal, order(), "reset_after")
    sku = order().items[0].sku.lower()
    spoil(sandbox.journal[0].orders[0], customOrderId=None, orderItems=[{"skuCode": sku, "productNum": 1}])

    with pytest.raises(OutcomeUnknown):
        await kk.orders.submit(order(), journal=journal, timeout=None)

    assert len(sandbox.journal) == 1


@pytest.mark.parametrize("part", ["recipient", "phone", "street1", "country", "province"])
async def test_ours_is_found_with_a_part_of_its_address_damaged(kk, sandbox, journal, order, spoil, part):
    await in_doubt(kk, sandbox, journal, order(), "reset_after")
    [placed] = sandbox.journal
    shown = {**attrs.asdict(ADDRESS), part: "\ufffd" + getattr(ADDRESS, part)[1:]}
    spoil(placed.orders[0], shippingAddress=shown)

    created = await kk.orders.submit(order(), journal=journal, timeout=None)

    assert placed.orders == (created.id,)


@pytest.mark.parametrize(
    "fields",
    [
        {"customOrderId": "OTHER-\ufffd", "finalAmount": "much"},
        {"customOrderId": None, "orderItems": []},
        {"customOrderId": None, "createDate": "1970-01-20T00:00:00Z"},
    ],
)
async def test_what_others_lack_keeps_no_doubt_about_another_address(
    kk, sandbox, journal, order, spoil, fields
):
    theirs = await kk.orders.create(order("OTHER-1", address=ELSEWHERE))
    spoil(theirs.id, **fields)
    await in_doubt(kk, sandbox, journal, order(), "reset_before")

    created = await kk.orders.submit(order(), journal=journal, timeout=None)

    assert sandbox.journal[-1].orders == (created.id,)


@pytest.mark.parametrize("row", [None, "", 5])
async def test_ours_is_not_sent_again_where_a_list_without_a_total_shows_something_else_than_an_order(
    kk, sandbox, journal, order, monkeypatch, row
):
    await in_doubt(kk, sandbox, journal, order(), "reset_after")
    success = routing.success

    def changed(data, message):
        if isinstance(data, dict) and data.get("list"):
            data = {"list": [row for _ in data["list"]]}
        return success(data, message)

    monkeypatch.setattr(routing, "success", changed)

    with pytest.raises(OutcomeUnknown):
        await kk.orders.submit(order(), journal=journal, timeout=7200)

    assert len(sandbox.journal) == 1


async def test_orders_are_found_beside_one_that_cannot_be_read(kk, sandbox, journal, order, spoil):
    await in_doubt(kk, sandbox, journal, order("SHOP-1"), "reset_after")
    await in_doubt(kk, sandbox, journal, order("SHOP-2"), "reset_after")
    first, second = sandbox.journal
    spoil(first.orders[0], customOrderId={}, orderItems=5)

    left = await journal.settle(kk)

    assert [entry.key for entry in left] == ["SHOP-1"]
    assert (await journal.find("SHOP-2")).outcome == second.orders[0]


async def test_a_query_gives_all_orders_but_those_that_cannot_be_read_and_names_them(
    kk, sandbox, order, spoil
):
    numbers = [(await kk.orders.create(order(f"SHOP-{n}"))).id for n in range(4)]
    spoil(numbers[1], finalAmount="much")
    found = []

    with pytest.raises(DecodeError, match=f"order {numbers[1]}: cannot be read .Order.finalAmount must be"):
        async for row in kk.orders.query():
            found += [row.id]

    assert sorted(found) == sorted({*numbers} - {numbers[1]})
    assert [row.id async for row in kk.orders.query(statuses=["cancel"])] == []


async def test_a_search_for_one_order_minds_another_that_cannot_be_read_only_if_it_may_be_it(
    kk, sandbox, order, spoil
):
    long_ago = sandbox.now() - timedelta(days=1)
    mine = await kk.orders.create(order("SHOP-1"))
    other = await kk.orders.create(order("SHOP-2"))
    spoil(other.id, finalAmount="much")

    [found] = await kk.orders.find("SHOP-1", long_ago)
    assert found.id == mine.id
    assert [one.id for one in (await kk.orders.family("SHOP-1", created_from=long_ago)).orders] == [mine.id]
    with pytest.raises(DecodeError, match=other.id):
        await kk.orders.find("SHOP-2", long_ago)
    spoil(other.id, customOrderId="SHOP-\ufffd")
    for custom_order_id in ("SHOP-1", "SHOP-2"):
        with pytest.raises(DecodeError, match="its custom order id is damaged"):
            await kk.orders.family(custom_order_id, created_from=long_ago)
    assert await kk.orders.find("TOP-1", long_ago) == ()


async def test_one_order_that_cannot_be_read_ends_its_own_wait_alone(kk, sandbox, order, spoil):
    mine, other = [(await kk.orders.create(order(f"SHOP-{n}"))).id for n in range(2)]
    spoil(other, finalAmount="much")
    ends = await asyncio.gather(
        kk.orders.wait(mine, "paid"),
        kk.orders.wait(other, "paid"),
        kk.orders.get(mine),
        kk.orders.get(other),
        kk.orders.get("404404"),
        return_exceptions=True,
    )

    assert [type(end) for end in ends] == [Order, DecodeError, Order, DecodeError, NotFound]
    with pytest.raises(DecodeError, match=f"the row of '{other}'"):
        await kk.orders.get_many([mine, other])


@given(st.text("SHOP-1\ufffd", max_size=8))
def test_a_damaged_custom_order_id_means_every_id_that_it_may_have_been(name):
    original = re.sub("\ufffd", "x", name)
    assert may_mean(name, original) or not original
    assert may_mean(name, "SHOP-1") == (re.fullmatch(name.replace("\ufffd", ".*"), "SHOP-1") is not None)


def test_an_order_that_is_whole_is_compared_as_it_is():
    row = an_order(custom_order_id="A")
    assert recognizable(row) is row
    assert recognizable(Undecodable(5, "")) is None
