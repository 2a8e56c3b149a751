"""Ten thousand calls at once, a hundred clients in one process, an hour of traffic: what they keep, and what they leave."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
import tracemalloc
from collections import Counter
from decimal import Decimal
from itertools import cycle, islice
from pathlib import Path

import attrs
import pytest
from support.shop import ADDRESS, UNLIMITED

from kakaclo_async import Caching, Item, KakaClo, KakaCloError, Lane, NewOrder, NotFound, Sent, Waited
from kakaclo_async.transport import _CONNECTIONS

FILES = Path("/proc/self/fd")
SHOP = {"products": 120, "index_lag": 0, "log_size": 100, "balance": Decimal(10**8)}

pytestmark = [
    pytest.mark.long,
    pytest.mark.stepped,
    pytest.mark.skipif(not FILES.exists(), reason="counts the open files as Linux tells them"),
]


def open_files():
    return len(os.listdir(FILES))  # noqa: PTH208 - of the process, not of a path


@attrs.define
class Left:
    """What a process holds besides memory."""

    files: int = attrs.field(factory=open_files)
    threads: set[threading.Thread] = attrs.field(factory=lambda: set(threading.enumerate()))
    tasks: set[asyncio.Task[object]] = attrs.field(factory=asyncio.all_tasks)

    async def nothing_more(self):
        """Check that all that came since then is gone, timers included."""
        for _ in range(50):  # the server's ends of the connections close after ours
            await asyncio.sleep(0.1)
        assert asyncio.all_tasks() - self.tasks - {asyncio.current_task()} == set()
        assert set(threading.enumerate()) - self.threads == set()
        assert open_files() <= self.files
        timers = [timer for timer in asyncio.get_running_loop()._scheduled if not timer.cancelled()]
        assert [
            timer for timer in timers if "kakaclo_async" in repr(timer) and "sandbox" not in repr(timer)
        ] == []


@attrs.define
class Peak:
    """The most connections that clients had when an answer had come, and the longest waits of each lane.

    Attributes:
        connections: those kept open between requests as well.
        under_way: with a request.
        files: open files of the process; each connection has its other end in it, too.
    """

    clients: list[KakaClo]
    connections: int = 0
    under_way: int = 0
    files: int = 0
    waits: Counter[Lane] = attrs.field(factory=Counter)

    def __call__(self, event):
        if isinstance(event, Waited):
            self.waits[event.lane] = max(self.waits[event.lane], event.seconds)
        elif isinstance(event, Sent):
            transports = [kk._sender.state.transport for kk in self.clients]
            pools = [
                session.connector for one in transports for session in (one._kept, one._fresh) if session
            ]
            busy = sum(len(pool._acquired) for pool in pools)
            kept = sum(len(connections) for pool in pools for connections in pool._conns.values())
            self.under_way = max(self.under_way, busy)
            self.connections = max(self.connections, busy + kept)
            self.files = max(self.files, open_files())


@pytest.fixture(autouse=True)
async def crowded():
    """Asyncio's debug mode would note where each of thousands of tasks was made."""
    asyncio.get_running_loop().set_debug(False)


@pytest.fixture
async def left(sandbox):
    return Left()


def order(sku, number):
    return NewOrder(address=ADDRESS, items=[Item(sku, 1)], custom_order_id=f"KA{number}")


