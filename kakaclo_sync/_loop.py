"""The private event loop: a daemon thread that runs coroutines while the threads that asked for them wait.

Ordinary bridges fail in three places that shape this one: Ctrl-C ends the request before it reaches the caller, and
never hides what a write did; a call from the loop's own thread is refused, because it would wait for itself; no script
hangs or warns when it exits.
"""

from __future__ import annotations

import asyncio
import threading
import warnings
from asyncio import _get_running_loop  # most callers have none, and `get_running_loop` would raise
from contextlib import suppress
from contextvars import ContextVar
from importlib import import_module
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from kakaclo_async.database import THREADS
from kakaclo_async.errors import ClientClosed, OutcomeUnknown
from kakaclo_async.state import CallWrites, call_writes

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine


T = TypeVar("T")

_EXIT_TIMEOUT = 10.0  # seconds that the interpreter's exit waits for a loop that does not end

# Seconds after which a wait comes up for signals: one just before the wait does not interrupt it, on Windows none does.
_WAIT = 0.5
# It registers fork and exit hooks when it is loaded; event loops load it in a call, which can be too late for them.
import_module("concurrent.futures.thread")


class LoopThread:
    """One event loop on one daemon thread, in one process.

    Args:
        at_end: awaited on the loop when it stops, after the last call has ended.

    Attributes:
        loop: the event loop; uvloop's if that is installed.
        stopping: True from the moment that the loop takes no more calls.
        exiting: True when the end of the interpreter is why.
        calls: what has not ended yet.
    """

    def __init__(self, at_end: Callable[[], Coroutine[object, object, object]]) -> None:
        self.loop = new_loop()
        self.stopping = False
        self.exiting = False
        self._inherited = False
        self._stop = asyncio.Event()
        self.calls: set[Call[Any]] = set()
        self._at_end = at_end
        self._thread = threading.Thread(target=self._main, name="kakaclo-loop", daemon=True)

    def start(self) -> None:
        """Start the thread.

        Raises:
            RuntimeError: no thread can be had, or the interpreter is ending.
        """
        try:
            self._thread.start()
        except RuntimeError:
            self.loop.close()
            raise

    def abandon(self) -> None:
        """End a thread that nobody knows, for its start was interrupted: another one serves the client."""
        self._at_end = _nothing
        self.stop()

    def __repr__(self) -> str:
        state = "inherited" if self._inherited else "stopping" if self.stopping else "running"
        return f"<LoopThread {state}, calls={len(self.calls)}>"

    def run(self, work: Callable[[], Coroutine[object, object, T]]) -> T:
        """Run a coroutine on the loop, in the caller's context, and wait for its end.

        Args:
            work: makes the coroutine; called on the loop.

        Raises:
            ClientClosed: the loop was closed before or during the call, or belongs to the parent process.
            OutcomeUnknown: an interrupted write was executed, or may have been.
            RuntimeError: the caller is on this very loop.
        """
        call = Call(self, work)
        try:
            return call.result()
        except BaseException as error:
            call.settle(error)
            raise

    def submit(self, call: Call[T]) -> None:
        """Have the loop start a call."""
        self.calls.add(call)
        # The loop copies this thread's context for `start`, and the task copies that.
        if not self.post(call.start):
            self.park_daemons()
            raise self.refusal()

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

    def refusal(self) -> ClientClosed:
        """Return the error of a call that the loop does not take."""
        if self._inherited:
            return ClientClosed("this belongs to the parent process; make it again after the fork")
        return ClientClosed("the client is closed; make a new one")

    def check_caller(self) -> None:
        """Refuse a call from the loop's own thread, and warn of one that holds up another loop."""
        self.park_daemons()
        if threading.get_ident() == self._thread.ident:
            raise RuntimeError(
                "a blocking call on the client's own event loop would wait for itself; in an event callback,"
                " hand the work to another thread"
            )
        if _get_running_loop() is not None:
            message = "this blocking call holds up the event loop of its thread; kakaclo_async would not"
            warnings.warn(message, RuntimeWarning, stacklevel=4)

    def park_daemons(self) -> None:
        """Stop a daemon thread for good while the interpreter ends: any exception in it would print a traceback."""
        if self.exiting and threading.current_thread().daemon:
            SimpleQueue[None]().get()

    def _main(self) -> None:
        try:
            runner = asyncio.Runner(loop_factory=lambda: self.loop)
            try:
                runner.run(self._serve())
            finally:
                # Closing starts a thread that joins the executor's; from Python 3.12 on, an ending interpreter refuses.
                with suppress(RuntimeError):
                    runner.close()
        finally:
            self.stopping = True
            # Calls posted after the loop's last turn; later ones find the loop closed.
            while self.calls:
                self.calls.pop().end(self.refusal())

    async def _serve(self) -> None:
        await self._stop.wait()
        tasks = [call.cancel() for call in tuple(self.calls)]
        await asyncio.gather(*filter(None, tasks), return_exceptions=True)
        await self._at_end()


async def _nothing() -> None: ...


