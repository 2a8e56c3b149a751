"""The endpoints, blocking: a class for each async one, a line for each method."""

from __future__ import annotations

from kakaclo_sync.resources.categories import Categories as Categories
from kakaclo_sync.resources.custom import Custom as Custom
from kakaclo_sync.resources.freight import Freight as Freight
from kakaclo_sync.resources.orders import Orders as Orders
from kakaclo_sync.resources.payment import Payment as Payment
from kakaclo_sync.resources.products import Products as Products
from kakaclo_sync.resources.refunds import Refunds as Refunds
from kakaclo_sync.resources.stocks import Stocks as Stocks
from kakaclo_sync.resources.v1 import V1 as V1
from kakaclo_sync.resources.warehouses import Warehouses as Warehouses
