"""The script of the shared bucket, on a clock that the tests step."""

from __future__ import annotations

import asyncio
import heapq
from importlib.resources import files

import attrs
import pytest
import redis
from hypothesis import HealthCheck, given, settings, strategies as st
from support import redis_server
from support.ports import free_port

from kakaclo_async.events import Lane
from kakaclo_async.ratelimit.bucket import TIMER_SLACK, RateLimit
from kakaclo_async.ratelimit.local import LocalBucket
from kakaclo_async.ratelimit.redis import RedisServer, Remote
from kakaclo_async.testing import SteppedLoop

INTERACTIVE, BULK = Lane.INTERACTIVE, Lane.BULK
SCRIPT = files("kakaclo_async.ratelimit").joinpath("bucket.lua").read_text(encoding="utf-8")
STEPPED = SCRIPT.replace("redis.call('TIME')", "redis.call('MGET', 'seconds', 'microseconds')")


@pytest.fixture(scope="module")
def server():
    port = free_port()
    with redis_server.running(port), redis.Redis(port=port) as client:
        yield client


@attrs.define(slots=False)
class Shared:
    """The bucket as several processes see it."""

    client: redis.Redis
    rate: RateLimit = attrs.field(factory=RateLimit)
    calls: int = 0
    counted: float = 0.0  # as last heard
    set_by: float = 0.0  # the clock is set: it differs from `now` by this

    def __attrs_post_init__(self):
        self.client.flushdb()
        remote = Remote(RedisServer("redis://127.0.0.1"), "test", self.rate)
        self.keys, self.settings = remote._keys, remote._settings
        self.script = self.client.register_script(STEPPED)
        self.now = 0.0
        self.asked = None

    def run(self, *operation):
        clock = self.now + self.set_by
        self.client.mset({"seconds": int(clock), "microseconds": int(clock % 1 * 1e6)})
        self.calls += 1
        if self.asked is not None or self.settings[-2] == "":
            self.settings[-1] = 1e9 if self.asked is None else self.now - self.asked + 1
        self.asked = self.now
        *numbers, self.counted = map(float, self.script(self.keys, [*self.settings, *operation]))
        self.settings[-2] = ""
        return numbers

    def hears(self, counted, *, since):
        """Let the next command be one of a process that last asked then."""
        self.settings[-2:], self.asked = [counted, since + 1], None

    def take(self, lane, wanted=1, *, me="a", reserve=20, contended=False):
        granted, wait, probe, *_ = self.run("take", lane, me, wanted, reserve, int(contended))
        return int(granted), wait, bool(probe)

    def level(self):
        return self.run("look")[3]

    def refused(self, retry_after=None, *, probe=False):
        self.run("refused", "" if retry_after is None else retry_after, int(probe), 1.0)


@pytest.fixture
def bucket(server):
    return Shared(server)


def test_the_clock_is_the_redis_servers():
    assert SCRIPT.count("'TIME'") == 1
    assert STEPPED != SCRIPT


def operations():
    take = st.tuples(
        st.just("take"), st.sampled_from(Lane), st.sampled_from([1, 2, 3, 30]), st.sampled_from([0, 5])
    )
    refused = st.tuples(st.just("refused"), st.sampled_from([None, 0.0, 3.0, 100.0]))
    ended = st.tuples(st.just("ended"), st.booleans())
    give_back = st.tuples(st.just("give_back"), st.integers(1, 3))
    step = st.tuples(st.just("step"), st.sampled_from([0.01, 0.3, 0.5, 2.0, 20.0]))
    return st.lists(take | take | refused | ended | give_back | step, max_size=40)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(plan=operations())
def test_for_one_process_it_is_the_local_bucket(server, plan):
    rate = RateLimit(capacity=32, per_second=2.0)
    shared, local = Shared(server, rate), LocalBucket(rate, random=lambda: 1.0)

    async def play():
        loop = asyncio.get_running_loop()
        await local.take(BULK, 1, reserve=0, contended=False)
        shared.take(BULK, reserve=0)
        probe = False  # whether one is out
        for operation, *args in plan:
            shared.now = loop.time()
            if operation == "take":
                lane, wanted, reserve = args
                offer = await local.take(lane, wanted, reserve=reserve, contended=False)
                granted, wait, probes, level, *_ = shared.run("take", lane, "a", wanted, reserve, 0)
                assert (granted, probes) == (offer.permits, offer.probe)
                if not local._throttle.hold(loop.time()):
                    assert level == pytest.approx(local.level, abs=0.02)  # their clocks round differently
                if not probe and not probes and not local._throttle.holding and lane is INTERACTIVE:
                    assert wait == pytest.approx(offer.wait - TIMER_SLACK, abs=1e-3)
                probe = probe or probes
            elif operation == "refused":
                local.throttled(args[0], probe=probe)
                shared.refused(args[0], probe=probe)
                probe = False
            elif operation == "ended" and probe:
                local.probed(passed=args[0])
                shared.run("probed", int(args[0]))
                probe = False
            elif operation == "give_back":
                local.give_back(args[0], probe=False)
                shared.run("give_back", args[0])
            elif operation == "step":
                await asyncio.sleep(args[0])
                shared.now = loop.time()

    with asyncio.Runner(loop_factory=lambda: SteppedLoop(grace=0)) as runner:
        runner.run(play())


