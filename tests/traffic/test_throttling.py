from __future__ import annotations

import asyncio
import random

import pytest

from kakaclo_async.errors import (
    ConnectionFailed,
    DeadlineExceeded,
    DecodeError,
    NotFound,
    RateLimited,
)
from kakaclo_async.events import Lane
from kakaclo_async.ratelimit.local import LONGEST_PAUSE, PROBE_LEASE, SMALLEST_SHARE, Leak, Throttle

pytestmark = pytest.mark.stepped

INTERACTIVE, BULK = Lane.INTERACTIVE, Lane.BULK


def now():
    return asyncio.get_running_loop().time()


def throttle(random=lambda: 1.0):
    return Throttle(2.0, random)


async def refuse(gate, retry_after=None):
    with pytest.raises(RateLimited), await gate.enter(INTERACTIVE):
        raise RateLimited("slow down", retry_after=retry_after)


async def release(calls, outcome=None):
    """Let the first of the calls that is granted its permit end like this; return it."""
    done, _ = await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)
    (first,) = done
    try:
        with first.result():
            if outcome is not None:
                raise outcome
    except type(outcome or None):
        pass
    return first


async def test_after_a_429_the_bucket_counts_as_full_and_one_probe_goes_out(gate, turns):
    await refuse(gate)
    assert gate.level == pytest.approx(118)
    calls = [asyncio.create_task(gate.enter(INTERACTIVE)) for _ in range(5)]
    await asyncio.sleep(9)
    done = [call for call in calls if call.done()]
    assert done == calls[:1]
    with done[0].result():
        pass
    await turns()
    assert all(call.done() for call in calls)  # what has leaked meanwhile is theirs


async def test_the_probe_waits_for_the_pause_that_the_server_asked_for(gate):
    await refuse(gate, retry_after=7)
    assert gate.eta(INTERACTIVE) == pytest.approx(7)
    with await gate.enter(INTERACTIVE) as permit:
        assert permit.waited == pytest.approx(7, abs=1e-3)


@pytest.mark.parametrize(("asked", "pause"), [(3600.0, LONGEST_PAUSE), (-5.0, 0.0), (0.0, 0.0), (12.5, 12.5)])
def test_retry_after_is_obeyed_within_reason(asked, pause):
    state = throttle()
    state.refused(100.0, asked, probe=False)
    assert state.hold(100.0) == pause


def test_without_retry_after_the_pause_doubles_to_its_ceiling_with_jitter():
    longest, shortest = throttle(), throttle(lambda: 0.0)
    pauses = []
    for _ in range(10):
        for state in (longest, shortest):
            state.refused(0.0, None, probe=True)
        pauses.append((shortest.hold(0.0), longest.hold(0.0)))
    assert pauses[:3] == [(0.5, 1.0), (1.0, 2.0), (2.0, 4.0)]
    assert pauses[-1] == (LONGEST_PAUSE / 2, LONGEST_PAUSE)


async def test_a_probe_that_is_refused_makes_all_wait_longer(gate):
    await refuse(gate, retry_after=1)
    calls = [asyncio.create_task(gate.enter(INTERACTIVE)) for _ in range(3)]
    await release(calls, RateLimited("slow down", retry_after=10))
    assert now() == pytest.approx(1, abs=1e-3)
    second = await release(calls[1:])
    assert second is calls[1]
    assert now() == pytest.approx(11, abs=1e-3)
    await calls[2]


async def test_a_volley_of_429s_counts_once(gate):
    permits = [await gate.enter(INTERACTIVE) for _ in range(10)]
    for permit in permits:
        with permit:
            permit.throttled(None)
    assert gate.eta(INTERACTIVE) <= 1.0
    assert gate._bucket._throttle.leak(now()).share == pytest.approx(0.5)


