"""Whatever kills a feed, each transition is told at least once, and in order per order: here exactly once."""

from __future__ import annotations

import asyncio

import pytest
from support.ordering import Killed, kill_at

from kakaclo_async import ServerError
from kakaclo_async.feed import Feed
from kakaclo_async.ordering import Journal
from kakaclo_async.sandbox import Fault, FaultKind

HOUR, DAY = 3600, 86_400
WHOLE = ["OrderPaid", "OrderShipped", "OrderCompleted"]


async def told(feed):
    return [event async for event in feed.events()]


async def life(kk, sandbox, feed, seconds=(0, 7 * HOUR, 6 * DAY)):
    for pause in seconds:
        sandbox.skip(pause)
        await feed.turn(kk)


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_feed_that_dies_at_any_transaction_loses_no_event_and_tells_none_twice(
    kk, sandbox, url, place, when
):
    await place("SHOP-0")
    deaths = 0
    for number in range(1, 40):
        name = f"SHOP-{number}"
        await place(name)
        mortal = Journal(url, now=sandbox.now)
        kill_at(mortal, number, when)
        try:
            await life(kk, sandbox, Feed(mortal, now=sandbox.now))
            break
        except Killed:
            deaths += 1
        feed = Feed(Journal(url, now=sandbox.now), now=sandbox.now)
        await life(kk, sandbox, feed, (61, 7 * HOUR, 6 * DAY))
        assert [event.type for event in await told(feed) if event.custom_order_id == name] == WHOLE
    assert deaths >= 9  # each of three turns has three transactions at least
    feed = Feed(Journal(url, now=sandbox.now), now=sandbox.now)
    await life(kk, sandbox, feed, (61, 7 * HOUR, 6 * DAY))
    events = await told(feed)
    assert len({event.id for event in events}) == len(events) == 3 * (deaths + 2)


async def test_a_feed_that_is_cancelled_anywhere_goes_on(kk, sandbox, journal, place):
    feed = Feed(journal, now=sandbox.now)
    await place()
    for steps in range(60):
        task = asyncio.create_task(feed.turn(kk))
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        sandbox.skip(61)
    await life(kk, sandbox, feed)
    assert [event.type for event in await told(feed)] == WHOLE


async def test_several_feeds_of_one_journal_tell_each_event_once(kk, sandbox, url, place):
    for number in range(5):
        await place(f"SHOP-{number}")
    feeds = [Feed(Journal(url, now=sandbox.now), now=sandbox.now) for _ in range(3)]
    for seconds in (0, 7 * HOUR, 6 * DAY):
        sandbox.skip(seconds)
        await asyncio.gather(*(feed.turn(kk) for feed in feeds))
    events = await told(feeds[0])
    assert len(events) == 15
    for number in range(5):
        assert [event.type for event in events if event.custom_order_id == f"SHOP-{number}"] == WHOLE


async def test_what_was_learned_before_kakaclo_failed_is_kept_and_the_rest_is_told_later(
    kk, sandbox, feed, place
):
    await place("SHOP-1")
    await feed.turn(kk)
    await place("SHOP-2")
    sandbox.faults.add(Fault(FaultKind.SERVER_ERROR, method="GET", times=None))
    with pytest.raises(ServerError):
        await feed.turn(kk.with_options(timeout=0.2))
    sandbox.faults.clear()
    assert [event.custom_order_id for event in await told(feed)] == ["SHOP-1"]
    sandbox.skip(61)
    await feed.turn(kk)
    assert [event.custom_order_id for event in await told(feed)] == ["SHOP-1", "SHOP-2"]


async def test_follow_goes_on_through_an_outage_and_stops_when_it_is_told_to(
    kk, sandbox, feed, place, receiver
):
    await place()
    sandbox.faults.add(Fault(FaultKind.SERVER_ERROR, method="GET", times=3))
    following = asyncio.create_task(feed.follow(kk, 1.0, webhooks=[receiver.webhook()]))
    async with asyncio.timeout(20):
        async for event in feed.events(every=0.01):
            assert event.type == "OrderPaid"
            break
        await receiver.took(1)
    feed.stop()
    await following
