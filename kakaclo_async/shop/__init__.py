"""Shops: their order files in, their listings and tracking out. Only the command line imports it."""

from importlib import import_module
from typing import TYPE_CHECKING

from kakaclo_async.errors import MissingExtra
from kakaclo_async.extras import stand_in
from kakaclo_async.models.address_checks import address_problems
from kakaclo_async.shop.incoming.guess import guess_map, write_map
from kakaclo_async.shop.incoming.order_file import OrderFile
from kakaclo_async.shop.incoming.orders import read_orders
from kakaclo_async.shop.incoming.skus import SkuMap, read_map
from kakaclo_async.shop.outgoing.listings_goods import listed
from kakaclo_async.shop.outgoing.listings_text import read_codes
from kakaclo_async.shop.outgoing.prices import PriceRule
from kakaclo_async.shop.outgoing.targets_columns import Settings
from kakaclo_async.shop.outgoing.tracking_lines import shipped
from kakaclo_async.shop.outgoing.tracking_map import ShopLine

if TYPE_CHECKING:
    from kakaclo_async.shop.outgoing.listings import (
        ListingReport as ListingReport,
        export_listings as export_listings,
        listing_rows as listing_rows,
    )
    from kakaclo_async.shop.outgoing.tracking import (
        tracking as tracking,
        tracking_rows as tracking_rows,
        write_tracking as write_tracking,
    )
    from kakaclo_async.shop.outgoing.tracking_told import (
        TrackingReport as TrackingReport,
        tell_tracking as tell_tracking,
    )

# Loaded when they are first used: they need a database, and reading orders needs none.
_MODULES = {
    **dict.fromkeys(("ListingReport", "export_listings", "listing_rows"), "listings"),
    **dict.fromkeys(("tracking", "tracking_rows", "write_tracking"), "tracking"),
    **dict.fromkeys(("TrackingReport", "tell_tracking"), "tracking_told"),
}

__all__ = [
    "ListingReport",
    "OrderFile",
    "PriceRule",
    "Settings",
    "ShopLine",
    "SkuMap",
    "TrackingReport",
    "address_problems",
    "export_listings",
    "guess_map",
    "listed",
    "listing_rows",
    "read_codes",
    "read_map",
    "read_orders",
    "shipped",
    "tell_tracking",
    "tracking",
    "tracking_rows",
    "write_map",
    "write_tracking",
]

if not TYPE_CHECKING:  # type checkers would let every name pass

    def __getattr__(name: str) -> object:
        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        try:
            return getattr(import_module(f"{__name__}.outgoing.{_MODULES[name]}"), name)
        except ImportError as error:
            if not isinstance(error, MissingExtra) and error.name != "sqlalchemy":
                raise
            return stand_in(name, __name__, f"{name} needs SQLAlchemy: pip install 'kakaclo[catalog]'")

    def __dir__() -> list[str]:
        return sorted({*globals(), *_MODULES})
