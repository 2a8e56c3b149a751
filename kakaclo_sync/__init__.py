"""The KakaClo dropshipping Open API for blocking callers: the names of `kakaclo_async`, blocking."""

from importlib import import_module
from typing import TYPE_CHECKING

from kakaclo_async import public
from kakaclo_async.extras import stand_in
from kakaclo_async.public import *  # noqa: F403 - the list of public names is there
from kakaclo_async.public import __version__ as __version__
from kakaclo_sync._proxy import fork_lock
from kakaclo_sync.client import KakaClo as KakaClo
from kakaclo_sync.stream import Pull as Pull, Stream as Stream

if TYPE_CHECKING:
    from kakaclo_sync.catalog import Mirror as Mirror
    from kakaclo_sync.ordering import Journal as Journal
    from kakaclo_sync.sandbox import Sandbox as Sandbox

# Loaded when they are first used: some need an extra, and none is needed by every program.
_MODULES = {"Journal": "ordering", "Mirror": "catalog", "Sandbox": "sandbox"}

__all__ = sorted({"KakaClo", "Pull", "Stream", *_MODULES, *public.NAMES})  # noqa: PLE0605 # pyright: ignore[reportUnsupportedDunderAll] - computed from the one list

if not TYPE_CHECKING:  # type checkers would let every name pass

    def __getattr__(name: str) -> object:
        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        try:
            with fork_lock:
                found = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
        except public.MissingExtra as error:
            return stand_in(name, __name__, str(error))
        globals()[name] = found  # found without this function from now on
        return found

    def __dir__() -> list[str]:
        return sorted({*globals(), *_MODULES})
