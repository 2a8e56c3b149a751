"""The endpoints, blocking: a class for each async one, a line for each method."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kakaclo_async.lazy import lazy_names

if TYPE_CHECKING:
    from kakaclo_sync.resources.categories import Categories
    from kakaclo_sync.resources.custom import Custom
    from kakaclo_sync.resources.freight import Freight
    from kakaclo_sync.resources.orders import Orders
    from kakaclo_sync.resources.payment import Payment
    from kakaclo_sync.resources.products import Products
    from kakaclo_sync.resources.refunds import Refunds
    from kakaclo_sync.resources.stocks import Stocks
    from kakaclo_sync.resources.v1 import V1
    from kakaclo_sync.resources.warehouses import Warehouses

__all__ = [
    "V1",
    "Categories",
    "Custom",
    "Freight",
    "Orders",
    "Payment",
    "Products",
    "Refunds",
    "Stocks",
    "Warehouses",
]

if not TYPE_CHECKING:  # type checkers would let every name pass
    __getattr__, __dir__ = lazy_names(__name__, {name: f"{__name__}.{name.lower()}" for name in __all__})
