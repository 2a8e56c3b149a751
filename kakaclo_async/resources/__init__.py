"""The endpoints, a module for each area of the API, loaded when a client's area is first asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kakaclo_async.lazy import lazy_names

if TYPE_CHECKING:
    from kakaclo_async.resources.categories import Categories
    from kakaclo_async.resources.custom import Custom
    from kakaclo_async.resources.freight import Freight
    from kakaclo_async.resources.orders import Orders
    from kakaclo_async.resources.payment import Payment
    from kakaclo_async.resources.products import Products
    from kakaclo_async.resources.refunds import Refunds
    from kakaclo_async.resources.stocks import Stocks
    from kakaclo_async.resources.v1 import V1
    from kakaclo_async.resources.warehouses import Warehouses

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
