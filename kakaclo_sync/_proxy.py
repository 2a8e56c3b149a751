"""Blocking objects over async ones: what they share in a process, and how their methods are derived.

A forked child starts an event loop of its own at its first call, and never touches the inherited one: its sockets and
its epoll are shared with the parent, which goes on using them.
"""

from __future__ import annotations

import asyncio
import atexit
import inspect
import os
import sys
import threading
import weakref
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set as AbstractSet
from functools import partial, wraps
from types import FunctionType
from typing import (
    TYPE_CHECKING,
    Any,
    Concatenate,
    Generic,
    ParamSpec,
    Protocol,
    TypeGuard,
    TypeVar,
    cast,
    overload,
)

from kakaclo_async.errors import ClientClosed, ConfigurationError
from kakaclo_sync._loop import Call, LoopThread
from kakaclo_sync.stream import Pull, Stream

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from kakaclo_async.paging import Pull as AsyncPull
    from kakaclo_sync.stream import Rows


A = TypeVar("A")
B = TypeVar("B")
F = TypeVar("F")
R = TypeVar("R")
P = ParamSpec("P")
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

fork_lock = threading.RLock()
"""Held across a fork. Code that holds it cannot be cut in two: a child would inherit the locks of half-done imports."""


class Bridge(Generic[R]):
    """An async client and its loop thread, both made anew in each process.

    Args:
        make: makes the async client, off the loop; called at once, and in a forked child at its first call.
        close: closes it, on the loop.
    """

    _thread: LoopThread | None = None

    def __init__(
        self, make: Callable[[], R], close: Callable[[R], Coroutine[object, object, object]]
    ) -> None:
        self._make = make
        self._close = close
        with fork_lock:  # the first client loads modules
            self._root: R | None = make()
        self._proxies: weakref.WeakSet[BlockingProxy[Any]] = weakref.WeakSet()
        self._closed = False
        _bridges.add(self)

    def __repr__(self) -> str:
        return f"<Bridge {'closed' if self._closed else self._thread or 'idle'}>"

    def __del__(self) -> None:
        # This may run on the loop's own thread: stop it, but do not wait.
        if self._thread is not None:
            self._thread.stop()

    def add(self, proxy: BlockingProxy[Any]) -> None:
        """Remember a proxy, which may hold an async object of this process."""
        self._proxies.add(proxy)

    def root(self) -> R:
        """Return this process's async client."""
        root = self._root
        return self._remake() if root is None else root

    def _remake(self) -> R:
        with fork_lock:
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
        with fork_lock:
            if self._thread is None:
                if self._closed:
                    raise ClientClosed("the client is closed; make a new one")
                _refuse_green_threads()
                thread = LoopThread(partial(self._close, root))
                try:
                    thread.start()
                    self._thread = thread
                except BaseException:  # Ctrl-C, too
                    thread.abandon()
                    raise
            return self._thread

    def close(self) -> None:
        """End running calls with `ClientClosed`, close the async client, join the thread. Safe twice.

        Raises:
            RuntimeError: the caller is on the loop's own thread.
        """
        with fork_lock:
            self._closed = True
        if self._thread is not None:
            self._thread.close()

    def after_fork(self) -> None:
        """Leave the loop and the async client to the parent process; for the child."""
        if self._thread is not None:
            self._thread.disown()
            # Freed, sockets would leave the epoll that the parent still waits on, and databases roll back.
            inherited = [proxy._forget() for proxy in self._proxies]  # noqa: SLF001 - defined below
            _immortalise((self._thread, self._root, inherited))
            _prepare_exit()
            self._thread = self._root = None

    def at_exit(self) -> None:
        """Close without waking threads that wait; for the end of the interpreter."""
        if self._thread is not None:
            self._thread.exiting = True
            self.close()


async def nothing_to_close(_root: object) -> None:
    """Close what keeps nothing open between two calls."""


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


