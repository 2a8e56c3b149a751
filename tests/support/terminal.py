"""A sandbox beside the tests, and somebody at a terminal."""

from __future__ import annotations

import asyncio
import io
import threading

from kakaclo_async.sandbox import Sandbox

TOKEN = "token-that-nobody-may-see"


class Hosted:
    """A sandbox in a thread of its own, since commands bring their own event loop."""

    def __init__(self, **settings):
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self.sandbox = self.call(lambda: Sandbox(token=TOKEN, **settings))
        self._wait(self.sandbox.start())

    def _wait(self, job):
        return asyncio.run_coroutine_threadsafe(job, self._loop).result(60)

    def call(self, function, *arguments):
        async def call():
            return function(*arguments)

        return self._wait(call())

    def skip(self, seconds):
        self.call(lambda: self.sandbox.skip(seconds))

    def close(self):
        self._wait(self.sandbox.aclose())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


class Terminal(io.StringIO):
    """Somebody at a keyboard, who types this."""

    def isatty(self):
        return True
