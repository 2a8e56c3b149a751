"""How an attempt can end besides an answer: what is released, what stays in doubt, and what is told."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from contextlib import closing
from datetime import timedelta

import attrs
import pytest
from support.ordering import POST, client, kill_at
from support.shop import ADDRESS, UNLIMITED

from kakaclo_async import (
    ConfigurationError,
    ConnectionFailed,
    Guards,
    InvalidRequest,
    Item,
    KakaClo,
    OutcomeUnknown,
    Rejected,
)
from kakaclo_async.errors import Conflict
from kakaclo_async.ordering import WriteStatus
from kakaclo_async.ordering.drain import settle_all
from kakaclo_async.sandbox import Fault

pytestmark = pytest.mark.stepped


class Odd(Exception):
    """Of code that is not the package's."""


async def test_a_token_function_that_fails_releases_the_order_at_once(sandbox, url, order, journal):
    def token():
        raise Odd("the vault is locked")

    async with KakaClo(token, base_url=sandbox.url, rate_limit=UNLIMITED) as kk:
        with pytest.raises((Odd, ConfigurationError)):
            await kk.orders.submit(order(), journal=journal)

    assert await journal.pending() == ()
    async with client(sandbox) as kk:
        start = asyncio.get_running_loop().time()
        await kk.orders.submit(order(), journal=journal)
        assert asyncio.get_running_loop().time() - start < 1
    assert len(sandbox.journal) == 1


@pytest.mark.parametrize("error", [Odd, KeyboardInterrupt, asyncio.CancelledError, MemoryError])
async def test_what_is_raised_while_an_order_waits_for_its_permit_releases_it_as_it_is(
    kk, sandbox, order, journal, monkeypatch, error
):
    async def enter(*_arguments, **_options):
        raise error

    with monkeypatch.context() as patched:
        patched.setattr(kk._sender.state.gate, "enter", enter)
        with pytest.raises(error):
            await kk.orders.submit(order(), journal=journal)

    assert await journal.pending() == ()
    assert sandbox.requests.total() == 0


async def test_a_guard_that_refuses_releases_the_order_at_once(sandbox, order, journal):
    async with client(sandbox, guards=Guards(read_only=True)) as kk:
        with pytest.raises(InvalidRequest, match="read-only"):
            await kk.orders.submit(order(), journal=journal)

    assert await journal.pending() == ()


@pytest.mark.parametrize("error", [Odd, KeyboardInterrupt])
async def test_what_is_raised_once_the_order_may_have_left_is_a_doubt_with_its_id(
    kk, sandbox, order, journal, monkeypatch, error
):
    send = kk._sender.state.transport.send

    async def send_and_fail(*arguments, **options):
        await send(*arguments, **options)
        raise error("1 Secret St")

    with monkeypatch.context() as patched:
        patched.setattr(kk._sender.state.transport, "send", send_and_fail)
        with pytest.raises(OutcomeUnknown, match="'SHOP-1' may or may not") as caught:
            try:
                await kk.orders.submit(order(), journal=journal)
            except KeyboardInterrupt:
                pytest.fail("it is only an interrupt")  # and would end the run of all tests

    assert caught.value.custom_order_id == "SHOP-1"
    assert "Secret" not in str(caught.value)
    [entry] = await journal.pending()
    assert entry.status is WriteStatus.UNKNOWN
    created = await kk.orders.submit(order(), journal=journal, timeout=None)
    [placed] = sandbox.journal
    assert placed.orders == (created.id,)


async def test_a_number_is_not_lost_when_the_call_is_cancelled_while_it_is_recorded(
    kk, sandbox, order, journal
):
    done = journal._store.done

    async def record_and_be_cancelled(*arguments):
        await done(*arguments)
        raise asyncio.CancelledError

    journal._store.done = record_and_be_cancelled
    with pytest.raises(OutcomeUnknown, match=r"'SHOP-1' was carried out as \d+, and this call was cancelled"):
        await kk.orders.submit(order(), journal=journal)

    assert (await journal.find("SHOP-1")).status is WriteStatus.DONE


async def test_a_doubt_is_not_lost_when_the_call_is_cancelled_while_it_is_recorded(
    kk, sandbox, order, journal
):
    unknown = journal._store.unknown

    async def record_and_be_cancelled(*arguments, **options):
        await unknown(*arguments, **options)
        raise asyncio.CancelledError

    journal._store.unknown = record_and_be_cancelled
    sandbox.faults.add(Fault("reset_after", **POST))
    with pytest.raises(OutcomeUnknown, match="SHOP-1"):
        await kk.orders.submit(order(), journal=journal, timeout=None)

    assert [entry.status for entry in await journal.pending()] == [WriteStatus.UNKNOWN]


