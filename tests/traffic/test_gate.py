from __future__ import annotations

import asyncio
import random

import pytest
from hypothesis import given, settings, strategies as st

from kakaclo_async.errors import (
    ClientClosed,
    ConfigurationError,
    ConnectionFailed,
    DeadlineExceeded,
)
from kakaclo_async.events import Lane, Waited
from kakaclo_async.ratelimit.bucket import RateLimit
from kakaclo_async.ratelimit.gate import Gate
from kakaclo_async.ratelimit.local import LocalBucket
from kakaclo_async.testing import SteppedLoop

pytestmark = pytest.mark.stepped

INTERACTIVE, BULK = Lane.INTERACTIVE, Lane.BULK
LEAK = 0.5  # seconds per permit


def now():
    return asyncio.get_running_loop().time()


def start(*coroutines):
    return [asyncio.create_task(coroutine) for coroutine in coroutines]


async def cancel(tasks):
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@pytest.mark.parametrize("lane", Lane)
async def test_a_free_permit_is_handed_over_without_suspending(gate, lane):
    entering = gate.enter(lane)
    with pytest.raises(StopIteration) as done:
        entering.send(None)
    assert done.value.value.waited == 0
    assert gate.level == pytest.approx(1)


async def test_the_burst_is_the_capacity_less_the_margin_then_permits_leak_evenly(gate):
    came = []

    async def call():
        await gate.enter(INTERACTIVE)
        came.append(now())

    await asyncio.gather(*(call() for _ in range(123)))
    assert came[117] == pytest.approx(0, abs=1e-3)
    assert came[118:] == pytest.approx([0.5, 1, 1.5, 2, 2.5], abs=1e-3)


@pytest.mark.parametrize("lane", Lane)
async def test_a_lane_is_first_come_first_served(make_gate, crowded, lane):
    gate = make_gate(capacity=10, per_second=50, reserve=2)
    rng = random.Random(3)
    order = []

    async def call(number):
        await gate.enter(lane)
        order.append(number)

    calls = []
    for number in range(2000):
        calls += start(call(number))
        if rng.random() < 0.3:
            await asyncio.sleep(rng.random() / 20)
    await asyncio.gather(*calls)
    assert order == list(range(2000))


async def test_retries_go_first_in_their_lane_and_in_order(gate, drain):
    await drain(gate)
    order = []

    async def call(name, **options):
        await gate.enter(INTERACTIVE, **options)
        order.append(name)

    calls = start(call("new 1"), call("new 2"))
    await asyncio.sleep(0.1)
    calls += start(call("again 1", again=True), call("again 2", again=True))
    await asyncio.gather(*calls)
    assert order == ["again 1", "again 2", "new 1", "new 2"]


async def test_bulk_leaves_the_reserve_alone(gate):
    bulk = start(*(gate.enter(BULK) for _ in range(200)))
    await asyncio.sleep(0.01)
    assert sum(task.done() for task in bulk) == 98
    for _ in range(20):
        assert (await gate.enter(INTERACTIVE)).waited == 0
    assert gate.eta(INTERACTIVE) > 0
    await cancel(bulk)


async def test_a_reserve_that_leaves_nothing_to_bulk_is_cut(make_gate):
    gate = make_gate(capacity=5, margin=1, reserve=20)
    assert gate.reserve == 3
    assert (await gate.enter(BULK)).waited == 0


async def test_interactive_calls_go_before_bulk_calls_that_came_earlier(gate, drain):
    await drain(gate)
    order = []

    async def call(lane):
        await gate.enter(lane)
        order.append(lane)

    bulk = start(*(call(BULK) for _ in range(3)))
    await asyncio.sleep(0.1)
    await asyncio.gather(call(INTERACTIVE), call(INTERACTIVE), *bulk)
    assert order == [INTERACTIVE] * 2 + [BULK] * 3


async def test_an_interactive_call_waits_one_leak_at_most_behind_3334_bulk_calls(gate, crowded):
    bulk = start(*(gate.enter(BULK) for _ in range(3334)))
    await asyncio.sleep(0.01)
    waits = [(await gate.enter(INTERACTIVE)).waited for _ in range(20)]
    assert waits == [0.0] * 20
    for _ in range(600):  # five minutes at the full rate of two a second
        call = asyncio.create_task(gate.enter(INTERACTIVE))
        await asyncio.sleep(LEAK)
        waits.append((await call).waited)
    assert max(waits) <= LEAK + 1e-3
    await cancel(bulk)


async def test_single_interactive_calls_at_a_tenth_of_the_rate_hardly_wait_under_a_full_bulk_lane(
    gate, crowded
):
    bulk = start(*(gate.enter(BULK) for _ in range(3334)))
    rng = random.Random(5)
    waits = []
    for _ in range(200):
        await asyncio.sleep(rng.expovariate(0.1 / LEAK))
        waits.append((await gate.enter(INTERACTIVE)).waited)
    assert sorted(waits)[197] <= 0.05 * LEAK
    await cancel(bulk)


