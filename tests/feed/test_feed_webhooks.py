"""A receiver gets every event at least once, signed, in order for each order, whatever fails."""

from __future__ import annotations

import json
import logging
import random
from collections import defaultdict
from pathlib import Path

import pytest
from support.ordering import Killed, kill_at
from support.receiver import SECRET

from kakaclo_async import ConfigurationError
from kakaclo_async.feed import Feed, Webhook, verify_signature
from kakaclo_async.ordering import Journal

HOUR, DAY = 3600, 86_400


@pytest.fixture
def lives(kk, sandbox, feed, place):
    """Let so many orders go from payment to arrival, and be seen on the way."""

    async def live(count):
        for number in range(count):
            await place(f"SHOP-{number}")
        for seconds in (0, 7 * HOUR, 6 * DAY):
            sandbox.skip(seconds)
            await feed.turn(kk)
        return [event async for event in feed.events()]

    return live


async def until_all_is_posted(sandbox, feed, webhook):
    for _ in range(500):
        done = await feed.deliver(webhook, seconds=60)
        if not done.waiting:
            return
        sandbox.skip(HOUR)
    pytest.fail(f"never done: {done}")


def in_order(posts):
    """Whether no event was posted before an earlier one of its order had been taken."""
    taken, seen = defaultdict(int), set()
    for event, status in posts:
        if event.id not in seen and event.seq < taken[event.custom_order_id]:
            return False
        if status == 200:
            seen.add(event.id)
            taken[event.custom_order_id] = max(event.seq, taken[event.custom_order_id])
    return True


async def test_a_receiver_that_fails_half_the_time_gets_all_in_order(sandbox, feed, lives, receiver):
    dice = random.Random(7)
    receiver.fails = lambda _: dice.choice([None, None, None, 500, 0, 302])
    expected = await lives(12)

    await until_all_is_posted(sandbox, feed, receiver.webhook())

    failed = [post for post in receiver.posts if post[1] != 200]
    assert sorted(receiver.events, key=lambda event: event.seq) == expected
    assert in_order(receiver.posts)
    assert len(failed) > 12
    assert receiver.forged == 0


async def test_an_order_whose_event_is_refused_waits_and_the_others_go_on(sandbox, feed, lives, receiver):
    expected = await lives(4)
    stuck = expected[0].custom_order_id
    receiver.fails = lambda event: 400 if event.custom_order_id == stuck else None
    for _ in range(3):
        done = await feed.deliver(receiver.webhook(), seconds=60)
        sandbox.skip(HOUR)
    assert (done.waiting, done.why) == (3, "HTTP 400")
    assert sorted(event.seq for event in receiver.events) == [
        event.seq for event in expected if event.custom_order_id != stuck
    ]
    assert {event.seq for event, status in receiver.posts if status == 400} == {expected[0].seq}
    receiver.fails = lambda _: None
    await until_all_is_posted(sandbox, feed, receiver.webhook())
    assert in_order(receiver.posts)
    assert len(receiver.events) == len(expected)


async def test_what_failed_is_tried_again_after_growing_pauses_also_by_another_process(
    sandbox, url, feed, lives, receiver
):
    await lives(1)
    receiver.fails = lambda _: 500
    waits = []
    for _ in range(4):
        another = Feed(
            Journal(url, now=sandbox.now), now=sandbox.now
        )  # what is to be retried is in the database
        before, waited = len(receiver.posts), 0
        while len(receiver.posts) == before:
            sandbox.skip(1)
            waited += 1
            await another.deliver(receiver.webhook())
        waits.append(waited)
    assert waits[0] == 1
    assert 3 <= waits[1] <= 6
    assert 5 <= waits[2] <= 11
    assert 10 <= waits[3] <= 21


async def test_a_receiver_that_is_down_is_left_alone_after_ten_failures(sandbox, feed, lives, receiver):
    await lives(40)
    receiver.fails = lambda _: 503
    done = await feed.deliver(receiver.webhook(), seconds=60)
    assert 10 <= done.failed < 20
    assert len(receiver.posts) == done.failed
    assert done.waiting == 120


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_worker_that_dies_at_any_transaction_leaves_no_event_behind(
    sandbox, url, feed, lives, receiver, when
):
    expected = await lives(2)
    deaths = 0
    for number in range(1, 30):
        mortal = Journal(url, now=sandbox.now)
        kill_at(mortal, number, when)
        webhook = receiver.webhook(name=f"hook {number}")
        receiver.events.clear()
        receiver.posts.clear()
        try:
            await Feed(mortal, now=sandbox.now).deliver(webhook)
        except Killed:
            deaths += 1
        await until_all_is_posted(sandbox, feed, webhook)
        assert sorted(receiver.events, key=lambda event: event.seq) == expected
        assert in_order(receiver.posts)
    assert deaths >= 10