class Call(Generic[T]):
    """One coroutine that a thread waits for. That thread calls `result` and `settle`; all else runs on the loop's.

    An exception out of a signal handler, such as Ctrl-C's, may come at any moment, also between the answer's arrival
    and the return to the caller. So what came of the call is kept here, made before it, until the caller has it.
    """

    __slots__ = ("_inbox", "_posted", "_task", "_thread", "_work", "_writes", "ended", "error", "value")

    value: T

    def __init__(self, thread: LoopThread, work: Callable[[], Coroutine[object, object, T]]) -> None:
        self._thread = thread
        self._work = work
        self._task: asyncio.Task[object] | None = None
        # Functions for the waiting thread to call; None wakes it to check whether the call has ended.
        self._inbox: SimpleQueue[Callable[[], object] | None] = SimpleQueue()
        self._posted = False
        self._writes = CallWrites()
        self.ended = False
        self.error: BaseException | None = None

    def result(self) -> T:
        """Run the coroutine, and wait for its end; pass whatever this raises to `settle`."""
        self._thread.check_caller()
        self._posted = True
        self._thread.submit(self)
        self._wait()
        if self.error is None:
            return self.value
        self._thread.park_daemons()
        raise self.error

    def settle(self, error: BaseException) -> None:
        """Raise `OutcomeUnknown` from an interruption that cut a write short; return if the error may be raised itself.

        An interruption, which is any exception but the call's own, cancels the coroutine and waits for its end; one
        that comes meanwhile does not wait. An order that was placed, or may have been, is never only an interrupt.
        """
        if error is self.error or not self._posted:
            self.error = None  # its traceback holds the frame that holds this call
            return
        self._writes.halted = True  # from now on nothing leaves, however late the cancellation comes
        try:
            if not self.ended and self._thread.post(self.cancel):
                self._wait()
        finally:
            self._raise_written(error)

    def _raise_written(self, interruption: BaseException) -> None:
        own, self.error = self.error, None
        known = own if isinstance(own, OutcomeUnknown) else None
        error = self._writes.after("the call was interrupted", known)
        try:
            if error is not None:
                raise error from interruption
        finally:
            del own, known, error  # their traceback holds this frame

    def _wait(self) -> None:
        """Wait for the end, and run what comes into the inbox; again after an interruption."""
        # `ended` is set before the wake-up is sent, so a second wait after an interrupted one cannot hang.
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
            self.end(self._thread.refusal())
        else:
            asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        if self.ended:  # cancelled before this first step
            return
        self._task = asyncio.current_task()
        inbox.set(self._inbox)
        call_writes.set(self._writes)
        try:
            self.value = await self._work()
        except asyncio.CancelledError as error:
            if self._thread.stopping:
                self.end(self._writes.after("the client was closed") or self._thread.refusal())
            else:
                self.end(error)
        except BaseException as error:  # noqa: BLE001 - the caller gets it
            if isinstance(error, OutcomeUnknown):
                self._writes.after("the call ended", error)
            self.end(error.with_traceback(error.__traceback__ and error.__traceback__.tb_next))
        else:
            self.end()

    def cancel(self) -> asyncio.Task[object] | None:
        """Have the coroutine end soon, and return its task if it has begun."""
        self._writes.halted = True
        if self._task is None:
            self.end(self._thread.refusal() if self._thread.stopping else asyncio.CancelledError())
        else:
            self._task.cancel()
        return self._task

    def end(self, error: BaseException | None = None) -> None:
        """Wake the waiting thread, with an error if there is one; only the first end counts."""
        if self.ended:
            return
        self.error = error
        self.ended = True
        self._thread.calls.discard(self)
        self._task = None  # freed here: a signal could interrupt the caller while it frees it
        # Threads that still wait when the interpreter exits are daemons: woken, they would print a traceback.
        if not self._thread.exiting:
            self._inbox.put(None)


inbox: ContextVar[SimpleQueue[Callable[[], object] | None]] = ContextVar("inbox of the caller")
"""Takes functions that the thread which waits for the running call shall call meanwhile."""


def new_loop() -> asyncio.AbstractEventLoop:
    """Return uvloop's event loop, if that is installed, or asyncio's."""
    try:
        import uvloop  # noqa: PLC0415 - an extra, loaded by the first call
    except ImportError:
        # Not `new_event_loop`: whatever policy the process has, it is not about this loop.
        return _with_our_threads(asyncio.SelectorEventLoop)
    return _with_our_threads(uvloop.Loop)


def _with_our_threads(kind: Any) -> asyncio.AbstractEventLoop:
    """Make a loop that looks up names in threads which go on when the main thread has ended, as this loop does."""

    def run_in_executor(loop: Any, executor: Any, function: Any, *arguments: Any) -> Any:
        return kind.run_in_executor(loop, executor or THREADS, function, *arguments)

    members = {"__module__": kind.__module__, "run_in_executor": run_in_executor}
    made: asyncio.AbstractEventLoop = type(kind.__name__, (kind,), members)()
    return made