_bridges: weakref.WeakSet[Bridge[Any]] = weakref.WeakSet()


@atexit.register
def _close_all() -> None:
    # The interpreter has joined all threads but the daemons by now, so this cuts off nobody's work.
    for bridge in tuple(_bridges):
        bridge.at_exit()


def _after_fork() -> None:
    for bridge in tuple(_bridges):
        bridge.after_fork()
    fork_lock.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=fork_lock.acquire, after_in_parent=fork_lock.release, after_in_child=_after_fork
    )


def _immortalise(thing: object) -> None:
    import ctypes  # noqa: PLC0415 - only forked children need it

    # A global would hold it only until the interpreter clears its modules.
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(thing))


def _prepare_exit() -> None:
    # At the end of a process, libuv joins the threads of its pool. In a forked child these exist only once the child
    # has used the pool itself; before, it would crash there.
    uvloop = sys.modules.get("uvloop")
    if uvloop is not None:
        atexit.register(lambda: uvloop.run(_use_pool()))


async def _use_pool() -> None:
    await asyncio.get_running_loop().getaddrinfo("127.0.0.1", None)


class BlockingProxy(Generic[A]):
    """Blocking access to one async object.

    Args:
        bridge: the async client and the loop that its methods run on.
        find: gives the async object, from a process's async client; called once in each process.
    """

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        for member in vars(cls).values():
            if isinstance(member, FunctionType) and hasattr(member, "__wrapped__"):
                member.__module__ = cls.__module__  # `help` shows it

    def __init__(self, bridge: Bridge[R], find: Callable[[R], A]) -> None:
        self._bridge: Bridge[Any] = bridge
        self._find: Callable[[Any], A] = find
        self._found: A | None = None
        bridge.add(self)

    def _path_to(self, pick: Callable[[A], B]) -> Callable[[Any], B]:
        """Return a `find` for what `pick` takes from this proxy's async object."""
        find = self._find  # not `self`: children that a proxy holds must not keep it alive
        return lambda root: pick(find(root))

    def _child(self, proxy: Callable[[Bridge[Any], Callable[[Any], B]], F], pick: Callable[[A], B]) -> F:
        """Make the proxy of what `pick` takes from this proxy's async object."""
        return proxy(self._bridge, self._path_to(pick))

    def _target(self) -> A:
        found = self._found
        if found is None:
            found = self._found = self._find(self._bridge.root())
        return found

    def _forget(self) -> object:
        """Drop the async object, which stays with the parent process after a fork, and return it."""
        found, self._found = self._found, None
        return found


class Method(Protocol[P, T_co]):
    """A derived method as type checkers see it: they would not bind a bare callable to its instance."""

    @overload
    def __get__(self, instance: None, owner: type[object], /) -> Callable[Concatenate[Any, P], T_co]: ...
    @overload
    def __get__(self, instance: object, owner: type[object], /) -> Callable[P, T_co]: ...


def read_here(*args: Any, **kwargs: Any) -> tuple[list[Any], dict[str, Any]]:
    """Read lazy arguments on the caller's thread: a cursor, a query set or a stream must not run on the loop's."""
    return list(map(_listed, args)), {name: _listed(value) for name, value in kwargs.items()}


def _listed(value: Any) -> Any:
    found: object = value
    if isinstance(found, (str, bytes, Mapping, AbstractSet)) or not isinstance(found, Iterable):
        return value
    if hasattr(value, "write"):  # a file, whose lines would be read
        return value
    if isinstance(found, Sequence) and not any(isinstance(part, Iterator) for part in value):
        return value
    return list(map(_listed, value))


