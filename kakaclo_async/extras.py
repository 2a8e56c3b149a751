"""Names whose extra is not installed: everybody may ask for them, and who uses one is told what to install."""

from __future__ import annotations

from kakaclo_async.errors import MissingExtra


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
