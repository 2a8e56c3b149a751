"""Orders that wait in a journal, and the drains that place them: each once, whoever drains."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest
from support.campaign import stock_up
from support.ordering import POST, client
from support.ports import free_port

from kakaclo_async import Guards, InvalidRequest, KakaClo, Unauthorized
from kakaclo_async.errors import ClientClosed, ConfigurationError, Conflict, ConnectionFailed, Rejected
from kakaclo_async.ordering import Drained, WriteStatus
from kakaclo_async.sandbox import Fault

pytestmark = pytest.mark.stepped


def placed(sandbox):
    return sorted(order.custom_order_id for order in sandbox.journal)


def numbers(sandbox):
    return {order.custom_order_id: order.orders[0] for order in sandbox.journal}


async def add(journal, order, *ids):
    for custom_order_id in ids:
        await journal.add(order(custom_order_id))


async def test_an_order_that_is_added_waits_and_nothing_is_sent(sandbox, journal, order):
    entry = await journal.add(order())
    assert entry.status is WriteStatus.WAITING
    assert (await journal.find("SHOP-1")).status is WriteStatus.WAITING
    assert [one.key for one in await journal.pending()] == ["SHOP-1"]
    assert sandbox.requests.total() == 0


async def test_adding_it_again_is_the_same_intent_also_after_it_was_placed(kk, sandbox, journal, order):
    await journal.add(order())
    assert (await journal.add(order())).status is WriteStatus.WAITING
    assert len(await journal.pending()) == 1
    done = await journal.drain(kk)
    entry = await journal.add(order())
    assert (entry.status, entry.number) == (WriteStatus.DONE, numbers(sandbox)["SHOP-1"])
    assert done.placed == {"SHOP-1": entry.number}
    assert await journal.drain(kk) == Drained()
    assert placed(sandbox) == ["SHOP-1"]


@pytest.mark.parametrize("how", ["add", "submit"])
async def test_an_id_that_waits_with_another_order_is_a_conflict(kk, sandbox, journal, order, how):
    await journal.add(order())
    other = order("SHOP-1", remark="another")
    with pytest.raises(Conflict, match=r"it waits to be placed; this one differs in remark.*withdraw it"):
        await (journal.add(other) if how == "add" else kk.orders.submit(other, journal=journal))
    await journal.drain(kk)
    with pytest.raises(Conflict, match="it is placed, as order"):
        await journal.add(other)
    assert placed(sandbox) == ["SHOP-1"]


async def test_a_submit_takes_over_what_waits(kk, sandbox, journal, order):
    await journal.add(order())
    created = await kk.orders.submit(order(), journal=journal)
    assert numbers(sandbox) == {"SHOP-1": created.id}
    assert await journal.drain(kk) == Drained()


async def test_finish_carries_out_what_waits(kk, sandbox, journal, order):
    await journal.add(order())
    assert await journal.finish(kk) == ()
    assert placed(sandbox) == ["SHOP-1"]


async def test_what_waits_can_be_withdrawn_and_leaves_no_address(kk, sandbox, journal, order, tmp_path):
    await journal.add(order())
    assert (await journal.withdraw("SHOP-1")).status is WriteStatus.WAITING
    assert await journal.withdraw("SHOP-1") is None
    assert await journal.withdraw("SHOP-2") is None
    assert await journal.find("SHOP-1") is None
    assert await journal.pending() == ()
    assert await journal.drain(kk) == Drained()
    assert order().address.street1.encode() not in (tmp_path / "orders.db").read_bytes()
    await journal.add(order("SHOP-1", remark="another"))
    await journal.drain(kk)
    assert placed(sandbox) == ["SHOP-1"]


async def test_what_was_declined_can_be_withdrawn_and_is_forgotten(kk, sandbox, journal, order):
    sandbox.faults.add(Fault("rejected", message="no such channel", code=40099, **POST))
    await journal.add(order())
    assert (await journal.drain(kk)).still_declined == 1
    assert (await journal.withdraw("SHOP-1")).status is WriteStatus.DECLINED
    assert await journal.withdraw("SHOP-1") is None
    assert await journal.find("SHOP-1") is None
    assert await journal.drain(kk) == Drained()


async def test_what_may_have_been_sent_cannot_be_withdrawn(kk, sandbox, journal, order):
    sandbox.faults.add(Fault("reset_after", **POST))
    await journal.add(order())
    await journal.drain(kk)
    with pytest.raises(Conflict, match="cannot be withdrawn: it may have been placed"):
        await journal.withdraw("SHOP-1")
    sandbox.skip(601)
    await journal.drain(kk)
    with pytest.raises(Conflict, match=f"placed, as order {numbers(sandbox)['SHOP-1']}"):
        await journal.withdraw("SHOP-1")


# What a drain does, and what stops it.


async def test_a_drain_places_oldest_first_and_tells_the_numbers(kk, sandbox, journal, order):
    stock_up(sandbox)
    for number in range(5):
        await journal.add(order(f"SHOP-{number}"))
        sandbox.skip(1)
    done = await journal.drain(kk, at_once=1)
    assert list(done.placed) == [f"SHOP-{number}" for number in range(5)]
    assert done.placed == numbers(sandbox)
    assert done == Drained(placed=done.placed)


@pytest.mark.parametrize("at_once", [1, 3])
async def test_no_more_are_sent_at_once_than_asked_for(kk, sandbox, journal, order, at_once):
    stock_up(sandbox)
    sandbox.faults.add(Fault("delay", seconds=1.0, times=None, **POST))
    await add(journal, order, *(f"SHOP-{number}" for number in range(6)))
    loop = asyncio.get_running_loop()
    began = loop.time()
    assert len((await journal.drain(kk, at_once=at_once, seconds=60)).placed) == 6
    assert 6 / at_once <= loop.time() - began < 6 / at_once + 1


async def test_none_is_begun_when_the_time_is_over_and_those_that_were_are_finished(
    kk, sandbox, journal, order
):
    stock_up(sandbox)
    sandbox.faults.add(Fault("delay", seconds=2.0, times=None, **POST))
    await add(journal, order, *(f"SHOP-{number}" for number in range(9)))
    done = await journal.drain(kk, at_once=2, seconds=3.0)
    assert (len(done.placed), done.left, done.failure) == (4, 5, None)
    assert (await journal.drain(kk, seconds=0)).left == 5


async def test_what_is_declined_is_told_once_and_does_not_stop_the_others(kk, sandbox, journal, order):
    sandbox.faults.add(Fault("rejected", message="no such channel", code=40099, **POST))
    await add(journal, order, "SHOP-1", "SHOP-2")
    done = await journal.drain(kk, at_once=1)
    [(key, error)] = done.declined.items()
    assert (key, type(error), done.left, done.failure) == ("SHOP-1", Rejected, 0, None)
    assert placed(sandbox) == ["SHOP-2"]
    entry = await journal.find("SHOP-1")
    assert entry.status is WriteStatus.DECLINED
    assert "no such channel" in entry.why
    assert not entry.payload
    assert await journal.pending() == ()
    assert await journal.drain(kk) == Drained(still_declined=1)
    again = await journal.add(order("SHOP-1"))
    assert again.status is WriteStatus.WAITING
    assert "no such channel" in again.why
    assert (await journal.drain(kk)).still_declined == 0
    assert placed(sandbox) == ["SHOP-1", "SHOP-2"]


async def test_a_balance_that_is_too_low_stops_the_drain_and_declines_nothing(kk, sandbox, journal, order):
    sandbox.ledger.balance = Decimal(0)
    await add(journal, order, *(f"SHOP-{number}" for number in range(9)))
    done = await journal.drain(kk, at_once=2)
    assert isinstance(done.failure, Rejected)
    assert (done.declined, done.left) == ({}, 9)
    assert sum(served.method == "POST" for served in sandbox.log) <= 2
    sandbox.ledger.balance = Decimal(10**9)
    stock_up(sandbox)
    assert len((await journal.drain(kk)).placed) == 9


@pytest.mark.parametrize("kind", ["token", "closed", "guard", "connection"])
async def test_what_every_order_would_meet_stops_the_drain_and_all_of_them_wait(
    sandbox, journal, order, kind
):
    expected = {
        "token": Unauthorized, "closed": ClientClosed, "guard": InvalidRequest, "connection": ConnectionFailed,
    }[kind]  # fmt: skip
    await add(journal, order, *(f"SHOP-{number}" for number in range(9)))
    kk = client(sandbox, guards=Guards(read_only=kind == "guard"), max_attempts=1)
    if kind == "connection":
        kk = KakaClo(sandbox.token, base_url=f"http://127.0.0.1:{free_port()}", max_attempts=1)
    if kind == "token":
        sandbox.token = "another"
    if kind == "closed":
        await kk.aclose()
    done = await journal.drain(kk, at_once=2)
    await kk.aclose()
    assert isinstance(done.failure, expected)
    assert (done.left, done.placed, done.declined) == (9, {}, {})
    assert placed(sandbox) == []


async def test_an_order_that_cannot_be_sent_goes_to_the_end_of_the_line(sandbox, journal, order):
    await add(journal, order, "SHOP-1")
    sandbox.skip(1)
    await add(journal, order, "SHOP-2")
    sandbox.skip(1)
    async with client(sandbox, guards=Guards(read_only=True)) as reader:
        await journal.drain(reader, at_once=1)
    async with client(sandbox) as kk:
        done = await journal.drain(kk, at_once=1)
    assert list(done.placed) == ["SHOP-2", "SHOP-1"]


@pytest.mark.parametrize("arrived", [True, False])
async def test_a_doubt_keeps_nobody_and_is_settled_by_a_later_drain(kk, sandbox, journal, order, arrived):
    sandbox.faults.add(Fault("reset_after", takes_effect=arrived, **POST))
    await add(journal, order, "SHOP-1", "SHOP-2")
    first = await journal.drain(kk, at_once=1)
    assert list(first.placed) == ["SHOP-2"]
    [doubt] = await journal.pending()
    assert (first.left, first.due, first.failure) == (0, doubt.settles_at, None)
    sandbox.requests.clear()
    early = await journal.drain(kk)
    assert (early.placed, early.due, sandbox.requests.total()) == ({}, doubt.settles_at, 0)
    sandbox.skip(601)
    later = await journal.drain(kk)
    assert later == Drained(placed={"SHOP-1": numbers(sandbox)["SHOP-1"]})
    assert placed(sandbox) == ["SHOP-1", "SHOP-2"]


async def test_a_doubt_that_no_look_can_settle_is_due_again_in_a_while(kk, sandbox, journal, order):
    sandbox.faults.add(Fault("reset_after", **POST))
    await add(journal, order, "SHOP-1")
    await journal.drain(kk)
    sandbox.skip(601)
    sandbox.faults.add(Fault("bad_gateway", path="/v2/order/orders", method="GET", times=None))
    done = await journal.drain(kk)
    assert done.failure is not None
    assert 29 < (done.due - sandbox.now()).total_seconds() <= 31


@pytest.mark.parametrize("number", ["at_once", "seconds"])
async def test_numbers_that_cannot_be_are_refused(kk, journal, number):
    with pytest.raises(ConfigurationError, match=number):
        await journal.drain(kk, **{number: -1})
