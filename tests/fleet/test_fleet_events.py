"""What becomes of orders is told and posted for all shops: each event at least once, also when a receiver fails."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest
from support.fleet import entries, failure_of, orders, placed, sandboxes, serving, turn_of, until, written
from support.receiver import SECRET, Receiver

from kakaclo_async.fleet import Fleet


def settings(tmp_path, receiver):
    secret = tmp_path / "hook.secret"
    secret.touch(mode=0o600)
    secret.write_text(SECRET)
    return {"webhook": receiver.url, "webhook_secret": "file:hook.secret", "watch_every": 0.2}


async def test_events_of_all_shops_are_posted_with_their_names_and_signatures(tmp_path):
    async with sandboxes("a", "b") as opened, Receiver(lambda: datetime.now(UTC)) as receiver:
        path = written(tmp_path, entries(opened), **settings(tmp_path, receiver))
        async with serving(path) as fleet:
            for name, sandbox in opened.items():
                for order in orders(sandbox, 2, prefix=name):
                    await fleet.submit(name, order)
            await until(lambda: len(receiver.events) >= 4)
    assert {(event.type, event.shop, event.custom_order_id) for event in receiver.events} == {
        ("OrderPaid", name, f"{name}-{n}") for name in opened for n in range(2)
    }
    assert receiver.forged == 0


async def test_a_receiver_that_fails_shows_in_the_status_without_its_address(tmp_path):
    async with sandboxes("a") as opened, Receiver(lambda: datetime.now(UTC)) as receiver:
        receiver.fails = lambda _: 500
        path = written(tmp_path, entries(opened), **settings(tmp_path, receiver))
        async with serving(path) as fleet:
            await fleet.submit("a", orders(opened["a"], 1)[0])
            told = await failure_of(fleet, "a", "watch", "the webhook does not take all")
    assert "hidden-in-the-url" not in told


async def test_a_receiver_that_failed_shows_between_two_attempts_too_until_it_has_taken_all(tmp_path):
    async with sandboxes("a") as opened, Receiver(lambda: datetime.now(UTC)) as receiver:
        receiver.fails = lambda _: 500
        path = written(tmp_path, entries(opened), **settings(tmp_path, receiver))
        async with Fleet.open(path) as fleet:
            await fleet.submit("a", orders(opened["a"], 1)[0])
            await fleet.turn("orders", "a")
            while not receiver.posts:
                await fleet.turn("watch", "a")
            posts = len(receiver.posts)
            await fleet.turn("watch", "a")
            assert len(receiver.posts) == posts, "it is not yet time to try again"
            told = (await turn_of(fleet, "a", "watch")).error
            assert told.startswith("the webhook does not take all: HTTP 500; ")
            assert "the first since 20" in told
            receiver.fails = lambda _: None
            [shop] = fleet._pool._shops.values()
            receiver.now = lambda: datetime.now(UTC) + timedelta(hours=1)
            shop.feed._seconds = lambda: receiver.now().timestamp()
            await fleet.turn("watch", "a")
            assert (await turn_of(fleet, "a", "watch")).error is None


async def test_what_was_not_handled_is_told_again_and_what_was_is_not(tmp_path):
    heard = []

    def note(event):
        if len(heard) == 1:
            heard.append(None)
            raise RuntimeError("the owner's own mistake")
        heard.append(event.custom_order_id)

    async with sandboxes("a") as opened:
        path = written(tmp_path, entries(opened), watch_every=0.2)
        async with Fleet.open(path) as fleet:
            for order in orders(opened["a"], 3):
                await fleet.submit("a", order)
            await fleet.turn("orders", "a")
        async with serving(path, on_order=note) as fleet:
            await until(lambda: None in heard)
            await failure_of(fleet, "a", "watch")
            await fleet.ring("a", "watch")
            await until(lambda: len(heard) >= 4)
    assert sorted(key for key in heard if key) == ["A-0", "A-1", "A-2"]


@pytest.mark.parametrize("error", [asyncio.CancelledError, SystemExit])
async def test_whatever_a_function_of_the_owners_raises_is_told_and_the_worker_goes_on(tmp_path, error):
    def fail(event):
        raise error

    async with sandboxes("a") as opened:
        path = written(tmp_path, entries(opened), watch_every=0.2)
        async with Fleet.open(path) as fleet:
            await fleet.submit("a", orders(opened["a"], 1)[0])
            await fleet.turn("orders", "a")
        async with serving(path, on_order=fail) as fleet:
            await failure_of(fleet, "a", "watch", f"{error.__name__}: see the worker's log")
            await fleet.submit("a", orders(opened["a"], 2)[1])
            await until(lambda: placed(opened["a"]) == ["A-0", "A-1"])


@pytest.mark.parametrize(("keep_days", "kept"), [(None, 1), (60, 1), (20, 0)])
async def test_old_events_that_everybody_has_are_dropped_where_the_settings_say_so(tmp_path, keep_days, kept):
    heard = []
    wanted = {} if keep_days is None else {"keep_days": keep_days}
    async with sandboxes("a") as opened:
        path = written(tmp_path, entries(opened), watch_every=0.1, **wanted)
        async with serving(path, on_order=heard.append) as fleet:
            await fleet.submit("a", orders(opened["a"], 1)[0])
            await until(lambda: heard)
        with closing(sqlite3.connect(tmp_path / "shops" / "a" / "orders.db")) as database:
            database.execute("UPDATE kakaclo_feed_event SET at = at - 40 * 86400")
            database.commit()
        async with Fleet.open(path) as fleet:
            await fleet.turn("watch", "a")
            async with fleet._pool.shop("a") as shop:
                assert len(await shop.feed.read("somebody new")) == kept


async def test_a_function_that_fails_keeps_no_event_from_the_webhook_and_none_is_dropped_for_it(tmp_path):
    def fail(event):
        raise RuntimeError("the owner's own mistake")

    async with sandboxes("a") as opened, Receiver(lambda: datetime.now(UTC)) as receiver:
        path = written(tmp_path, entries(opened), **settings(tmp_path, receiver))
        async with serving(path, on_order=fail) as fleet:
            await fleet.submit("a", orders(opened["a"], 1)[0])
            await until(lambda: receiver.events)
            await failure_of(fleet, "a", "watch", "RuntimeError: see the worker's log")
        async with Fleet.open(path) as fleet, fleet._pool.shop("a") as shop:
            assert await shop.feed.prune(days=-1) == 0
