"""One worker, one order: what the journal says, what KakaClo got, and what the caller hears."""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta

import attrs
import pytest
from support.ordering import POST, client, kill_at

from kakaclo_async import (
    ClientClosed,
    ConnectionFailed,
    Guards,
    InvalidRequest,
    Item,
    KakaClo,
    OutcomeUnknown,
    Rejected,
)
from kakaclo_async.errors import Conflict
from kakaclo_async.ordering import Journal, WriteStatus
from kakaclo_async.sandbox import Fault

pytestmark = pytest.mark.stepped


async def test_an_order_is_placed_and_its_number_told_by_the_journal_ever_after(kk, sandbox, journal, order):
    first = await kk.orders.submit(order(), journal=journal)

    again = await kk.orders.submit(order(), journal=journal)

    assert again == first
    assert sandbox.requests.total() == 1
    assert [placed.orders[0] for placed in sandbox.journal] == [first.id]


async def test_an_order_without_an_id_of_its_own_gets_one(kk, sandbox, journal, order):
    created = await kk.orders.submit(order(None), journal=journal)

    assert len(created.custom_order_id) <= 32
    assert sandbox.journal[0].custom_order_id == created.custom_order_id
    assert (await journal.find(created.custom_order_id)).outcome == created.id


async def test_an_id_that_could_not_be_looked_up_is_refused_before_anything(kk, sandbox, journal, order):
    with pytest.raises(InvalidRequest, match="comma"):
        await kk.orders.submit(order("A,B"), journal=journal)

    assert sandbox.requests.total() == 0


async def test_the_same_id_with_another_order_is_a_conflict(kk, sandbox, journal, order):
    await kk.orders.submit(order(), journal=journal)

    with pytest.raises(Conflict, match="another order under the custom order id 'SHOP-1'") as caught:
        await kk.orders.submit(order(remark="another"), journal=journal)

    assert caught.value.custom_order_id == "SHOP-1"
    assert sandbox.requests.total() == 1


async def test_an_order_in_doubt_conflicts_with_another_of_its_id_too(kk, sandbox, journal, order):
    sandbox.faults.add(Fault("reset_after", **POST))
    with pytest.raises(OutcomeUnknown):
        await kk.orders.submit(order(), journal=journal, timeout=0)

    with pytest.raises(Conflict):
        await kk.orders.submit(order(remark="another"), journal=journal)


async def test_an_answer_without_a_number_is_a_doubt(kk, sandbox, journal, order, monkeypatch):
    place = sandbox.ledger.place
    sandbox.order_number_as_text = True
    monkeypatch.setattr(sandbox.ledger, "place", lambda *arguments: place(*arguments) and "")

    with pytest.raises(OutcomeUnknown, match="took order 'SHOP-0' and named no number") as caught:
        await kk.orders.create(order("SHOP-0"))
    created = await kk.orders.submit(order(), journal=journal, timeout=None)

    assert caught.value.custom_order_id == "SHOP-0"
    assert created.id == sandbox.journal[1].orders[0]


@pytest.mark.parametrize(
    "base_url", ["https://no-such-host.invalid/openapi", "https://127.0.0.1:{port}/openapi"]
)
async def test_a_name_that_is_none_and_a_server_without_tls_leave_no_doubt(sandbox, journal, order, base_url):
    async with KakaClo("t", base_url=base_url.format(port=sandbox.port), max_attempts=2, timeout=20.0) as kk:
        for write in (kk.orders.create(order()), kk.orders.submit(order(), journal=journal)):
            with pytest.raises(ConnectionFailed, match="order 'SHOP-1' was not placed") as caught:
                await write
            assert caught.value.sent is False

    assert await journal.pending() == ()
    assert sandbox.journal == []


@pytest.mark.parametrize(
    "kind", ["reset_after", "server_error", "truncated_json", "truncated_body", "empty_body", "silence"]
)
async def test_an_order_in_doubt_that_was_placed_is_found(kk, sandbox, journal, order, kind):
    sandbox.faults.add(Fault(kind, **POST))

    created = await kk.orders.submit(order(), journal=journal, timeout=None)

    [placed] = sandbox.journal
    assert placed.orders == (created.id,)
    assert await journal.pending() == ()


