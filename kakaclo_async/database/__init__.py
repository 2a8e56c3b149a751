"""What the mirror and the journal share: URLs, engines, errors, locks, migrations; and the threads that they run in."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from concurrent.futures import Executor, Future
from contextlib import nullcontext
from functools import partial
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Final, TypeVar

from kakaclo_async.errors import DatabaseAway

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from contextlib import AbstractContextManager


T = TypeVar("T")


class Threads(Executor):
    """Threads for work that blocks, as many as there is work at once; they stay, and end with the process.

    Not an event loop's own: those may all be busy with a user's calls, which wait for ours, and they take no more work
    once the main thread has ended, while other threads still place orders.
    """

    def __init__(self) -> None:
        self._reset()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._reset)  # a child inherits no threads

    def _reset(self) -> None:
        self._lock = threading.Lock()
        self._jobs: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._started = 0
        self._free = 0  # threads that wait, less the work that waits for one

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """Run a function in a thread.

        Raises:
            OSError: there is none, and none can be started any more.
        """
        future: Future[T] = Future()
        with self._lock:
            if self._free <= 0:
                self._start()
            self._free -= 1
        self._jobs.put(partial(_run, future, partial(fn, *args, **kwargs)))
        return future

    def _start(self) -> None:
        name = f"kakaclo-worker-{self._started + 1}"
        try:
            threading.Thread(target=self._work, args=(self._jobs,), name=name, daemon=True).start()
        except RuntimeError as error:  # an ending interpreter starts none: those that are there do the work
            if not self._started:
                raise OSError(f"no thread can be started: {error}") from None
        else:
            self._started += 1
            self._free += 1

    def _work(self, jobs: SimpleQueue[Callable[[], None]]) -> None:
        while True:
            jobs.get()()
            with self._lock:
                self._free += 1


def _run(future: Future[T], work: Callable[[], T]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = work()
    except BaseException as error:  # noqa: BLE001 - whoever waits gets it
        future.set_exception(error)
    else:
        future.set_result(result)


THREADS: Final = Threads()
"""The threads of this process."""


async def in_thread(work: Callable[..., T], *args: object) -> T:
    """Run a function in a thread; a cancellation goes on only once it has ended.

    Raises:
        DatabaseAway: no thread can be started.
    """
    try:
        job = asyncio.get_running_loop().run_in_executor(THREADS, work, *args)
    except OSError as error:
        raise DatabaseAway(f"the database cannot be used in a program that is ending: {error}") from None
    return await run_to_completion(job)


class _Patient(asyncio.Future[None]):
    """A future whose waiter is not woken by a cancellation, however often it comes."""

    was_cancelled = False

    def cancel(self, msg: object = None) -> bool:  # noqa: ARG002 - as it is called
        self.was_cancelled = True
        return True


async def run_to_completion(work: Awaitable[T]) -> T:
    """Await `work`; a cancellation goes on only once it has ended."""
    job = asyncio.ensure_future(work)
    ended = _Patient()
    job.add_done_callback(lambda _: None if ended.done() else ended.set_result(None))
    with _shielded_from_anyio():
        await ended
    failure = None if job.cancelled() else job.exception()
    if ended.was_cancelled or job.cancelled():
        raise asyncio.CancelledError
    if failure is not None:
        raise failure
    return job.result()


def _shielded_from_anyio() -> AbstractContextManager[object]:
    """Keep a cancelled scope of anyio from cancelling again and again, which is a loop without a pause."""
    # Whoever has scopes has loaded it.
    scope: Any = getattr(sys.modules.get("anyio"), "CancelScope", None)
    return nullcontext() if scope is None else scope(shield=True)
