"""The documents name the address of a new order both ways: a client learns the other name from a refusal, once."""

from __future__ import annotations

import asyncio
import logging

import pytest
from support.ordering import POST, client
from support.shop import ADDRESS

from kakaclo_async import Guards, OutcomeUnknown, Rejected
from kakaclo_async.sandbox import Fault

pytestmark = [pytest.mark.stepped, pytest.mark.filterwarnings("ignore:KakaClo's V1")]

V2, V1 = "/v2/order/orders", "/v1/order/orders"


def posts(sandbox, path=V2):
    return [served for served in sandbox.log if (served.method, served.path) == ("POST", path)]


@pytest.fixture
def other(sandbox):
    """A sandbox that wants the other name."""
    sandbox.address_field = "orderAddress"
    return sandbox


@pytest.mark.parametrize("path", [V1, V2])
async def test_a_client_learns_the_other_name_from_one_refusal(kk, other, order, path):
    orders = kk.orders if path == V2 else kk.v1.orders
    created = [await orders.create(order(key)) for key in ("A", "B", "C")]
    assert [placed.orders[0] for placed in other.journal] == [one.id for one in created]
    assert len(posts(other, path)) == 4
    assert [b'"orderAddress":' in served.body for served in posts(other, path)] == [False, True, True, True]


async def test_orders_that_are_refused_at_the_same_time_are_all_placed_once(kk, other, order, caplog):
    with caplog.at_level(logging.DEBUG, "kakaclo"):
        created = await asyncio.gather(*(kk.orders.create(order(f"S-{n}")) for n in range(8)))
    assert len({one.id for one in created}) == len(other.journal) == 8
    told = [
        record
        for record in caplog.records
        if record.name.startswith("kakaclo") and "orderAddress" in record.message
    ]
    assert [(record.name, record.levelno) for record in told] == [("kakaclo.orders", logging.WARNING)]
    assert not any(part in caplog.text for part in (ADDRESS.phone, ADDRESS.recipient, ADDRESS.street1))


async def test_a_journal_places_it_once_and_recovers_it_after_a_doubt(kk, other, journal, order):
    other.faults.add(Fault("reset_after", path=V2, method="POST", skip=1))
    created = await kk.orders.submit(order("A"), journal=journal, timeout=None)
    assert [placed.orders for placed in other.journal] == [(created.id,)]
    assert len(posts(other)) == 2
    assert (await kk.orders.submit(order("A"), journal=journal)) == created
    assert len(posts(other)) == 2


async def test_views_share_what_was_learned_and_guards_count_the_order_once(other, order):
    async with client(other, guards=Guards(max_orders_per_hour=2)) as kk:
        await kk.orders.create(order("A"))
        await kk.with_options(timeout=20.0).orders.create(order("B"))
    assert len(posts(other)) == 3


@pytest.mark.parametrize(
    "message",
    [
        "orderAddress is required",
        "orderAddress: must not be null",
        "The parameter [orderAddress] is missing.",
        "orderAddress must not be empty",
        "orderAddress can not be blank",
        "missing orderAddress.",
        "order_address must be provided",
        "orderAddress不能为空",
    ],
)
async def test_a_refusal_that_misses_the_other_name_is_answered_once(kk, sandbox, order, message):
    sandbox.faults.add(Fault("rejected", message=message, times=None, **POST))
    with pytest.raises(Rejected, match="'A' was not placed"):
        await kk.orders.create(order("A"))
    assert [b'"orderAddress":' in served.body for served in posts(sandbox)] == [False, True]
    assert sandbox.journal == []


@pytest.mark.parametrize(
    "message",
    [
        "orderAddresses is required",
        "orderAddress.phone must not be null",
        "orderAddress[0] is missing",
        "orderAddress is too long",
        "purchaseOrderAddress is required",
        "the address is required",
        "the balance is missing 5 USD",
    ],
)
async def test_any_other_refusal_is_the_callers(kk, sandbox, order, message):
    sandbox.faults.add(Fault("rejected", message=message, times=None, **POST))
    with pytest.raises(Rejected):
        await kk.orders.create(order("A"))
    assert len(posts(sandbox)) == 1


async def test_an_order_in_doubt_is_not_sent_under_another_name(kk, sandbox, order):
    sandbox.faults.add(Fault("server_error", message="orderAddress is required", **POST))
    with pytest.raises(OutcomeUnknown):
        await kk.orders.create(order("A"))
    assert len(posts(sandbox)) == len(sandbox.journal) == 1


async def test_a_lease_that_ended_keeps_the_second_sending_back(kk, other, order):
    from kakaclo_async import codec
    from kakaclo_async.errors import LeaseLost
    from kakaclo_async.resources.orders.placing import place
    from kakaclo_async.sending import sender_of

    checks = []

    def check_lease():
        checks.append(1)
        if len(checks) == 3:  # each sending has it looked at twice
            raise LeaseLost("over")

    with pytest.raises(LeaseLost):
        await place(sender_of(kk), order("A"), codec.encode(order("A")), check_lease=check_lease)
    assert (len(posts(other)), other.journal) == (1, [])
