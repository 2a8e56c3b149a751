"""Run mirrors in processes of their own, and kill them."""

from __future__ import annotations

import asyncio
import sys
from contextlib import asynccontextmanager

CONCURRENCY = 2

SCRIPT = """
import asyncio, sys
from datetime import datetime
from kakaclo_async import KakaClo, RateLimit
from kakaclo_async.catalog import Mirror

async def main(url, token, database, until, concurrency):
    async with KakaClo(token, base_url=url, rate_limit=RateLimit(100_000, 50_000.0)) as kk:
        await Mirror(kk, database, concurrency=int(concurrency)).run(until=datetime.fromisoformat(until))

asyncio.run(main(*sys.argv[1:]))
"""


async def start_mirror(sandbox, database, until):
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        SCRIPT,
        sandbox.url,
        sandbox.token,
        database,
        until.isoformat(),
        str(CONCURRENCY),
    )


async def run_and_kill(sandbox, database, until, random):
    """Let a mirror run until a random moment, then kill -9 it; tell whether it was still running."""
    mirror = await start_mirror(sandbox, database, until)
    ended = asyncio.create_task(mirror.wait())
    served = sandbox.requests.total()
    requests = random.randint(1, 20)
    while sandbox.requests.total() < served + requests and not ended.done():
        await asyncio.sleep(0.001)
    await asyncio.sleep(random.random() * 0.02)
    killed = not ended.done()
    if killed:
        mirror.kill()
    await ended
    return killed


HOLD = """
import asyncio, sys
from kakaclo_async import KakaClo
from kakaclo_async.catalog import Mirror

async def hold():
    async with Mirror(KakaClo("t"), sys.argv[1]):
        print("open", flush=True)
        await asyncio.sleep(600)

asyncio.run(hold())
"""


@asynccontextmanager
async def a_mirror_elsewhere(url, script=HOLD):
    """A mirror in another process that has the database open."""
    holder = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, url, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert await holder.stdout.readline() == b"open\n"
        yield holder
    finally:
        if holder.returncode is None:
            holder.kill()
        await holder.wait()
