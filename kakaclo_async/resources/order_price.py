"""What an order will cost, for clients that guard against expensive ones."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING

from kakaclo_async.errors import InvalidRequest
from kakaclo_async.models import ChannelType, Item
from kakaclo_async.resources.freight import Freight
from kakaclo_async.resources.products import Products

if TYPE_CHECKING:
    from kakaclo_async.caller import Caller

__all__ = ["check_price"]


async def check_price(caller: Caller, custom_order_id: str, body: bytes) -> None:
    """Refuse an order that costs more than the client's guards allow; ask nobody where they allow anything.

    `GET /v1/product/products` and `POST /v2/order/orders/channel/automationSplit`

    Args:
        caller: asks, and has the guards.
        custom_order_id: names the order in errors.
        body: of the request that would place it.

    Raises:
        InvalidRequest: it costs more, or its price cannot be told; nothing was sent.
    """
    limit = caller.shared.guard.max_order_amount
    if limit is None:
        return
    price = await _price(caller, body)
    if price is None:
        raise InvalidRequest(
            f"order {custom_order_id!r} was not sent: this client's guards allow {limit} USD per order, and its"
            " price cannot be told; see orders.check"
        )
    if price > limit:
        raise InvalidRequest(
            f"order {custom_order_id!r} was not sent: it costs {price} USD, and this client's guards allow {limit}"
        )


async def _price(caller: Caller, body: bytes) -> Decimal | None:
    order = json.loads(body)
    items = [Item(line["sku"], line["quantity"]) for line in order["orderItemsList"]]
    products = await Products(caller).get_many(skus=list(dict.fromkeys(item.sku for item in items)))
    prices = {sku.sku: sku.price for product in products for sku in product.sku_details}
    quote = await Freight(caller).quote(items, order["orderAddresses"]["country"])
    option = quote.by_channel(order.get("channelType", ChannelType.STANDARD))
    freight = None if option is None else option.estimated_freight
    costs = [freight]
    for item in items:
        price = prices.get(item.sku)
        costs.append(None if price is None else price * item.quantity)
    known = [cost for cost in costs if cost is not None]
    return sum(known, Decimal(0)) if len(known) == len(costs) else None
