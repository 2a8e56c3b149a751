"""The private event loop: a daemon thread that runs what other threads wait for.

What shapes it, because common bridges fail there: Ctrl-C ends the request before it reaches the caller; a
call from the loop's own thread is refused, for it would wait for itself; no script hangs or warns at its end.
"""

from __future__ import annotations

import asyncio
import atexit
import sys
import threading
import warnings
from asyncio import _get_running_loop  # for most callers there is none, and `get_running_loop` would raise
from contextlib import suppress
from importlib import import_module
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, TypeVar

from kakaclo_async.errors import ClientClosed, ConfigurationError, OutcomeUnknown
from kakaclo_sync.call import Call

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine


T = TypeVar("T")

# Seconds that the interpreter's exit waits for a loop that does not end.
_EXIT_TIMEOUT = 10.0

# Event loops load it late, and it registers fork and exit hooks, for which the first call can be too late.
import_module("concurrent.futures.thread")


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
        self.loop = new_loop()
        self.stopping = False
        self.exiting = False
        self._inherited = False
        self._stop = asyncio.Event()
        self._calls: set[Call[Any]] = set()
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
        call = Call(self, work)
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
        self._park_daemons()
        try:
            raise error
        finally:
            del error  # its traceback holds this frame, and this frame held it

    def forget(self, call: Call[T]) -> None:
        """Drop a call that has ended."""
        self._calls.discard(call)

    def _submit(self, call: Call[T]) -> None:
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
        if _get_running_loop() is not None:
            message = "this blocking call holds up the event loop of its thread; kakaclo_async would not"
            warnings.warn(message, RuntimeWarning, stacklevel=4)

    def _park_daemons(self) -> None:
        # Whatever a daemon thread was told when the interpreter is ending, it would print a traceback.
        if self.exiting and threading.current_thread().daemon:
            SimpleQueue[None]().get()

    def _main(self) -> None:
        try:
            runner = asyncio.Runner(loop_factory=lambda: self.loop)
            try:
                runner.run(self._serve())
            finally:
                # From Python 3.12 on, an interpreter that ends refuses the thread which would wait for the executor's.
                with suppress(RuntimeError):
                    runner.close()
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


def new_loop() -> asyncio.AbstractEventLoop:
    """Return uvloop's event loop, if that is installed, or asyncio's."""
    try:
        import uvloop  # noqa: PLC0415 - an extra, loaded by the first call
    except ImportError:
        # Not `new_event_loop`: whatever policy the process has, it is not about this loop.
        return asyncio.SelectorEventLoop()
    return uvloop.new_event_loop()


def prepare_exit_after_fork() -> None:
    """See to it that a forked child which inherited loops can end.

    At the end of a process, libuv joins the threads of its pool, and in a child these exist only once it has used the
    pool itself: before, it would crash there.
    """
    uvloop = sys.modules.get("uvloop")
    if uvloop is not None:
        atexit.register(lambda: uvloop.run(_use_pool()))


async def _use_pool() -> None:
    await asyncio.get_running_loop().getaddrinfo("127.0.0.1", None)


def _refuse_green_threads() -> None:
    checks = (
        ("gevent.monkey", "is_module_patched", ("_thread", "queue", "select")),
        ("eventlet.patcher", "is_monkey_patched", ("thread", "select")),
    )
    for module, check, needed in checks:
        patcher = sys.modules.get(module)
        replaced = [] if patcher is None else [name for name in needed if getattr(patcher, check)(name)]
        if replaced:
            raise ConfigurationError(
                f"{module.partition('.')[0]} has replaced {', '.join(replaced)} in this process, and the blocking"
                " client needs the real ones: use thread or process workers, or leave these modules unpatched"
            )
