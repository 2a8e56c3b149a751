from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings, strategies as st

from kakaclo_async.sandbox.world.clock import Clock, LeakyBucket, Timeline


class Hand:
    def __init__(self):
        self.seconds = 0.0

    def __call__(self):
        return self.seconds


@given(st.lists(st.floats(0, 3), max_size=200), st.integers(1, 20), st.floats(0.1, 10))
@settings(max_examples=60)
def test_never_more_than_the_capacity_and_what_leaked_gets_through(gaps, capacity, rate):
    hand = Hand()
    bucket = LeakyBucket(capacity, rate, hand)
    passed = []
    for gap in gaps:
        hand.seconds += gap
        if not bucket.take():
            passed.append(hand.seconds)
    for first in range(len(passed)):
        for last in range(first, len(passed)):
            assert last - first + 1 <= capacity + rate * (passed[last] - passed[first]) + 1e-4


def test_a_request_that_waits_as_long_as_told_gets_in():
    hand = Hand()
    bucket = LeakyBucket(3, 0.7, hand)
    for _ in range(50):
        wait = bucket.take()
        hand.seconds += wait
        assert not wait or bucket.take() == 0.0


def test_a_refused_request_adds_nothing():
    bucket = LeakyBucket(1, 1, lambda: 0.0)
    bucket.take()
    assert [bucket.take() for _ in range(5)] == [1.0] * 5
    assert bucket.level == 1


def test_virtual_time_runs_as_fast_as_told():
    hand = Hand()
    clock = Clock(hand, 50.0, datetime(2024, 5, 1, tzinfo=UTC))
    began = clock.time
    hand.seconds += 2
    clock.skip(7)
    assert clock.time - began == 107
    with pytest.raises(ValueError, match="forward"):
        clock.skip(-1)


def test_actions_run_in_order_and_see_the_moment_they_were_due():
    hand = Hand()
    timeline = Timeline(Clock(hand, 1.0, datetime.fromtimestamp(0, UTC)))
    seen = []

    def later():
        seen.append(("later", timeline.now()))
        timeline.after(1, lambda: seen.append(("after later", timeline.now())))

    timeline.at(20, later)
    timeline.at(10, lambda: seen.append(("first", timeline.now())))
    timeline.at(500, lambda: seen.append(("not yet", timeline.now())))
    assert seen == []
    hand.seconds = 100
    assert timeline.now() == 100
    assert seen == [("first", 10), ("later", 20), ("after later", 21)]


async def test_the_request_over_the_limit_gets_429_until_enough_has_leaked(opened):
    http = await opened(capacity=5, per_second=2.0, retry_after=True)
    statuses = [(await http.call("GET", "/v1/payment/balance"))[0] for _ in range(7)]
    assert statuses == [200] * 5 + [429] * 2
    status, text, headers = await http.call("GET", "/v1/payment/balance")
    assert (status, headers["Retry-After"]) == (429, "1")
    assert '"code":429' in text
    http.sandbox.skip(1.0)
    statuses = [(await http.call("GET", "/v1/payment/balance"))[0] for _ in range(3)]
    assert statuses == [200, 200, 429]
    assert http.sandbox.throttled == 4
    assert http.sandbox.level == 5
    assert http.sandbox.requests["/v1/payment/balance"] == 11


async def test_retry_after_is_left_out_unless_asked_for(opened):
    http = await opened(capacity=1)
    await http.call("GET", "/v1/payment/balance")
    status, _, headers = await http.call("GET", "/v1/payment/balance")
    assert status == 429
    assert "Retry-After" not in headers


async def test_every_answer_costs_one_whatever_it_is(opened):
    http = await opened(capacity=50)
    await http.call("GET", "/v1/product/products")  # refused
    await http.call("GET", "/nowhere")  # 404
    await http.call("POST", "/v2/order/orders", body={})  # refused
    assert http.sandbox.level == 3


async def test_the_bucket_leaks_faster_in_a_faster_sandbox(opened):
    hand = Hand()
    http = await opened(capacity=10, per_second=2.0, speed=10.0, clock=hand)
    for _ in range(10):
        await http.call("GET", "/v1/payment/balance")
    hand.seconds += 0.25
    assert http.sandbox.level == pytest.approx(5)


async def test_without_a_clock_of_its_own_a_sandbox_follows_the_event_loop(opened):
    http = await opened(clock=None, speed=1000.0)
    before = http.sandbox.now()
    await asyncio.sleep(0.001)
    assert http.sandbox.now() > before
