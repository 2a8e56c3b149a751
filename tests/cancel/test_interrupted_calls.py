"""Ctrl-C at any instruction of a blocking call reaches the caller, and leaves the client usable or closed."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
import time
from contextlib import suppress
from decimal import Decimal
from itertools import count

import pytest
from support.interrupts import interrupted_at
from support.quiet import COUNTED
from support.shop import ADDRESS

from kakaclo_async.events import Lane
from kakaclo_sync import ClientClosed, Item, Journal, KakaClo, Mirror, NewOrder, OutcomeUnknown, RateLimit

EVERY = int(os.environ.get("KAKACLO_EVERY_INSTRUCTION", "1"))
FAST = {"products": 12, "index_lag": 0, "capacity": 100_000, "per_second": 10_000, "balance": Decimal(10**9)}

# They inject interrupts by tracing, which coverage does too: an interrupt that meets its tracer ends the whole run.
traced = pytest.mark.slow


@pytest.fixture
def sandbox(kakaclo_sync_sandbox):
    return kakaclo_sync_sandbox


@pytest.fixture
def client(sandbox):
    def make():
        return KakaClo(sandbox.token, base_url=sandbox.url, rate_limit=RateLimit(100_000, 10_000))

    return make


async def quiet(core):
    """Tell what is left on the client's loop, once what was cancelled has had its turns."""
    gate = core._sender.state.gate
    own = {asyncio.current_task().get_coro().__qualname__, "LoopThread._serve"}
    for _ in range(1000):
        await asyncio.sleep(0)
        tasks = [name for task in asyncio.all_tasks() if (name := task.get_coro().__qualname__) not in own]
        if not tasks:
            break
    return [gate.queued(lane) for lane in Lane], [*gate._under_way.values()], tasks


def check_usable(kk):
    core = kk._target()
    assert kk._bridge.thread().run(lambda: quiet(core)) == ([0, 0], [0, 0], [])
    assert kk.payment.balance()


def everywhere(function, judge, **options):
    """Interrupt a function at each instruction; `judge` looks at what it returned or raised."""
    points = 0
    for instruction in count(1, EVERY):
        outcome, reached = interrupted_at(instruction, lambda at=instruction: function(at), **options)
        if reached:  # it came to the caller, whatever it met
            assert isinstance(outcome, KeyboardInterrupt | OutcomeUnknown)
            points += 1
        judge(instruction, outcome)
        if not reached:
            break
    assert instruction > 20
    COUNTED["operations"] += 1
    COUNTED["interrupts"] += points


def first_rows(kk):
    stream = kk.custom.models()
    try:
        return [next(stream), next(stream)]
    finally:
        stream.close()


@traced
@pytest.mark.kakaclo_sandbox(**FAST)
@pytest.mark.parametrize("what", ["a read", "a fan-out", "a stream", "a mirror", "a journal"])
def test_an_interrupted_call_leaves_its_client_usable(what, client, sandbox, tmp_path):
    skus = list(sandbox.catalog.selling())
    journal = Journal(f"sqlite:///{tmp_path}/orders.db")
    url = f"sqlite:///{tmp_path}/catalog.db"
    with client() as kk:
        calls = {
            "a read": lambda _: kk.payment.balance(),
            "a fan-out": lambda _: kk.stocks.get_many(skus),
            "a stream": lambda _: first_rows(kk),
            "a mirror": lambda _: Mirror(kk, url).run(),
            "a journal": lambda _: journal.find("C-1"),
        }
        calls[what](0)  # what is loaded and made once

        def judge(_, outcome):
            check_usable(kk)
            if what == "a mirror":
                with Mirror(kk, url) as mirror:
                    assert mirror.status().products == 12

        everywhere(calls[what], judge)


@traced
@pytest.mark.kakaclo_sandbox(**FAST)
def test_an_interrupted_submit_hides_no_order_and_the_next_one_settles_it(client, sandbox, tmp_path):
    journal = Journal(f"sqlite:///{tmp_path}/orders.db", quiet_time=0.0)
    sku = next(iter(sandbox.catalog.selling(pieces=5)))
    for code, warehouse, _ in tuple(sandbox.catalog.stock_rows()):
        if code == sku:
            sandbox.catalog.set_stock(sku, warehouse, 10**6)

    def order(number):
        return NewOrder(address=ADDRESS, items=[Item(sku, 1)], custom_order_id=f"C-{number}")

    with client() as kk:
        kk.orders.submit(order(0), journal=journal)

        def judge(number, outcome):
            placed = [one for one in sandbox.journal if one.custom_order_id == f"C-{number}"]
            entry = journal.find(f"C-{number}")
            if isinstance(outcome, KeyboardInterrupt):
                assert not placed
            if placed:
                assert entry is not None
            check_usable(kk)
            kk.orders.submit(order(number), journal=journal)
            placed = [one for one in sandbox.journal if one.custom_order_id == f"C-{number}"]
            assert len(placed) == 1

        everywhere(lambda number: kk.orders.submit(order(number), journal=journal), judge)


def loops():
    """Return the threads of event loops that run.

    An interrupt inside `Thread.start` can leave one that never will: Python's own lock of it stays taken.
    """
    return {thread for thread in threading.enumerate() if thread.name == "kakaclo-loop" and thread.is_alive()}


@traced
@pytest.mark.kakaclo_sandbox(**FAST)
@pytest.mark.parametrize("how", ["first call", "close", "with", "with at once"])
def test_a_client_that_is_interrupted_as_it_begins_or_ends_can_be_closed(how, client):
    before = loops()
    clients = []

    def begin(_):
        clients.append(kk := client())
        kk.payment.balance()

    def close(_):
        clients[-1].close()

    def leave(_):
        with clients[-1]:
            clients[-1].payment.balance()

    def at_once(_):
        with client() as kk:
            clients.append(kk)

    def open_one():
        clients.append(kk := client())
        kk.payment.balance()

    def judge(_, outcome):
        for kk in clients:
            kk.close()
            with pytest.raises(ClientClosed):
                kk.payment.balance()
        clients.clear()
        until = time.monotonic() + 60
        while loops() - before and time.monotonic() < until:  # one that nobody knows of is on its way out
            time.sleep(0.001)
        assert loops() <= before
        if how in {"close", "with"}:
            open_one()

    if how in {"close", "with"}:
        open_one()
    everywhere(
        {"first call": begin, "close": close, "with": leave, "with at once": at_once}[how],
        judge,
        handled=how == "first call",
    )
    for kk in clients:
        with suppress(ClientClosed):
            kk.close()


@pytest.mark.process
def test_a_sample_of_these_interrupts_does_no_harm():
    """In a process that is not measured."""
    variables = {name: value for name, value in os.environ.items() if "COVERAGE" not in name}
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-n", "0", "-m", "slow", "-p", "no:cacheprovider", __file__],
        env=variables | {"KAKACLO_EVERY_INSTRUCTION": "17"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout
    print(run.stdout)  # noqa: T201 - how many there were
