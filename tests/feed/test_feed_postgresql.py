"""The same feed in PostgreSQL, where transactions run side by side: no reader ever skips an event."""

from __future__ import annotations

import asyncio
import re
from itertools import count

import asyncpg
import pytest
from support.postgresql import needs_postgresql, running_server

from kakaclo_async.feed import Feed
from kakaclo_async.ordering import Journal

pytestmark = needs_postgresql()

HOUR, DAY = 3600, 86_400
WHOLE = ["OrderPaid", "OrderShipped", "OrderCompleted"]
numbers = count(1)


@pytest.fixture(scope="module")
def server():
    with running_server() as url:
        yield url


@pytest.fixture
async def url(server):
    name = f"feed{next(numbers)}"
    connection = await asyncpg.connect(f"{server}/postgres")
    await connection.execute(f"CREATE DATABASE {name}")
    await connection.close()
    return f"{server}/{name}"


async def test_feeds_and_deliverers_at_once_tell_and_post_each_event_in_order(
    kk, sandbox, url, place, receiver
):
    names = [f"SHOP-{number}" for number in range(8)]
    for name in names:
        await place(name)
    feeds = [Feed(Journal(url, now=sandbox.now), now=sandbox.now) for _ in range(3)]
    read = []

    async def follow_closely():
        async for event in feeds[0].events(every=0.001):
            read.append(event)
            if len(read) == 3 * len(names):
                return

    reading = asyncio.create_task(follow_closely())
    for seconds in (0, 7 * HOUR, 6 * DAY):
        sandbox.skip(seconds)
        await asyncio.gather(
            *(feed.turn(kk) for feed in feeds), *(feed.deliver(receiver.webhook()) for feed in feeds)
        )
    async with asyncio.timeout(20):
        await reading
    while (await feeds[1].deliver(receiver.webhook())).waiting:
        sandbox.skip(60)
    assert [event.seq for event in read] == sorted(event.seq for event in read)
    for events in (read, receiver.events):
        assert len(events) == 3 * len(names)
        for name in names:
            assert [event.type for event in events if event.custom_order_id == name] == WHOLE


async def test_texts_that_postgresql_does_not_take_are_told_all_the_same(kk, sandbox, url, place, damage):
    await place()
    sandbox.skip(7 * HOUR)
    odd = b'"carrier":"Yun\\u0000\\ud83dExpress \xc3\xbc"'
    damage(lambda body: re.sub(rb'"carrier":"\w+"', lambda _: odd, body))
    feed = Feed(Journal(url, now=sandbox.now), now=sandbox.now)
    await feed.turn(kk)
    _, shipped = await feed.read()
    assert shipped.carrier.startswith("Yun")
    assert shipped.carrier.endswith("Express ü")


async def test_cursors_prune_and_a_split_work_there_too(kk, sandbox, url, place, two_countries):
    sandbox.split_orders = True
    await place("SHOP-1", *two_countries)
    feed = Feed(Journal(url, now=sandbox.now), balance_below=10**10, now=sandbox.now)
    await feed.turn(kk)
    sandbox.skip(60)
    await feed.turn(kk)
    types = [event.type for event in await feed.read()]
    assert types == ["OrderPaid", "OrderSplit", "BalanceLow", "OrderPaid"]
    assert await feed.acknowledge("reader", 3) == 3
    sandbox.skip(2 * DAY)
    assert await feed.prune(days=1) == 3
    assert [event.seq for event in await feed.read("reader")] == [4]
