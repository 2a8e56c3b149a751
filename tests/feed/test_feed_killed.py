"""A feed whose process is killed again and again, in its transactions and in its posts, tells all there is to tell."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from support.children import import_path
from support.receiver import Receiver

from kakaclo_async.feed import Feed
from kakaclo_async.ordering import Journal

WORKER = Path(__file__).parents[1] / "support" / "feed_worker.py"
HOUR, DAY = 3600, 86_400
WHOLE = ["OrderPaid", "OrderShipped", "OrderCompleted"]


class Workers:
    """One process after the other; the clock of each is two minutes ahead of the one before."""

    def __init__(self, sandbox, url, receiver):
        self._arguments = (url, sandbox.url, sandbox.token, receiver.url)
        self._sandbox = sandbox
        self.process = None
        self.deaths = 0

    async def start(self, fatal=0):
        self._sandbox.skip(120)
        ahead = (self._sandbox.now() - datetime.now(UTC)).total_seconds()
        self.process = await asyncio.create_subprocess_exec(
            sys.executable, str(WORKER), *self._arguments, str(ahead), str(fatal),
            env={**os.environ, "PYTHONPATH": import_path()},
        )  # fmt: skip

    def kill(self):
        self.process.kill()

    async def death(self):
        async with asyncio.timeout(120):
            assert await self.process.wait() == -signal.SIGKILL
        self.deaths += 1


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.process
async def test_killed_in_its_transactions_and_in_its_posts_it_loses_no_event(sandbox, url, kk, place):
    numbers = [f"SHOP-{number}" for number in range(6)]
    for number in numbers:
        await place(number)
    async with Receiver(sandbox.now) as receiver:
        workers = Workers(sandbox, url, receiver)

        def kill_at_some(_event):
            if len(receiver.posts) in {1, 4, 9, 13}:
                workers.kill()  # the post has arrived, and its answer never will
                return 0
            return None

        receiver.fails = kill_at_some
        for stage, pause in enumerate((0, 7 * HOUR, 6 * DAY), 1):
            sandbox.skip(pause)
            for fatal in range(2, 9, 2 if stage > 1 else 1):
                await workers.start(fatal)
                await workers.death()
            while len(receiver.events) < stage * len(numbers):
                await workers.start()
                took = asyncio.create_task(receiver.took(stage * len(numbers)))
                died = asyncio.create_task(workers.process.wait())
                async with asyncio.timeout(120):
                    await asyncio.wait({took, died}, return_when=asyncio.FIRST_COMPLETED)
                workers.deaths += died.done()
                for task in (took, died):
                    task.cancel()
                if workers.process.returncode is None:
                    workers.process.terminate()
                await workers.process.wait()
        events = [event async for event in Feed(Journal(url, now=sandbox.now)).events()]
    assert workers.deaths >= 15
    assert len({event.id for event in events}) == len(events) == 18
    assert sorted(receiver.events, key=lambda event: event.seq) == events
    for number in numbers:
        assert [event.type for event in receiver.events if event.custom_order_id == number] == WHOLE
