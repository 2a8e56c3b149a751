"""A call that is cancelled anywhere while its permits come from Redis loses none, and leaves no connection."""

from __future__ import annotations

import asyncio

import pytest
import redis.asyncio
from support.cancelling import SUSPENSION, TURN, cancelled_at
from support.ports import free_port
from support.quiet import COUNTED, nothing_left
from support.redis_server import running

from kakaclo_async import KakaClo, RateLimit, RedisBucket
from kakaclo_async.events import Lane
from kakaclo_async.sandbox import Sandbox

pytestmark = pytest.mark.process

RATE = RateLimit(1000, 0.001, 0.0)  # it hardly leaks: permits can be counted
OTHERS = 3


@pytest.fixture(scope="module")
def redis_url():
    port = free_port()
    with running(port):
        yield f"redis://127.0.0.1:{port}"


async def spent_in(url, key):
    async with redis.asyncio.from_url(url) as client:
        return float(await client.hget(f"{{{key}}}:bucket", "level") or 0)


@pytest.mark.parametrize("again", [False, True], ids=["once", "again and again"])
@pytest.mark.parametrize("what", ["a call", "a close"])
async def test_a_bucket_in_redis_keeps_its_books_whatever_is_cancelled(what, again, redis_url):
    points = 0
    async with Sandbox(products=5, capacity=1e9, per_second=1e9) as sandbox:
        with nothing_left():
            for at in (SUSPENSION, TURN):
                step, met = 0, True
                while met:
                    step += 1
                    key = f"{what} {again} {at} {step}".replace(" ", "-")
                    before = sandbox.requests.total()
                    bucket = RedisBucket(redis_url, key=key, rate_limit=RATE)
                    kk = KakaClo(sandbox.token, base_url=sandbox.url, bucket=bucket)
                    others = [asyncio.create_task(kk.payment.balance()) for _ in range(OTHERS)]
                    if what == "a close":
                        await asyncio.sleep(0)
                    call = kk.payment.balance() if what == "a call" else kk.aclose()
                    ended = await cancelled_at(step, call, again=again, at=at)
                    met = ended.met
                    points += met
                    assert ended.error is None or ended.cancelled
                    ends = await asyncio.gather(*others, return_exceptions=True)
                    gate = kk._sender.state.gate
                    if what == "a call":
                        assert not any(isinstance(end, BaseException) for end in ends)
                        assert await kk.payment.balance()
                        assert {lane: gate.queued(lane) for lane in Lane} == dict.fromkeys(Lane, 0)
                        await kk.aclose()  # sends what is left to report
                        arrived = sandbox.requests.total() - before
                        spent = await spent_in(redis_url, key)
                        assert arrived <= round(spent) <= OTHERS + 2
                    else:
                        await kk.aclose()
        await asyncio.sleep(0)
    COUNTED["operations"] += 1
    COUNTED["cancellations"] += points
