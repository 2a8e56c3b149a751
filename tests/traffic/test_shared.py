"""The shared bucket against a real Redis, in real time at high rates."""

from __future__ import annotations

import asyncio
import json
import sys

import pytest
import redis
from support import redis_server
from support.ports import free_port

from kakaclo_async.errors import (
    ClientClosed,
    ConfigurationError,
    ConnectionFailed,
    DeadlineExceeded,
    RateLimited,
)
from kakaclo_async.events import Lane
from kakaclo_async.ratelimit.bucket import RateLimit
from kakaclo_async.ratelimit.gate import Gate
from kakaclo_async.ratelimit.redis import RedisBucket
from kakaclo_async.sandbox.world.clock import LeakyBucket

INTERACTIVE, BULK = Lane.INTERACTIVE, Lane.BULK


@pytest.fixture(scope="module")
def port():
    port = free_port()
    with redis_server.running(port):
        yield port


@pytest.fixture
async def make_gate(port):
    with redis.Redis(port=port) as client:
        client.flushdb()
    gates = []

    def make(capacity=10, per_second=200.0, *, url=f"redis://127.0.0.1:{port}", reserve=3, **options):
        bucket = RedisBucket(url, rate_limit=RateLimit(capacity, per_second, 0), **options)
        gates.append(Gate(bucket, reserve=reserve))
        return gates[-1]

    yield make
    for gate in gates:
        await gate.aclose()
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_two_gates_share_one_bucket_first_come_first_served_in_each(make_gate):
    gates = [make_gate(), make_gate()]
    loop = asyncio.get_running_loop()
    order = []

    async def call(who, number):
        with await gates[who].enter(INTERACTIVE):
            order.append((who, number, loop.time()))

    began = loop.time()
    await asyncio.gather(*(call(who, number) for number in range(60) for who in (0, 1)))
    for who in (0, 1):
        assert [number for gate, number, _ in order if gate == who] == list(range(60))
    for count, (_, _, when) in enumerate(order, 1):
        assert count <= 10 + (when - began) * 200 + 1e-6


async def test_lanes_and_reserve_hold_across_gates(make_gate):
    job, shop = make_gate(per_second=0.001), make_gate(per_second=0.001)
    bulk = [asyncio.create_task(job.enter(BULK)) for _ in range(20)]
    await asyncio.wait(bulk, return_when=asyncio.FIRST_COMPLETED)
    assert sum(call.done() for call in bulk) == 7
    for _ in range(3):
        with await shop.enter(INTERACTIVE):
            pass
    assert shop.level == pytest.approx(10, abs=0.1)
    assert shop.eta(INTERACTIVE) > 500
    with pytest.raises(DeadlineExceeded, match="max_wait=1 s"):
        await shop.enter(INTERACTIVE, max_wait=1)
    for call in bulk:
        call.cancel()
    await asyncio.wait(bulk)


async def test_a_429_holds_all_gates_and_one_probe_of_any_of_them_releases_them(make_gate):
    one, other = make_gate(), make_gate()
    with pytest.raises(RateLimited), await one.enter(INTERACTIVE):
        raise RateLimited("slow down", retry_after=0.3)
    assert one.eta(INTERACTIVE) == pytest.approx(0.3, abs=0.2)
    calls = [asyncio.create_task(gate.enter(INTERACTIVE)) for gate in (one, other) for _ in range(2)]
    done, waiting = await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)
    assert len(done) == 1
    permit = done.pop().result()
    assert permit.waited >= 0.2
    with permit:
        pass
    await asyncio.gather(*waiting)


async def test_a_probe_without_an_answer_is_followed_by_another(make_gate):
    gate = make_gate()
    with pytest.raises(RateLimited), await gate.enter(INTERACTIVE):
        raise RateLimited("slow down", retry_after=0)
    with pytest.raises(ConnectionFailed), await gate.enter(INTERACTIVE) as permit:
        raise ConnectionFailed("reset", sent=True)
    assert permit.probe
    with await gate.enter(INTERACTIVE) as permit:
        assert permit.probe
    with await gate.enter(INTERACTIVE) as permit:
        assert not permit.probe


async def test_permits_of_cancelled_calls_are_given_back(make_gate):
    gate = make_gate(per_second=0.001)
    taken, take = [], gate._bucket.take

    async def take_then_cancel(*args, **options):
        offer = await take(*args, **options)
        for call in calls:
            call.cancel()
        taken.append(offer.permits)
        return offer

    gate._bucket.take = take_then_cancel
    calls = [asyncio.create_task(gate.enter(INTERACTIVE)) for _ in range(5)]
    await asyncio.wait(calls)
    gate._bucket.take = take
    assert taken == [5]
    assert [(await gate.enter(INTERACTIVE)).waited >= 0 for _ in range(10)] == [True] * 10


async def test_a_cancelled_probe_is_given_back_as_one(make_gate):
    gate = make_gate()
    with pytest.raises(RateLimited), await gate.enter(INTERACTIVE):
        raise RateLimited("slow down", retry_after=0)
    call = asyncio.create_task(gate.enter(INTERACTIVE))
    gate._emit = lambda _: call.cancel()
    await asyncio.wait([call])
    gate._emit = lambda _: None
    with await gate.enter(INTERACTIVE) as permit:
        assert permit.probe


