"""Shops: their order files in, their listings and tracking out. Only the command line imports it."""

from __future__ import annotations

from kakaclo_async.shop.checks import address_problems as address_problems
from kakaclo_async.shop.incoming.orders import OrderFile as OrderFile, read_orders as read_orders
from kakaclo_async.shop.incoming.skus import (
    SkuMap as SkuMap,
    guess_map as guess_map,
    read_map as read_map,
    write_map as write_map,
)