@pytest.mark.parametrize("kind", ["reset_before", "bad_gateway"])
async def test_an_order_in_doubt_that_was_not_placed_is_sent_again_after_the_quiet_time(
    kk, sandbox, journal, order, kind
):
    sandbox.faults.add(Fault(kind, **POST))
    start = sandbox.now()

    created = await kk.orders.submit(order(), journal=journal, timeout=None)

    [placed] = sandbox.journal
    assert placed.orders == (created.id,)
    assert placed.at >= (start + timedelta(seconds=600)).timestamp() - 1e-3  # floats


async def test_a_doubt_that_outlasts_its_timeout_is_told_with_its_reason_and_the_time_to_come_back(
    kk, sandbox, journal, order
):
    sandbox.faults.add(Fault("reset_after", **POST))
    start = sandbox.now()

    with pytest.raises(OutcomeUnknown, match=r"'SHOP-1' may or may not .* submit it again") as caught:
        await kk.orders.submit(order(), journal=journal, timeout=20)

    settles_at = caught.value.settles_at
    assert timedelta(seconds=600) <= settles_at - start <= timedelta(seconds=605)
    [entry] = await journal.pending()
    assert (entry.key, entry.status, entry.settles_at) == ("SHOP-1", WriteStatus.UNKNOWN, settles_at)
    assert "the connection failed" in entry.why

    created = await kk.orders.submit(order(), journal=journal, timeout=None)
    assert sandbox.journal[0].orders == (created.id,)


async def test_looks_grow_rare_while_the_index_lags(kk, sandbox, journal, order):
    sandbox.faults.add(Fault("reset_after", **POST))

    await kk.orders.submit(order(), journal=journal, timeout=None)

    assert sandbox.requests["/v2/order/orders"] - 1 <= 18


async def test_a_declined_order_may_be_submitted_again_changed_or_not(kk, sandbox, journal, order):
    with pytest.raises(Rejected, match="NOSUCH"):
        await kk.orders.submit(order("SHOP-1", Item("NOSUCH", 1)), journal=journal)
    assert await journal.pending() == ()
    assert await journal.find("SHOP-1") is None

    created = await kk.orders.submit(order(), journal=journal)

    assert sandbox.journal[0].orders == (created.id,)


async def test_a_refused_connection_leaves_no_doubt(sandbox, journal, order):
    await sandbox.aclose()
    async with client(sandbox, max_attempts=2) as kk:
        with pytest.raises(ConnectionFailed):
            await kk.orders.submit(order(), journal=journal)
        assert await journal.pending() == ()
        await sandbox.start()
        await kk.orders.submit(order(), journal=journal)

    assert len(sandbox.journal) == 1


async def test_a_full_bucket_leaves_no_doubt(kk, sandbox, journal, order):
    sandbox.faults.add(Fault("throttled", times=3, **POST))

    await kk.orders.submit(order(), journal=journal)

    assert len(sandbox.journal) == 1
    assert await journal.pending() == ()


async def test_a_closed_client_leaves_no_doubt(sandbox, journal, order):
    kk = client(sandbox)
    await kk.aclose()

    with pytest.raises(ClientClosed):
        await kk.orders.submit(order(), journal=journal)

    assert await journal.pending() == ()


async def test_being_cancelled_before_it_is_sent_leaves_no_doubt(sandbox, journal, order):
    async with KakaClo("t", base_url=sandbox.url) as kk:
        for _ in range(120):
            await kk._sender.state.gate.enter("interactive")
        task = asyncio.create_task(kk.orders.submit(order(), journal=journal))
        while not kk._sender.state.gate.queued("interactive"):
            await asyncio.sleep(0)
        assert [entry.status for entry in await journal.pending()] == [WriteStatus.SENDING]
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    assert await journal.pending() == ()
    assert sandbox.requests.total() == 0


async def test_being_cancelled_after_it_was_sent_is_a_doubt_told_at_once(kk, sandbox, journal, order):
    sandbox.faults.add(Fault("silence", **POST))
    task = asyncio.create_task(kk.orders.submit(order(), journal=journal, timeout=None))
    while not sandbox.journal:
        await asyncio.sleep(0)
    task.cancel()

    with pytest.raises(OutcomeUnknown, match="SHOP-1"):
        await task

    [entry] = await journal.pending()
    assert entry.status is WriteStatus.UNKNOWN
    assert sandbox.requests.total() == 1


