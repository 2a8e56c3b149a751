from __future__ import annotations

import asyncio
from functools import partial

import attrs
import pytest

from kakaclo_async.errors import KakaCloError, NotFound
from kakaclo_async.sharing import MOST_AT_ONCE, Pace, collect_in_order, gather_in_order

pytestmark = pytest.mark.stepped

MISSING = NotFound("nothing", status=404)


async def after(seconds, value, ended=None):
    try:
        await asyncio.sleep(seconds)
    finally:
        if ended is not None:
            ended.append(value)
    if isinstance(value, Exception):
        raise value
    return value


def calls(*pairs, ended=None):
    return [partial(after, seconds, value, ended) for seconds, value in pairs]


async def test_results_come_in_the_order_asked():
    assert await gather_in_order(calls((3, "a"), (1, "b"), (2, "c"))) == ["a", "b", "c"]


async def test_the_first_failure_cancels_the_others_and_waits_for_their_end():
    ended = []
    with pytest.raises(NotFound) as caught:
        await gather_in_order(calls((9, "slow"), (1, MISSING), (5, "slower"), ended=ended))
    assert caught.value is MISSING
    assert set(ended) == {"slow", MISSING, "slower"}


async def test_collected_errors_stand_in_their_places():
    done = []
    found = await collect_in_order(
        calls((2, "a"), (1, MISSING), (3, "c")), kind=KakaCloError, done=lambda: done.append(1)
    )
    assert found == ["a", MISSING, "c"]
    assert len(done) == 3


async def test_foreign_errors_are_not_collected():
    with pytest.raises(ZeroDivisionError):
        await collect_in_order(calls((1, ZeroDivisionError()), (2, "b")), kind=KakaCloError)


async def test_cancelling_a_fan_out_cancels_its_calls():
    ended = []
    task = asyncio.create_task(collect_in_order(calls((9, "a"), (9, "b"), ended=ended), kind=KakaCloError))
    await asyncio.sleep(1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert sorted(ended) == ["a", "b"]


async def test_a_fan_out_cancelled_before_it_began_leaves_nothing_unawaited():
    task = asyncio.create_task(gather_in_order(calls((1, "a"))))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


# Thousands of calls


async def test_a_large_fan_out_starts_a_call_only_when_one_has_ended():
    read, running, most = 0, 0, 0

    async def call(number):
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(1 + number % 3)
        running -= 1
        return number

    def given():
        nonlocal read
        for number in range(2000):
            read += 1
            yield partial(call, number)

    fan_out = asyncio.create_task(gather_in_order(given()))
    await asyncio.sleep(0.5)
    assert read == most == MOST_AT_ONCE
    assert len(asyncio.all_tasks()) <= MOST_AT_ONCE + 2
    assert await fan_out == list(range(2000))
    assert most == MOST_AT_ONCE


async def test_after_a_failure_no_call_begins():
    begun = []

    async def call(number):
        begun.append(number)
        if number == 0:
            raise MISSING
        await asyncio.sleep(0)

    with pytest.raises(NotFound):
        await gather_in_order(partial(call, number) for number in range(3 * MOST_AT_ONCE))
    assert len(begun) <= MOST_AT_ONCE


async def test_an_error_of_the_calls_themselves_ends_those_that_run():
    ended = []

    def given():
        yield from calls(*[(1, "a")] * MOST_AT_ONCE, ended=ended)
        raise MISSING

    with pytest.raises(NotFound):
        await gather_in_order(given())
    assert ended == ["a"] * MOST_AT_ONCE


@attrs.define
class Clock:
    now: float = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
async def longest_turn():
    """Tells how much work was done between two turns of another task, by a clock of the test's own."""
    clock, longest = Clock(), [0.0]

    async def other():
        while True:
            before = clock.now
            await asyncio.sleep(0)
            longest[0] = max(longest[0], clock.now - before)

    task = asyncio.create_task(other())
    yield clock, longest
    task.cancel()


async def test_calls_that_never_wait_let_other_tasks_have_their_turns(longest_turn, monkeypatch):
    clock, longest = longest_turn
    monkeypatch.setattr("kakaclo_async.sharing.Pace", lambda: Pace(clock))

    async def kept():  # as a quote that is cached
        clock.now += 0.001

    await gather_in_order(kept for _ in range(3000))
    assert clock.now == pytest.approx(3)
    assert longest[0] <= 0.05  # 32 calls begin together


@pytest.mark.parametrize("workers", [1, 300])
async def test_all_that_share_a_pace_have_one_turn_together(longest_turn, workers):
    clock, longest = longest_turn
    pace = Pace(clock)

    async def work():
        for _ in range(900 // workers):
            await pace()
            clock.now += 0.001

    await asyncio.gather(*(work() for _ in range(workers)))
    assert clock.now == pytest.approx(0.9)
    assert longest[0] <= 0.02
