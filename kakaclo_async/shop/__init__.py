"""Shops: their order files in, their listings and tracking out. Only the command line imports it."""

from kakaclo_async.shop.checks import address_problems
from kakaclo_async.shop.incoming.guess import guess_map, write_map
from kakaclo_async.shop.incoming.order_file import OrderFile
from kakaclo_async.shop.incoming.orders import read_orders
from kakaclo_async.shop.incoming.skus import SkuMap, read_map

__all__ = ["OrderFile", "SkuMap", "address_problems", "guess_map", "read_map", "read_orders", "write_map"]