async def test_a_doubt_outweighs_the_callers_own_time_limit_which_is_over_all_the_same(kk, sandbox, order):
    sandbox.faults.add(Fault("silence", **POST))

    with pytest.raises(OutcomeUnknown, match="SHOP-1"):
        async with asyncio.timeout(5):
            await kk.orders.create(order())

    assert asyncio.current_task().cancelling() == 0
    assert await kk.orders.create(order("SHOP-2"))


async def test_a_doubt_of_a_task_group_that_fails_is_told_beside_the_failure(kk, sandbox, order):
    sandbox.faults.add(Fault("silence", **POST))

    async def fail():
        while not sandbox.journal:
            await asyncio.sleep(0)
        raise ZeroDivisionError

    with pytest.raises(ExceptionGroup) as caught:
        async with asyncio.TaskGroup() as group:
            placing = group.create_task(kk.orders.create(order()))
            group.create_task(fail())

    assert {type(error) for error in caught.value.exceptions} == {OutcomeUnknown, ZeroDivisionError}
    assert placing.cancelling() == 1


async def test_being_cancelled_while_it_is_looked_for_keeps_the_doubt_and_is_a_cancellation(
    kk, sandbox, journal, order
):
    sandbox.faults.add(Fault("reset_after", **POST))
    task = asyncio.create_task(kk.orders.submit(order(), journal=journal, timeout=None))
    await asyncio.sleep(10)
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task

    assert [entry.status for entry in await journal.pending()] == [WriteStatus.UNKNOWN]


async def test_kakaclo_being_down_when_the_doubt_could_be_settled_leaves_it_a_doubt(sandbox, journal, order):
    sandbox.faults.add(Fault("reset_before", **POST))
    sandbox.faults.add(Fault("bad_gateway", method="GET", times=None))
    async with client(sandbox) as kk:
        with pytest.raises(OutcomeUnknown, match="could not be asked") as caught:
            await kk.orders.submit(order(), journal=journal, timeout=None)
        assert caught.value.settles_at <= sandbox.now()

        sandbox.faults.clear()
        await kk.orders.submit(order(), journal=journal)

    assert len(sandbox.journal) == 1


async def test_an_order_of_the_same_id_with_other_items_is_not_taken_for_ours_nor_is_ours_sent_again(
    kk, sandbox, journal, order
):
    other = Item(next(s for s in sandbox.catalog.selling() if s != order().items[0].sku), 1)
    theirs = await kk.orders.create(order("SHOP-1", other))
    sandbox.faults.add(Fault("reset_before", **POST))

    with pytest.raises(OutcomeUnknown, match=f"order {theirs.id} carries this custom order id"):
        await kk.orders.submit(order(), journal=journal, timeout=None)

    assert len(sandbox.journal) == 1
    assert f"order {theirs.id} carries" in (await journal.pending())[0].why


async def test_attempts_that_all_end_in_doubt_come_to_an_end(kk, sandbox, journal, order):
    sandbox.faults.add(Fault("reset_before", times=None, **POST))

    with pytest.raises(OutcomeUnknown):
        await kk.orders.submit(order(), journal=journal, timeout=None)

    assert sum(served.method == "POST" for served in sandbox.log) == 5


async def test_one_look_settles_all_doubts(kk, sandbox, journal, order):
    sandbox.faults.add(Fault("reset_after", times=20, **POST))
    many = [order(f"SHOP-{number}") for number in range(20)]
    results = await asyncio.gather(
        *(kk.orders.submit(one, journal=journal, timeout=0) for one in many), return_exceptions=True
    )
    assert all(isinstance(result, OutcomeUnknown) for result in results)
    assert len(await journal.pending()) == 20
    sandbox.skip(700)
    requests = sandbox.requests.total()

    assert await journal.settle(kk) == ()

    assert sandbox.requests.total() == requests + 1
    created = [await kk.orders.submit(one, journal=journal) for one in many]
    assert {(c.custom_order_id, c.id) for c in created} == {
        (placed.custom_order_id, placed.orders[0]) for placed in sandbox.journal
    }


async def test_settling_sends_nothing_again(kk, sandbox, journal, order):
    sandbox.faults.add(Fault("reset_before", **POST))
    with pytest.raises(OutcomeUnknown):
        await kk.orders.submit(order(), journal=journal, timeout=0)
    assert [entry.key for entry in await journal.settle(kk)] == ["SHOP-1"]
    sandbox.skip(700)

    [entry] = await journal.settle(kk)

    assert (entry.status, entry.settles_at, entry.why) == (
        WriteStatus.NOT_EXECUTED,
        None,
        "KakaClo did not get it",
    )
    assert sandbox.journal == []
    await kk.orders.submit(order(), journal=journal)
    assert len(sandbox.journal) == 1
    assert await journal.pending() == ()


