"""One of several processes that share a rate: sends requests nowhere, and prints when each had its permit.

    python bucket_worker.py BUCKET REQUESTS LANE CAPACITY PER_SECOND

BUCKET is a Redis's URL, or `own`: a bucket of its own.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

from kakaclo_async.events import Lane
from kakaclo_async.ratelimit.bucket import RateLimit
from kakaclo_async.ratelimit.gate import Gate
from kakaclo_async.ratelimit.local import LocalBucket
from kakaclo_async.ratelimit.redis import RedisBucket


async def main(bucket: str, requests: int, lane: Lane, rate: RateLimit) -> None:
    """Wait for the word, then send."""
    gate = Gate(LocalBucket(rate) if bucket == "own" else RedisBucket(bucket, rate_limit=rate), reserve=20)
    arrivals: list[float] = []

    async def call() -> None:
        with await gate.enter(lane):
            arrivals.append(time.monotonic())

    print("ready", flush=True)
    sys.stdin.readline()
    began = time.process_time()
    await asyncio.gather(*(call() for _ in range(requests)))
    spent = time.process_time() - began
    await gate.aclose()
    print(json.dumps([arrivals, spent]))


if __name__ == "__main__":
    _, bucket, requests, lane, capacity, per_second = sys.argv
    asyncio.run(main(bucket, int(requests), Lane(lane), RateLimit(int(capacity), float(per_second))))
