"""The private event loop behind a blocking client: a daemon thread, started by the first call of each process.

What shapes it, because common bridges fail there: Ctrl-C ends the request before it reaches the caller; a call from
the loop's own thread is refused instead of waiting for itself; a forked child gets a loop of its own and never
touches the inherited one, whose sockets and epoll it shares with its parent; no script hangs or warns when it ends.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import os
import sys
import threading
import warnings
import weakref
from _thread import allocate_lock
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from kakaclo_async.errors import ClientClosed, ConfigurationError, OutcomeUnknown

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from types import ModuleType

__all__ = ["Bridge", "LoopThread"]

T = TypeVar("T")

# Windows does not interrupt a wait for a lock; elsewhere -1 waits as long as it takes.
_WAIT = 0.25 if sys.platform == "win32" else -1.0
# A script ends even if something on the loop does not.
_EXIT_PATIENCE = 10.0


class _Call(Generic[T]):
    """One coroutine that one thread asked for and the loop's thread runs; all but `wait` belongs to the latter."""

    __slots__ = ("_done", "_task", "_thread", "_work", "ended", "error", "value")

    value: T

    def __init__(self, thread: LoopThread, work: Callable[[], Coroutine[Any, Any, T]]) -> None:
        self._thread = thread
        self._work = work
        self._task: asyncio.Task[object] | None = None
        self._done = allocate_lock()
        self._done.acquire()
        self.ended = False
        self.error: BaseException | None = None

    def wait(self) -> None:
        # The flag goes up before the lock goes free, so a second wait, after an interruption, never hangs.
        while not self.ended and not self._done.acquire(timeout=_WAIT):
            pass

    def start(self) -> None:
        if self._thread.stopping:
            self.end(ClientClosed("the client was closed before the call began"))
        else:
            self._thread.loop.create_task(self._run())

    async def _run(self) -> None:
        if self.ended:  # cancelled between its start and its first step
            return
        self._task = asyncio.current_task()
        try:
            self.value = await self._work()
        except asyncio.CancelledError as error:
            stopping = self._thread.stopping
            self.end(ClientClosed("the client was closed during the call") if stopping else error)
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is the caller's
            self.end(error)
        else:
            self.end()

    def cancel(self) -> None:
        if self._task is None:
            self.end(asyncio.CancelledError())
        else:
            self._task.cancel()

    def end(self, error: BaseException | None = None) -> None:
        if not self.ended:
            self.error = error
            self.ended = True
            # At interpreter exit only daemon threads still wait: waking them would make each print a traceback.
            if not self._thread.exiting:
                self._done.release()


class LoopThread:
    """One event loop on one daemon thread of one process.

    Attributes:
        loop: the event loop; uvloop's if that is installed.
        stopping: True as soon as the loop takes no more calls.
        exiting: True when the interpreter's exit is the reason.
    """

    def __init__(self) -> None:
        _refuse_green_threads()
        self.loop = _new_loop()
        self.stopping = False
        self.exiting = False
        self._stop = asyncio.Event()
        self._calls: set[_Call[Any]] = set()
        self._made: weakref.WeakKeyDictionary[object, object] = weakref.WeakKeyDictionary()
        self._closers = contextlib.AsyncExitStack()
        self._thread = threading.Thread(target=self._main, name="kakaclo-loop", daemon=True)
        try:
            self._thread.start()
        except RuntimeError:  # no more threads, or the interpreter is ending
            self.loop.close()
            raise

    def __repr__(self) -> str:
        state = "stopping" if self.stopping else "running"
        return f"<LoopThread {state}, {len(self._calls)} calls on {type(self.loop).__module__}>"

    def run(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Run a coroutine on the loop, in the caller's context, and wait for its end.

        Any exception that a signal raises here, Ctrl-C's above all, cancels the coroutine, waits for its end and goes
        on; a second one goes on at once.

        Args:
            work: makes the coroutine; called on the loop.

        Raises:
            ClientClosed: the loop is closed, was closed during the call, or belongs to the parent process.
            OutcomeUnknown: a write was interrupted when it may have been executed already.
            RuntimeError: the caller is on this very loop.
        """
        self._check_caller()
        call = _Call(self, work)
        self._calls.add(call)
        try:
            # The handle keeps the caller's context, from where the task copies it.
            if not self.post(call.start):
                call.end(self._gone())
            call.wait()
        except BaseException as interruption:
            self.post(call.cancel)
            call.wait()
            if isinstance(call.error, OutcomeUnknown):
                raise call.error from interruption
            raise
        finally:
            self._calls.discard(call)
        error, call.error = call.error, None
        if error is None:
            return call.value
        try:
            raise error
        finally:
            del error  # its traceback holds this frame: without this, a cycle

    def post(self, callback: Callable[[], object]) -> bool:
        """Have the loop call something soon; False if it never will."""
        try:
            self.loop.call_soon_threadsafe(callback)
        except RuntimeError:  # closed
            return False
        return True

    def made(self, key: object, make: Callable[[], T], close: Callable[[T], Coroutine[Any, Any, object]] | None) -> T:
        """Return the object of a key, made at its first use; to be called on the loop.

        Args:
            key: whom the object belongs to; it goes when its key goes.
            make: makes the object.
            close: closes it when the loop stops, in the reverse order of making; None when nothing is to be closed.
        """
        found = self._made.get(key)
        if found is None:
            found = self._made[key] = make()
            if close is not None:
                self._closers.push_async_callback(close, found)
        return cast("T", found)

    def stop(self) -> None:
        """Ask the loop to end its calls and close; do not wait."""
        self.stopping = True
        self.post(self._stop.set)

    def close(self) -> None:
        """End running calls with `ClientClosed`, close what was made here and join the thread; safe twice."""
        if threading.get_ident() == self._thread.ident:
            raise RuntimeError("a client cannot be closed from its own event loop, as it waits for that loop's end")
        self.stop()
        self._thread.join(_EXIT_PATIENCE if self.exiting else None)

    def disown(self) -> None:
        """Leave this loop to the parent process, after a fork: never close, free or use anything of it."""
        self.stopping = True
        self.post = _never  # type: ignore[method-assign]
        _immortalise((self, list(self._made.values())))

    def _check_caller(self) -> None:
        if self.exiting and threading.current_thread().daemon:
            _park()
        if threading.get_ident() == self._thread.ident:
            raise RuntimeError(
                "a blocking call was made on the client's own event loop (from a callback?) and would wait for"
                " itself; make it from another thread"
            )
        with contextlib.suppress(RuntimeError):
            asyncio.get_running_loop()
            warnings.warn(
                "this blocking call holds up the event loop that runs in this thread; use kakaclo_async there",
                RuntimeWarning,
                stacklevel=5,
            )

    def _gone(self) -> ClientClosed:
        return ClientClosed("the client is closed; make a new one")

    def _main(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self.loop) as runner:
            runner.run(self._serve())
        # A call that was posted after the loop's last turn is still here; later ones meet the closed loop.
        while self._calls:
            self._calls.pop().end(self._gone())

    async def _serve(self) -> None:
        await self._stop.wait()
        ...
