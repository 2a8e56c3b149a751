"""Names whose extra is not installed: everybody may ask for them, and who uses one is told what to install."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING

from kakaclo_async.errors import MissingExtra

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def stand_in(name: str, module: str, why: str) -> type:
    """Return a class that stands for a name whose extra is missing.

    `help`, `hasattr` and star imports ask for every name of a module; an error then would take all the others along.

    Args:
        name: the public name.
        module: where it is asked for.
        why: what to install, for the error of who uses it.
    """

    def refuse(*_arguments: object, **_options: object) -> None:
        raise MissingExtra(why)

    return type(name, (), {"__new__": refuse, "__doc__": f"Not installed: {why}.", "__module__": module})


def loaded_when_used(
    package: str, modules: Mapping[str, str]
) -> tuple[Callable[[str], object], Callable[[], list[str]]]:
    """Return the `__getattr__` and the `__dir__` of a package whose names in some modules need a database.

    Args:
        package: its name.
        modules: of each such name, below the package.
    """

    def get(name: str) -> object:
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        try:
            return getattr(import_module(f"{package}.{modules[name]}"), name)
        except ImportError as error:
            if not isinstance(error, MissingExtra) and error.name != "sqlalchemy":
                raise
            return stand_in(name, package, f"{name} needs SQLAlchemy: pip install 'kakaclo[catalog]'")

    def names() -> list[str]:
        return sorted({*vars(sys.modules[package]), *modules})

    return get, names
