"""Many orders through a KakaClo that fails 30 % of them, two workers at once, and workers that die."""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress

import pytest
from support.campaign import KINDS, check_books, duplicates, fail_30_percent, faults_met, stock_up
from support.ordering import RICH, bury, client, kill_at

from kakaclo_async import KakaCloError, OutcomeUnknown
from kakaclo_async.ordering import Journal

pytestmark = [pytest.mark.stepped, pytest.mark.long]

ORDERS = 120
BALANCE = RICH["balance"]


@pytest.fixture
def sandbox(sandbox):
    stock_up(sandbox)
    fail_30_percent(sandbox)
    return sandbox


async def test_exactly_once_holds_for_many_orders_while_a_naive_client_orders_twice(sandbox, url, order):
    asyncio.get_running_loop().set_debug(False)  # a stack for each of its callbacks takes half the time
    orders = {f"SHOP-{number:03d}": order(f"SHOP-{number:03d}") for number in range(ORDERS)}
    numbers: dict[str, str] = {}
    deaths = await asyncio.gather(
        *(worker(sandbox, url, orders, numbers, random.Random(seed)) for seed in range(2))
    )
    naive = {f"NAIVE-{number:03d}": order(f"NAIVE-{number:03d}") for number in range(ORDERS)}

    check_books(sandbox, numbers, BALANCE)
    assert len(numbers) == ORDERS
    assert await Journal(url, now=sandbox.now).pending() == ()
    assert min(deaths) >= 3
    assert faults_met(sandbox).keys() == KINDS

    await retry_naively(sandbox, naive.values())
    assert len(duplicates(sandbox)) >= 8


async def worker(sandbox, url, orders, numbers, dice):
    """Submit all orders in lives that end at random moments, the last one excepted."""
    deaths = 0
    while left := [order for order in orders.values() if order.custom_order_id not in numbers]:
        dice.shuffle(left)
        journal = Journal(url, now=sandbox.now)
        dead = asyncio.Event()
        if deaths < 8:
            dead = kill_at(journal, dice.randint(1, 150), dice.choice(["before", "after"]))
        life = asyncio.create_task(live(sandbox, journal, left, numbers))
        end = asyncio.create_task(dead.wait())
        await asyncio.wait([life, end], return_when=asyncio.FIRST_COMPLETED)
        life.cancel()
        end.cancel()
        with suppress(asyncio.CancelledError):
            await life
        await bury(journal)
        deaths += dead.is_set()
    return deaths


async def live(sandbox, journal, orders, numbers):
    turn = asyncio.Semaphore(16)

    async def one(kk, order, timeout):
        async with turn:
            created = await kk.bulk().orders.submit(order, journal=journal, timeout=timeout)
            numbers[order.custom_order_id] = created.id

    async with client(sandbox) as kk:
        for timeout in (0.0, None):
            rest = [order for order in orders if order.custom_order_id not in numbers]
            heard = await asyncio.gather(*(one(kk, order, timeout) for order in rest), return_exceptions=True)
            unexpected = [error for error in heard if not isinstance(error, OutcomeUnknown | None)]
            assert [error for error in unexpected if not _died(error)] == []


def _died(error):
    return isinstance(error, BaseException) and not isinstance(error, Exception)


async def retry_naively(sandbox, orders):
    """What people write first."""

    async def one(kk, order):
        for _ in range(5):
            with suppress(KakaCloError):
                return await kk.orders.create(order)
        return None

    async with client(sandbox, timeout=5.0) as kk:
        await asyncio.gather(*(one(kk, order) for order in orders))