async def test_orders_whose_submitters_never_come_back_are_finished_from_the_journal(
    kk, sandbox, journal, order
):
    for number, kind in enumerate(["reset_before", "reset_after", "bad_gateway"]):
        sandbox.faults.add(Fault(kind, **POST))
        with pytest.raises(OutcomeUnknown):
            await kk.orders.submit(order(f"SHOP-{number}"), journal=journal, timeout=0)
    assert len(await journal.finish(kk)) == 3
    assert len(sandbox.journal) == 1
    sandbox.skip(700)
    sandbox.faults.add(Fault("reset_after", **POST))

    [left] = await journal.finish(kk)

    assert left.status is WriteStatus.UNKNOWN
    sandbox.skip(400)
    assert await journal.finish(kk) == ()
    assert sorted(placed.custom_order_id for placed in sandbox.journal) == ["SHOP-0", "SHOP-1", "SHOP-2"]
    assert {(await journal.find(placed.custom_order_id)).outcome for placed in sandbox.journal} == {
        placed.orders[0] for placed in sandbox.journal
    }


async def lose(kk, sandbox, journal, *orders):
    """Submit orders that KakaClo does not get, by workers that never come back."""
    sandbox.faults.add(Fault("reset_before", times=len(orders), **POST))
    for one in orders:
        with pytest.raises(OutcomeUnknown):
            await kk.orders.submit(one, journal=journal, timeout=0)
    sandbox.skip(700)
    assert {entry.status for entry in await journal.settle(kk)} == {WriteStatus.NOT_EXECUTED}


async def test_a_lost_order_that_cannot_be_sent_is_kept_until_it_can(kk, sandbox, journal, order):
    await lose(kk, sandbox, journal, order())

    async with client(sandbox, guards=Guards(max_orders_per_hour=0)) as guarded:
        with pytest.raises(InvalidRequest, match="allow 0 orders per hour"):
            await journal.finish(guarded)
    await sandbox.aclose()
    async with client(sandbox, max_attempts=1) as cut_off:
        with pytest.raises(ConnectionFailed, match="order 'SHOP-1' was not placed"):
            await journal.finish(cut_off)
    await sandbox.start()

    assert [entry.status for entry in await journal.pending()] == [WriteStatus.NOT_EXECUTED]
    async with client(sandbox) as again:
        assert await journal.finish(again) == ()
    assert len(sandbox.journal) == 1


async def test_only_what_was_agreed_to_is_sent_again_and_the_rest_stays_pending(kk, sandbox, journal, order):
    await lose(kk, sandbox, journal, order("SHOP-1"), order("SHOP-2"))
    agreed = await journal.pending()
    await kk.orders.submit(order("SHOP-2"), journal=journal)
    await lose(kk, sandbox, journal, order("SHOP-3"))

    [left] = await journal.finish(kk, only=agreed)

    assert (left.key, left.status) == ("SHOP-3", WriteStatus.NOT_EXECUTED)
    assert sorted(placed.custom_order_id for placed in sandbox.journal) == ["SHOP-1", "SHOP-2"]


async def test_an_order_that_took_the_id_of_one_that_was_agreed_to_is_not_sent(kk, sandbox, journal, order):
    await lose(kk, sandbox, journal, order())
    agreed = await journal.pending()
    await lose(kk, sandbox, journal, order(items=[Item("AMN00001", 9)]))

    [left] = await journal.finish(kk, only=agreed)

    assert left.items == (Item("AMN00001", 9),)
    assert sandbox.journal == []


async def test_lost_orders_that_are_declined_are_told_and_keep_no_other_from_being_placed(
    kk, sandbox, journal, order, tmp_path
):
    bad = [order(key, Item("NOSUCH", 1)) for key in ("BAD-1", "BAD-2")]
    await lose(kk, sandbox, journal, *bad, order())

    with pytest.raises(Rejected, match="order 'BAD-1' was not placed: .*NOSUCH") as caught:
        await journal.finish(kk)

    assert any("order 'BAD-2' was not placed" in note for note in caught.value.__notes__)
    assert await journal.pending() == ()
    assert [placed.custom_order_id for placed in sandbox.journal] == ["SHOP-1"]
    assert b"Shall-See" not in (tmp_path / "orders.db").read_bytes()


