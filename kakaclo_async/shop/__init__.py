"""Shops: their order files in, their listings and tracking out. Only the command line imports it."""

from typing import TYPE_CHECKING

from kakaclo_async.extras import loaded_when_used
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
    **dict.fromkeys(("ListingReport", "export_listings", "listing_rows"), "outgoing.listings"),
    **dict.fromkeys(("tracking", "tracking_rows", "write_tracking"), "outgoing.tracking"),
    **dict.fromkeys(("TrackingReport", "tell_tracking"), "outgoing.tracking_told"),
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
    __getattr__, __dir__ = loaded_when_used(__name__, _MODULES)