async def test_a_release_that_cannot_be_recorded_says_so_beside_the_error_itself(kk, sandbox, order, journal):
    sandbox.faults.add(Fault("rejected", **POST))
    kill_at(journal, 2, "before", error="the disk is full")

    with pytest.raises(Rejected) as caught:
        await kk.orders.submit(order(), journal=journal)

    assert any("the disk is full" in note for note in caught.value.__notes__)


async def test_orders_that_were_found_and_cannot_be_recorded_are_named(kk, sandbox, order, journal):
    sandbox.faults.add(Fault("reset_after", **POST))
    with pytest.raises(OutcomeUnknown):
        await kk.orders.submit(order(), journal=journal, timeout=0)
    sandbox.skip(400)
    kill_at(journal, 2, "before", error="the disk is full")

    with pytest.raises(
        ConfigurationError, match="disk is full; found, and not recorded: 'SHOP-1' as"
    ) as caught:
        await journal.settle(kk)

    assert sandbox.journal[0].orders[0] in str(caught.value)


# What a conflict says.


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({"address": attrs.evolve(ADDRESS, phone="555 0100 998")}, "address.phone"),
        (
            {"address": attrs.evolve(ADDRESS, zip="32802", street1="2 Secret St")},
            "address.street1, address.zip",
        ),
        ({"remark": "gift", "channel_type": "Express"}, "channel_type, remark"),
        ({"sale_platform": "Shopify"}, "sale_platform"),
    ],
)
@pytest.mark.parametrize("placed", [True, False])
async def test_a_conflict_says_how_the_known_order_stands_and_which_fields_differ(
    kk, sandbox, journal, order, changes, fields, placed
):
    number = None
    if placed:
        number = (await kk.orders.submit(order(), journal=journal)).id
        fate = f"it is placed, as order {number}"
    else:
        sandbox.faults.add(Fault("reset_after", **POST))
        with pytest.raises(OutcomeUnknown):
            await kk.orders.submit(order(), journal=journal, timeout=0)
        fate = "it may have been placed, and is in doubt"

    with pytest.raises(
        Conflict, match=f"'SHOP-1': {fate}; this one differs in {fields}, and was not"
    ) as caught:
        await kk.orders.submit(order(**changes), journal=journal)

    assert caught.value.order_id == number
    for secret in (*attrs.astuple(ADDRESS)[1:], "555 0100 998", "32802", "2 Secret St"):
        assert not secret or secret not in str(caught.value)


async def test_a_conflict_names_the_items_when_they_differ(kk, sandbox, journal, order):
    await kk.orders.submit(order(), journal=journal)

    with pytest.raises(Conflict, match=r"differs in items \(1 \w+ there, 2 \w+ here\), and"):
        await kk.orders.submit(order("SHOP-1", Item(order().items[0].sku, 2)), journal=journal)


async def test_a_journal_of_before_names_what_it_still_can(kk, sandbox, journal, order, tmp_path):
    await kk.orders.submit(order(), journal=journal)
    with closing(sqlite3.connect(tmp_path / "orders.db")) as connection:
        connection.execute("UPDATE kakaclo_write SET marks = NULL")
        connection.commit()

    with pytest.raises(Conflict, match="differs in something that the journal no longer has: its address"):
        await kk.orders.submit(order(remark="x"), journal=journal)


async def test_a_journal_keeps_a_byte_of_a_hash_for_each_field_and_no_address(kk, journal, order, tmp_path):
    await kk.orders.submit(order(), journal=journal)

    entry = await journal.find("SHOP-1")

    assert '"orderAddresses.phone"' in entry.marks
    assert {len(mark) for mark in json.loads(entry.marks).values()} == {2}
    assert not any(
        secret and secret.encode() in (tmp_path / "orders.db").read_bytes()
        for secret in attrs.astuple(ADDRESS)[1:]
    )


# Custom order ids: one rule.

BAD_IDS = ["", "A,B", "A" * 65, " A", "A ", "A\n", "A\x00B", "A\tB", "   "]


@pytest.mark.parametrize("custom_order_id", BAD_IDS)
async def test_an_id_that_could_not_be_looked_up_is_refused_everywhere_before_a_permit_is_spent(
    kk, sandbox, journal, order, custom_order_id
):
    async def calls():
        yield lambda: kk.orders.create(order(custom_order_id))
        yield lambda: kk.orders.submit(order(custom_order_id), journal=journal)
        yield lambda: kk.orders.find(custom_order_id, created_from=sandbox.now())
        yield lambda: kk.orders.family(custom_order_id)
        yield lambda: journal.find(custom_order_id)

    async for call in calls():
        with pytest.raises(InvalidRequest, match="custom_order_id"):
            await call()

    assert sandbox.requests.total() == 0