async def test_a_late_429_of_a_volley_extends_the_hold_as_far_as_it_asks(gate):
    permits = [await gate.enter(INTERACTIVE) for _ in range(2)]
    permits[0].throttled(1.0)
    permits[1].throttled(9.0)
    assert gate.eta(INTERACTIVE) == pytest.approx(9)


async def test_answers_to_requests_sent_before_the_429_do_not_end_the_hold(gate, turns):
    early = await gate.enter(INTERACTIVE)
    await refuse(gate, retry_after=5)
    call = asyncio.create_task(gate.enter(INTERACTIVE))
    with early:
        pass
    await turns()
    assert not call.done()
    assert (await call).waited == pytest.approx(5, abs=1e-3)


@pytest.mark.parametrize(
    "answer", [None, NotFound("no such SKU", status=200), DecodeError("no JSON", where="body")]
)
async def test_any_answer_but_429_lets_the_others_go_on(gate, answer, turns):
    await refuse(gate, retry_after=5)
    calls = [asyncio.create_task(gate.enter(INTERACTIVE)) for _ in range(3)]
    await release(calls, answer)
    await turns()
    assert all(call.done() for call in calls)


async def test_when_the_probe_gets_no_answer_the_next_call_is_the_probe(gate, turns):
    await refuse(gate, retry_after=5)
    calls = [asyncio.create_task(gate.enter(INTERACTIVE)) for _ in range(4)]
    await release(calls, ConnectionFailed("reset", sent=True))
    await turns()
    assert [call.done() for call in calls] == [True, True, False, False]
    assert now() == pytest.approx(5, abs=1e-3)
    await release(calls[1:])
    await turns()
    assert all(call.done() for call in calls)


async def test_when_the_probe_is_cancelled_before_it_starts_the_next_call_is_the_probe(gate, turns):
    await refuse(gate, retry_after=5)
    calls = [asyncio.create_task(gate.enter(INTERACTIVE)) for _ in range(3)]
    gate._emit = lambda _: calls[0].cancel()
    await asyncio.sleep(5.1)
    assert [call.done() for call in calls] == [True, True, False]
    assert calls[0].cancelled()
    await release(calls[1:])
    await calls[2]


async def test_the_hold_binds_both_lanes_and_the_probe_is_interactive_if_it_can(gate):
    await refuse(gate, retry_after=60)
    bulk = asyncio.create_task(gate.enter(BULK))
    await asyncio.sleep(1)
    call = asyncio.create_task(gate.enter(INTERACTIVE))
    assert await release([bulk, call]) is call
    await release([bulk])


@pytest.mark.parametrize(("lane", "bar"), [(INTERACTIVE, 0.1), (BULK, 0.05)])
async def test_beside_another_program_the_client_gets_what_is_left_at_few_refusals(
    make_shop, make_gate, crowded, lane, bar
):
    shop = make_shop(jitter=0.2)
    shop.fill()
    gate = make_gate()

    async def other_program():
        while True:
            await asyncio.sleep(1)  # half of the rate
            shop.bucket.take()

    other = asyncio.create_task(other_program())
    await asyncio.gather(*(shop.call(gate, lane) for _ in range(100)))
    began, refused = now(), shop.refused
    await asyncio.gather(*(shop.call(gate, lane) for _ in range(500)))
    assert 500 / (now() - began) >= 0.97
    assert (shop.refused - refused) / 500 <= bar
    other.cancel()
    await asyncio.wait([other])


async def test_a_program_that_takes_everything_meets_no_storm(make_shop, make_gate, crowded):
    shop = make_shop(jitter=0.2, rng=random.Random(2))
    shop.fill()
    gate = make_gate()

    async def greedy():
        while True:
            shop.bucket.take()
            await asyncio.sleep(0.1)

    other = asyncio.create_task(greedy())
    calls = [asyncio.create_task(shop.call(gate)) for _ in range(100)]
    await asyncio.sleep(1800)
    volley = 100  # nobody knew yet
    probes = len(shop.arrivals) - volley
    other.cancel()
    gone = now()
    await asyncio.gather(*calls)
    assert probes <= 1800 / (LONGEST_PAUSE / 2)
    assert now() - gone <= LONGEST_PAUSE + 100 / 2 / SMALLEST_SHARE


