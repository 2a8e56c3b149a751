"""Shops' files for blocking callers: the names of `kakaclo_async.shop`; what is awaited there blocks here."""

from __future__ import annotations

from functools import wraps
from inspect import iscoroutinefunction, signature
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

from kakaclo_async import shop
from kakaclo_sync._proxy import fork_lock, waiting
from kakaclo_sync.client import own_client

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
    from kakaclo_sync.client import KakaClo
    from kakaclo_sync.ordering import Journal


P = ParamSpec("P")
T = TypeVar("T")

__all__ = shop.__all__  # pyright: ignore[reportUnsupportedDunderAll] - the one list


def _with_client(function: Callable[..., object]) -> Callable[..., object]:
    """Let a function take a client of this face alone, before anything is done."""

    @wraps(function)
    def call(kk: KakaClo, *args: object, **options: object) -> object:
        return function(own_client(kk), *args, **options)

    return call


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
                found = (
                    _with_client(waiting(found)) if "kk" in signature(found).parameters else waiting(found)
                )
        return globals().setdefault(name, found)  # found without this function from now on

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
