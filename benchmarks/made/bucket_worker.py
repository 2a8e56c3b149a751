"""One of several processes that share a rate: sends requests nowhere, and prints when each had its permit.

    python bucket_worker.py LIMITER REDIS REQUESTS CAPACITY PER_SECOND

LIMITER is a name in LIMITERS. With REDIS empty, kakaclo has a bucket of its own.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from rivals import limiters

from kakaclo_async.events import Lane
from kakaclo_async.ratelimit.bucket import RateLimit
from kakaclo_async.ratelimit.gate import Gate
from kakaclo_async.ratelimit.local import LocalBucket
from kakaclo_async.ratelimit.redis import RedisBucket

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from contextlib import AbstractAsyncContextManager

    Passing = Callable[[], AbstractAsyncContextManager[object]]


@asynccontextmanager
async def kakaclo(redis: str, rate: RateLimit) -> AsyncIterator[Passing]:
    gate = Gate(RedisBucket(redis, rate_limit=rate) if redis else LocalBucket(rate), reserve=20)

    @asynccontextmanager
    async def passed() -> AsyncIterator[None]:
        with await gate.enter(Lane.INTERACTIVE):
            yield

    try:
        yield passed
    finally:
        await gate.aclose()


def rival(
    make: Callable[[float, str], Passing],
) -> Callable[[str, RateLimit], AbstractAsyncContextManager[Passing]]:
    @asynccontextmanager
    async def open_it(redis: str, rate: RateLimit) -> AsyncIterator[Passing]:
        yield make(rate.per_second, redis)

    return open_it


LIMITERS = {
    "kakaclo": kakaclo,
    "pyrate-limiter": rival(limiters.pyrate),
    "throttled-py": rival(limiters.throttled),
}


async def main(limiter: str, redis: str, requests: int, rate: RateLimit) -> None:
    """Wait for the word, then send."""
    arrivals: list[float] = []
    async with LIMITERS[limiter](redis, rate) as passing:

        async def call() -> None:
            async with passing():
                arrivals.append(time.monotonic())

        print("ready", flush=True)
        sys.stdin.readline()
        began = time.process_time()
        await asyncio.gather(*(call() for _ in range(requests)))
        spent = time.process_time() - began
    print(json.dumps([arrivals, spent]))


if __name__ == "__main__":
    _, limiter, redis, requests, capacity, per_second = sys.argv
    asyncio.run(main(limiter, redis, int(requests), RateLimit(int(capacity), float(per_second))))
