"""Shops: their order files in, their listings and tracking out. Only the command line imports it."""

from importlib import import_module
from typing import TYPE_CHECKING

from kakaclo_async.errors import ConfigurationError
from kakaclo_async.models.address_checks import address_problems
from kakaclo_async.shop.incoming.guess import guess_map, write_map
from kakaclo_async.shop.incoming.order_file import OrderFile
from kakaclo_async.shop.incoming.orders import read_orders
from kakaclo_async.shop.incoming.skus import SkuMap, read_map
from kakaclo_async.shop.outgoing.listings_goods import listed
from kakaclo_async.shop.outgoing.listings_text import read_codes
from kakaclo_async.shop.outgoing.prices import PriceRule
from kakaclo_async.shop.outgoing.targets_columns import Settings

if TYPE_CHECKING:
    from kakaclo_async.shop.outgoing.listings import (
        ListingReport as ListingReport,
        export_listings as export_listings,
        listing_rows as listing_rows,
    )

# Loaded when they are first used: they need a database, and reading orders needs none.
_MODULES = {"ListingReport": "listings", "export_listings": "listings", "listing_rows": "listings"}

__all__ = [
    "ListingReport",
    "OrderFile",
    "PriceRule",
    "Settings",
    "SkuMap",
    "address_problems",
    "export_listings",
    "guess_map",
    "listed",
    "listing_rows",
    "read_codes",
    "read_map",
    "read_orders",
    "write_map",
]

if not TYPE_CHECKING:  # type checkers would let every name pass

    def __getattr__(name: str) -> object:
        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        try:
            return getattr(import_module(f"{__name__}.outgoing.{_MODULES[name]}"), name)
        except ModuleNotFoundError as error:
            if error.name != "sqlalchemy":
                raise
            raise ConfigurationError(f"{name} needs SQLAlchemy: pip install 'kakaclo[catalog]'") from None