async def test_two_webhooks_have_a_cursor_each_and_a_new_name_begins_at_the_first_event(
    sandbox, feed, lives, receiver
):
    expected = await lives(1)
    one, other = receiver.webhook(name="one"), receiver.webhook(name="other")
    for webhook in (one, other, one):
        await feed.deliver(webhook)
    assert len(receiver.posts) == 2 * len(expected)
    await feed.forget("one")
    await feed.deliver(one)
    assert len(receiver.posts) == 3 * len(expected)


async def test_what_is_posted_is_the_event_with_its_id_and_type(sandbox, feed, lives, receiver):
    expected = await lives(1)
    await feed.deliver(receiver.webhook())
    assert receiver.events == expected
    document = expected[1].document
    assert document.keys() >= {
        "type",
        "id",
        "seq",
        "at",
        "order_id",
        "custom_order_id",
        "tracking_code",
        "items",
    }
    assert json.loads(json.dumps(document)) == document


async def test_nothing_shows_the_secret_the_address_of_the_receiver_or_a_customers(
    feed, lives, receiver, caplog, url
):
    caplog.set_level(logging.DEBUG)
    await lives(1)
    receiver.fails = lambda _: 0
    webhook = receiver.webhook()
    done = await feed.deliver(webhook)
    away = Webhook("http://127.0.0.1:9/x?key=hidden-in-the-url", SECRET)
    gone = await feed.deliver(away)
    kept = Path(url.removeprefix("sqlite:///")).read_bytes()  # noqa: ASYNC240 - a small file
    for text in (repr(webhook), repr(webhook.secret), repr(webhook.url), repr(done), repr(gone), caplog.text):
        assert SECRET not in text
        assert "hidden-in-the-url" not in text
        assert "Secret St" not in text
    assert SECRET.encode() not in kept
    assert b"hidden-in-the-url" not in kept
    assert "127.0.0.1:9" in (gone.why or "")


BODY, NOW = b'{"type":"OrderPaid"}', 1_800_000_000.0


def header(body=BODY, now=NOW, secret=SECRET):
    return Webhook("https://shop.example/hook", secret).headers(body, now)["Kakaclo-Signature"]


def test_a_signature_is_that_of_the_body_the_time_and_the_secret():
    good = header()
    assert verify_signature(BODY, good, SECRET, now=NOW + 299)
    assert verify_signature(BODY, f"{good},v1={'0' * 64}", SECRET, now=NOW)
    assert verify_signature(BODY, good.replace("v1=", f"v1={'0' * 64},v1="), SECRET, now=NOW)
    assert good == "t=1800000000,v1=" + good.partition("v1=")[2]
    for body, text, secret, now in (
        (BODY + b" ", good, SECRET, NOW),
        (BODY, good, SECRET + "x", NOW),
        (BODY, good, "", NOW),
        (BODY, good, SECRET, NOW + 301),
        (BODY, good, SECRET, NOW - 301),
        (BODY, good.replace("t=18", "t=17"), SECRET, NOW),
        (BODY, good.upper(), SECRET, NOW),
        (BODY, good[:-1], SECRET, NOW),
        (BODY, "", SECRET, NOW),
        (BODY, "t=1,v1=é", SECRET, NOW),
    ):
        assert not verify_signature(body, text, secret, now=now)


def test_the_signature_is_what_the_document_says():
    import hashlib
    import hmac

    expected = hmac.new(SECRET.encode(), b"1800000000." + BODY, hashlib.sha256).hexdigest()
    assert header() == f"t=1800000000,v1={expected}"


@pytest.mark.parametrize(
    "url",
    [
        "http://shop.example/hook",
        "https://user:password@shop.example/hook",
        "ftp://shop.example/hook",
        "shop.example/hook",
        "https://shop.example/hook#part",
        "https://[::1/hook",
        "https:///hook",
        "",
    ],
)
def test_an_address_that_will_not_do_is_refused_and_not_shown(url):
    with pytest.raises(ConfigurationError) as refused:
        Webhook(url, SECRET)
    assert "hook" not in str(refused.value).replace("webhook", "")
    assert "password@" not in str(refused.value)


def test_plain_http_is_for_this_machine_or_for_who_says_so():
    assert Webhook("http://localhost:8000/hook", SECRET).host == "localhost:8000"
    assert Webhook("http://shop.example/hook", SECRET, allow_http=True).host == "shop.example"


@pytest.mark.parametrize(("secret", "timeout"), [("short", 10.0), ("", 10.0), (SECRET, 0.0), (SECRET, 1e9)])
def test_a_secret_that_can_be_guessed_or_a_time_that_cannot_be_is_refused(secret, timeout):
    with pytest.raises(ConfigurationError):
        Webhook("https://shop.example/hook", secret, timeout=timeout)
