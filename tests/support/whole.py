"""Records with all that they cannot be without; what a test says of them comes on top."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from kakaclo_async import FreightOption, Order, OrderItem, OrderStatus

ORDER: Final = {"id": "1", "status": "processing", "finalAmount": 0, "freightAmount": 0, "subTotalAmount": 0}
ORDER_V1: Final = {"id": "1", "status": "shipped", "totalAmount": 0, "freightAmount": 0, "skusAmount": 0}
"""As they are sent."""


def an_order(**facts: Any) -> Order:
    """Make an order that costs nothing."""
    given = {"id": "1", "status": OrderStatus.PROCESSING}
    amounts = dict.fromkeys(("final_amount", "freight_amount", "sub_total_amount"), Decimal(0))
    return Order(**given | amounts | facts)


def a_line(**facts: Any) -> OrderItem:
    """Make a line of one piece that costs nothing."""
    return OrderItem(**{"product_num": 1, "amount": Decimal(0), "total": Decimal(0)} | facts)


def an_offer(**facts: Any) -> FreightOption:
    """Make an offer that costs nothing."""
    return FreightOption(**{"estimated_freight": Decimal(0)} | facts)