async def test_bursts_of_eight_interactive_calls_hardly_wait_under_a_full_bulk_lane(gate, crowded):
    bulk = start(*(gate.enter(BULK) for _ in range(3334)))
    rng = random.Random(5)
    waits = []
    for _ in range(40):
        await asyncio.sleep(rng.expovariate(0.1 / LEAK / 8))
        burst = await asyncio.gather(*(gate.enter(INTERACTIVE) for _ in range(8)))
        waits += [permit.waited for permit in burst]
    assert sorted(waits)[316] <= 0.05 * LEAK
    await cancel(bulk)


async def test_the_lanes_cost_a_bulk_job_nothing_but_the_reserve(make_gate, crowded):
    async def makespan(gate, lane):
        began = now()
        await asyncio.gather(*(gate.enter(lane) for _ in range(2000)))
        return now() - began

    plain = await makespan(make_gate(), INTERACTIVE)
    bulk = await makespan(make_gate(), BULK)
    assert bulk - 20 * LEAK <= plain * 1.001


async def test_the_bulk_lane_gets_every_tenth_permit_while_interactive_calls_pile_up(gate, drain):
    await drain(gate)
    order = []

    async def call(lane):
        await gate.enter(lane)
        order.append(lane)

    calls = start(*(call(INTERACTIVE) for _ in range(400)), *(call(BULK) for _ in range(400)))
    await asyncio.sleep(300 * LEAK + 0.1)
    assert len(order) == 300
    assert [order[i : i + 10].count(BULK) for i in range(0, 300, 10)] == [1] * 30
    await cancel(calls)


async def test_the_bulk_lane_gets_its_share_when_impatient_calls_are_refused_all_the_time(gate, drain):
    await drain(gate)
    bulk = start(*(gate.enter(BULK) for _ in range(200)))

    async def impatient():
        try:
            await gate.enter(INTERACTIVE, max_wait=0.1)
        except DeadlineExceeded:
            return 0
        return 1

    calls = []
    for _ in range(1000):
        calls += start(impatient())
        await asyncio.sleep(LEAK / 5)
    served = sum(await asyncio.gather(*calls))
    got = sum(task.done() for task in bulk)
    assert served + got == pytest.approx(200, abs=1)
    assert got >= 18
    await cancel(bulk)


@pytest.mark.parametrize(
    ("requests", "capacity", "per_second", "jitter", "bar"),
    [(2000, 120, 100.0, 0.02, 1.03), (340, 120, 2.0, 0.02, 1.01)],
    ids=["50 times the rate", "the true rate"],
)
async def test_the_makespan_is_the_theoretical_one_and_nothing_is_refused(
    make_shop, make_gate, crowded, requests, capacity, per_second, jitter, bar
):
    shop = make_shop(capacity, per_second, jitter)
    gate = make_gate(capacity, per_second)
    await asyncio.gather(*(shop.call(gate) for _ in range(requests)))
    assert shop.refused == 0
    assert now() / ((requests - capacity) / per_second) <= bar


@pytest.mark.parametrize("seed", range(3))
async def test_half_a_second_of_jitter_brings_no_429(make_shop, make_gate, seed):
    shop = make_shop(jitter=0.5, rng=random.Random(seed))
    gate = make_gate()
    await asyncio.gather(*(shop.call(gate) for _ in range(500)))
    assert shop.refused == 0


# Deadlines


async def test_a_call_that_cannot_be_in_time_is_refused_at_once(gate, drain):
    await drain(gate)
    waiting = start(*(gate.enter(INTERACTIVE) for _ in range(9)))
    await asyncio.sleep(0.1)
    with pytest.raises(
        DeadlineExceeded, match=r"within max_wait=4 s \(next permit in 4\.9 s\); raise max_wait"
    ) as refused:
        await gate.enter(INTERACTIVE, max_wait=4)
    assert refused.value.retry_in == pytest.approx(4.9, abs=1e-3)
    assert (await gate.enter(INTERACTIVE, max_wait=4.95)).waited == pytest.approx(4.9, abs=1e-3)
    await asyncio.gather(*waiting)


