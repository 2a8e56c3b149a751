"""Shops' files for blocking callers: the names of `kakaclo_async.shop`; what is awaited there blocks here."""

from __future__ import annotations

from functools import wraps
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar, cast

from kakaclo_async import shop
from kakaclo_sync._proxy import BlockingProxy, Bridge, fork_lock, nothing_to_close, read_here
from kakaclo_sync.client import KakaClo

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from kakaclo_async import client, ordering
    from kakaclo_async.shop import (
        ListingReport as ListingReport,
        OrderFile as OrderFile,
        PriceRule as PriceRule,
        Settings as Settings,
        ShopLine as ShopLine,
        SkuMap as SkuMap,
        TrackingReport as TrackingReport,
        address_problems as address_problems,
        guess_map as guess_map,
        listed as listed,
        listing_rows as listing_rows,
        read_codes as read_codes,
        read_map as read_map,
        read_orders as read_orders,
        shipped as shipped,
        tracking_rows as tracking_rows,
        write_map as write_map,
    )
    from kakaclo_sync.ordering import Journal


P = ParamSpec("P")
T = TypeVar("T")

__all__ = shop.__all__  # pyright: ignore[reportUnsupportedDunderAll] - the one list


def _waiting(function: Callable[..., Coroutine[Any, Any, T]]) -> Callable[..., T]:
    """Derive the function that waits for the result of an async one: on its client's loop, or on one of its own."""

    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> T:
        given, named = read_here(*args, **kwargs)
        clients = [value for value in (*given, *named.values()) if isinstance(value, KakaClo)]
        own = None if clients else Bridge(lambda: None, nothing_to_close)
        bridge: Bridge[Any] = own or clients[0]._bridge  # noqa: SLF001 - the package's own
        try:
            return bridge.thread().run(
                lambda: function(
                    *map(_target, given), **{name: _target(value) for name, value in named.items()}
                )
            )
        finally:
            if own is not None:
                own.close()

    return call


def _target(value: object) -> object:
    """Return the async object of a client or a journal, and anything else as it is."""
    if not isinstance(value, BlockingProxy):
        return value
    return cast("BlockingProxy[object]", value)._target()  # noqa: SLF001 - the package's own


if TYPE_CHECKING:  # the types of what `__getattr__` derives

    def _alone(function: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, T]: ...

    def _asking(
        function: Callable[Concatenate[client.KakaClo, P], Coroutine[Any, Any, T]],
    ) -> Callable[Concatenate[KakaClo, P], T]: ...

    def _recording(
        function: Callable[Concatenate[client.KakaClo, ordering.Journal, P], Coroutine[Any, Any, T]],
    ) -> Callable[Concatenate[KakaClo, Journal, P], T]: ...

    export_listings = _alone(shop.export_listings)
    write_tracking = _alone(shop.write_tracking)
    tracking = _asking(shop.tracking)
    tell_tracking = _recording(shop.tell_tracking)
else:  # type checkers would let every name pass

    def __getattr__(name: str) -> object:
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        with fork_lock:
            found = getattr(shop, name)
            if iscoroutinefunction(found):
                found = _waiting(found)
        return globals().setdefault(name, found)  # found without this function from now on

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
