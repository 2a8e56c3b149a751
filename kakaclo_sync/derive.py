"""Blocking classes from async ones, a line for each method; signatures, docstrings and names survive."""

from __future__ import annotations

import inspect
import re
from functools import wraps
from types import FunctionType
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, Protocol, TypeVar, cast, overload

from kakaclo_sync.bridge import no_fork
from kakaclo_sync.stream import Pull, Stream

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from kakaclo_async import paging as pulling
    from kakaclo_sync.bridge import Bridge
    from kakaclo_sync.stream import Rows


A = TypeVar("A")
B = TypeVar("B")
F = TypeVar("F")
R = TypeVar("R")
P = ParamSpec("P")
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Method(Protocol[P, T_co]):
    """A derived method as type checkers see it: they would not bind a bare callable to its instance."""

    @overload
    def __get__(self, instance: None, owner: type[object], /) -> Callable[Concatenate[Any, P], T_co]: ...
    @overload
    def __get__(self, instance: object, owner: type[object], /) -> Callable[P, T_co]: ...


class Face(Generic[A]):
    """The blocking face of one async object.

    Args:
        bridge: runs it.
        find: gives the async object of a process's async client; called once in each process.
    """

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        for member in vars(cls).values():
            if isinstance(member, FunctionType) and hasattr(member, "__wrapped__"):
                member.__module__ = cls.__module__  # `help` names it

    def __init__(self, bridge: Bridge[R], find: Callable[[R], A]) -> None:
        self._bridge: Bridge[Any] = bridge
        self._find: Callable[[Any], A] = find
        self._found: A | None = None
        bridge.add(self)

    def _through(self, pick: Callable[[A], B]) -> Callable[[Any], B]:
        """Return the way to what `pick` takes from this face's async object."""
        find = self._find  # not `self`: the parts that a face caches must not keep it alive
        return lambda root: pick(find(root))

    def _part(
        self, load: Callable[[], Callable[[Bridge[Any], Callable[[Any], B]], F]], pick: Callable[[A], B]
    ) -> F:
        """Return the face of what `pick` takes from this face's async object; `load` imports its class."""
        with no_fork:
            face = load()
        return face(self._bridge, self._through(pick))

    def _target(self) -> A:
        found = self._found
        if found is None:
            found = self._found = self._find(self._bridge.root())
        return found

    def _forget(self) -> object:
        """Let go of the async object, which stays with the parent process after a fork, and return it."""
        found, self._found = self._found, None
        return found


def blocking(method: Callable[Concatenate[A, P], Coroutine[Any, Any, T]]) -> Method[P, T]:
    """Derive the method that waits for the result of an async one."""

    @wraps(method)
    def call(self: Face[A], /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self._bridge.thread().run(lambda: method(self._target(), *args, **kwargs))

    return cast("Method[P, T]", _named(call, method))


def iterating(method: Callable[Concatenate[A, P], Rows[T]]) -> Method[P, Stream[T]]:
    """Derive the method that returns a plain iterator in place of an async one."""

    @wraps(method)
    def call(self: Face[A], /, *args: P.args, **kwargs: P.kwargs) -> Stream[T]:
        return Stream(self._bridge.thread(), lambda: method(self._target(), *args, **kwargs), self)

    # `inspect` and `help` would show the async method's.
    signature = inspect.signature(method)
    row = re.sub(r"Async\w+\[(.*?)(, None)?\]$", r"\1", str(signature.return_annotation))
    call.__signature__ = signature.replace(return_annotation=f"Stream[{row}]")  # type: ignore[attr-defined]
    return cast("Method[P, Stream[T]]", _named(call, method))


def pulling_rows(method: Callable[Concatenate[A, P], pulling.Pull[T]]) -> Method[P, Pull[T]]:
    """Derive the method that returns a plain iterator with a certificate in place of an async one."""

    @wraps(method)
    def call(self: Face[A], /, *args: P.args, **kwargs: P.kwargs) -> Pull[T]:
        return Pull(self._bridge.thread(), lambda: method(self._target(), *args, **kwargs), self)

    return cast("Method[P, Pull[T]]", _named(call, method))


def immediate(method: Callable[Concatenate[A, P], T]) -> Method[P, T]:
    """Derive the method that calls a plain one, which waits for nothing, right here."""

    @wraps(method)
    def call(self: Face[A], /, *args: P.args, **kwargs: P.kwargs) -> T:
        return method(self._target(), *args, **kwargs)

    return cast("Method[P, T]", _named(call, method))


def _named(call: Any, method: Any) -> Any:
    # Tracebacks show the name of the code, which is `call` for all of them.
    call.__code__ = call.__code__.replace(co_name=method.__name__, co_qualname=method.__qualname__)
    return call
