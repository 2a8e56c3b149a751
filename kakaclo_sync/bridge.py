"""The private event loop behind a blocking client: a daemon thread that each process's first call starts.

What shapes it, because common bridges fail there: Ctrl-C ends the request before it reaches the caller; a
call from the loop's own thread is refused, for it would wait for itself; a forked child gets a loop of its
own and never touches the inherited one, whose sockets and epoll it shares with its parent; no script hangs
or warns at its end.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import sys
import threading
import warnings
import weakref
from contextvars import ContextVar
from functools import partial
from importlib import import_module
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from kakaclo_async.errors import ClientClosed, ConfigurationError, OutcomeUnknown

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from kakaclo_sync.derive import Face

__all__ = ["Bridge", "LoopThread", "on_caller"]

# Event loops load it late, and it registers fork and exit hooks, for which the first call can be too late.
import_module("concurrent.futures.thread")

R = TypeVar("R")
T = TypeVar("T")

# Windows does not interrupt a wait, so it comes up for signals.
_WAIT = 0.25 if sys.platform == "win32" else None
# Seconds that the interpreter's exit waits for a loop that does not end.
_EXIT_TIMEOUT = 10.0


class _Call(Generic[T]):
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
        # The flag goes up before the word is sent: a second wait, after an interrupted one, cannot hang.
        while not self.ended:
            try:
                job = self._inbox.get(timeout=_WAIT)
            except Empty:
                continue
            if job is not None:
                job()

    def start(self) -> None:
        if self._thread.stopping:
            self.end(self._thread.gone())
        else:
            asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        if self.ended:  # cancelled before this first step
            return
        self._task = asyncio.current_task()
        _current.set(self)
        try:
            self.value = await self._work()
        except asyncio.CancelledError as error:
            self.end(self._thread.gone() if self._thread.stopping else error)
        except BaseException as error:  # noqa: BLE001 - whatever it is, it belongs to the caller
            self.end(error.with_traceback(error.__traceback__ and error.__traceback__.tb_next))
        else:
            self.end()

    def cancel(self) -> asyncio.Task[object] | None:
        if self._task is None:
            self.end(self._thread.gone() if self._thread.stopping else asyncio.CancelledError())
        else:
            self._task.cancel()
        return self._task

    def end(self, error: BaseException | None = None) -> None:
        if self.ended:
            return
        self.error = error
        self.ended = True
        self._thread.forget(self)
        self._task = None  # to be freed here, and not by a caller whom a signal may interrupt meanwhile
        # Who still waits when the interpreter exits is a daemon thread: woken, it would print a traceback.
        if not self._thread.exiting:
            self._inbox.put(None)

    async def hand_back(self, function: Callable[[], R]) -> R:
        """Have the thread that waits call a function, and wait for its result."""
        done: asyncio.Future[R] = asyncio.get_running_loop().create_future()

        def settle(error: Exception | None, *results: R) -> None:
            if done.done():  # the call was cancelled meanwhile
                return
            if error is None:
                done.set_result(*results)
            else:
                done.set_exception(error)

        def job() -> None:
            try:
                result = function()
            except Exception as error:  # noqa: BLE001 - it comes back out of the call
                self._thread.post(partial(settle, error))
            else:
                self._thread.post(partial(settle, None, result))

        self._inbox.put(job)
        return await done


_current: ContextVar[_Call[Any]] = ContextVar("_current")


async def on_caller(function: Callable[[], R]) -> R:
    """Call a function on the thread that made the running call and waits for it. To be awaited on the loop."""
    return await _current.get().hand_back(function)


class LoopThread:
    """One event loop on one daemon thread, in one process.

    Args:
        at_end: awaited on the loop when it stops, after the last call has ended.

    Attributes:
        loop: the event loop; uvloop's if that is installed.
        stopping: True from the moment that the loop takes no more calls.
        exiting: True when the end of the interpreter is why.
    """

    def __init__(self, at_end: Callable[[], Coroutine[object, object, object]]) -> None:
        _refuse_green_threads()
        self.loop = _new_loop()
        self.stopping = False
        self.exiting = False
        self._inherited = False
        self._stop = asyncio.Event()
        self._calls: set[_Call[Any]] = set()
        self._at_end = at_end
        self._thread = threading.Thread(target=self._main, name="kakaclo-loop", daemon=True)
        try:
            self._thread.start()
        except RuntimeError:  # no thread can be had, or the interpreter is ending
            self.loop.close()
            raise

    def __repr__(self) -> str:
        state = "inherited" if self._inherited else "stopping" if self.stopping else "running"
        return f"<LoopThread {state}, calls={len(self._calls)}>"

    def run(self, work: Callable[[], Coroutine[object, object, T]]) -> T:
        """Run a coroutine on the loop, in the caller's context, and wait for its end.

        An exception out of a signal handler, such as Ctrl-C's, cancels the coroutine, waits for its end and
        goes on; a second one does not wait.

        Args:
            work: makes the coroutine; called on the loop.

        Raises:
            ClientClosed: the loop was closed before or during the call, or belongs to the parent process.
            OutcomeUnknown: an interrupted write may have been executed.
            RuntimeError: the caller is on this very loop.
        """
        self._check_caller()
        call = _Call(self, work)
        try:
            self._submit(call)
            call.wait()
        except BaseException as interruption:
            if self.post(call.cancel):
                call.wait()
            if isinstance(call.error, OutcomeUnknown):
                raise call.error from interruption
            raise
        error, call.error = call.error, None
        if error is None:
            return call.value
        try:
            raise error
        finally:
            del error  # its traceback holds this frame, and this frame held it

    def forget(self, call: _Call[T]) -> None:
        """Drop a call that has ended."""
        self._calls.discard(call)

    def _submit(self, call: _Call[T]) -> None:
        self._calls.add(call)
        # The loop copies this thread's context for `start`, and the task copies that.
        if not self.post(call.start):
            self._park_daemons()
            raise self.gone()

    def post(self, callback: Callable[[], object]) -> bool:
        """Have the loop call something soon, without waiting; False if it never will."""
        if self._inherited:
            return False
        try:
            self.loop.call_soon_threadsafe(callback)
        except RuntimeError:  # closed
            return False
        return True

    def stop(self) -> None:
        """Have the loop end its calls and itself, without waiting."""
        self.stopping = True
        self.post(self._stop.set)

    def close(self) -> None:
        """End running calls with `ClientClosed`, close what the loop keeps, and join the thread. Safe twice.

        Raises:
            RuntimeError: the caller is on this very loop.
        """
        if threading.get_ident() == self._thread.ident:
            raise RuntimeError("a client cannot be closed on its own event loop: it would wait for itself")
        self.stop()
        self._thread.join(_EXIT_TIMEOUT if self.exiting else None)

    def disown(self) -> None:
        """Take no more calls and touch nothing: all of this is the parent process's, after a fork."""
        self._inherited = self.stopping = True

    def gone(self) -> ClientClosed:
        """Say why the loop takes no call."""
        if self._inherited:
            return ClientClosed("this belongs to the parent process; make it again after the fork")
        return ClientClosed("the client is closed; make a new one")

    def _check_caller(self) -> None:
        self._park_daemons()
        if threading.get_ident() == self._thread.ident:
            raise RuntimeError(
                "a blocking call on the client's own event loop would wait for itself; in an event callback,"
                " hand the work to another thread"
            )
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return
        message = "this blocking call holds up the event loop of its thread; kakaclo_async would not"
        warnings.warn(message, RuntimeWarning, stacklevel=4)

    def _park_daemons(self) -> None:
        # Whatever a daemon thread was told when the interpreter is ending, it would print a traceback.
        if self.exiting and threading.current_thread().daemon:
            SimpleQueue[None]().get()

    def _main(self) -> None:
        try:
            with asyncio.Runner(loop_factory=lambda: self.loop) as runner:
                runner.run(self._serve())
        finally:
            self.stopping = True
            # What was posted after the last turn of the loop; whoever comes later meets the closed loop.
            while self._calls:
                self._calls.pop().end(self.gone())

    async def _serve(self) -> None:
        await self._stop.wait()
        tasks = [call.cancel() for call in tuple(self._calls)]
        await asyncio.gather(*filter(None, tasks), return_exceptions=True)
        await self._at_end()