@pytest.mark.parametrize("custom_order_id", ["A" * 64, "Ärmel 7/2", "shop#1;x"])
async def test_an_id_that_is_taken_can_be_looked_up(kk, sandbox, journal, order, custom_order_id):
    created = await kk.orders.submit(order(custom_order_id), journal=journal)
    sandbox.skip(400)

    [found] = await kk.orders.find(custom_order_id, created_from=sandbox.now() - timedelta(days=1))
    family = await kk.orders.family(custom_order_id, journal=journal)

    assert (found.id, family.orders[0].id, (await journal.find(custom_order_id)).outcome) == (created.id,) * 3


# finish, and clients that share a journal.


async def lose(kk, sandbox, journal, *orders):
    sandbox.faults.add(Fault("reset_before", times=len(orders), **POST))
    for one in orders:
        with pytest.raises(OutcomeUnknown):
            await kk.orders.submit(one, journal=journal, timeout=0)
    sandbox.skip(700)
    assert {entry.status for entry in await journal.settle(kk)} == {WriteStatus.NOT_EXECUTED}


async def test_finish_goes_on_after_a_refusal_of_a_guard(kk, sandbox, journal, order):
    dear = order("0-DEAR", Item(order().items[0].sku, 5))
    await lose(kk, sandbox, journal, dear, order("A"), order("B"))
    limit = (await kk.orders.check(order("A"))).total * 2

    async with client(sandbox, guards=Guards(max_order_amount=limit)) as guarded:
        with pytest.raises(InvalidRequest, match="order '0-DEAR' was not sent: it costs"):
            await journal.finish(guarded)

    assert [placed.custom_order_id for placed in sandbox.journal] == ["A", "B"]
    assert [entry.key for entry in await journal.pending()] == ["0-DEAR"]


async def test_finish_tells_all_that_failed_and_a_declined_order_first(kk, sandbox, journal, order):
    bad = order("BAD", Item("NOSUCH", 1))
    await lose(kk, sandbox, journal, order("CUT"), bad, order("GOOD"))
    real, calls = kk._sender.state.transport.send, []

    async def send(request, *arguments, **options):
        if request.custom_order_id == "CUT":
            calls.append(request)
            raise ConnectionFailed("cannot connect", sent=False)
        return await real(request, *arguments, **options)

    kk._sender.state.transport.send = send
    with pytest.raises(Rejected, match="'BAD' was not placed") as caught:
        await journal.finish(kk)

    assert calls
    assert any("'CUT' was not placed" in note for note in caught.value.__notes__)
    assert [placed.custom_order_id for placed in sandbox.journal] == ["GOOD"]


async def test_a_kind_that_cannot_be_looked_for_keeps_no_lost_order_from_being_sent(
    kk, sandbox, journal, order, monkeypatch
):
    await lose(kk, sandbox, journal, order())

    async def fail(*kinds):
        return [*await settle_all(*kinds), ConnectionFailed("the refunds could not be read", sent=False)]

    monkeypatch.setattr("kakaclo_async.ordering.drain.settle_all", fail)
    with pytest.raises(ConnectionFailed, match="the refunds"):
        await journal.finish(kk)

    assert len(sandbox.journal) == 1


@pytest.mark.parametrize("last", [True, False])
async def test_searches_of_a_shared_journal_go_through_a_client_that_is_open(sandbox, journal, order, last):
    sandbox.faults.add(Fault("reset_after", times=2, **POST))
    one, other = client(sandbox), client(sandbox)
    first = asyncio.create_task(one.orders.submit(order("A"), journal=journal, timeout=None))
    await asyncio.sleep(1)
    second = asyncio.create_task(other.orders.submit(order("B"), journal=journal, timeout=None))
    await asyncio.sleep(20)

    closed, left, key = (other, first, "A") if last else (one, second, "B")
    await closed.aclose()

    created = await asyncio.wait_for(left, 400)  # well before the quiet time is over
    assert {placed.custom_order_id: placed.orders[0] for placed in sandbox.journal}[key] == created.id
    await asyncio.gather(first, second, return_exceptions=True)
    await asyncio.gather(one.aclose(), other.aclose())


async def test_an_order_whose_only_client_was_closed_is_told_as_in_doubt_without_waiting_for_the_quiet_time(
    sandbox, journal, order
):
    sandbox.faults.add(Fault("reset_after", **POST))
    kk = client(sandbox)
    task = asyncio.create_task(kk.orders.submit(order(), journal=journal, timeout=None))
    await asyncio.sleep(20)
    await kk.aclose()

    with pytest.raises(OutcomeUnknown, match="client is closed"):
        await asyncio.wait_for(task, 60)
