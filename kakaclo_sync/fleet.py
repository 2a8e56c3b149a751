"""The names of `kakaclo_async.fleet`, blocking (`pip install kakaclo[fleet]`)."""

from __future__ import annotations

from contextlib import nullcontext, suppress
from functools import partial
from typing import TYPE_CHECKING, Self

from kakaclo_async import fleet
from kakaclo_async.config import BlockingEntered
from kakaclo_async.errors import ClientClosed
from kakaclo_async.fleet import (
    FleetSettings,
    FleetStatus,
    Kind,
    ShopSettings,
    ShopStatus,
    TurnStatus,
    WorkerStatus,
)
from kakaclo_async.fleet.fleet import Fleet as AsyncFleet
from kakaclo_sync._proxy import BlockingProxy, Bridge, blocking
from kakaclo_sync.catalog import on_caller, stopped_by_signals

if TYPE_CHECKING:
    import os
    from collections.abc import Awaitable, Callable
    from types import TracebackType

    from kakaclo_async.catalog import Change
    from kakaclo_async.feed import FeedEvent
    from kakaclo_async.ordering import Entry


__all__ = [
    "Fleet",
    "FleetSettings",
    "FleetStatus",
    "Kind",
    "ShopSettings",
    "ShopStatus",
    "TurnStatus",
    "WorkerStatus",
]


class Fleet(BlockingEntered, BlockingProxy[AsyncFleet], other="kakaclo_async.fleet"):
    """Many shops: their mirrors, their orders, and what becomes of these.

    Used as a context manager it is open. A worker calls `serve`; whoever has orders calls `submit`, in any process.

    Args:
        path: of `fleet.toml`.

    Raises:
        ConfigurationError: settings with problems; it tells all of them.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        make = partial(fleet.Fleet, path)
        super().__init__(Bridge(make, AsyncFleet.aclose), lambda opened: opened)

    @classmethod
    def open(cls, path: str | os.PathLike[str] = "fleet.toml") -> Self:
        """Return the fleet of a file: `with Fleet.open("fleet.toml") as fleet`.

        Raises:
            ConfigurationError: settings with problems; it tells all of them.
        """
        return cls(path)

    migrate = blocking(AsyncFleet.migrate)
    submit = blocking(AsyncFleet.submit)
    withdraw = blocking(AsyncFleet.withdraw)
    turn = blocking(AsyncFleet.turn)
    status = blocking(AsyncFleet.status)
    permits = blocking(AsyncFleet.permits)
    ring = blocking(AsyncFleet.ring)
    pause = blocking(AsyncFleet.pause)
    resume = blocking(AsyncFleet.resume)
    add = blocking(AsyncFleet.add)
    remove = blocking(AsyncFleet.remove)
    pending = blocking(AsyncFleet.pending)
    _serve = blocking(AsyncFleet.serve)

    def serve(
        self,
        *,
        on_change: Callable[[str, Change], object] | None = None,
        on_order: Callable[[FeedEvent], object] | None = None,
        on_refund: Callable[[FeedEvent], object] | None = None,
        on_declined: Callable[[str, Entry], object] | None = None,
        stop_on_signals: bool = True,
    ) -> None:
        """Be a worker: answer bells until SIGTERM, SIGINT or `stop`; what is under way ends first.

        Each of them is told at least once, on this thread, which may block: give all workers the same functions.

        Args:
            on_change: called with a shop, or "catalog", and each change of its catalog.
            on_order: called with each event of an order, and of a balance.
            on_refund: called with each refund that is settled.
            on_declined: called with a shop, and the entry of each order that KakaClo declined.
            stop_on_signals: SIGTERM and SIGINT end it; only in the main thread.

        Raises:
            ConfigurationError: another process serves, and the engine takes only one.
        """

        def tell_change(shop: str, change: Change) -> Awaitable[object]:
            return on_caller(lambda: None if on_change is None else on_change(shop, change))

        def tell_order(event: FeedEvent) -> Awaitable[object]:
            return on_caller(lambda: None if on_order is None else on_order(event))

        def tell_refund(event: FeedEvent) -> Awaitable[object]:
            return on_caller(lambda: None if on_refund is None else on_refund(event))

        def tell_declined(shop: str, entry: Entry) -> Awaitable[object]:
            return on_caller(lambda: None if on_declined is None else on_declined(shop, entry))

        with stopped_by_signals(self.stop) if stop_on_signals else nullcontext():
            self._serve(
                on_change=on_change and tell_change,
                on_order=on_order and tell_order,
                on_refund=on_refund and tell_refund,
                on_declined=on_declined and tell_declined,
                stop_on_signals=False,
            )

    def stop(self) -> None:
        """Let `serve` return, once what is under way has ended."""
        with suppress(ClientClosed):
            self._bridge.thread().post(self._target().stop)

    def close(self) -> None:
        """Close all shops and the fleet's database."""
        self._bridge.close()

    def __enter__(self) -> Self:
        self._bridge.thread().run(lambda: self._target().__aenter__())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return repr(self._target())
