"""Both faces of the package, played on a stepped clock: the client and the hostile server share one event loop."""

from __future__ import annotations

import asyncio

import kakaclo_async
import kakaclo_sync
from kakaclo_async.catalog import Mirror
from kakaclo_async.ordering import Journal
from kakaclo_async.testing import SteppedLoop
from kakaclo_sync import _loop
from support.calls import view

MAX_WAIT = 30.0
"""Seconds that a call may wait for a permit, as by default; streams and fan-outs are told so."""

FOR_EVER = 100_000.0
"""Seconds of the stepped clock after which nothing ends any more."""


class Async:
    """The asyncio face; all of a cell runs on one stepped loop."""

    name = "kakaclo_async"
    KakaClo, Journal, Mirror = kakaclo_async.KakaClo, Journal, Mirror

    def play(self, scene):
        with asyncio.Runner(loop_factory=SteppedLoop) as runner:
            return runner.run(scene())

    async def open(self, kk):
        self.loop = asyncio.get_running_loop()

    async def on_loop(self, work):
        return await work()

    async def call(self, operation, kk, shop):
        async with asyncio.timeout(FOR_EVER):
            found = operation.send(view(kk, operation, MAX_WAIT), shop)
            if hasattr(found, "__aiter__"):
                return [row async for row in found]
            return await found

    async def close(self, kk):
        await kk.aclose()

    @staticmethod
    def state(kk):
        return kk._sender.state


class HeldLoop(SteppedLoop):
    """A stepped loop whose clock stands still while no call is under way."""

    calls = frozenset({"the first"})

    def _patience(self, timeout, sockets):
        return super()._patience(timeout, sockets) if self.calls else min(timeout, 0.01)

    def _step(self, seconds):
        if self.calls or not seconds:
            super()._step(seconds)


class Sync:
    """The blocking face: the client and the server run on the client's own loop, which is stepped."""

    name = "kakaclo_sync"
    KakaClo, Journal, Mirror = kakaclo_sync.KakaClo, kakaclo_sync.Journal, kakaclo_sync.Mirror

    def play(self, scene):
        # Nothing that it awaits ever waits: the calls block.
        steps = scene()
        try:
            steps.send(None)
        except StopIteration as end:
            return end.value
        raise AssertionError("a blocking call has waited for an event loop")

    async def open(self, kk):
        before, _loop.new_loop = _loop.new_loop, lambda: _loop._with_our_threads(HeldLoop)
        try:
            self.thread = kk._bridge.thread()
        finally:
            _loop.new_loop = before
        self.loop = self.thread.loop
        self.loop.calls = self.thread.calls

    async def on_loop(self, work):
        return self.thread.run(work)

    async def call(self, operation, kk, shop):
        found = operation.send(view(kk, operation, MAX_WAIT), shop)
        return list(found) if isinstance(found, kakaclo_sync.Stream) else found

    async def close(self, kk):
        kk.close()

    @staticmethod
    def state(kk):
        return kk._target()._sender.state


FACES = {face.name: face for face in (Async, Sync)}
