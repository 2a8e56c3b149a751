from __future__ import annotations

import asyncio
import random

import attrs
import pytest

from kakaclo_async.errors import RateLimited
from kakaclo_async.events import Lane
from kakaclo_async.ratelimit.bucket import RateLimit
from kakaclo_async.ratelimit.gate import Gate
from kakaclo_async.ratelimit.local import LocalBucket
from kakaclo_async.sandbox.world.clock import LeakyBucket


@attrs.define(slots=False)
class Shop:
    """The server's side of the limit, behind a network that takes its time."""

    capacity: int = 120
    per_second: float = 2.0
    jitter: float = 0.0
    retry_after: float | None = None
    refused: int = 0
    arrivals: list[float] = attrs.field(factory=list)
    rng: random.Random = attrs.field(factory=lambda: random.Random(7))

    def __attrs_post_init__(self):
        self.bucket = LeakyBucket(self.capacity, self.per_second, self.now)

    @staticmethod
    def now():
        return asyncio.get_running_loop().time()

    def fill(self):
        while not self.bucket.take():
            pass

    async def answer(self):
        await asyncio.sleep(self.jitter * self.rng.random())
        self.arrivals.append(self.now())
        if self.bucket.take():
            self.refused += 1
            raise RateLimited("slow down", retry_after=self.retry_after)
        await asyncio.sleep(self.jitter * self.rng.random())

    async def call(self, gate, lane=Lane.INTERACTIVE, **options):
        """Send one request, again after each 429; return the seconds that it waited for its permits."""
        waited = 0.0
        while True:
            permit = await gate.enter(lane, again=waited > 0, **options)
            waited += permit.waited
            try:
                with permit:
                    await self.answer()
                    return waited
            except RateLimited:
                continue


@pytest.fixture
def make_shop():
    return Shop


@pytest.fixture
async def crowded():
    """For thousands of tasks: asyncio's debug mode would note where each of them was made."""
    asyncio.get_running_loop().set_debug(False)


@pytest.fixture
async def make_gate():
    gates = []

    def make(capacity=120, per_second=2.0, *, margin=None, **options):
        rate = RateLimit(capacity, per_second, margin)
        gates.append(Gate(LocalBucket(rate, random=random.Random(1).random), **options))
        return gates[-1]

    yield make
    for gate in gates:
        await gate.aclose()
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.fixture
async def gate(make_gate):
    return make_gate()


@pytest.fixture
def drain():
    """Takes all the permits that interactive calls can get."""

    async def drain(gate):
        while not gate.eta(Lane.INTERACTIVE):
            with await gate.enter(Lane.INTERACTIVE):
                pass

    return drain


async def _turns(count=5):
    for _ in range(count):
        await asyncio.sleep(0)


@pytest.fixture
def turns():
    """Lets the event loop turn a few times, in no time."""
    return _turns
