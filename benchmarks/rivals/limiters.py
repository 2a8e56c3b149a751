"""Other limiters of the rate, each as its documentation shows it, set to a burst of 118 and the server's rate.

A context that lets a call pass: `async with limiter: send()`. What a limiter cannot express is said at its function.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pyrate_limiter
from aiolimiter import AsyncLimiter
from throttled.asyncio import MemoryStore, RateLimiterType, Throttled, per_duration

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from contextlib import AbstractAsyncContextManager

BURST = 118
"""Of the server's 120: two may be under way when the bucket is full."""


def aiolimiter(per_second: float) -> Callable[[], AbstractAsyncContextManager[object]]:
    """Return a leaky bucket, like the server's."""
    limiter = AsyncLimiter(BURST, BURST / per_second)
    return lambda: limiter


def pyrate(per_second: float) -> Callable[[], AbstractAsyncContextManager[object]]:
    """Return a sliding window, its default: BURST in the time that the server needs for them."""
    rate = pyrate_limiter.Rate(BURST, max(1, round(BURST / per_second * 1000)))
    limiter = pyrate_limiter.Limiter(rate)

    @asynccontextmanager
    async def passed() -> AsyncIterator[None]:
        await limiter.try_acquire_async("kakaclo")
        yield

    return passed


def throttled(per_second: float) -> Callable[[], AbstractAsyncContextManager[object]]:
    """Return a generic cell rate with a burst; its quota has whole numbers in a second."""
    from datetime import timedelta  # noqa: PLC0415 - here alone

    quota = per_duration(timedelta(seconds=1), max(1, round(per_second)), burst=BURST)
    limiter = Throttled(
        key="kakaclo", using=RateLimiterType.GCRA.value, quota=quota, store=MemoryStore(), timeout=3600
    )

    @asynccontextmanager
    async def passed() -> AsyncIterator[None]:
        while (await limiter.limit()).limited:
            await asyncio.sleep(0)
        yield

    return passed
