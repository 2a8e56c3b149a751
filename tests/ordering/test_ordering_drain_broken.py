"""Drains that are cancelled or lose their database in the middle: a later one finishes their work, each order once."""

from __future__ import annotations

import asyncio
import json

import pytest
from support.campaign import stock_up
from support.ordering import POST, client, kill_at

from kakaclo_async import KakaClo, KakaCloError, OutcomeUnknown, RateLimit
from kakaclo_async.errors import ConfigurationError
from kakaclo_async.ordering import Drained, Journal, WriteStatus
from kakaclo_async.ratelimit.local import LocalBucket
from kakaclo_async.sandbox import Fault

pytestmark = pytest.mark.stepped

KEYS = [f"SHOP-{number}" for number in range(4)]


async def finished(sandbox, url, order):
    """Let another worker drain what is left; each order must have been placed once."""
    journal = Journal(url, now=sandbox.now)
    async with client(sandbox) as kk:
        for _ in range(4):
            sandbox.skip(601)
            done = await journal.drain(kk)
            assert done.failure is None
    assert done == Drained()
    assert sorted(placed.custom_order_id for placed in sandbox.journal) == KEYS
    entries = {key: (await journal.add(order(key))).outcome for key in KEYS}
    assert entries == {placed.custom_order_id: placed.orders[0] for placed in sandbox.journal}


async def prepared(sandbox, url, order):
    stock_up(sandbox)
    journal = Journal(url, now=sandbox.now)
    for key in KEYS:
        await journal.add(order(key))
    return journal


async def cancelled(draining):
    with pytest.raises(asyncio.CancelledError):
        await draining
    names = {task.get_name() for task in asyncio.all_tasks()}
    assert not any(name.startswith("kakaclo journal drain") for name in names)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("number", range(1, 9))
async def test_a_drain_that_is_cancelled_in_a_transaction_leaves_nothing_behind(
    sandbox, url, order, number, when
):
    journal = await prepared(sandbox, url, order)
    run, done = journal._database.run, 0

    async def cancelling(work, **options):
        nonlocal done
        mine = done = done + 1
        if (mine, when) == (number, "before"):
            draining.cancel()
        result = await run(work, **options)
        if (mine, when) == (number, "after"):
            draining.cancel()
        return result

    journal._database.run = cancelling
    async with client(sandbox) as kk:
        draining = asyncio.create_task(journal.drain(kk, at_once=2))
        await cancelled(draining)
    await finished(sandbox, url, order)


@pytest.mark.parametrize("arrived", [True, False])
async def test_a_drain_that_is_cancelled_while_orders_are_under_way_knows_them_as_doubts(
    sandbox, url, order, arrived
):
    journal = await prepared(sandbox, url, order)
    sandbox.faults.add(Fault("delay", seconds=1.0, takes_effect=arrived, times=2, **POST))
    async with client(sandbox) as kk:
        draining = asyncio.create_task(journal.drain(kk, at_once=2))
        await asyncio.sleep(0.5)
        draining.cancel()
        await cancelled(draining)
    assert [entry.status for entry in await journal.pending()].count(WriteStatus.UNKNOWN) == 2
    await finished(sandbox, url, order)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("number", range(1, 9))
async def test_a_database_that_goes_away_in_a_drain_stops_it(sandbox, url, order, number, when):
    journal = await prepared(sandbox, url, order)
    kill_at(journal, number, when, error="the disk is gone")
    async with client(sandbox) as kk:
        if number == 1:
            with pytest.raises(ConfigurationError, match="the disk is gone"):
                await journal.drain(kk, at_once=1)
        else:
            done = await journal.drain(kk, at_once=1)
            assert isinstance(done.failure, (ConfigurationError, OutcomeUnknown))
            assert "the disk is gone" in str(done.failure)
    await finished(sandbox, url, order)


async def test_a_drain_finishes_what_a_dead_worker_left(sandbox, url, order):
    stock_up(sandbox)
    journal = Journal(url, now=sandbox.now)
    sandbox.faults.add(Fault("reset_after", takes_effect=False, **POST))
    async with client(sandbox) as kk:
        for key in KEYS:
            if key == KEYS[0]:
                with pytest.raises(OutcomeUnknown):
                    await kk.orders.submit(order(key), journal=journal, timeout=0)
            else:
                await journal.add(order(key))
    await finished(sandbox, url, order)


async def test_a_drain_drops_the_freight_quotes_of_what_it_places(kk, sandbox, journal, order):
    cart = order().items
    asked = "/v2/order/orders/channel/automationSplit"

    def quotes():
        return sum(served.path == asked for served in sandbox.log)

    await kk.freight.quote(cart, "US")
    await kk.freight.quote(cart, "US")
    before = quotes()
    await journal.add(order())
    await journal.drain(kk)
    await kk.freight.quote(cart, "US")
    assert (before, quotes()) == (1, 2)


async def test_what_foreign_code_raises_before_an_order_leaves_is_told_as_an_error_of_this_package(
    sandbox, journal, order
):
    class Broken(LocalBucket):
        async def take(self, *_, **__):
            raise RuntimeError(f"the bucket broke over {sandbox.token}")

    await journal.add(order())
    bucket = Broken(RateLimit(120, 2.0))
    async with KakaClo(sandbox.token, base_url=sandbox.url, bucket=bucket) as kk:
        done = await journal.drain(kk)
    assert (type(done.failure), type(done.failure.__cause__)) == (KakaCloError, RuntimeError)
    assert str(done.failure) == "RuntimeError: the bucket broke over ***"
    assert str(Drained.from_dict(json.loads(done.to_json())).failure) == str(done.failure)
    assert done.left == 1