@attrs.define(order=True)
class Process:
    """A pump somewhere: asks when told to, while it wants permits."""

    due: float
    name: str
    lane: Lane = attrs.field(order=False, default=INTERACTIVE)
    wants: int = attrs.field(order=False, default=0)
    lag: float = attrs.field(order=False, default=0.001)


def play(bucket, processes, until=1e9):
    """Let the processes run; return when permits were taken, and by whom."""
    taken = []
    heap = list(processes)
    heapq.heapify(heap)
    while heap and heap[0].due < until:
        process = heapq.heappop(heap)
        bucket.now = max(bucket.now, process.due)
        granted, wait, _ = bucket.take(process.lane, process.wants, me=process.name)
        taken += [(bucket.now, process.name)] * granted
        process.wants -= granted
        process.due = bucket.now + wait + process.lag
        if process.wants:
            heapq.heappush(heap, process)
    return taken


@pytest.mark.parametrize("lane", Lane)
def test_each_permit_costs_one_call_and_none_is_late_however_many_processes_ask(bucket, lane):
    processes = [Process(n / 1000, f"{n}", lane, wants=100, lag=0.001 * (n + 1)) for n in range(4)]
    taken = play(bucket, processes)
    assert len(taken) == 400
    free = 118 if lane is INTERACTIVE else 98
    assert bucket.now == pytest.approx((400 - free) / 2, abs=1.0)
    calls_after_the_burst = bucket.calls - 4
    assert calls_after_the_burst <= (400 - free) * 1.15


def test_processes_that_wait_take_turns(bucket):
    bucket.take(INTERACTIVE, 118)
    processes = [Process(n / 1000, f"{n}", wants=50) for n in range(4)]
    names = [name for _, name in play(bucket, processes, until=100)]
    assert all(len(set(names[i : i + 4])) == 4 for i in range(0, 160, 4))


def test_a_process_that_died_costs_the_others_nothing_in_the_end(bucket):
    bucket.take(INTERACTIVE, 118)
    bucket.take(INTERACTIVE, 10, me="dead")
    taken = play(bucket, [Process(0.001, "alive", wants=60)])
    assert taken[-1][0] == pytest.approx(30, abs=1.0)


def test_whoever_comes_a_little_late_still_finds_its_permit(bucket):
    bucket.take(INTERACTIVE, 118)
    _, wait, _ = bucket.take(INTERACTIVE, me="late")
    bucket.now = wait + 0.05
    assert bucket.take(INTERACTIVE, me="quick")[0] == 0
    bucket.now = wait + 0.06
    assert bucket.take(INTERACTIVE, me="late")[0] == 1


def test_bulk_calls_of_any_process_leave_the_reserve_alone(bucket):
    assert [bucket.take(BULK, 60, me=me)[0] for me in "abc"] == [60, 38, 0]
    assert bucket.take(INTERACTIVE, 30, me="d")[0] == 20


def test_a_bulk_permit_is_never_booked_ahead(bucket):
    bucket.take(BULK, 118)
    level = bucket.level()
    for me in "abc":
        bucket.take(BULK, 10, me=me)
    assert bucket.level() == pytest.approx(level)


def test_while_interactive_calls_of_one_process_pile_up_the_bulk_lane_of_another_gets_its_share(bucket):
    bucket.take(INTERACTIVE, 118)
    flood = Process(0.0, "flood", INTERACTIVE, wants=1000)
    job = Process(0.0, "job", BULK, wants=1000)
    taken = play(bucket, [flood, job], until=300.0)
    assert len(taken) == pytest.approx(600, abs=12)
    assert 0.08 <= [name for _, name in taken].count("job") / len(taken) <= 0.12


def test_one_probe_for_all_processes(bucket):
    bucket.refused(5.0)
    assert bucket.level() == 118
    assert bucket.take(INTERACTIVE, 9, me="a") == (0, pytest.approx(5, abs=1e-3), False)
    bucket.now = 5.01
    assert bucket.take(INTERACTIVE, 9, me="a")[::2] == (1, True)
    assert bucket.take(INTERACTIVE, 9, me="b")[::2] == (0, False)
    bucket.run("probed", 1)
    granted, _, probe = bucket.take(INTERACTIVE, 9, me="b")
    assert granted > 1
    assert not probe


def test_a_probe_whose_process_died_is_given_up(bucket):
    bucket.refused(5.0)
    bucket.now = 5.01
    bucket.take(INTERACTIVE, me="dead")
    bucket.now = 65.02
    assert bucket.take(INTERACTIVE, me="b")[::2] == (1, True)


