"""Cursors: what a consumer has acknowledged is kept, and only what all have, and is old, is dropped."""

from __future__ import annotations

from datetime import datetime

import pytest

from kakaclo_async import ConfigurationError, InvalidRequest
from kakaclo_async.feed import Feed, read_event
from kakaclo_async.ordering import Journal

HOUR, DAY = 3600, 86_400


@pytest.fixture
async def told(kk, sandbox, feed, place):
    """The three events of an order."""
    await place()
    sandbox.skip(30 * DAY)
    await feed.turn(kk)
    return await feed.read()


async def test_a_cursor_goes_on_in_another_process_and_never_back(sandbox, url, feed, told):
    first, second, third = (event.seq for event in told)
    assert await feed.cursor("shop") == 0
    assert await feed.acknowledge("shop", second) == second
    assert await feed.acknowledge("shop", first) == second
    another = Feed(Journal(url, now=sandbox.now), now=sandbox.now)
    assert [event.seq async for event in another.events("shop")] == [third]
    assert [event.seq for event in await another.read(first, limit=1)] == [second]


async def test_what_is_no_event_cannot_be_acknowledged(feed, told):
    for seq in (told[-1].seq + 1, -1):
        with pytest.raises(InvalidRequest, match="events 1 to 3"):
            await feed.acknowledge("shop", seq)
    for seq in ("3", 1.5, None):
        with pytest.raises(InvalidRequest, match="seq must be the number of an event"):
            await feed.acknowledge("shop", seq)
    with pytest.raises(InvalidRequest, match="name"):
        await feed.acknowledge("", 1)


async def test_only_what_all_consumers_have_and_is_old_is_dropped(kk, sandbox, feed, told, receiver):
    sandbox.skip(40 * DAY)
    assert await feed.prune() == 0  # nobody has said what they have
    await feed.acknowledge("one", 3)
    await feed.acknowledge("other", 1)
    assert await feed.prune(days=50) == 0
    assert await feed.prune() == 1
    receiver.fails = lambda _event: 500
    webhook = receiver.webhook()
    await feed.deliver(webhook)
    await feed.acknowledge("other", 3)
    assert await feed.prune() == 0  # they wait for the webhook
    receiver.fails = lambda _event: None
    while (await feed.deliver(webhook)).waiting:
        sandbox.skip(HOUR)
    assert await feed.prune() == 2
    assert await feed.read() == ()


async def test_numbers_go_on_after_all_events_were_dropped(kk, sandbox, feed, told, place):
    await feed.acknowledge("one", told[-1].seq)
    sandbox.skip(40 * DAY)
    assert await feed.prune() == 3
    await place("SHOP-2")
    await feed.turn(kk)
    assert [event.seq for event in await feed.read("one")] == [4]


@pytest.mark.parametrize(("after", "limit"), [(-1, 10), (2**63, 10), (0, 0), (0, 10_001)])
async def test_a_place_that_cannot_be_is_refused(feed, after, limit):
    with pytest.raises(InvalidRequest):
        await feed.read(after, limit)


@pytest.mark.parametrize("options", [{"since": datetime(2026, 1, 1)}, {"balance_below": 1.5}])  # noqa: DTZ001 - that is it
def test_a_feed_that_cannot_be_is_refused(journal, options):
    with pytest.raises(InvalidRequest):
        Feed(journal, **options)


@pytest.mark.parametrize("text", ["", "7", "[]", '{"type":"OrderPaid"}', b"\xff"])
def test_what_is_no_event_is_refused(text):
    with pytest.raises(InvalidRequest):
        read_event(text)


async def test_tables_of_another_program_are_left_alone(feed, url, journal, place):
    import sqlite3

    await place()
    with sqlite3.connect(url.removeprefix("sqlite:///")) as connection:
        connection.execute("CREATE TABLE kakaclo_feed_order (mine TEXT)")
    connection.close()
    with pytest.raises(ConfigurationError, match="no feed made"):
        await feed.read()
    assert await journal.find("SHOP-1") is not None


async def test_the_journal_of_a_feed_of_a_newer_version_is_not_written(feed, url, place):
    import sqlite3

    await place()
    await feed.read()
    with sqlite3.connect(url.removeprefix("sqlite:///")) as connection:
        connection.execute("UPDATE kakaclo_feed SET version = 99")
    connection.close()
    with pytest.raises(ConfigurationError, match="version 99"):
        await Feed(Journal(url)).read()
