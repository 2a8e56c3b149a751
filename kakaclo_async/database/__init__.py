"""What the mirror and the journal share: URLs, engines, errors, locks, migrations; and the threads that they run in."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from concurrent.futures import Executor, Future
from contextlib import contextmanager, nullcontext
from functools import partial
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Final, Generic, Protocol, TypeAlias, TypeVar

from kakaclo_async.errors import ConfigurationError, DatabaseAway

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator
    from contextlib import AbstractContextManager
    from pathlib import Path


T = TypeVar("T")


_Job: TypeAlias = "tuple[Future[Any], Callable[[], Any]]"


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
        self._jobs: SimpleQueue[_Job] = SimpleQueue()
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
        self._jobs.put((future, partial(fn, *args, **kwargs)))
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

    def _work(self, jobs: SimpleQueue[_Job]) -> None:
        while True:
            future, work = jobs.get()
            is_wanted = future.set_running_or_notify_cancel()
            result, failure = None, None
            try:
                result = work() if is_wanted else None
            except BaseException as error:  # noqa: BLE001 - whoever waits gets it
                failure = error
            with self._lock:
                self._free += 1  # before anybody learns of the end, and asks for the next thing
            if not is_wanted:
                pass
            elif failure is None:
                future.set_result(result)
            else:
                future.set_exception(failure)
            del future, work, result, failure  # not until the next job


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


class PerLoop(Generic[T]):
    """Keeps one object for each event loop that is not closed.

    Args:
        make: makes one, on its loop.
    """

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._made: dict[asyncio.AbstractEventLoop, T] = {}
        self._lock = threading.Lock()  # loops run in threads

    def get(self) -> T:
        """Return the running loop's."""
        loop = asyncio.get_running_loop()
        with self._lock:
            if loop not in self._made:
                self._made = {known: made for known, made in self._made.items() if not known.is_closed()}
                self._made[loop] = self._make()
            return self._made[loop]

    def forget(self) -> None:
        """Let the running loop have another one."""
        with self._lock:
            self._made.pop(asyncio.get_running_loop(), None)


class SameFile:
    """Tells whether an SQLite file is still the one that it was: SQLite itself would go on in one that was unlinked.

    Args:
        path: the file.
        what: the file, for errors: "the mirror's file".
        advice: what to do when it is gone.
    """

    def __init__(self, path: Path, what: str, advice: str) -> None:
        self._path = path
        self._what = what
        self._advice = advice
        self._known: tuple[int, int] | None = None

    def remember(self) -> None:
        """Take what is there now for the file from now on."""
        self._known = self._look()

    def check(self) -> None:
        """Raise `ConfigurationError` if the file that was remembered is not there."""
        if self._known is not None and self._look() != self._known:
            raise ConfigurationError(
                f"{self._what} {self._path} was moved, deleted or replaced while it was in use: {self._advice}"
            )

    def _look(self) -> tuple[int, int] | None:
        try:
            found = self._path.stat()
        except FileNotFoundError:
            return None
        return (found.st_dev, found.st_ino)


class Translates(Protocol):
    """A database that knows what its driver's errors mean."""

    def known(self, error: Exception, also: tuple[type[Exception], ...]) -> ConfigurationError | None:
        """Return the error to raise in place of one, if it is the database's."""


@contextmanager
def errors_of(where: Translates, *also: type[Exception]) -> Generator[None, None, None]:
    """Turn a driver's errors into this package's: see `DatabaseUrl.errors`."""
    try:
        yield
    except Exception as error:
        known = where.known(error, also)
        if known is None:
            raise
        # `from None` keeps rows and SQL out of tracebacks, which loggers print.
        raise known from None
