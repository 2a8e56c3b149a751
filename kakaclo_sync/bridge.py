"""What a blocking client holds: its async client and their event loop, both anew in each process.

A forked child starts a loop of its own at its first call, and never touches the inherited one: its sockets and
its epoll are shared with the parent, which goes on using them.
"""

from __future__ import annotations

import atexit
import os
import threading
import weakref
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from kakaclo_async.errors import ClientClosed
from kakaclo_sync.loop_thread import LoopThread, prepare_exit_after_fork

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from kakaclo_sync.derive import Face


T = TypeVar("T")


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
        with no_fork:
            if self._root is None:
                self._root = self._make()
            return self._root

    def thread(self) -> LoopThread:
        """Return this process's loop thread, started by the first call.

        Raises:
            ClientClosed: `close` was called, here or before the fork.
            ConfigurationError: gevent or eventlet has replaced what it needs.
        """
        return self._thread or self._start()

    def _start(self) -> LoopThread:
        root = self.root()
        with no_fork:
            if self._thread is None:
                if self._closed:
                    raise ClientClosed("the client is closed; make a new one")
                self._thread = LoopThread(partial(self._close, root))
            return self._thread

    def close(self) -> None:
        """End running calls with `ClientClosed`, close the async client, join the thread. Safe twice.

        Raises:
            RuntimeError: the caller is on the loop's own thread.
        """
        with no_fork:
            self._closed = True
        if self._thread is not None:
            self._thread.close()

    def after_fork(self) -> None:
        """Leave loop and async client to the parent process; for the child."""
        if self._thread is not None:
            self._thread.disown()
            # Freed, sockets would leave the epoll that the parent still waits on, and databases roll back.
            found = [face._forget() for face in self._faces]  # noqa: SLF001 - users see faces, too
            _immortalise((self._thread, self._root, found))
            prepare_exit_after_fork()
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


no_fork = threading.RLock()
"""A fork waits for those who hold it: the child would inherit the locks of half-done imports."""


def _after_fork() -> None:
    for bridge in tuple(_bridges):
        bridge.after_fork()
    no_fork.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=no_fork.acquire, after_in_parent=no_fork.release, after_in_child=_after_fork)


def _immortalise(thing: object) -> None:
    import ctypes  # noqa: PLC0415 - only forked children need it

    # A global would hold it only until the interpreter clears its modules.
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(thing))