class Bridge(Generic[T]):
    """What a blocking client holds: an async client and its loop thread, both anew in each process.

    Args:
        make: makes the async client, off the loop; called at once, and in a forked child at its first call.
        close: closes it, on the loop.
    """

    _thread: LoopThread | None = None

    def __init__(
        self, make: Callable[[], T], close: Callable[[T], Coroutine[object, object, object]]
    ) -> None:
        self._make = make
        self._close = close
        self._root: T | None = make()
        self._faces: weakref.WeakSet[Face[Any]] = weakref.WeakSet()
        self._closed = False
        _bridges.add(self)

    def __repr__(self) -> str:
        return f"<Bridge {'closed' if self._closed else self._thread or 'idle'}>"

    def __del__(self) -> None:
        # This may be the loop's own thread: stop it, but do not wait.
        if self._thread is not None:
            self._thread.stop()

    def add(self, face: Face[Any]) -> None:
        """Note that a face may hold an async object of this process."""
        self._faces.add(face)

    def root(self) -> T:
        """Return this process's async client."""
        root = self._root
        return self._remake() if root is None else root

    def _remake(self) -> T:
        with _starting:
            if self._root is None:
                self._root = self._make()
            return self._root

    def thread(self) -> LoopThread:
        """Return this process's loop thread, started by the first call.

        Raises:
            ClientClosed: `close` was called, here or before the fork.
            ConfigurationError: gevent or eventlet has replaced threads.
        """
        return self._thread or self._start()

    def _start(self) -> LoopThread:
        root = self.root()
        with _starting:
            if self._closed:
                raise ClientClosed("the client is closed; make a new one")
            if self._thread is None:
                self._thread = LoopThread(partial(self._close, root))
            return self._thread

    def close(self) -> None:
        """End running calls with `ClientClosed`, close the async client, join the thread. Safe twice.

        Raises:
            RuntimeError: the caller is on the loop's own thread.
        """
        with _starting:
            self._closed = True
        if self._thread is not None:
            self._thread.close()

    def after_fork(self) -> None:
        """Leave loop and async client to the parent process; for the child."""
        if self._thread is not None:
            self._thread.disown()
            # Freed, sockets would leave the epoll that the parent still waits on, and databases roll back.
            _immortalise([self._thread, self._root, *[face._forget() for face in self._faces]])
            self._thread = self._root = None

    def at_exit(self) -> None:
        """Close without waking those who wait; for the end of the interpreter."""
        if self._thread is not None:
            self._thread.exiting = True
            self.close()