def test_the_share_recovers_evenly_and_never_vanishes():
    state = throttle()
    assert state.leak(0.0).share == 1.0
    for _ in range(10):
        state.refused(0.0, None, probe=True)
    state.passed()
    assert state.leak(0.0).share == SMALLEST_SHARE
    assert state.leak(10.0).share == pytest.approx(SMALLEST_SHARE + 0.2)
    assert state.leak(100.0).share == 1.0


async def after_429s(gate, count):
    """Let so many probes in a row be refused, and the next one pass."""
    await refuse(gate, retry_after=0)
    for _ in range(count - 1):
        await refuse(gate, retry_after=0)
    with await gate.enter(INTERACTIVE):
        pass


@pytest.mark.parametrize("refusals", [1, 2, 3, 5, 8])
@pytest.mark.parametrize("lane", [INTERACTIVE, BULK])
async def test_after_429s_the_estimate_is_what_a_call_waits(gate, refusals, lane):
    await after_429s(gate, refusals)
    calls = [asyncio.create_task(gate.enter(lane)) for _ in range(20)]
    await asyncio.sleep(0)
    told, started = gate.eta(lane), now()
    await gate.enter(lane)
    assert told > 1
    assert now() - started == pytest.approx(told, abs=0.01)
    await asyncio.gather(*calls)


async def test_after_429s_a_call_that_will_be_served_in_time_is_not_refused(gate):
    await after_429s(gate, 5)
    calls = [asyncio.create_task(gate.enter(INTERACTIVE)) for _ in range(10)]
    await asyncio.sleep(0)
    assert (await gate.enter(INTERACTIVE, max_wait=30)).waited < 30
    await asyncio.gather(*calls)


async def test_after_429s_bulk_goes_as_soon_as_the_reserve_is_full_again(gate):
    await after_429s(gate, 5)
    share = gate._bucket._throttle.leak(now())
    permit = await gate.enter(BULK)
    assert permit.waited == pytest.approx(share.seconds(21), abs=0.1)


async def test_bulk_does_not_sleep_past_its_turn_while_interactive_calls_are_refused(gate, drain):
    """Each interactive call finds the one permit that is free: the lanes' share is counted without the queue."""
    await drain(gate)
    bulk = asyncio.create_task(gate.enter(BULK))
    for _ in range(10):
        await asyncio.sleep(0.51)
        await gate.enter(INTERACTIVE)
        with pytest.raises(DeadlineExceeded):
            await gate.enter(INTERACTIVE, max_wait=0)
    await asyncio.sleep(0.51)
    assert bulk.done()


@pytest.mark.parametrize("share", [SMALLEST_SHARE, 0.3, 0.9, 1.0])
@pytest.mark.parametrize("permits", [0.0, 0.1, 1.0, 40.0, 500.0])
def test_the_leak_and_the_time_it_takes_are_one_the_others_inverse(share, permits):
    leak = Leak(2.0, share)
    seconds = leak.seconds(permits)
    assert leak.permits(seconds) == pytest.approx(permits, abs=1e-6)
    steps = sum(leak.after(n * seconds / 1000).permits(seconds / 1000) for n in range(1000))
    assert steps == pytest.approx(permits, abs=1e-6)


async def test_a_probe_is_waited_for_ten_seconds_at_most(gate):
    await refuse(gate, retry_after=1)
    probe = await gate.enter(INTERACTIVE)
    assert probe.probe
    other = await gate.enter(INTERACTIVE)
    assert (other.probe, other.waited) == (True, pytest.approx(PROBE_LEASE, abs=0.01))
    with other:
        pass
    assert not (await gate.enter(INTERACTIVE)).probe
