"""Other limiters of the rate, each as its documentation shows it, set to a burst of 118 and the server's rate.

A context that lets a call pass: `async with limiter: send()`. What a limiter cannot express is said at its function.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

import pyrate_limiter
from aiolimiter import AsyncLimiter
from throttled.asyncio import BaseStore, MemoryStore, RateLimiterType, RedisStore, Throttled, per_duration

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from contextlib import AbstractAsyncContextManager

BURST = 118
"""Of the server's 120: two may be under way when the bucket is full."""


def aiolimiter(per_second: float) -> Callable[[], AbstractAsyncContextManager[object]]:
    """Return a leaky bucket, like the server's."""
    limiter = AsyncLimiter(BURST, BURST / per_second)
    return lambda: limiter


def pyrate(per_second: float, redis: str = "") -> Callable[[], AbstractAsyncContextManager[object]]:
    """Return a token bucket, in memory or in a Redis."""
    rate = pyrate_limiter.Rate(round(per_second), pyrate_limiter.Duration.SECOND, burst=BURST)
    store = None
    if redis:
        from redis.asyncio import Redis  # noqa: PLC0415 - an extra

        store = pyrate_limiter.RedisStateStore(Redis.from_url(redis), "kakaclo")
    bucket = pyrate_limiter.StateBucket([rate], store=store, algorithm=pyrate_limiter.TokenBucket())
    limiter = pyrate_limiter.Limiter(bucket)

    @asynccontextmanager
    async def passed() -> AsyncIterator[None]:
        await limiter.try_acquire_async("kakaclo")
        yield

    return passed


def throttled(per_second: float, redis: str = "") -> Callable[[], AbstractAsyncContextManager[object]]:
    """Return a generic cell rate with a burst, in memory or in a Redis; its quota has whole numbers in a second.

    Its token bucket tells the time in whole seconds, so it would give a second's permits at once.
    """
    quota = per_duration(timedelta(seconds=1), max(1, round(per_second)), burst=BURST)
    store: BaseStore = MemoryStore()
    if redis:
        # its pool would open a connection for each call that waits, and fail at redis-py's limit of 100
        pool = "redis.asyncio.BlockingConnectionPool"
        options = {"CONNECTION_POOL_CLASS": pool, "CONNECTION_POOL_KWARGS": {"max_connections": 20}}
        store = RedisStore(redis, options)
    limiter = Throttled(
        key="kakaclo", using=RateLimiterType.GCRA.value, quota=quota, store=store, timeout=3600
    )

    @asynccontextmanager
    async def passed() -> AsyncIterator[None]:
        while (await limiter.limit()).limited:
            await asyncio.sleep(0)
        yield

    return passed