async def test_closing_while_redis_is_asked_ends_the_calls_and_loses_no_permit(make_gate):
    gate = make_gate(per_second=0.001)
    calls = [asyncio.create_task(gate.enter(INTERACTIVE)) for _ in range(5)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    await gate.aclose()
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [ClientClosed] * 5
    other = make_gate(per_second=0.001)
    with await other.enter(INTERACTIVE):
        assert other.level == pytest.approx(1, abs=0.1)


async def test_a_redis_that_is_down_is_a_clear_error(make_gate):
    gate = make_gate(url=f"redis://:secret@127.0.0.1:{free_port()}")
    for lane in Lane:
        with pytest.raises(ConnectionFailed, match=r"cannot be reached.*fallback=\"local\"") as failed:
            await gate.enter(lane)
        assert failed.value.sent is False
        assert "secret" not in str(failed.value)


async def test_with_the_fallback_the_process_goes_on_alone_and_comes_back(make_gate, monkeypatch):
    monkeypatch.setattr("kakaclo_async.ratelimit.redis._ALONE", 0.05)
    port = free_port()
    gate = make_gate(url=f"redis://127.0.0.1:{port}", fallback="local")
    for _ in range(9):
        with await gate.enter(INTERACTIVE):
            pass
    assert "(alone)" in repr(gate)
    assert 0 <= gate.level <= 9
    assert gate.eta(INTERACTIVE) == 0
    with pytest.raises(RateLimited), await gate.enter(INTERACTIVE):
        raise RateLimited("slow down", retry_after=0)
    with await gate.enter(INTERACTIVE) as permit:
        assert permit.probe
    call = asyncio.create_task(gate.enter(INTERACTIVE))
    gate._emit = lambda _: call.cancel()
    await asyncio.wait([call])
    gate._emit = lambda _: None
    with redis_server.running(port):
        while "(alone)" in repr(gate):
            with await gate.enter(INTERACTIVE):
                await asyncio.sleep(0.01)
        assert gate._bucket.interactive_streak == 0


async def test_a_wrong_password_is_a_wrong_setting(make_gate):
    port = free_port()
    with redis_server.running(port, "--requirepass", "right"):
        gate = make_gate(url=f"redis://:wrong@127.0.0.1:{port}", fallback="local")
        with pytest.raises(ConfigurationError, match="Redis refuses") as refused:
            await gate.enter(INTERACTIVE)
        assert "wrong" not in str(refused.value)
        await gate.aclose()


@pytest.mark.parametrize("url", ["", "localhost", "http://localhost"])
def test_an_address_that_is_none_is_refused(url):
    with pytest.raises(ConfigurationError, match="redis://"):
        RedisBucket(url)


def test_an_unknown_fallback_is_refused():
    with pytest.raises(ConfigurationError, match="fallback"):
        RedisBucket("redis://localhost", fallback="never")


def test_without_redis_py_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "redis", None)
    with pytest.raises(ConfigurationError, match=r"kakaclo\[redis\]"):
        RedisBucket("redis://localhost")


def test_before_its_first_use_it_can_be_looked_at():
    bucket = RedisBucket("redis://localhost")
    assert repr(bucket) == "<RedisBucket 0.0/118 leaking 2/s>"
    assert bucket.due(119) == pytest.approx(0.5)


WORKER = """
import asyncio, json, sys, time
from kakaclo_async.events import Lane
from kakaclo_async.ratelimit.bucket import RateLimit
from kakaclo_async.ratelimit.gate import Gate
from kakaclo_async.ratelimit.redis import RedisBucket

async def main(url, requests, lane, per_second):
    gate = Gate(RedisBucket(url, rate_limit=RateLimit(120, per_second)), reserve=20)
    arrivals = []
    sys.stdin.readline()

    async def call():
        with await gate.enter(lane):
            arrivals.append(time.monotonic())

    await asyncio.gather(*(call() for _ in range(requests)))
    await gate.aclose()
    print(json.dumps(arrivals))

asyncio.run(main(sys.argv[1], int(sys.argv[2]), Lane(sys.argv[3]), float(sys.argv[4])))
"""


@pytest.mark.parametrize("lane", Lane)
async def test_four_processes_take_no_longer_than_one_and_meet_no_429(port, lane):
    per_second = 200.0
    with redis.Redis(port=port) as client:
        client.flushdb()
        client.config_resetstat()
        workers = [
            await asyncio.create_subprocess_exec(
                sys.executable,
                *("-c", WORKER, f"redis://127.0.0.1:{port}", "100", lane, str(per_second)),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
            )
            for _ in range(4)
        ]
        outputs = await asyncio.gather(*(worker.communicate(b"go\n") for worker in workers))
        calls = client.info("commandstats")["cmdstat_evalsha"]["calls"]
    arrivals = sorted(arrival for output, _ in outputs for arrival in json.loads(output))
    assert len(arrivals) == 400
    clock = iter([arrivals[0], *arrivals]).__next__
    shop = LeakyBucket(120, per_second, clock)
    assert [shop.take() for _ in arrivals] == [0.0] * 400
    assert calls <= 2 * 400


async def test_with_max_wait_0_a_free_permit_is_had_although_the_bucket_is_on_another_machine(make_gate):
    gate, other = make_gate(per_second=0.001), make_gate(per_second=0.001)
    for _ in range(5):
        with await gate.enter(INTERACTIVE, max_wait=0):
            pass
    for _ in range(5):
        with await other.enter(INTERACTIVE, max_wait=0):
            pass
    with pytest.raises(DeadlineExceeded):  # the first does not know yet that the second took the last
        await gate.enter(INTERACTIVE, max_wait=0)


async def test_what_was_given_back_in_one_gate_goes_to_another(make_gate):
    gate, other = make_gate(per_second=0.001), make_gate(per_second=0.001)
    permits = [await gate.enter(INTERACTIVE) for _ in range(10)]
    permits[0].give_back()
    assert (await other.enter(INTERACTIVE, max_wait=1)).waited < 1
