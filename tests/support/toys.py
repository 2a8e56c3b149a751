"""A small async class and its blocking face, for tests of the machinery between the two."""

import asyncio
import contextvars
import threading
from contextlib import suppress

from kakaclo_async.errors import OutcomeUnknown
from kakaclo_async.protocol import Request
from kakaclo_async.state import call_writes
from kakaclo_sync._proxy import BlockingProxy, Bridge, blocking, immediate, iterating

ORDER = Request(method="POST", path="/orders", result=str, writes=True, custom_order_id="C-1")
trace_id = contextvars.ContextVar("trace_id", default="none")


class AsyncShop:
    def __init__(self):
        self.begun = threading.Event()
        self.cancelled = threading.Event()
        self.let_end = threading.Event()
        self.ends = []
        self.sources = 0
        self.counted = 0

    async def echo(self, value, *, turns=1):
        """Return the value, some turns of the loop later."""
        for _ in range(turns):
            await asyncio.sleep(0)
        return value

    async def fail(self, error):
        await asyncio.sleep(0)
        raise error

    async def hang(self):
        """Wait for ever; the end takes some more turns of the loop."""
        self.begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            for _ in range(20):
                await asyncio.sleep(0)
            self.ends.append("hang")

    async def hang_on(self):
        """Wait for ever, and after a cancellation until `let_end`."""
        self.begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.cancelled.set()
            while not self.let_end.is_set():
                await asyncio.sleep(0)
            self.ends.append("hang_on")

    async def write(self):
        self.begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise OutcomeUnknown("sent", custom_order_id="C-1") from None

    async def send_and_hang_on(self):
        """Send an order, and hang on."""
        call_writes.get().begin(ORDER)
        await self.hang_on()

    async def hang_on_and_send(self):
        """Send an order only after all that."""
        with suppress(asyncio.CancelledError):
            await self.hang_on()
        self.ends.clear()
        try:
            call_writes.get().begin(ORDER)
        except asyncio.CancelledError:
            self.ends.append("not sent")
            raise

    async def run(self, function):
        """Call a plain function on the loop."""
        return function()

    async def trace(self):
        return trace_id.get()

    async def count(self, end, *, error=None, page=30):
        """Count up to the end, a page at a time."""
        self.sources += 1
        try:
            for number in range(end):
                if number % page == 0:
                    await asyncio.sleep(0)
                self.counted = number + 1
                yield number
            if error is not None:
                raise error
        finally:
            await asyncio.sleep(0)
            self.sources -= 1
            self.ends.append("count")

    def count_checked(self, end):
        if end < 0:
            raise ValueError("end")
        return self.count(end)

    def name(self):
        """Return the name."""
        return "shop"

    async def aclose(self):
        self.ends.append("aclose")


class Shop(BlockingProxy[AsyncShop]):
    def __init__(self):
        super().__init__(Bridge(AsyncShop, AsyncShop.aclose), lambda shop: shop)

    @property
    def core(self):
        return self._target()

    def close(self):
        self._bridge.close()

    echo = blocking(AsyncShop.echo)
    fail = blocking(AsyncShop.fail)
    hang = blocking(AsyncShop.hang)
    hang_on = blocking(AsyncShop.hang_on)
    write = blocking(AsyncShop.write)
    send_and_hang_on = blocking(AsyncShop.send_and_hang_on)
    hang_on_and_send = blocking(AsyncShop.hang_on_and_send)
    run = blocking(AsyncShop.run)
    trace = blocking(AsyncShop.trace)
    count = iterating(AsyncShop.count)
    count_checked = iterating(AsyncShop.count_checked)
    name = immediate(AsyncShop.name)


def echo_from_a_spawned_process(queue):
    """Make a client of its own; a spawned process imports this by its name."""
    queue.put(Shop().echo("from a spawned process"))