def test_refused_probes_double_the_pause_for_all(bucket):
    pauses = []
    for _ in range(8):
        bucket.refused(probe=True)
        wait = bucket.take(INTERACTIVE)[1]
        pauses.append(wait)
        bucket.now += wait + 0.001
    assert pauses == pytest.approx([1, 2, 4, 8, 16, 32, 60, 60], abs=1e-2)


def test_the_bucket_is_forgotten_when_nobody_asks_for_a_day(bucket):
    bucket.take(INTERACTIVE, 119)
    keys = list(bucket.client.scan_iter("{test}:*"))
    assert len(keys) == 2
    assert all(0 < bucket.client.ttl(key) <= 86400 for key in keys)


@pytest.fixture(params=[-3600.0, 3600.0], ids=["back", "forward"])
def set_by(request, bucket):
    bucket.now = 10_000.0
    return request.param


def test_a_clock_that_is_set_makes_the_bucket_neither_fuller_nor_emptier(bucket, set_by):
    bucket.take(INTERACTIVE, 118)
    bucket.now += 5
    bucket.take(INTERACTIVE, 10)
    for change in (set_by, -set_by):
        bucket.set_by += change
        bucket.now += 1
        assert bucket.take(INTERACTIVE, 118)[0] <= 4  # what leaked in that second, and a second's doubt
        bucket.now += 10
        granted, wait, _ = bucket.take(INTERACTIVE, 118)
        assert granted == pytest.approx(20, abs=2)
        assert wait <= 1


def test_a_clock_that_is_set_neither_ends_nor_lengthens_a_pause_for_long(bucket, set_by):
    bucket.take(INTERACTIVE)
    bucket.refused(30.0)
    bucket.now += 1
    bucket.set_by += set_by
    granted, wait, probe = bucket.take(INTERACTIVE)
    assert probe if granted else wait <= 30  # set forward: it may be over
    bucket.now += 31
    bucket.run("probed", 1)
    assert bucket.take(INTERACTIVE)[0] == 1


def test_a_probe_that_is_out_when_the_clock_is_set_back_is_waited_for_no_longer_than_any(bucket):
    bucket.now = 10_000.0
    bucket.refused(0)
    bucket.now += 1
    assert bucket.take(INTERACTIVE)[2]
    bucket.set_by = -3600.0
    bucket.now += 10.1
    assert not bucket.take(INTERACTIVE)[0]
    bucket.now += 10.1
    assert bucket.take(INTERACTIVE)[2]


def test_those_who_waited_when_the_clock_was_set_back_and_died_cost_the_others_nothing(bucket):
    bucket.now = 10_000.0
    bucket.take(INTERACTIVE, 118)
    for me in ("x", "y", "z"):
        bucket.take(INTERACTIVE, 10, me=me)
    bucket.set_by = -3600.0
    bucket.now += 1
    bucket.take(INTERACTIVE, 10)
    assert bucket.take(INTERACTIVE, 10)[1] <= 0.5


@pytest.mark.parametrize("field", ["hold_until", "probe_until"])
def test_a_pause_that_someone_else_wrote_is_no_longer_than_ours(bucket, field):
    bucket.refused(1.0)
    bucket.client.hset(bucket.keys[0], field, 1e9)
    bucket.now += 2
    bucket.take(INTERACTIVE)
    bucket.now += 61
    assert bucket.take(INTERACTIVE)[2]


@pytest.mark.parametrize("first", [("look",), ("give_back", 1), ("probed", 1)], ids=lambda first: first[0])
def test_an_empty_redis_is_told_how_full_the_bucket_is_whatever_comes_first(bucket, first):
    bucket.run(*first)
    assert bucket.run("take", INTERACTIVE, "a", 1, 20, 0, 40.0, 0.0)[3] == 41


def test_a_process_that_asks_after_a_long_time_does_not_believe_a_clock_that_was_set_meanwhile(bucket):
    heard = []
    bucket.client.hset(bucket.keys[0], "counted", 0)
    for me in ("idle", "busy"):
        bucket.take(INTERACTIVE, me=me)
        heard.append(bucket.counted)
    bucket.now += 100
    bucket.hears(heard[1], since=100)
    bucket.take(INTERACTIVE, 118, me="busy")
    bucket.set_by = 3600.0
    bucket.now += 1
    bucket.hears(heard[0], since=101)
    assert (
        bucket.take(INTERACTIVE, 118, me="idle")[0] <= 4
    )  # what leaked in that second, and a second's doubt


def test_a_level_above_the_capacity_leaks_from_the_capacity(bucket):
    bucket.take(INTERACTIVE)
    bucket.client.hset(bucket.keys[0], "level", 1e6)
    bucket.now += 10
    assert bucket.take(INTERACTIVE, 118)[0] == 20