def calls(kk, sandbox, count):
    """Make calls of every kind, as many look-ups as there are others; yield what each is to return."""
    skus, spus = list(sandbox.catalog.skus()), list(sandbox.catalog.spus())
    buyable = list(sandbox.catalog.selling(pieces=5))

    async def stock(sku):
        assert (await kk.stocks.get(sku)).sku == sku

    async def product(spu):
        assert (await kk.products.get(spu)).spu == spu

    async def missing(number):
        with pytest.raises(NotFound):
            await kk.stocks.get(f"NOSUCH{number}")

    async def freight(sku, number):
        assert (await kk.freight.quote([Item(sku, 1 + number % 50)], "US")).options

    async def balance():
        assert (await kk.payment.balance()).amount is not None

    async def place(sku, number):
        assert (await kk.orders.create(order(sku, number))).custom_order_id == f"KA{number}"

    kinds = cycle([*"ssssssppppppppm", "freight", "stock", "stock", "balance", "order"])
    for number, kind in zip(range(count), kinds, strict=False):
        sku, spu = skus[number % len(skus)], spus[number % len(spus)]
        match kind:
            case "p":
                yield product(spu)
            case "m":
                yield missing(number)
            case "freight":
                yield freight(skus[number % 40], number // 40)
            case "balance":
                yield balance()
            case "order":
                yield place(buyable[number % len(buyable)], number)
            case _:
                yield stock(sku)


def placed_once(sandbox, count):
    placed = Counter(entry.custom_order_id for entry in sandbox.journal)
    assert len(placed) == count
    assert set(placed.values()) == {1}


@pytest.mark.kakaclo_sandbox(**SHOP, capacity=1_000_000, per_second=100_000)
async def test_10_000_calls_at_once_with_a_permit_for_each(sandbox, left):
    async with KakaClo(
        sandbox.token, base_url=sandbox.url, rate_limit=UNLIMITED, max_wait=None, timeout=3600
    ) as kk:
        peak = Peak([kk])
        kk.on_event(peak)
        await asyncio.gather(*calls(kk, sandbox, 10_000))
        assert peak.under_way <= _CONNECTIONS
        assert peak.connections <= 2 * _CONNECTIONS  # reads are kept open a while; each write has a new one
        assert peak.files <= left.files + 4 * _CONNECTIONS
        stats = kk.stats()
        assert {lane.queued for lane in stats.lanes.values()} == {0}
    placed_once(sandbox, 500)
    await left.nothing_more()


@pytest.mark.kakaclo_sandbox(**SHOP)
async def test_10_000_calls_at_once_at_the_real_rate_starve_no_interactive_one(sandbox, left):
    clock = asyncio.get_running_loop().time
    started = clock()
    async with KakaClo(sandbox.token, base_url=sandbox.url, max_wait=None, timeout=3600) as kk:
        peak = Peak([kk])
        kk.on_event(peak)
        crowd = asyncio.gather(*calls(kk.bulk(), sandbox, 10_000))
        await asyncio.sleep(1)
        asked = 0
        while not crowd.done():
            await kk.payment.balance()
            asked += 1
            await asyncio.sleep(5)
        await crowd
        assert peak.connections <= 120
        assert peak.waits[Lane.INTERACTIVE] <= 1.0
        requests = kk.stats().requests
    assert asked > 50
    assert sandbox.throttled == 0
    assert clock() - started <= (requests - 98) / 2.0 * 1.02 + 10
    placed_once(sandbox, 500)
    await left.nothing_more()


@pytest.mark.kakaclo_sandbox(**SHOP, capacity=1_000_000, per_second=100_000)
async def test_100_clients_in_one_process(sandbox, left):
    clients = [
        KakaClo(sandbox.token, base_url=sandbox.url, rate_limit=UNLIMITED, timeout=3600) for _ in range(100)
    ]
    peak = Peak(clients)
    for kk in clients:
        kk.on_event(peak)
    skus, buyable = list(sandbox.catalog.skus()), list(sandbox.catalog.selling(pieces=5))

    async def work(number, kk):
        await asyncio.gather(*map(kk.stocks.get, skus[:60]), kk.payment.balance(), kk.categories.tree())
        await kk.orders.create(order(buyable[number], number))

    await asyncio.gather(*(work(number, kk) for number, kk in enumerate(clients)))
    placed_once(sandbox, 100)
    assert peak.connections <= 100 * 6  # two batches, the balance, the tree, the order, and one that closes
    await asyncio.gather(*(kk.aclose() for kk in clients))
    await left.nothing_more()


CYCLE = 5.0
MOST_BYTES_A_CALL = 25


def held():
    """Bytes that live in memory, allocated anywhere but in the sandbox and in the tests."""
    gc.collect()
    outside = [
        tracemalloc.Filter(False, pattern)
        for pattern in ("*/sandbox/*", "*/tests/*", "*tracemalloc*", "*/linecache.py")
    ]
    return sum(
        found.size for found in tracemalloc.take_snapshot().filter_traces(outside).statistics("filename")
    )


@pytest.mark.parametrize("minutes", [15, pytest.param(60, marks=pytest.mark.slow)])
@pytest.mark.kakaclo_sandbox(**SHOP, update_rate=0, stock_update_rate=0)
async def test_steady_traffic_keeps_memory_flat(sandbox, left, minutes):
    caching = Caching(freight=60, size=32)  # full before the second third begins
    async with KakaClo(
        sandbox.token, base_url=sandbox.url, max_wait=None, timeout=3600, caching=caching
    ) as kk:
        peak, numbers, sizes = Peak([kk]), iter(range(10**9)), []
        kk.on_event(peak)
        carts = cycle(list(islice(sandbox.catalog.skus(), 40)))
        skus, spus = cycle(sandbox.catalog.skus()), cycle(sandbox.catalog.spus())
        buyable = cycle(list(sandbox.catalog.selling(pieces=5)))

        async def one_turn():
            number = next(numbers)
            made = [kk.stocks.get(next(skus)) for _ in range(6)] + [
                kk.products.get(next(spus)) for _ in range(3)
            ]
            made += [
                kk.bulk().stocks.get(f"NOSUCH{number}"),
                kk.freight.quote([Item(next(carts), 1)], "US"),
            ]
            made += [
                kk.payment.balance(),
                kk.warehouses.all(),
                kk.with_options(timeout=60 + number).payment.balance(),
            ]
            if number % 6 == 0:
                made.append(kk.orders.create(order(next(buyable), number)))
            given_up = asyncio.create_task(kk.stocks.get(next(skus)))
            await asyncio.sleep(0)
            given_up.cancel()
            return [end for end in await asyncio.gather(*made, given_up, return_exceptions=True)
                    if isinstance(end, KakaCloError) and not isinstance(end, NotFound)]  # fmt: skip

        tracemalloc.start()
        turns = int(minutes * 60 / CYCLE)
        for turn in range(turns):
            assert await one_turn() == []
            await asyncio.sleep(CYCLE)
            if (turn + 1) % (turns // 3) == 0:
                sizes.append(held())
        tracemalloc.stop()
        calls_in_a_third = turns // 3 * 15
        assert sizes[2] - sizes[1] <= MOST_BYTES_A_CALL * calls_in_a_third, sizes
        assert peak.connections <= 20
        assert peak.waits[Lane.INTERACTIVE] <= CYCLE
    assert sandbox.throttled == 0
    placed_once(sandbox, -(-turns // 6))
    await left.nothing_more()
