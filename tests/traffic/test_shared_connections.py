"""The buckets of many shops share a Redis server's connections, and nothing else."""

from __future__ import annotations

import asyncio

import pytest
import redis
from support import redis_server
from support.ports import free_port

from kakaclo_async import KakaClo, RedisBucket, RedisServer
from kakaclo_async.errors import ConfigurationError, ConnectionFailed
from kakaclo_async.events import Lane
from kakaclo_async.ratelimit.bucket import RateLimit

INTERACTIVE = Lane.INTERACTIVE
RATE = RateLimit(10, 0.001, 0)


@pytest.fixture(scope="module")
def port():
    port = free_port()
    with redis_server.running(port):
        yield port


@pytest.fixture
def watch(port):
    """A client of our own, which counts the others."""
    with redis.Redis(port=port, client_name="watch") as client:
        client.flushdb()
        yield client


def connections(watch):
    return [client["name"] for client in watch.client_list()].count("")


async def gone(watch):
    async with asyncio.timeout(60):
        while connections(watch):
            await asyncio.sleep(0.01)


async def take(bucket):
    return (await bucket.take(INTERACTIVE, 1, reserve=0, contended=False)).permits


async def close(buckets):
    await asyncio.gather(*(bucket.aclose() for bucket in buckets))


async def test_a_thousand_shops_in_a_process_need_ten_connections(port, watch, crowded):
    server = RedisServer(f"redis://127.0.0.1:{port}")
    buckets = [RedisBucket(server, key=f"shop-{number}", rate_limit=RATE) for number in range(1000)]
    # A crowd of them at once may wait longer for its turn than for a Redis that hangs.
    granted = []
    for start in range(0, 1000, 100):
        granted += await asyncio.gather(*map(take, buckets[start : start + 100]))
        assert 1 <= connections(watch) <= 10
    assert granted == [1] * 1000
    await close(buckets)
    await gone(watch)


async def test_each_shop_has_permits_of_its_own(port, watch):
    server = RedisServer(f"redis://127.0.0.1:{port}", connections=1)
    a, b = (RedisBucket(server, key=key, rate_limit=RATE) for key in "ab")
    assert [await take(a) for _ in range(11)] == [1] * 10 + [0]
    assert await take(b) == 1
    assert connections(watch) == 1
    await close([a, b])


async def test_a_bucket_that_is_closed_closes_nothing_under_the_others_and_the_last_closes_all(port, watch):
    server = RedisServer(f"redis://127.0.0.1:{port}")
    a, b = (RedisBucket(server, key=key, rate_limit=RATE) for key in "ab")
    await take(a)
    await take(b)
    [before] = [client["id"] for client in watch.client_list() if client["name"] == ""]
    await a.aclose()
    await a.aclose()
    await take(b)
    assert [client["id"] for client in watch.client_list() if client["name"] == ""] == [before]
    await b.aclose()
    await gone(watch)
    again = RedisBucket(server, key="a", rate_limit=RATE)
    assert await take(again) == 1
    await again.aclose()
    await gone(watch)


async def test_a_bucket_without_a_server_of_others_has_a_connection_of_its_own(port, watch):
    buckets = [RedisBucket(f"redis://127.0.0.1:{port}", key=key, rate_limit=RATE) for key in "ab"]
    await asyncio.gather(*map(take, buckets))
    assert connections(watch) == 2
    await close(buckets)


@pytest.mark.process
async def test_redis_that_is_started_anew_serves_all_of_them_again():
    port = free_port()
    server = RedisServer(f"redis://127.0.0.1:{port}", connections=3)
    buckets = [RedisBucket(server, key=f"shop-{number}", rate_limit=RATE) for number in range(20)]
    with redis_server.running(port):
        assert await asyncio.gather(*map(take, buckets)) == [1] * 20
    for end in await asyncio.gather(*map(take, buckets), return_exceptions=True):
        assert isinstance(end, ConnectionFailed)
    with redis_server.running(port):
        assert await asyncio.gather(*map(take, buckets)) == [1] * 20
        with redis.Redis(port=port, client_name="watch") as watch:
            assert connections(watch) <= 3
        await close(buckets)


async def test_a_bucket_that_cannot_be_used_breaks_nothing_that_others_do_now(port, watch):
    server = RedisServer(f"redis://127.0.0.1:{port}")
    watch.set("{bad}:bucket", "no bucket")
    good = [RedisBucket(server, key=f"shop-{number}", rate_limit=RATE) for number in range(50)]
    bad = [RedisBucket(server, key="bad", rate_limit=RATE) for _ in range(50)]
    mixed = [bucket for pair in zip(good, bad, strict=True) for bucket in pair]
    ends = await asyncio.gather(*map(take, mixed), return_exceptions=True)
    assert ends[::2] == [1] * 50
    assert all(isinstance(end, ConfigurationError) for end in ends[1::2])
    await close(mixed)


async def test_calls_that_are_cancelled_lose_no_connection_for_the_others(port, watch):
    server = RedisServer(f"redis://127.0.0.1:{port}", connections=2)
    buckets = [RedisBucket(server, key=f"shop-{number}", rate_limit=RATE) for number in range(30)]
    for steps in range(30):
        tasks = [asyncio.create_task(take(bucket)) for bucket in buckets[:10]]
        for _ in range(steps):
            await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    assert await asyncio.gather(*map(take, buckets[10:])) == [1] * 20
    assert connections(watch) <= 2
    await close(buckets)


async def test_event_loops_share_no_connection(port, watch):
    server = RedisServer(f"redis://127.0.0.1:{port}")

    async def elsewhere():
        bucket = RedisBucket(server, key="a", rate_limit=RATE)
        taken = await take(bucket), connections(watch)
        await bucket.aclose()
        return taken

    mine = RedisBucket(server, key="b", rate_limit=RATE)
    await take(mine)
    assert await asyncio.to_thread(asyncio.run, elsewhere()) == (1, 2)
    assert await take(mine) == 1
    await mine.aclose()


async def test_a_client_takes_one(sandbox, port, watch):
    server = RedisServer(f"redis://127.0.0.1:{port}")
    kks = [
        KakaClo(sandbox.token, base_url=sandbox.url, bucket=RedisBucket(server, key=f"shop-{number}"))
        for number in range(5)
    ]
    for kk in kks:
        await kk.payment.balance()
    assert connections(watch) == 1
    for kk in kks:
        await kk.aclose()
    await gone(watch)


@pytest.mark.parametrize("url", ["redis-cluster://a", "rediss+sentinel://a", "http://a"])
def test_addresses_that_cannot_be_are_refused(url):
    with pytest.raises(ConfigurationError):
        RedisServer(url)
    with pytest.raises(ConfigurationError, match="connections"):
        RedisServer("redis://127.0.0.1", connections=0)