async def test_eta_tells_what_a_new_call_would_wait(gate, drain):
    assert gate.eta(INTERACTIVE) == gate.eta(BULK) == 0
    await drain(gate)
    assert gate.eta(INTERACTIVE) == pytest.approx(LEAK, abs=1e-3)
    assert gate.eta(BULK) == pytest.approx(21 * LEAK, abs=1e-3)
    waiting = start(*(gate.enter(INTERACTIVE) for _ in range(4)), *(gate.enter(BULK) for _ in range(2)))
    await asyncio.sleep(0)
    assert (gate.queued(INTERACTIVE), gate.queued(BULK)) == (4, 2)
    told = {lane: gate.eta(lane) for lane in Lane}
    assert told == pytest.approx({INTERACTIVE: 5 * LEAK, BULK: 27 * LEAK}, abs=1e-3)
    assert (await gate.enter(BULK)).waited == pytest.approx(told[BULK], abs=1e-3)
    await asyncio.gather(*waiting)


async def test_eta_counts_the_permits_that_bulk_gets_between(gate, drain):
    await drain(gate)
    calls = start(*(gate.enter(INTERACTIVE) for _ in range(100)), *(gate.enter(BULK) for _ in range(100)))
    await asyncio.sleep(0)
    told = {lane: gate.eta(lane) for lane in Lane}
    permit = await gate.enter(INTERACTIVE)
    assert permit.waited == pytest.approx(told[INTERACTIVE], abs=LEAK)
    assert permit.waited == pytest.approx(112 * LEAK, abs=LEAK + 1e-3)
    assert told[BULK] == pytest.approx((101 + 100 + 20) * LEAK, abs=1e-3)
    await cancel(calls)


async def test_a_call_that_retries_keep_from_its_turn_ends_at_its_max_wait(gate, drain):
    await drain(gate)
    late = asyncio.create_task(gate.enter(INTERACTIVE, max_wait=0.6))
    await asyncio.sleep(0)
    retries = start(*(gate.enter(INTERACTIVE, again=True) for _ in range(3)))
    with pytest.raises(DeadlineExceeded) as refused:
        await late
    assert now() == pytest.approx(0.6, abs=1e-3)
    assert refused.value.retry_in == pytest.approx(1.4, abs=1e-2)
    await asyncio.gather(*retries)
    assert now() == pytest.approx(1.5, abs=1e-2)


async def test_a_429_refuses_at_once_those_whom_it_makes_late(gate, drain):
    await drain(gate)
    doomed = asyncio.create_task(gate.enter(INTERACTIVE, max_wait=20))
    call = asyncio.create_task(gate.enter(INTERACTIVE, max_wait=60))
    await asyncio.sleep(0.1)
    gate.throttled(30.0, probe=False)
    with pytest.raises(DeadlineExceeded) as refused:
        await doomed
    assert now() == pytest.approx(0.1, abs=1e-3)
    assert refused.value.retry_in == pytest.approx(30, abs=1)
    with await call as permit:
        assert permit.waited == pytest.approx(30.1, abs=0.01)


# Cancellation


async def test_a_permit_granted_to_a_call_cancelled_in_the_same_turn_goes_to_the_next(gate, drain):
    await drain(gate)
    first, second = start(gate.enter(INTERACTIVE), gate.enter(INTERACTIVE))
    gate._emit = lambda _: first.cancel()
    permit = await second
    assert first.cancelled()
    assert permit.waited == pytest.approx(LEAK, abs=1e-3)


async def test_a_call_that_fails_and_is_cancelled_in_the_same_turn_is_just_cancelled(gate, drain):
    await drain(gate)
    call = asyncio.create_task(gate.enter(INTERACTIVE, max_wait=0.6))
    await asyncio.sleep(0)
    gate._refuse_all(ClientClosed("closed"))
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call


async def test_cancelled_calls_leave_nothing_behind(gate, drain, crowded):
    await drain(gate)
    level = gate.level
    calls = start(*(gate.enter(lane) for lane in Lane for _ in range(5_000)))
    await asyncio.sleep(0)
    assert gate.queued(BULK) == 5_000
    await cancel(calls)
    await asyncio.sleep(0)
    assert (gate.queued(BULK), gate.queued(INTERACTIVE)) == (0, 0)
    assert gate._pump is None
    assert gate.level == pytest.approx(level, abs=0.01)


def _play(steps):
    """Let calls come, go and be cancelled; return how many got a permit, and the permits missing at the end."""

    async def play():
        gate = Gate(LocalBucket(RateLimit(6, 10.0, 0)), reserve=2)
        calls, used = [], 0
        for lane, pause, victim in steps:
            calls += start(gate.enter(lane))
            await asyncio.sleep(pause)
            if victim is not None:
                calls[victim % len(calls)].cancel()
        done = await asyncio.gather(*calls, return_exceptions=True)
        used = sum(not isinstance(outcome, BaseException) for outcome in done)
        cancelled = sum(isinstance(outcome, asyncio.CancelledError) for outcome in done)
        assert used + cancelled == len(steps)
        span = now()
        level = gate.level
        await gate.aclose()
        return used, span, level

    with asyncio.Runner(loop_factory=lambda: SteppedLoop(grace=0), debug=True) as runner:
        return runner.run(play())


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(Lane),
            st.sampled_from([0.0, 0.0, 0.05, 0.1, 0.1 + 1e-6, 1.0]),
            st.none() | st.integers(0, 50),
        ),
        min_size=1,
        max_size=60,
    )
)
def test_whatever_is_cancelled_the_others_get_theirs_and_the_level_never_lies(steps):
    used, span, level = _play(steps)
    assert used - span * 10 - 1e-6 <= level <= min(used, 6)