def waiting(function: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, T]:
    """Derive the function that waits for an async one: on the loop of its client, or on one of its own."""

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        given, named = read_here(*args, **kwargs)
        start = cast("Callable[..., Coroutine[Any, Any, T]]", function)
        bridges = [value._bridge for value in (*given, *named.values()) if _is_proxy(value)]  # noqa: SLF001 - ours
        own = None if bridges else Bridge(lambda: None, nothing_to_close)
        try:
            return (
                (own or bridges[0])
                .thread()
                .run(
                    lambda: start(
                        *map(_target, given), **{name: _target(value) for name, value in named.items()}
                    )
                )
            )
        finally:
            if own is not None:
                own.close()

    return call


def _is_proxy(value: object) -> TypeGuard[BlockingProxy[Any]]:
    return isinstance(value, BlockingProxy)


def _target(value: object) -> object:
    return value._target() if _is_proxy(value) else value  # noqa: SLF001 - ours


def _job(
    start: Callable[..., T], proxy: BlockingProxy[Any], given: list[Any], named: dict[str, Any]
) -> Callable[[], T]:
    return lambda: start(proxy._target(), *given, **named)  # noqa: SLF001 - ours


def blocking(method: Callable[Concatenate[A, P], Coroutine[Any, Any, T]]) -> Method[P, T]:
    """Derive the method that waits for the result of an async one."""

    @wraps(method)
    def call(self: BlockingProxy[A], /, *args: P.args, **kwargs: P.kwargs) -> T:
        job = _job(cast("Callable[..., Coroutine[Any, Any, T]]", method), self, *read_here(*args, **kwargs))
        del args, kwargs  # an error's traceback may show the locals of this frame: they may be addresses
        running = Call(self._bridge.thread(), job)
        try:
            return running.result()
        except BaseException as error:
            running.settle(error)
            raise

    return cast("Method[P, T]", _named_in_tracebacks(call, method))


def iterating(method: Callable[Concatenate[A, P], Rows[T]]) -> Method[P, Stream[T]]:
    """Derive the method that returns a plain iterator in place of an async one."""

    @wraps(method)
    def call(self: BlockingProxy[A], /, *args: P.args, **kwargs: P.kwargs) -> Stream[T]:
        job = _job(cast("Callable[..., Rows[T]]", method), self, *read_here(*args, **kwargs))
        del args, kwargs  # see `blocking`
        return Stream(self._bridge.thread(), job, self)

    # `inspect` and `help` would show the async method's. Annotations are strings here, and stay so: the names in them
    # are imported for type checkers only. "AsyncIterator[Order]" and "AsyncGenerator[Order, None]" have rows of Order.
    signature = inspect.signature(method)
    row = str(signature.return_annotation).partition("[")[2].removesuffix("]").removesuffix(", None")
    call.__signature__ = signature.replace(return_annotation=f"Stream[{row}]")  # type: ignore[attr-defined]
    return cast("Method[P, Stream[T]]", _named_in_tracebacks(call, method))


def pulling_rows(method: Callable[Concatenate[A, P], AsyncPull[T]]) -> Method[P, Pull[T]]:
    """Derive the method that returns a plain iterator with a certificate in place of an async one."""

    @wraps(method)
    def call(self: BlockingProxy[A], /, *args: P.args, **kwargs: P.kwargs) -> Pull[T]:
        return Pull(self._bridge.thread(), lambda: method(self._target(), *args, **kwargs), self)

    return cast("Method[P, Pull[T]]", _named_in_tracebacks(call, method))


def immediate(method: Callable[Concatenate[A, P], T]) -> Method[P, T]:
    """Derive the method that calls a plain one, which waits for nothing, right here."""

    @wraps(method)
    def call(self: BlockingProxy[A], /, *args: P.args, **kwargs: P.kwargs) -> T:
        return method(self._target(), *args, **kwargs)

    return cast("Method[P, T]", _named_in_tracebacks(call, method))


def _named_in_tracebacks(call: Any, method: Any) -> Any:
    # Tracebacks show the name of the code, which is `call` for all of them.
    call.__code__ = call.__code__.replace(co_name=method.__name__, co_qualname=method.__qualname__)
    return call
