"""Every public call ends within `max_wait + timeout`, whatever the server and the token function do."""

from __future__ import annotations

import asyncio
import random
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta

import attrs
import pytest
from support.calls import CALLS, OF_CLIENT
from support.shop import ADDRESS, Shop

from kakaclo_async import Guards, Item, KakaClo, KakaCloError, NewDesign, NewOrder
from kakaclo_async.ordering import Journal
from kakaclo_async.sandbox import Fault

pytestmark = pytest.mark.stepped

MAX_WAIT, TIMEOUT, OWN = 5.0, 3.0, 2.0
SLACK = 0.1

NOW = datetime.now(UTC)
START = NOW - timedelta(days=1)
DESIGN = NewDesign(model_id="7", en_name="Cat", image_url="https://example.com/cat.png", material_images=[])


IN_TIME = [name for name, call in OF_CLIENT.items() if not (call.bulk or call.has_timeout)]
WITH_TIMEOUT = [name for name, call in OF_CLIENT.items() if call.has_timeout]
BULK = [name for name, call in OF_CLIENT.items() if call.bulk]


def send(name, kk, **given):
    """Make a call of the table; of a stream, read the first row."""
    sent = CALLS[name].send(kk, Shop(own=OWN, **given))
    return first_row(sent) if hasattr(sent, "__aiter__") else sent


async def first_row(stream):
    async for _ in stream:
        break
    await stream.aclose()


async def hang(_writer):
    await asyncio.get_running_loop().create_future()


async def drip(writer):
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\nContent-Type: application/json\r\n\r\n")
    for _ in range(1000):
        writer.write(b"{")
        await writer.drain()
        await asyncio.sleep(0.5)


def refuse(status):
    async def answer(writer):
        writer.write(
            b"HTTP/1.1 %d No\r\nRetry-After: 20\r\nContent-Length: 0\r\nConnection: close\r\n\r\n" % status
        )
        await writer.drain()

    return answer


FAULTS = {
    "429 with Retry-After 20": refuse(429),
    "503 with Retry-After 20": refuse(503),
    "503": refuse(503),
    "silence": hang,
    "slow body": drip,
    "hanging token function": refuse(503),
}


@asynccontextmanager
async def serving(answer):
    """Serve each request like this."""
    handlers = set()

    async def handle(reader, writer):
        handlers.add(asyncio.current_task())
        with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            head = await reader.readuntil(b"\r\n\r\n")
            for line in head.lower().split(b"\r\n"):
                if line.startswith(b"content-length:"):
                    await reader.readexactly(int(line.partition(b":")[2]))
            await answer(writer)
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1")
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for handler in handlers:
            handler.cancel()
        await asyncio.gather(*handlers, return_exceptions=True)


async def never():
    await asyncio.get_running_loop().create_future()


@pytest.fixture(params=FAULTS)
async def kk(request):
    token = never if request.param == "hanging token function" else "token"
    async with (
        serving(FAULTS[request.param]) as url,
        KakaClo(token, base_url=url, max_wait=MAX_WAIT, timeout=TIMEOUT) as kk,
    ):
        yield kk


async def seconds_of(call):
    """Return how long a call takes to fail, or to return errors alone."""
    clock = asyncio.get_running_loop().time
    started = clock()
    async with asyncio.timeout(10_000):
        [end] = await asyncio.gather(call, return_exceptions=True)
    ends = list(end.values()) if hasattr(end, "values") else end if isinstance(end, list | tuple) else [end]
    assert ends
    assert all(isinstance(end, KakaCloError) and not isinstance(end, ExceptionGroup) for end in ends)
    return clock() - started


@pytest.mark.parametrize("name", IN_TIME)
async def test_a_call_ends_within_max_wait_and_timeout(kk, name):
    assert await seconds_of(send(name, kk)) <= MAX_WAIT + TIMEOUT + SLACK


