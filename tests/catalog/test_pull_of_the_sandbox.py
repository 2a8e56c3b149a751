"""Pulling over HTTP from a catalog that changes meanwhile, checked against the sandbox's own database."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from random import Random

import attrs
import pytest
from support.serving import served

from kakaclo_async import IncompletePull, Sent
from kakaclo_async.catalog.reading import product_source, row_key, stock_source
from kakaclo_async.models.pull import Window
from kakaclo_async.paging import INDEX_LAG, Pull

pytestmark = pytest.mark.long


@attrs.frozen(kw_only=True)
class Scenario:
    """What goes on in the shop.

    Attributes:
        settings: of the sandbox.
        seconds: virtual seconds per request.
        bulk: products, and ten times as many SKUs' stock, that a bulk job changes at one moment.
        every: requests between two bulk jobs.
        ties: products that an earlier bulk job gave one update time, and so for their SKUs' stock.
    """

    settings: dict[str, float] = attrs.field(factory=dict)
    seconds: float = 0.5
    bulk: int = 0
    every: int = 12
    ties: int = 0


BUSY = {"update_rate": 0.1, "stock_update_rate": 0.5}
SCENARIOS = {
    "calm": Scenario(),
    "busy with bulk jobs": Scenario(settings=BUSY, bulk=2),
    "burst": Scenario(settings=BUSY, bulk=20, every=20),
    "slow network": Scenario(settings=BUSY, bulk=1, seconds=3.0),
    "stale replica": Scenario(settings=BUSY | {"replica_lag": 0.6}, bulk=1),
    "ties": Scenario(settings=BUSY | {"replica_lag": 0.6, "tie_shuffle": True}, ties=25),
}
MOVING = [name for name in SCENARIOS if name != "calm"]


class Shop:
    """A sandbox whose time goes by the requests that it answers, in one scenario."""

    def __init__(self, sandbox, kk, scenario, random, ticks):
        self.sandbox = sandbox
        self.caller = kk.bulk()._sender
        self.scenario = scenario
        self.random = random
        self.ticks = ticks
        self.requests = 0
        for _ in range(3 if scenario.ties else 0):
            self.change(scenario.ties)
            sandbox.skip(7.0)
        sandbox.skip(3600.0)
        end = sandbox.now().replace(microsecond=0) - INDEX_LAG
        self.window = Window(end - timedelta(days=5 * 365), end)
        kk.on_event(self.heard)

    def heard(self, event):
        if isinstance(event, Sent):
            self.requests += 1
            self.ticks[0] += self.scenario.seconds
            if self.scenario.bulk and self.requests % self.scenario.every == 0:
                self.change(self.scenario.bulk)

    def change(self, products):
        catalog = self.sandbox.catalog
        catalog.touch_many(products)
        rows = self.random.sample(list(catalog.stock_rows()), 10 * products)
        for sku, warehouse, _ in rows:
            catalog.set_stock(sku, warehouse, self.random.randrange(50))

    def truth(self, what):
        view = self.sandbox.catalog._truth
        times = view.products if what == "products" else view.stock
        name = view.register.spu if what == "products" else view.register.sku_code
        start, end = int(self.window.start.timestamp()), int(self.window.end.timestamp())
        return {name(row) for row in times.rows(start, end)}

    def source(self, what):
        return {"products": product_source, "stock": stock_source}[what](self.caller)

    async def page_loop(self, what):
        source, keys, number = self.source(what), set(), 1
        while page := await source.read(self.window, number):
            keys |= {row_key(row) for row in page}
            number += 1
        return keys


def opened(scenario, seed):
    ticks = [0.0]
    settings = {"products": 100, "page_size": 10, "seed": seed, "clock": lambda: ticks[0]}
    return served(**settings | scenario.settings), ticks


async def missed_by_pull(scenario, seed, what, sleep):
    context, ticks = opened(scenario, seed)
    async with context as (sandbox, kk):
        shop = Shop(sandbox, kk, scenario, Random(seed), ticks)
        pull = Pull(shop.source(what), shop.window, concurrency=4, sleep=sleep)
        keys: list[str] = []
        with suppress(IncompletePull):
            async for row in pull:  # what came before a failure counts
                keys.append(row_key(row))  # noqa: PERF401
        assert len(keys) == len(set(keys))
        may_leave_gaps = scenario is SCENARIOS["ties"] and what == "stock"
        assert pull.certificate.complete or may_leave_gaps
        return shop.truth(what) - set(keys) if pull.certificate.complete else set[str]()


async def missed_by_page_loop(scenario, seed, what):
    context, ticks = opened(scenario, seed)
    async with context as (sandbox, kk):
        shop = Shop(sandbox, kk, scenario, Random(seed), ticks)
        keys = await shop.page_loop(what)
        return shop.truth(what) - keys


@pytest.mark.parametrize("what", ["products", "stock"])
@pytest.mark.parametrize("name", SCENARIOS)
async def test_no_row_is_missed_in_three_runs(name, what, without_pauses):
    for seed in range(3):
        assert await missed_by_pull(SCENARIOS[name], seed, what, without_pauses) == set(), f"seed {seed}"


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("what", ["products", "stock"])
@pytest.mark.parametrize("name", SCENARIOS)
async def test_no_row_is_missed_in_200_runs(name, what, without_pauses):
    for seed in range(1000, 1200):
        assert await missed_by_pull(SCENARIOS[name], seed, what, without_pauses) == set(), f"seed {seed}"


@pytest.mark.parametrize("name", MOVING)
async def test_a_plain_page_loop_misses_stock_in_the_same_runs(name):
    missed = [await missed_by_page_loop(SCENARIOS[name], seed, "stock") for seed in range(3)]

    assert any(missed)
