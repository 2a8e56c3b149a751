"""What is made when it is first asked for: names of packages (PEP 562), and parts of objects."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Generic, Self, TypeVar, overload

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["lazy_names", "lazy_property"]

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


def lazy_names(
    package: str, homes: Mapping[str, str]
) -> tuple[Callable[[str], object], Callable[[], list[str]]]:
    """Make the `__getattr__` and the `__dir__` of a package.

    Its modules are attributes of it as well, whether or not they were imported before.

    Args:
        package: its `__name__`.
        homes: the module that each public name lives in.
    """

    def load(name: str) -> object:
        home = homes.get(name)
        found = _module(package, name) if home is None else getattr(import_module(home), name)
        setattr(sys.modules[package], name, found)  # found without this function from now on
        return found

    def names() -> list[str]:
        return sorted({*vars(sys.modules[package]), *homes})

    return load, names


def _module(package: str, name: str) -> object:
    module = f"{package}.{name}"
    if not name.startswith("_"):  # what asks for those looks for protocols, not for modules
        try:
            return import_module(module)
        except ModuleNotFoundError as error:
            if error.name != module:  # it is there, and lacks an extra
                raise
    raise AttributeError(f"module {package!r} has no attribute {name!r}")
