"""What the tests of ordering share."""

from __future__ import annotations

import asyncio
from decimal import Decimal

from kakaclo_async import ConfigurationError, KakaClo
from support.shop import UNLIMITED

POST = {"path": "/v2/order/orders", "method": "POST"}
RICH = {"products": 60, "capacity": 1e9, "per_second": 1e9, "balance": Decimal(10**9)}
"""Settings of a sandbox that neither throttles nor runs out of money."""


class Killed(BaseException):
    """The worker is gone; nothing of it runs any more."""


def client(sandbox, **settings):
    return KakaClo(sandbox.token, base_url=sandbox.url, rate_limit=UNLIMITED, **settings)


def kill_at(journal, number, when, *, error=None):
    """Let a worker die before or after its transaction of this number, counted from 1; or its database fail.

    Returns an event that tells when it is dead.
    """
    run, done, dead = journal._database.run, 0, asyncio.Event()

    async def mortal(work, **options):
        nonlocal done
        done += 1
        mine, result = done, None
        if not dead.is_set() and (mine < number or (mine == number and when == "after")):
            result = await run(work, **options)
        if mine >= number:
            dead.set()
        if dead.is_set():
            raise ConfigurationError(error) if error else Killed
        return result

    journal._database.run = mortal
    return dead


async def submit_until_dead(kk, order, journal, dead):
    """Submit in a worker that dies; return what it heard, or the exception that it died of."""
    task = asyncio.create_task(kk.orders.submit(order, journal=journal, timeout=None))
    end = asyncio.create_task(dead.wait())
    await asyncio.wait([task, end], return_when=asyncio.FIRST_COMPLETED)
    for job in (task, end):
        job.cancel()
    heard, _ = await asyncio.gather(task, end, return_exceptions=True)
    await bury(journal)
    return heard


async def bury(journal):
    """Take note of what the tasks of a dead worker died of, for nobody else will."""
    reconcilers = journal._reconcilers.get().values()
    tasks = [task for reconciler in reconcilers if (task := reconciler._task)]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
