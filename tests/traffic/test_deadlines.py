"""Every public call ends within `max_wait + timeout`, whatever the server and the token function do."""

from __future__ import annotations

import asyncio
import random
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta

import attrs
import pytest
from support.calls import public_calls, v1
from support.shop import ADDRESS

from kakaclo_async import FreightRequest, Guards, Item, KakaClo, KakaCloError, NewDesign, NewOrder
from kakaclo_async.ordering import Journal
from kakaclo_async.sandbox import Fault

pytestmark = pytest.mark.stepped

MAX_WAIT, TIMEOUT, OWN = 5.0, 3.0, 2.0
SLACK = 0.1

NOW = datetime.now(UTC)
START, END = NOW - timedelta(days=1), NOW
ITEMS = [Item("A-1", 1)]
ORDER = NewOrder(address=ADDRESS, items=ITEMS, custom_order_id="SHOP-1")
DESIGN = NewDesign(model_id="7", en_name="Cat", image_url="https://example.com/cat.png", material_images=[])


async def first_row(stream):
    async for _ in stream:
        break
    await stream.aclose()


CALLS = {  # each ends within max_wait + timeout
    "categories.tree": lambda kk: kk.categories.tree(),
    "warehouses.all": lambda kk: kk.warehouses.all(),
    "payment.balance": lambda kk: kk.payment.balance(),
    "products.get": lambda kk: kk.products.get("A"),
    "products.get_many": lambda kk: kk.products.get_many(skus=[f"A-{n}" for n in range(30)]),
    "products.page": lambda kk: kk.products.page(category_id=1),
    "stocks.get": lambda kk: kk.stocks.get("A-1"),
    "stocks.get_many": lambda kk: kk.stocks.get_many([f"A-{n}" for n in range(30)], "G007"),
    "stocks.page": lambda kk: kk.stocks.page(skus=["A-1"]),
    "freight.quote": lambda kk: kk.freight.quote(ITEMS, "US"),
    "freight.channels": lambda kk: kk.freight.channels(ITEMS, "US"),
    "orders.get": lambda kk: kk.orders.get("1"),
    "orders.get_many": lambda kk: kk.orders.get_many(["1", "2"]),
    "orders.page": lambda kk: kk.orders.page(),
    "orders.find": lambda kk: kk.orders.find("SHOP-1", START),
    "orders.family": lambda kk: kk.orders.family("SHOP-1"),
    "orders.check": lambda kk: kk.orders.check(ORDER),
    "orders.create": lambda kk: kk.orders.create(ORDER),
    "refunds.plan": lambda kk: kk.refunds.plan("1"),
    "refunds.request": lambda kk: kk.refunds.request("1"),
    "refunds.of": lambda kk: kk.refunds.of("1"),
    "custom.category_names": lambda kk: kk.custom.category_names(),
    "custom.model": lambda kk: kk.custom.model(7),
    "v1.orders.create": lambda kk: v1(kk).orders.create(ORDER),
    "v1.orders.get": lambda kk: v1(kk).orders.get("1"),
    "v1.orders.page": lambda kk: v1(kk).orders.page(),
    "v1.freight.channels": lambda kk: v1(kk).freight.channels(ITEMS, "US"),
    "v1.refunds.request": lambda kk: v1(kk).refunds.request("1", "why"),
    "v1.refunds.of": lambda kk: v1(kk).refunds.of("1"),
}
WAITS = {  # each ends within a `timeout` of its own, and of what is sent before it waits
    "orders.submit": lambda kk, journal: kk.orders.submit(ORDER, journal=journal, timeout=OWN),
    "orders.wait": lambda kk, _: kk.orders.wait("1", timeout=OWN),
    "refunds.wait": lambda kk, _: kk.refunds.wait("1", timeout=OWN),
    "custom.add_design": lambda kk, _: kk.custom.add_design(DESIGN, timeout=OWN),
}
LONG = {  # as long as it takes, unless the view is told a `max_wait`
    "products.updated": lambda kk: first_row(kk.products.updated(START, END)),
    "products.in_category": lambda kk: first_row(kk.products.in_category(1)),
    "stocks.updated": lambda kk: first_row(kk.stocks.updated(START, END)),
    "orders.query": lambda kk: first_row(kk.orders.query()),
    "custom.models": lambda kk: first_row(kk.custom.models()),
    "custom.designs": lambda kk: first_row(kk.custom.designs()),
    "freight.quote_many": lambda kk: kk.freight.quote_many([FreightRequest(ITEMS, "US")] * 2),
    "freight.matrix": lambda kk: kk.freight.matrix([ITEMS], ["US", "FR"]),
}


def test_of_every_public_call_it_is_known_how_long_it_may_take():
    assert public_calls() == {*CALLS, *WAITS, *LONG}
    assert len(public_calls()) > 40


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
    """Return how long a call takes to fail."""
    clock = asyncio.get_running_loop().time
    started = clock()
    async with asyncio.timeout(10_000):
        with pytest.raises(KakaCloError) as failed:
            await call
    assert not isinstance(failed.value, ExceptionGroup)
    return clock() - started


@pytest.mark.parametrize("name", CALLS)
async def test_a_call_ends_within_max_wait_and_timeout(kk, name):
    assert await seconds_of(CALLS[name](kk)) <= MAX_WAIT + TIMEOUT + SLACK


@pytest.mark.parametrize("name", CALLS)
async def test_a_call_that_meets_a_hold_ends_within_max_wait_and_timeout(kk, name):
    """One that queues while another call's 429 holds all of them."""
    first = asyncio.create_task(seconds_of(kk.payment.balance()))
    await asyncio.sleep(0.01)
    assert await seconds_of(CALLS[name](kk)) <= MAX_WAIT + TIMEOUT + SLACK
    assert await first <= MAX_WAIT + TIMEOUT + SLACK


@pytest.mark.parametrize("name", WAITS)
async def test_a_wait_ends_within_its_own_timeout_and_that_of_its_call(kk, name, tmp_path):
    journal = Journal(f"sqlite:///{tmp_path}/orders.db")
    before = 0.0 if name.endswith("wait") else MAX_WAIT + TIMEOUT
    assert await seconds_of(WAITS[name](kk, journal)) <= OWN + before + SLACK


@pytest.mark.parametrize("name", LONG)
async def test_streams_and_fan_outs_obey_a_max_wait_that_the_view_is_told(kk, name):
    hasty = kk.with_options(max_wait=MAX_WAIT)
    if name == "freight.matrix":  # its errors are in their places
        quotes = await asyncio.wait_for(
            hasty.freight.matrix([ITEMS], ["US", "FR"]), MAX_WAIT + TIMEOUT + SLACK
        )
        assert all(isinstance(quote, KakaCloError) for quote in quotes.values())
        return
    assert await seconds_of(LONG[name](hasty)) <= MAX_WAIT + TIMEOUT + SLACK


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
