"""Preflight: everything that KakaClo could decline about an order, found before it is placed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, cast

import attrs

from kakaclo_async.models.address_checks import address_problems
from kakaclo_async.models.freight import ChannelType, FreightQuote, FreightRequest, OrderCheck, OrderProblem
from kakaclo_async.models.new_order import NewOrder
from kakaclo_async.models.product import ON_SALE
from kakaclo_async.resources.freight import Freight
from kakaclo_async.resources.products import Products
from kakaclo_async.travel import fields_of, read

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from kakaclo_async.models.product import Product, Sku, StockLevel
    from kakaclo_async.sending import Sender


def read_order(document: Mapping[str, object]) -> tuple[NewOrder | None, tuple[OrderProblem, ...]]:
    """Build an order from plain data, and name everything that is wrong with it at once.

    Args:
        document: by the names of `NewOrder`, `Address` and `Item`.
    """
    order, problems = read(NewOrder, document)
    return order, tuple(OrderProblem(path, text) for path, text in problems)


def undeliverable(document: object, but: Iterable[OrderProblem]) -> Iterator[OrderProblem]:
    """Yield why nobody can deliver to the address of plain data that breaks limits: where nothing else is said of it.

    Args:
        document: by the names of `NewOrder`; perhaps no mapping at all, when it came from outside.
        but: what was said.
    """
    named = {problem.field for problem in but}
    address = (fields_of(document) or {}).get("address")
    if isinstance(address, Mapping):
        for name, text in address_problems(cast("Mapping[str, object]", address)):
            if f"address.{name}" not in named:
                yield OrderProblem(f"address.{name}", text)


def judge(
    order: NewOrder,
    products: Sequence[Product],
    stocks: Sequence[StockLevel],
    freight: FreightQuote | str,
    balance: Decimal | None,
) -> OrderCheck:
    """Compare an order with what KakaClo has.

    Args:
        order: what is to be placed.
        products: those that its SKUs belong to.
        stocks: those of its SKUs.
        freight: the quote, or why it is missing.
        balance: US dollars; None when the API did not say.
    """
    skus = {sku.sku: sku for product in products for sku in product.sku_details}
    levels = {level.sku: level for level in stocks}
    quote = None if isinstance(freight, str) else freight
    priced = price_order(order, products, quote)
    problems = list(_sku_problems(order, skus, levels))
    of_address = order.address.problems
    if isinstance(freight, str) and not problems and "address.country" not in {at.field for at in of_address}:
        problems.append(OrderProblem("address.country", f"no freight: {freight}"))
    offered = (
        set[ChannelType]() if quote is None else {offer.channel_type for offer in quote.options} - {None}
    )
    if quote is not None and offered and quote.by_channel(order.channel_type) is None:
        choice = ", ".join(sorted(map(str, offered)))
        problems.append(
            OrderProblem("channel_type", f"{order.channel_type} is not offered; choose one of {choice}")
        )
    if balance is not None and priced.total is not None and balance < priced.total:
        problems.append(OrderProblem("balance", f"{balance} USD do not pay {priced.total}"))
    return attrs.evolve(priced, problems=(*of_address, *problems), balance=balance)


def price_order(order: NewOrder, products: Iterable[Product], quote: FreightQuote | None) -> OrderCheck:
    """Add up what an order costs; nothing else of it is checked.

    Args:
        order: what is to be placed.
        products: those that its SKUs belong to.
        quote: the freight of its items; None when it is not known.
    """
    prices = {sku.sku: sku.price for product in products for sku in product.sku_details}
    costs: list[Decimal] = []
    for item in order.items:
        price = prices.get(item.sku)
        if price is not None:
            costs.append(price * item.quantity)
    option = None if quote is None else quote.by_channel(order.channel_type)
    return OrderCheck(
        problems=(),
        # One price that is not known makes the sum a lie.
        sub_total=sum(costs, Decimal(0)) if len(costs) == len(order.items) else None,
        quote=quote,
        freight=None if option is None else option.estimated_freight,
    )


async def cost_of(sender: Sender, orders: Sequence[NewOrder]) -> Decimal | None:
    """Return what some orders will cost together, in US dollars; None when a part of it is not known.

    `GET /v1/product/products` and `POST /v2/order/orders/channel/automationSplit`

    Args:
        sender: asks.
        orders: as they are to be placed.

    Raises:
        KakaCloError: KakaClo could not be asked for the products.
    """
    skus = list(dict.fromkeys(item.sku for order in orders for item in order.items))
    products = await Products(sender).get_many(skus=skus) if skus else ()
    carts = [FreightRequest(order.items, order.address.country) for order in orders]
    quotes = await Freight(sender).quote_many(carts, on_error="collect")
    total = Decimal(0)
    for order, quote in zip(orders, quotes, strict=True):
        cost = price_order(order, products, quote if isinstance(quote, FreightQuote) else None).total
        if cost is None:
            return None
        total += cost
    return total


def _sku_problems(
    order: NewOrder, skus: Mapping[str, Sku], levels: Mapping[str, StockLevel]
) -> Iterator[OrderProblem]:
    wanted = Counter[str]()
    for item in order.items:
        wanted[item.sku] += item.quantity
    first = {item.sku: place for place, item in reversed(list(enumerate(order.items)))}
    for code, quantity in wanted.items():
        field = f"items[{first[code]}]"
        sku = skus.get(code)
        if sku is None:
            yield OrderProblem(f"{field}.sku", f"KakaClo has no SKU {code!r}")
            continue
        if sku.sku_status is not None and sku.sku_status not in ON_SALE:
            status = sku.sku_status.name.lower().replace("_", " ")
            yield OrderProblem(f"{field}.sku", f"SKU {code!r} is not on sale: {status}")
        level = levels.get(code)
        if (0 if level is None else level.qty) < quantity:
            yield OrderProblem(f"{field}.quantity", f"{quantity} of SKU {code!r} are wanted, {_stock(level)}")


def _stock(level: StockLevel | None) -> str:
    if level is None or not level.qty:
        return "none is in stock"
    by_warehouse = ", ".join(
        f"{stock.warehouse_code}: {stock.qty}" for stock in level.warehouses if stock.qty
    )
    return f"{level.qty} in stock ({by_warehouse})"
