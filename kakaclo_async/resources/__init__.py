"""The areas of the API: a module or folder for each, a method for each endpoint."""

from kakaclo_async.resources.custom import Custom as Custom
from kakaclo_async.resources.freight import Freight as Freight
from kakaclo_async.resources.orders import Orders as Orders
from kakaclo_async.resources.products import Products as Products
from kakaclo_async.resources.reference import (
    Categories as Categories,
    Payment as Payment,
    Warehouses as Warehouses,
)
from kakaclo_async.resources.refunds import Refunds as Refunds
from kakaclo_async.resources.stocks import Stocks as Stocks
from kakaclo_async.resources.v1 import V1 as V1
