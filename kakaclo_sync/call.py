"""One blocking call: a coroutine on the loop, and the thread that waits for it."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from contextvars import ContextVar
from functools import partial
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from kakaclo_sync.loop_thread import LoopThread


R = TypeVar("R")
T = TypeVar("T")

# Seconds after which a wait comes up to look for signals: one that arrives just before the wait does not
# interrupt it, and on Windows none does.
_WAIT = 0.5


class Call(Generic[T]):
    """One coroutine that a thread asked for. Only `wait` is for that thread, all else for the loop's."""

    __slots__ = ("_inbox", "_task", "_thread", "_work", "ended", "error", "value")

    value: T

    def __init__(self, thread: LoopThread, work: Callable[[], Coroutine[object, object, T]]) -> None:
        self._thread = thread
        self._work = work
        self._task: asyncio.Task[object] | None = None
        # What the waiting thread shall do; None tells it to look whether the call has ended.
        self._inbox: SimpleQueue[Callable[[], object] | None] = SimpleQueue()
        self.ended = False
        self.error: BaseException | None = None

    def wait(self) -> None:
        """Wait for the end, doing what the call hands back meanwhile; again after an interruption, if need be."""
        # The flag goes up before the word is sent: a second wait, after an interrupted one, cannot hang.
        while not self.ended:
            try:
                job = self._inbox.get(timeout=_WAIT)
            except Empty:
                continue
            if job is not None:
                job()

    def start(self) -> None:
        """Begin, unless the loop is stopping."""
        if self._thread.stopping:
            self.end(self._thread.gone())
        else:
            asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        if self.ended:  # cancelled before this first step
            return
        self._task = asyncio.current_task()
        _inbox.set(self._inbox)
        try:
            self.value = await self._work()
        except asyncio.CancelledError as error:
            self.end(self._thread.gone() if self._thread.stopping else error)
        except BaseException as error:  # noqa: BLE001 - whatever it is, it belongs to the caller
            self.end(error.with_traceback(error.__traceback__ and error.__traceback__.tb_next))
        else:
            self.end()

    def cancel(self) -> asyncio.Task[object] | None:
        """Have the coroutine end soon, and return its task if it has begun."""
        if self._task is None:
            self.end(self._thread.gone() if self._thread.stopping else asyncio.CancelledError())
        else:
            self._task.cancel()
        return self._task

    def end(self, error: BaseException | None = None) -> None:
        """Let the waiting thread go on, with an error if there is one; only the first end counts."""
        if self.ended:
            return
        self.error = error
        self.ended = True
        self._thread.forget(self)
        self._task = None  # to be freed here, and not by a caller whom a signal may interrupt meanwhile
        # Who still waits when the interpreter exits is a daemon thread: woken, it would print a traceback.
        if not self._thread.exiting:
            self._inbox.put(None)


_inbox: ContextVar[SimpleQueue[Callable[[], object] | None]] = ContextVar("inbox of the caller")


async def on_caller(function: Callable[[], R]) -> R:
    """Call a function on the thread that waits for the running call. To be awaited in that call."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[R] = loop.create_future()

    def settle(result: Callable[[], None]) -> None:
        if not done.done():  # else the call was cancelled meanwhile
            result()

    def job() -> None:
        try:
            result = partial(done.set_result, function())
        except Exception as error:  # noqa: BLE001 - it comes out where it is awaited
            result = partial(done.set_exception, error)
        with suppress(RuntimeError):  # the loop was closed meanwhile
            loop.call_soon_threadsafe(settle, result)

    _inbox.get().put(job)
    return await done
