"""A local KakaClo to develop and test against.

It serves the KakaClo Open API over HTTP, with state: a seeded catalog, the leaky bucket, orders that ship, refunds that
settle, and faults on demand. It shares no code with the client that it tests.

    async with Sandbox(products=500) as sandbox:
        print(sandbox.url, sandbox.token)
"""

from kakaclo_async.sandbox.http.faults import Fault, FaultKind, Faults
from kakaclo_async.sandbox.sandbox import Sandbox, Served
from kakaclo_async.sandbox.settings import Settings
from kakaclo_async.sandbox.state import Shop
from kakaclo_async.sandbox.trade.ledger import Ledger
from kakaclo_async.sandbox.trade.orders import Order, Placed, Refund
from kakaclo_async.sandbox.world.catalog import Catalog

__all__ = [
    "Catalog",
    "Fault",
    "FaultKind",
    "Faults",
    "Ledger",
    "Order",
    "Placed",
    "Refund",
    "Sandbox",
    "Served",
    "Settings",
    "Shop",
]