# Housekeeping


async def test_a_gate_at_rest_has_no_task(gate, drain):
    await drain(gate)
    await gate.enter(INTERACTIVE)
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_closing_ends_the_waits_and_refuses_newcomers(gate, drain):
    await drain(gate)
    calls = start(*(gate.enter(lane) for lane in Lane for _ in range(3)))
    await asyncio.sleep(0.1)
    await gate.aclose()
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [ClientClosed] * 6
    assert len({id(outcome) for outcome in outcomes}) == 6
    assert asyncio.all_tasks() == {asyncio.current_task()}
    with pytest.raises(ClientClosed, match="make a new one"):
        await gate.enter(BULK)
    await gate.aclose()
    assert repr(gate).endswith("closed>")


async def test_a_bucket_in_trouble_fails_each_waiter_with_its_own_error_and_the_gate_goes_on(gate, drain):
    await drain(gate)
    calls = start(*(gate.enter(INTERACTIVE) for _ in range(3)))
    await asyncio.sleep(0)
    take, gate._bucket.take = gate._bucket.take, _in_trouble
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert [str(outcome) for outcome in outcomes] == ["no bucket"] * 3
    assert len({id(outcome) for outcome in outcomes}) == 3
    gate._bucket.take = take
    assert (await gate.enter(INTERACTIVE)).waited <= LEAK + 1e-3


async def _in_trouble(*args, **options):
    raise ConnectionFailed("no bucket", sent=False)


async def test_another_event_loop_is_refused(gate):
    await gate.enter(INTERACTIVE)

    def elsewhere():
        with asyncio.Runner() as runner:
            runner.run(gate.enter(INTERACTIVE))

    with pytest.raises(ConfigurationError, match="another event loop"):
        await asyncio.to_thread(elsewhere)


def test_a_gate_can_be_made_and_looked_at_without_an_event_loop():
    gate = Gate(LocalBucket(RateLimit()))
    assert gate.level == 0
    assert gate.eta(BULK) == 0
    assert (
        repr(gate)
        == "<Gate of <LocalBucket 0.0/118 leaking 2/s>, reserve 20, waiting: 0 interactive, 0 bulk>"
    )


def test_a_negative_reserve_is_refused():
    with pytest.raises(ConfigurationError, match="reserve"):
        Gate(LocalBucket(RateLimit()), reserve=-1)


@pytest.mark.parametrize(
    ("settings", "fault"),
    [
        ({"capacity": 0}, "capacity"),
        ({"per_second": 0}, "per_second"),
        ({"per_second": float("inf")}, "per_second"),
        ({"per_second": float("nan")}, "per_second"),
        ({"margin": -1}, "margin"),
        ({"margin": 120}, "margin"),
    ],
)
def test_a_rate_that_cannot_work_is_refused(settings, fault):
    with pytest.raises(ConfigurationError, match=fault):
        RateLimit(**settings)


@pytest.mark.parametrize(
    ("rate", "burst"),
    [
        (RateLimit(), 118),
        (RateLimit(120, 100), 110),
        (RateLimit(120, 2, 0), 120),
        (RateLimit(1), 1),
        (RateLimit(3), 2),
    ],
)
def test_the_margin_is_taken_from_the_burst(rate, burst):
    assert rate.burst == burst


async def test_listeners_learn_of_every_permit_and_its_wait(make_gate, drain):
    heard = []
    gate = make_gate(emit=heard.append)
    await drain(gate)
    assert heard == [Waited(lane=INTERACTIVE, seconds=0.0)] * 118
    await asyncio.gather(gate.enter(BULK), gate.enter(INTERACTIVE))
    assert [(event.lane, event.seconds) for event in heard[118:]] == [
        (INTERACTIVE, pytest.approx(0.5, abs=1e-3)),
        (BULK, pytest.approx(11.0, abs=1e-3)),
    ]


async def test_a_permit_that_is_given_back_after_it_leaked_out_is_not_counted_twice(make_gate):
    gate = make_gate(capacity=4, margin=0, reserve=0)
    late = await gate.enter(INTERACTIVE)
    await asyncio.sleep(4 * LEAK)
    early = [await gate.enter(INTERACTIVE) for _ in range(4)]
    late.give_back()
    assert gate.level == pytest.approx(4)
    early[0].give_back()
    assert gate.level == pytest.approx(3)
