"""What a call must leave behind, however it has ended: nothing, and a client that goes on as if it had not been."""

from __future__ import annotations

import asyncio
import gc
import threading
from contextlib import contextmanager
from pathlib import Path

from kakaclo_async.events import Lane, Sent
from kakaclo_async.sending import sender_of

COUNTED = {"operations": 0, "cancellations": 0, "interrupts": 0}
"""Printed at the end of the run."""

_EXACT = 0.05  # permits: both buckets leak between two looks at them


def others_tasks():
    """Return the tasks that belong neither to the test nor to a server that runs in this loop."""
    return {
        task.get_name() + " " + getattr(task.get_coro(), "__qualname__", "")
        for task in asyncio.all_tasks()
        if task is not asyncio.current_task()
        and getattr(task.get_coro(), "__qualname__", "") != "RequestHandler.start"
    }


def open_files():
    """Return what this process has open: files by name, sockets and the like by kind."""
    found = []
    for number in Path("/proc/self/fd").iterdir():
        try:
            found.append(str(number.readlink()).partition(":[")[0])
        except FileNotFoundError:
            continue
    return sorted(found)


def threads():
    """Return the threads, but for those that stay: the package's workers."""
    return {thread.name for thread in threading.enumerate() if not thread.name.startswith("kakaclo-worker")}


@contextmanager
def nothing_left():
    """Fail if the block leaves a task, a thread, a file or a socket, or an error that nobody was told of.

    The rest of the process is kept out of the collector's way, so that it can be called often.
    """
    loop = asyncio.get_running_loop()
    loop.set_debug(False)  # it would note where each of many thousand tasks was made
    untold = []
    before = loop.get_exception_handler()
    loop.set_exception_handler(lambda _loop, context: untold.append(context))
    gc.collect()
    gc.freeze()
    files, running, tasks = open_files(), threads(), others_tasks()
    try:
        yield
        gc.collect()
        assert untold == []
        assert others_tasks() == tasks
        assert threads() == running
        assert open_files() == files
    finally:
        gc.unfreeze()
        loop.set_exception_handler(before)


class Books:
    """Compares the permits of a client with the requests that its sandbox has counted.

    Attributes:
        unanswered: requests of the last call that got no answer, and so may not have arrived.
    """

    def __init__(self, sandbox, kk):
        self._sandbox = sandbox
        self._gate = sender_of(kk).state.gate
        self.unanswered = 0
        kk.on_event(self._note)

    def _note(self, event):
        if isinstance(event, Sent) and event.status is None:
            self.unanswered += 1

    def check(self, *, refused=False):
        """No permit was gained, and none lost but for a request that may have left; nobody waits, and nothing serves.

        Args:
            refused: a 429 came, after which the client counts the bucket as full.
        """
        gate = self._gate
        assert {lane: gate.queued(lane) for lane in Lane} == dict.fromkeys(Lane, 0)
        assert gate._under_way == dict.fromkeys(Lane, 0)
        assert gate._pump is None
        ahead = gate.level - self._sandbox.level
        assert ahead > -_EXACT
        assert refused or ahead < self.unanswered + _EXACT

    async def close(self, *, refused=False):
        """Let what is under way end, check, and wait until both buckets are empty."""
        await settle()
        self.check(refused=refused)
        loop = asyncio.get_running_loop()
        grace, loop._grace = loop._grace, 0.0  # nobody is to speak up
        await asyncio.sleep(self._sandbox.capacity / self._sandbox.per_second * 2)
        loop._grace = grace
        self.check()
        assert self._gate.level == self._sandbox.level == 0
        self.unanswered = 0


async def settle():
    """Give whatever was cancelled, and the server, their turns."""
    for _ in range(3):
        await asyncio.sleep(0.01)
