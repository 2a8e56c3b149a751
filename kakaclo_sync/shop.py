"""Shops' files for blocking callers: the names of `kakaclo_async.shop`; what is awaited there blocks here."""

from __future__ import annotations

from inspect import iscoroutinefunction
from typing import TYPE_CHECKING

from kakaclo_async import shop
from kakaclo_sync._proxy import fork_lock, waiting

if TYPE_CHECKING:
    from kakaclo_async.shop import (
        ListingReport as ListingReport,
        OrderFile as OrderFile,
        PriceRule as PriceRule,
        Settings as Settings,
        SkuMap as SkuMap,
        address_problems as address_problems,
        guess_map as guess_map,
        listed as listed,
        listing_rows as listing_rows,
        read_codes as read_codes,
        read_map as read_map,
        read_orders as read_orders,
        write_map as write_map,
    )


__all__ = shop.__all__  # pyright: ignore[reportUnsupportedDunderAll] - the one list


if TYPE_CHECKING:
    export_listings = waiting(shop.export_listings)
else:  # type checkers would let every name pass

    def __getattr__(name: str) -> object:
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        with fork_lock:
            found = getattr(shop, name)
            if iscoroutinefunction(found):
                found = waiting(found)
        return globals().setdefault(name, found)  # found without this function from now on

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
