"""Connections are handed out by lane, before the permit; a wait for one is not the attempt's."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest

from kakaclo_async import ConnectionFailed, KakaClo, RateLimit, Retried
from kakaclo_async.errors import ClientClosed, DeadlineExceeded
from kakaclo_async.events import Job, Lane
from kakaclo_async.sandbox import Fault

pytestmark = pytest.mark.stepped

INTERACTIVE, BULK = Lane.INTERACTIVE, Lane.BULK


def now():
    return asyncio.get_running_loop().time()


@pytest.fixture
async def busy(make_gate):
    """A gate with 10 connections and permits for all, and what starts requests that go on until they are ended."""
    gate = make_gate(capacity=1000, margin=0, connections=10)
    begun, over, tasks = [], asyncio.Event(), []

    async def request(lane, **options):
        with await gate.enter(lane, **options):
            begun.append(lane)
            await over.wait()

    def start(lane, count=1, **options):
        tasks.extend(asyncio.create_task(request(lane, **options)) for _ in range(count))
        return tasks[-count:]

    yield gate, start, begun, over
    over.set()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert gate._under_way == {INTERACTIVE: 0, BULK: 0}


async def test_bulk_leaves_half_of_the_connections_alone(busy, turns):
    _, start, begun, _ = busy
    start(BULK, 30)
    await turns()
    assert begun == [BULK] * 5
    start(INTERACTIVE, 5)
    await turns()
    assert begun == [BULK] * 5 + [INTERACTIVE] * 5


async def test_interactive_calls_may_have_all_connections(busy, turns):
    _, start, begun, _ = busy
    start(INTERACTIVE, 30)
    start(BULK, 3)
    await turns()
    assert begun == [INTERACTIVE] * 10


async def test_a_call_that_waits_for_a_connection_has_taken_no_permit(busy, turns):
    gate, start, _, _ = busy
    start(BULK, 30)
    await turns()
    assert gate.level == pytest.approx(5, abs=0.01)
    assert gate.queued(BULK) == 25
    assert gate._pump is None


async def test_a_connection_that_is_free_again_goes_to_the_next_interactive_call_first(busy, turns):
    _, start, begun, over = busy
    first, *_ = start(BULK, 5)
    start(INTERACTIVE, 5)
    await turns()
    start(BULK, 1)
    start(INTERACTIVE, 1)
    await turns()
    first.cancel()
    await turns()
    assert begun[10:] == [INTERACTIVE]
    over.set()
    await turns(20)
    assert begun[11:] == [BULK]


async def test_connections_are_handed_out_by_turns_of_the_jobs(make_gate):
    gate, served = make_gate(capacity=1000, margin=0, connections=2), []

    async def call(name, job):
        with await gate.enter(BULK, job=job):
            served.append(name)
            await asyncio.sleep(1)

    huge, small = Job(), Job()
    tasks = [asyncio.create_task(call("H", huge)) for _ in range(20)]
    await asyncio.sleep(0.1)
    await asyncio.gather(*(call("s", small) for _ in range(5)))
    assert served.count("H") <= 7
    for task in tasks:
        task.cancel()


async def test_a_call_waits_for_a_connection_no_longer_than_its_max_wait(busy, turns):
    _, start, _, _ = busy
    start(INTERACTIVE, 10)
    await turns()
    (late,) = start(INTERACTIVE, max_wait=4)
    with pytest.raises(DeadlineExceeded, match="no connection is free"):
        await late
    assert now() == pytest.approx(4, abs=0.01)


async def test_closing_ends_the_wait_for_a_connection(busy, turns):
    gate, start, _, _ = busy
    start(INTERACTIVE, 10)
    await turns()
    (waiting,) = start(INTERACTIVE)
    await turns()
    await gate.aclose()
    with pytest.raises(ClientClosed):
        await waiting


async def test_a_call_cancelled_with_its_permit_in_hand_leaves_its_connection_to_the_next(busy, turns):
    gate, start, begun, _ = busy
    held = start(INTERACTIVE, 10)
    await turns()
    victim, heir = start(INTERACTIVE, 2)
    await turns()
    gate._emit = lambda _: victim.cancel()
    held[0].cancel()
    await turns(10)
    assert victim.cancelled()
    assert not heir.done()
    assert len(begun) == 11


@pytest.mark.parametrize("outcome", [ConnectionFailed("refused", sent=False), ZeroDivisionError(), None])
async def test_a_connection_is_free_again_however_its_request_ends(make_gate, outcome):
    gate = make_gate(connections=1)
    for _ in range(3):
        try:
            with await gate.enter(INTERACTIVE, max_wait=1):
                if outcome is not None:
                    raise outcome
        except (ConnectionFailed, ZeroDivisionError):
            pass


# The whole client, at a server whose answers take 8 seconds


SECONDS = 8


@pytest.fixture
def slow(sandbox):
    """A server that is slow to tell stock, and quick to tell the balance."""
    sandbox.faults.add(Fault("delay", path="/v1/product/stocks", seconds=SECONDS, times=None))
    return sandbox


def client(sandbox, **options):
    return KakaClo(sandbox.token, base_url=sandbox.url, **options)


def slow_calls(kk, sandbox, count):
    sku = next(iter(sandbox.catalog.skus()))
    return [asyncio.create_task(kk.stocks.page(skus=[sku])) for _ in range(count)]


async def ends(tasks):
    return await asyncio.gather(*tasks)


async def test_an_interactive_call_does_not_wait_for_the_connection_of_a_slow_bulk_call(slow):
    async with client(slow) as kk:
        bulk = slow_calls(kk.bulk(), slow, 98)
        await asyncio.sleep(0.5)
        began = now()
        assert await kk.payment.balance()
        assert now() - began < 1
        await ends(bulk)


async def test_a_burst_is_under_way_all_at_once(slow):
    async with client(slow) as kk:
        began = now()
        await ends(slow_calls(kk, slow, 118))
        assert now() - began < 1.5 * SECONDS


@pytest.mark.kakaclo_sandbox(capacity=100_000, per_second=100_000)
@pytest.mark.parametrize("lane", Lane)
async def test_the_wait_for_a_connection_is_not_the_attempts(slow, lane):
    """More are due than have a connection; each has its answer with one request."""
    rate = RateLimit(60, 200.0, 0)  # few enough in a moment for the backlog of the server's socket
    async with client(slow, rate_limit=rate, attempt_timeout=SECONDS + 2, max_wait=None) as kk:
        retried = []
        kk.on_event(lambda event: retried.append(event) if isinstance(event, Retried) else None)
        await ends(slow_calls(kk.with_options(lane=lane), slow, 1000))
        assert now() > 2 * SECONDS
        assert retried == []
        assert slow.requests["/v1/product/stocks"] == 1000


@pytest.mark.kakaclo_sandbox(capacity=100_000, per_second=100_000)
@pytest.mark.parametrize("limit", [{"limit": 10}, {"limit": 0, "limit_per_host": 10}], ids=["all", "by host"])
async def test_the_connections_of_a_borrowed_session_are_handed_out_by_lane_too(slow, limit):
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(**limit)) as session:
        rate = RateLimit(100_000, 10_000.0)
        async with client(slow, rate_limit=rate, session=session, attempt_timeout=SECONDS + 2) as kk:
            bulk = slow_calls(kk.bulk(), slow, 30)
            await asyncio.sleep(0.5)
            began = now()
            assert await kk.payment.balance()
            assert now() - began < 1
            await ends(bulk)
        assert slow.requests["/v1/product/stocks"] == 30