_bridges: weakref.WeakSet[Bridge[Any]] = weakref.WeakSet()


@atexit.register
def _close_all() -> None:
    # The interpreter has joined all threads but the daemons by now, so nobody's work is cut off.
    for bridge in tuple(_bridges):
        bridge.at_exit()


# A fork waits for loops that are being started: the child would inherit the locks of half-done imports.
_starting = threading.RLock()


def _after_fork() -> None:
    for bridge in tuple(_bridges):
        bridge.after_fork()
    _starting.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_starting.acquire, after_in_parent=_starting.release, after_in_child=_after_fork
    )


def _new_loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop  # noqa: PLC0415 - the extra `fast`, loaded by the first call
    except ImportError:
        # Not `new_event_loop`: whatever policy the process has, it is not about this loop.
        return asyncio.SelectorEventLoop()
    return uvloop.new_event_loop()


def _refuse_green_threads() -> None:
    checks = (("gevent.monkey", "is_module_patched"), ("eventlet.patcher", "is_monkey_patched"))
    for module, check in checks:
        patcher = sys.modules.get(module)
        if patcher is not None and getattr(patcher, check)("thread"):
            raise ConfigurationError(
                f"{module.partition('.')[0]} has replaced this process's threads, and the blocking client"
                " needs real ones: use thread or process workers, or leave threads unpatched (thread=False)"
            )


def _immortalise(thing: object) -> None:
    import ctypes  # noqa: PLC0415 - only forked children need it

    # A global would hold it only until the interpreter clears its modules.
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(thing))
