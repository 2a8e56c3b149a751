from __future__ import annotations

import asyncio
from functools import partial

import pytest

from kakaclo_async.errors import KakaCloError, NotFound
from kakaclo_async.sharing.fan_out import collect_in_order, gather_in_order

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
