"""A sandbox beside the tests, and somebody at a terminal."""

from __future__ import annotations

import io

import kakaclo_sync

TOKEN = "token-that-nobody-may-see"


class Hosted:
    """A sandbox in a thread of its own, since commands bring their own event loop."""

    def __init__(self, **settings):
        self.sandbox = kakaclo_sync.Sandbox(token=TOKEN, **settings)
        self.sandbox.start()
        self.skip, self.close = self.sandbox.skip, self.sandbox.close

    def call(self, function, *arguments):
        """Call a function on the thread that answers requests, where nothing changes meanwhile."""

        async def call():
            return function(*arguments)

        return self.sandbox._thread.run(call)


class Terminal(io.StringIO):
    """Somebody at a keyboard, who types this."""

    def isatty(self):
        return True
