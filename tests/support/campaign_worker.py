"""A worker of the long campaign: submits the orders of a file, and may be killed or interrupted at any moment.

Its wall clock is set by an hour to and fro, some of its calls are cancelled when their answer comes, and its client is
closed in the middle. It prints `custom-order-id number` for each order once `submit` has returned, and at its end what
happened to it: `# steps cancelled closed`.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import sys
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from kakaclo_async import (
    ClientClosed,
    ConnectionFailed,
    DeadlineExceeded,
    Item,
    KakaClo,
    NewOrder,
    OutcomeUnknown,
    RateLimited,
)
from kakaclo_async.ordering import Journal, journal as journal_module
from support.shop import ADDRESS, UNLIMITED

HOUR = 3600.0
CANCELLED_ANSWERS = 0.03
real_time = time.time


class WallClock(datetime):
    """The machine's clock, which is set again and again."""

    offset = 0.0
    steps = 0

    @classmethod
    def now(cls, tz=UTC):
        return datetime.fromtimestamp(real_time() + cls.offset, tz)

    @classmethod
    def set(cls, offset):
        cls.steps += offset != cls.offset
        cls.offset = offset

    @classmethod
    async def be_set_to_and_fro(cls):
        for _ in range(12):
            await asyncio.sleep(random.uniform(0.3, 1.0))
            cls.set(random.choice([-HOUR, 0.0, HOUR]))
        # What dead workers claimed by a clock an hour ahead must end; KakaClo's own clock says when it may.
        cls.set(2 * HOUR)


class Worker:
    def __init__(self, url, token, database, orders):
        self.url, self.token, self.sku = url, token, orders["sku"]
        self.left = orders["ids"]
        self.journal = Journal(database, quiet_time=orders["quiet_time"], lease=2.0)
        self.turn = asyncio.Semaphore(32)
        self.cancelled = self.closed = 0

    def client(self):
        kk = KakaClo(self.token, base_url=self.url, rate_limit=UNLIMITED, timeout=1.0)
        send = kk._sender.state.transport.send

        async def send_and_be_cancelled(request, *arguments, **options):
            answer = await send(request, *arguments, **options)
            if request.writes and random.random() < CANCELLED_ANSWERS:
                self.cancelled += 1
                asyncio.current_task().cancel()  # as Ctrl-C does, at the moment when the answer is there
            return answer

        kk._sender.state.transport.send = send_and_be_cancelled
        return kk

    async def submit(self, kk, custom_order_id, timeout):
        order = NewOrder(address=ADDRESS, items=[Item(self.sku, 1)], custom_order_id=custom_order_id)
        async with self.turn:
            try:
                created = await kk.bulk().orders.submit(order, journal=self.journal, timeout=timeout)
            except (OutcomeUnknown, ClientClosed, asyncio.CancelledError):
                return custom_order_id
            except (RateLimited, ConnectionFailed, DeadlineExceeded):  # surely not placed: try again
                return custom_order_id
        sys.stdout.write(f"{custom_order_id} {created.id}\n")
        sys.stdout.flush()
        return None

    async def round(self, timeout, *, close_in=None):
        """Submit what is left with one client, which may be closed in the middle."""
        async with self.client() as kk:
            jobs = [asyncio.create_task(self.submit(kk, key, timeout)) for key in self.left]
            if close_in is not None:
                await asyncio.wait(jobs, timeout=close_in)
                self.closed += not all(job.done() for job in jobs)
                await kk.aclose()
            self.left = [key for key in await asyncio.gather(*jobs) if key]

    async def run(self):
        random.shuffle(self.left)
        setter = asyncio.create_task(WallClock.be_set_to_and_fro())
        try:
            await self.round(0.0, close_in=random.uniform(0.2, 1.5))
            while self.left:
                await self.round(0.0)
                await self.round(60.0)
        finally:
            setter.cancel()
            sys.stdout.write(f"# {WallClock.steps} {self.cancelled} {self.closed}\n")
            sys.stdout.flush()


async def main(url, token, database, orders):
    await Worker(url, token, database, orders).run()


if __name__ == "__main__":
    *where, file = sys.argv[1:]
    journal_module.datetime = WallClock
    time.time = lambda: WallClock.now().timestamp()
    random.seed(os.getpid())
    with suppress(KeyboardInterrupt):
        asyncio.run(main(*where, json.loads(Path(file).read_text())))
