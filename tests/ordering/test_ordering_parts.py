"""What seldom happens: the database goes away for a while, lists never stand still, a look breaks."""

from __future__ import annotations

import asyncio
import pickle

import pytest
from support.ordering import POST, client, kill_at

from kakaclo_async import ConfigurationError, IncompletePull, OutcomeUnknown
from kakaclo_async.errors import Conflict
from kakaclo_async.models.pull import Certificate
from kakaclo_async.ordering import Journal, orders as order_writes
from kakaclo_async.sandbox import Fault

pytestmark = pytest.mark.stepped


async def test_a_claim_outlives_a_database_that_is_away_for_a_moment(sandbox, url, order):
    journal = Journal(url, now=sandbox.now)
    renew, failures = journal._store.renew, 2

    async def fail_twice(*arguments):
        nonlocal failures
        failures -= 1
        if failures >= 0:
            raise ConfigurationError("away")
        return await renew(*arguments)

    journal._store.renew = fail_twice
    async with client(sandbox, max_wait=None) as kk:
        enter, free = kk._sender.state.gate.enter, asyncio.Event()

        async def wait(*arguments, **options):
            await free.wait()
            return await enter(*arguments, **options)

        kk._sender.state.gate.enter = wait
        task = asyncio.create_task(kk.bulk().orders.submit(order(), journal=journal, timeout=None))
        await asyncio.sleep(300)
        free.set()
        await task

    assert failures < 0
    assert len(sandbox.journal) == 1


async def test_a_list_that_never_stands_still_makes_no_order_absent(kk, sandbox, journal, order, monkeypatch):
    class Restless:
        def rows(self):
            return self

        def __aiter__(self):
            return self

        async def __anext__(self):
            raise IncompletePull("it moved", certificate=Certificate())

    with monkeypatch.context() as patched:
        patched.setattr(order_writes, "list_orders", lambda *_, **__: Restless())
        sandbox.faults.add(Fault("reset_before", **POST))
        with pytest.raises(OutcomeUnknown):
            await kk.orders.submit(order(), journal=journal, timeout=None)
    assert sandbox.journal == []

    await kk.orders.submit(order(), journal=journal, timeout=None)
    assert len(sandbox.journal) == 1


async def test_a_look_that_breaks_is_a_doubt_still_where_somebody_waits(
    kk, sandbox, journal, order, monkeypatch
):
    monkeypatch.setattr(order_writes, "list_orders", lambda *_, **__: 1 / 0)
    sandbox.faults.add(Fault("reset_after", **POST))

    with pytest.raises(OutcomeUnknown, match="ZeroDivisionError") as told:
        await kk.orders.submit(order(), journal=journal, timeout=None)
    assert isinstance(told.value.__cause__, ZeroDivisionError)
    assert (told.value.custom_order_id, told.value.settles_at is None) == ("SHOP-1", False)


@pytest.mark.parametrize("number", [3, 4, 5])
async def test_a_database_that_goes_away_in_a_doubt_does_not_sound_as_if_nothing_was_sent(
    kk, sandbox, url, order, number
):
    """The transactions: claim, doubt, claim, the open ones, what was seen."""
    journal = Journal(url, now=sandbox.now)
    sandbox.faults.add(Fault("reset_after", **POST))
    kill_at(journal, number, "before", error="the disk is gone")

    with pytest.raises(OutcomeUnknown, match="the disk is gone") as told:
        await kk.orders.submit(order(), journal=journal, timeout=None)

    assert told.value.settles_at is not None
    created = await kk.orders.submit(order(), journal=Journal(url, now=sandbox.now), timeout=None)
    assert [placed.orders for placed in sandbox.journal] == [(created.id,)]


async def test_a_search_ends_when_nobody_waits_any_more(kk, sandbox, journal, order):
    sandbox.faults.add(Fault("reset_after", **POST))
    with pytest.raises(OutcomeUnknown):
        await kk.orders.submit(order(), journal=journal, timeout=5)

    await asyncio.sleep(100)

    assert [task for task in asyncio.all_tasks() if "journal" in task.get_name()] == []


async def test_a_database_that_is_away_is_told_and_leaves_nothing_behind(kk, sandbox, journal, order):
    run = journal._database.run

    async def away(*_arguments, **_options):
        raise ConfigurationError("away")

    journal._database.run = away
    with pytest.raises(ConfigurationError, match="away"):
        await kk.orders.submit(order(), journal=journal)
    assert sandbox.requests.total() == 0

    journal._database.run = run
    await kk.orders.submit(order(), journal=journal)
    assert len(sandbox.journal) == 1


def test_errors_of_orders_can_be_pickled_with_what_they_know(sandbox):
    doubt = OutcomeUnknown("in doubt", custom_order_id="A", settles_at=sandbox.now())
    conflict = Conflict("another", order_id="7")

    for error in (doubt, conflict):
        assert vars(pickle.loads(pickle.dumps(error))) == vars(error)  # noqa: S301 - just written
