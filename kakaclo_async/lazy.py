"""What is made when it is first asked for: names of packages (PEP 562), and parts of objects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, Self, TypeVar, overload

if TYPE_CHECKING:
    from collections.abc import Callable


S = TypeVar("S")
T = TypeVar("T")


class lazy_property(Generic[S, T]):  # noqa: N801 - reads like `property`
    """An attribute that is made at its first use.

    `functools.cached_property` has a lock in Python 3.11, which a forked child could inherit locked.
    """

    def __init__(self, make: Callable[[S], T]) -> None:
        self.make = make
        self.__doc__ = make.__doc__

    def __set_name__(self, owner: type[S], name: str) -> None:
        self._name = name

    @overload
    def __get__(self, instance: None, owner: type[S]) -> Self: ...
    @overload
    def __get__(self, instance: S, owner: type[S]) -> T: ...
    def __get__(self, instance: S | None, owner: type[S]) -> Self | T:
        if instance is None:
            return self
        made: dict[str, T] = vars(instance)
        # Threads that come first together get the same object.
        return made.setdefault(self._name, self.make(instance))