async def test_a_lost_order_may_be_replaced_by_another(kk, sandbox, journal, order):
    sandbox.faults.add(Fault("reset_before", **POST))
    with pytest.raises(OutcomeUnknown):
        await kk.orders.submit(order(), journal=journal, timeout=0)
    sandbox.skip(700)
    await journal.settle(kk)

    await kk.orders.submit(order(remark="another"), journal=journal)

    assert len(sandbox.journal) == 1


async def test_the_address_of_a_declined_order_leaves_the_journal(kk, sandbox, journal, order, tmp_path):
    with pytest.raises(Rejected):
        await kk.orders.submit(order("A", Item("NOSUCH", 1)), journal=journal)

    assert b"Shall-See" not in (tmp_path / "orders.db").read_bytes()


@pytest.mark.parametrize("ahead", [timedelta(hours=-14), timedelta(days=400)])
async def test_a_server_whose_clock_is_wrong_gets_no_order_twice(kk, sandbox, url, order, ahead):
    journal = Journal(url, now=lambda: sandbox.now() - ahead)
    sandbox.faults.add(Fault("reset_after", **POST))

    created = await kk.orders.submit(order(), journal=journal, timeout=None)

    [placed] = sandbox.journal
    assert placed.orders == (created.id,)


async def test_an_order_that_became_two_is_found_by_the_number_that_kakaclo_would_have_answered(
    kk, sandbox, journal, order, two_countries
):
    sandbox.split_orders = True
    sandbox.faults.add(Fault("reset_after", **POST))

    created = await kk.orders.submit(order("SHOP-1", *two_countries), journal=journal, timeout=None)

    [placed] = sandbox.journal
    assert len(placed.orders) == 2
    assert created.id == placed.orders[0]


async def test_no_address_is_in_a_log_line_a_repr_or_an_exception(kk, sandbox, journal, order, caplog):
    caplog.set_level(logging.DEBUG)
    sandbox.faults.add(Fault("reset_after", **POST))
    with pytest.raises(OutcomeUnknown) as caught:
        await kk.orders.submit(order(), journal=journal, timeout=0)
    with pytest.raises(Conflict) as conflict:
        await kk.orders.submit(order(remark="x"), journal=journal)
    [entry] = await journal.pending()

    texts = caplog.text, repr(caught.value), str(conflict.value), repr(entry), repr(journal), repr(order())

    assert b"Nobody Shall-See" in entry.payload
    for secret in attrs.astuple(order().address)[1:]:
        assert not secret or not any(secret in text for text in texts)


async def test_the_address_leaves_the_journal_when_the_order_is_placed(kk, sandbox, journal, order, tmp_path):
    sandbox.faults.add(Fault("reset_after", **POST))
    with pytest.raises(OutcomeUnknown):
        await kk.orders.submit(order(), journal=journal, timeout=0)
    assert b"Shall-See" in (tmp_path / "orders.db").read_bytes()

    await kk.orders.submit(order(), journal=journal, timeout=None)

    assert b"Shall-See" not in b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert (tmp_path / "orders.db").stat().st_mode & 0o077 == 0


async def test_an_outcome_that_cannot_be_recorded_is_told_and_found_later(kk, sandbox, journal, order):
    kill_at(journal, 2, "before", error="the disk is full")

    with pytest.raises(OutcomeUnknown, match=r"carried out as \d+, .* disk is full"):
        await kk.orders.submit(order(), journal=journal)

    created = await kk.orders.submit(
        order(), journal=Journal(journal_url(journal), now=sandbox.now), timeout=None
    )
    [placed] = sandbox.journal
    assert placed.orders == (created.id,)


@pytest.mark.parametrize("kind", ["reset_after", "rejected"])
async def test_an_end_that_cannot_be_recorded_leaves_a_doubt_that_is_settled_later(
    kk, sandbox, journal, order, kind
):
    kill_at(journal, 2, "before", error="the disk is full")
    sandbox.faults.add(Fault(kind, **POST))

    with pytest.raises((OutcomeUnknown, Rejected)):
        await kk.orders.submit(order(), journal=journal)

    other = Journal(journal_url(journal), now=sandbox.now)
    created = await kk.orders.submit(order(), journal=other, timeout=None)
    [placed] = sandbox.journal
    assert placed.orders == (created.id,)


def journal_url(journal):
    return str(journal._database)
