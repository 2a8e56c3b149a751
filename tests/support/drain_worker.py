"""A worker that drains a journal until nothing is left; it may be killed at any moment."""

from __future__ import annotations

import asyncio
import sys

from kakaclo_async import KakaClo
from kakaclo_async.ordering import Journal
from support.shop import UNLIMITED

TIMES = {"quiet_time": 1.5, "lease": 1.0}


async def main(url, token, database):
    journal = Journal(database, **TIMES)
    async with KakaClo(token, base_url=url, rate_limit=UNLIMITED, timeout=1.0) as kk:
        while True:
            done = await journal.drain(kk, at_once=3, seconds=1.0)
            if done.failure is not None:
                raise done.failure
            if not done.left and done.due is None:
                return
            await asyncio.sleep(0.02)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
