"""The local KakaClo for blocking callers: the same sandbox, on an event loop thread of its own."""

from __future__ import annotations

from functools import wraps
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Self

import attrs

from kakaclo_async.config import BlockingEntered
from kakaclo_async.sandbox import (
    Catalog,
    Fault,
    FaultKind,
    Faults,
    Ledger,
    Order,
    Placed,
    Refund,
    Sandbox as AsyncSandbox,
    Served,
    Settings,
    Shop,
)
from kakaclo_sync._proxy import Bridge

if TYPE_CHECKING:
    from collections import Counter, deque
    from datetime import datetime
    from types import TracebackType

    from kakaclo_sync._loop import LoopThread


__all__ = [
    "Catalog",
    "Fault",
    "FaultKind",
    "Faults",
    "Ledger",
    "Order",
    "Placed",
    "Refund",
    "Sandbox",
    "Served",
    "Settings",
    "Shop",
]


def _of_core(name: str, *, settable: bool = False) -> Any:
    """Make the property that is the async sandbox's attribute of that name."""

    def write(self: Sandbox, value: object) -> None:
        async def change() -> None:  # on the thread that answers requests
            setattr(self._core, name, value)

        if self._thread is None:
            setattr(self._core, name, value)
        else:
            self._thread.run(change)

    return property(attrgetter(f"_core.{name}"), write if settable else None)


class Sandbox(BlockingEntered, Settings, other="kakaclo_async.sandbox"):
    """A local KakaClo, with state, to build and test against.

    It listens between `start` and `close`, or inside `with`. All state survives a stop: started again, it
    goes on at the same port, as after an outage. A forked child can talk to it, but not steer it.

    Attributes:
        url: the base URL, without a slash at its end.
        faults: what shall go wrong.
        log: the requests that came in, oldest first; at most `log_size`.
        requests: how many requests came in, by path.
        throttled: how many requests found the bucket full.
        catalog: the products and their stock: to read, compare with, and edit while no request is under way.
        ledger: the orders, the refunds and the balance.
        journal: one entry per order that was accepted and paid, in order: here a duplicate shows.
        level: requests in the leaky bucket now.
    """

    url: str = _of_core("url")
    faults: Faults = _of_core("faults")
    log: deque[Served] = _of_core("log")
    requests: Counter[str] = _of_core("requests")
    throttled: int = _of_core("throttled")
    catalog: Catalog = _of_core("catalog")
    ledger: Ledger = _of_core("ledger")
    journal: list[Placed] = _of_core("journal")
    level: float = _of_core("level")

    _core: AsyncSandbox
    _bridge: Bridge[AsyncSandbox] | None = None
    _thread: LoopThread | None = None

    if not TYPE_CHECKING:  # type checkers know the parameters from `Settings`

        @wraps(AsyncSandbox.__init__)
        def __init__(self, **settings: object) -> None:
            self._core = AsyncSandbox(**settings)

    def __repr__(self) -> str:
        core = getattr(self, "_core", None)  # none while a traceback shows one whose settings were refused
        return "<Sandbox>" if core is None else repr(core)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, raised: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def now(self) -> datetime:
        """Return the sandbox's wall clock time."""
        return self._core.now()

    def shop(self, token: str) -> Shop:
        """Return what belongs to one token alone; `ledger`, `journal` and `level` are the ones of `token`.

        Raises:
            KeyError: the token is not accepted.
        """
        return self._core.shop(token)

    def skip(self, seconds: float) -> None:
        """Let virtual seconds pass at once: the bucket leaks, orders ship, refunds settle, the index catches up.

        Raises:
            ClientClosed: this process has forked from the one that runs the sandbox.
        """

        async def skip() -> None:  # on the thread that answers requests
            self._core.skip(seconds)

        if self._thread is None:
            self._core.skip(seconds)
        else:
            self._thread.run(skip)

    def start(self) -> None:
        """Listen.

        Raises:
            RuntimeError: it listens already.
            OSError: the port is taken.
        """
        self._start()

    def _start(self) -> LoopThread:
        if self._bridge is not None:
            raise RuntimeError("the sandbox is running already")
        core = self._core
        self._bridge = Bridge(lambda: core, AsyncSandbox.aclose)
        try:
            self._thread = thread = self._bridge.thread()
            thread.run(core.start)
        except BaseException:
            self.close()
            raise
        return thread

    def serve_forever(self) -> None:
        """Listen until Ctrl-C."""
        thread = self._thread or self._start()
        try:
            thread.run(self._core.serve_forever)
        finally:
            self.close()

    def close(self) -> None:
        """Stop listening; requests without an answer are cut off. Harmless when stopped."""
        if self._bridge is not None:
            self._bridge.close()
        self._bridge = self._thread = None


# Settings are read and changed where they count, also while it runs.
for setting in attrs.fields(Settings):
    setattr(Sandbox, setting.name, _of_core(setting.name, settable=True))
