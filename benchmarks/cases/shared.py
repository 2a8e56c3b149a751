"""One rate for 1, 2, 4 and 8 processes: a bucket in Redis, against others' and a fixed part of the rate for each.

The work is uneven, as it is in life: the first process has half of it. With a part each, the others' parts lie idle
when they are done. The server's bucket is worked out from the times at which permits were given.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from harness import Bar, Case, Plot, Refused, Size, Taken
from harness.databases import redis_server

from cases.limiter import LATE
from kakaclo_async.sandbox.world.clock import LeakyBucket

if TYPE_CHECKING:
    from collections.abc import Iterator

CAPACITY, PER_SECOND, REQUESTS = 120, 100.0, 400
WORKER = Path(__file__).parents[1] / "made" / "bucket_worker.py"


@contextmanager
def redis() -> Iterator[str]:
    with redis_server() as url:
        yield url


def parts(count: int) -> list[int]:
    """Share the requests out: half for the first."""
    if count == 1:
        return [REQUESTS]
    others = [REQUESTS // 2 // (count - 1)] * (count - 1)
    return [REQUESTS - sum(others), *others]


def run(limiter: str, redis: str, count: int, capacity: int, per_second: float) -> tuple[list[float], float]:
    """Let processes send; return the seconds from the start until each request, and the CPU of all."""
    environment = {**os.environ, "PYTHONPATH": f"{WORKER.parents[2]}:{WORKER.parents[1]}"}
    workers = [
        subprocess.Popen(
            [sys.executable, str(WORKER), limiter, redis, str(part), str(capacity), str(per_second)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment,
        )
        for part in parts(count)
    ]  # fmt: skip
    for worker in workers:
        assert worker.stdout is not None
        worker.stdout.readline()
    began = time.monotonic()
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.write("go\n")
        worker.stdin.flush()
    outputs = [worker.communicate()[0] for worker in workers]
    if any(worker.returncode for worker in workers):
        raise Refused("one of its processes failed")
    told = [json.loads(output) for output in outputs]
    return sorted(at - began for arrivals, _ in told for at in arrivals), sum(spent for _, spent in told)


def taken(arrivals: list[float], spent: float, **also: float) -> Taken:
    shop = LeakyBucket(CAPACITY, PER_SECOND, iter([arrivals[0], *arrivals]).__next__)
    refused = sum(shop.take() > 0 for _ in arrivals)
    return Taken(
        spent,
        arrivals[-1],
        arrivals[-1],
        {"429s": refused, "CPU us a permit": spent / REQUESTS * 1e6, **also},
    )


def shared(limiter: str, url: str, processes: float) -> Taken:
    import redis  # noqa: PLC0415 - only where there is a server

    with redis.Redis.from_url(url) as client:
        client.flushdb()
        client.config_resetstat()
        arrivals, spent = run(limiter, url, int(processes), CAPACITY, PER_SECOND)
        calls = client.info("commandstats")["cmdstat_evalsha"]["calls"]
    return taken(arrivals, spent, **{"script calls a permit": calls / REQUESTS})


def a_part_each(_: str, processes: float) -> Taken:
    capacity, per_second = int(CAPACITY // processes), PER_SECOND / processes
    return taken(*run("kakaclo", "", int(processes), capacity, per_second))


CASES = (
    Case(
        name="shared",
        title="400 requests of several processes at 100 a second",
        unit="s until the last permit",
        by="wall",
        world=redis,
        contenders={
            "least possible": lambda *_: Taken(0.0, (REQUESTS - CAPACITY) / PER_SECOND),
            **{name: partial(shared, name) for name in ("kakaclo", "pyrate-limiter", "throttled-py")},
            "a part each": a_part_each,
        },
        base="least possible",
        points="processes",
        quick=Size(0),
        full=Size(5, (1, 2, 4, 8)),
        bars=(
            Bar(over="least possible", most=1.08, at=8),
            Bar(of="429s", most=0, each=True, guard=8, cause=LATE),
            Bar(of="script calls a permit", most=2),
        ),
        plot=Plot("shared", x="processes", y="seconds until the last of 400 permits"),
        note="The rivals' buckets are in Redis, too: pyrate-limiter's token bucket and throttled-py's generic cell "
        "rate, each with a burst of 118. 429s are those that a server with a bucket of 120 would send. "
        "throttled-py lets each call that waits ask on its own, up to five times a second, over at most 20 connections "
        "of a process; it wants a redis-py older than the one that is installed here.",
    ),
)