@pytest.mark.parametrize("name", IN_TIME)
async def test_a_call_that_meets_a_hold_ends_within_max_wait_and_timeout(kk, name):
    """One that queues while another call's 429 holds all of them."""
    first = asyncio.create_task(seconds_of(kk.payment.balance()))
    await asyncio.sleep(0.01)
    assert await seconds_of(send(name, kk)) <= MAX_WAIT + TIMEOUT + SLACK
    assert await first <= MAX_WAIT + TIMEOUT + SLACK


@pytest.mark.parametrize("name", WITH_TIMEOUT)
async def test_a_wait_ends_within_its_own_timeout_and_that_of_its_call(kk, name, tmp_path):
    journal = Journal(f"sqlite:///{tmp_path}/orders.db")
    before = 0.0 if CALLS[name].kind == "wait" else MAX_WAIT + TIMEOUT
    assert await seconds_of(send(name, kk, journal=journal)) <= OWN + before + SLACK


@pytest.mark.parametrize("name", BULK)
async def test_streams_and_fan_outs_obey_a_max_wait_that_the_view_is_told(kk, name):
    assert await seconds_of(send(name, kk.with_options(max_wait=MAX_WAIT))) <= MAX_WAIT + TIMEOUT + SLACK


MIXED = [
    Fault("throttled", times=None, probability=0.02, retry_after="2"),
    Fault("throttled", times=None, probability=0.004, retry_after="20"),
    Fault("bad_gateway", times=None, probability=0.1, retry_after="1"),
    Fault("silence", times=None, probability=0.1),
    Fault("delay", times=None, probability=0.3, seconds=1.5),
    Fault("reset_before", times=None, probability=0.1),
]


@pytest.mark.kakaclo_sandbox(products=60, index_lag=0)
@pytest.mark.parametrize("seed", range(3))
async def test_calls_end_in_time_when_each_of_their_requests_may_fail_in_its_own_way(sandbox, seed, tmp_path):
    """Here some answers are good, so that calls of several requests come to their later ones."""
    rng = random.Random(seed)
    skus = list(sandbox.catalog.selling(pieces=5))
    sandbox.faults.clear()
    for fault in MIXED:
        sandbox.faults.add(attrs.evolve(fault))
    loop = asyncio.get_running_loop()
    journal = Journal(f"sqlite:///{tmp_path}/orders.db", now=sandbox.now)

    def order(number):
        return NewOrder(
            address=ADDRESS, items=[Item(rng.choice(skus), 1)], custom_order_id=f"SHOP-{seed}-{number}"
        )

    def some(count):
        return rng.sample(skus, min(count, len(skus)))

    calls = [
        (0, lambda kk, _: kk.stocks.get(rng.choice(skus))),
        (0, lambda kk, _: kk.stocks.get_many(some(20))),
        (0, lambda kk, _: kk.products.get_many(skus=some(20))),
        (0, lambda kk, _: kk.freight.quote([Item(rng.choice(skus), 1)], "US")),
        (0, lambda kk, n: kk.orders.check(order(n))),
        (0, lambda kk, n: kk.orders.create(order(n))),
        (0, lambda kk, n: kk.orders.find(f"SHOP-{seed}-{n - 5}", START)),
        (0, lambda kk, n: kk.orders.family(f"SHOP-{seed}-{n - 5}")),
        (0, lambda kk, _: kk.payment.balance()),
        (OWN, lambda kk, n: kk.orders.submit(order(n), journal=journal, timeout=OWN)),
        (
            2 * OWN,
            lambda kk, n: kk.custom.add_design(attrs.evolve(DESIGN, en_name=f"Cat {n}"), timeout=OWN),
        ),
    ]

    async def one(number):
        await asyncio.sleep(rng.random() * 400)
        own, call = rng.choice(calls)
        started = loop.time()
        with suppress(KakaCloError):
            await call(kk, number)
        return loop.time() - started - own

    async with KakaClo(
        sandbox.token,
        base_url=sandbox.url,
        max_wait=MAX_WAIT,
        timeout=TIMEOUT,
        guards=Guards(max_order_amount=10_000),
    ) as kk:
        took = await asyncio.gather(*map(one, range(150)))
        assert kk.stats().requests > 150
    assert max(took) <= MAX_WAIT + TIMEOUT + SLACK
