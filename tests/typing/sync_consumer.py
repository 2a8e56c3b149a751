"""A shop's own code on the blocking face, as mypy --strict and pyright read it: no cast, no assert, nothing ignored."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from typing import TYPE_CHECKING

from kakaclo_sync import (
    Family,
    FinancialStatus,
    FreightQuote,
    Item,
    KakaClo,
    NewOrder,
    NoFreight,
    Order,
    OrderStatus,
    OrderV1,
    StockLevel,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

MARGIN = Decimal("1.35")


def freight_shown(kk: KakaClo, items: Sequence[Item], country: str) -> str:
    try:
        quote = kk.freight.quote(items, country)
    except NoFreight as refusal:
        return f"we do not ship there: {refusal.message}"
    cheapest, fastest = quote.cheapest, quote.fastest
    more = fastest.estimated_freight - cheapest.estimated_freight
    return f"{cheapest.estimated_freight * MARGIN:.2f} USD, or {more:.2f} USD more by {fastest.channel_type}"


def cheapest_country(kk: KakaClo, items: Sequence[Item], countries: Iterable[str]) -> tuple[str, Decimal]:
    matrix = kk.freight.matrix([items], countries)
    quotes = {country: quote for (_, country), quote in matrix.items() if isinstance(quote, FreightQuote)}
    best = min(quotes, key=lambda country: quotes[country].cheapest.estimated_freight)
    return best, quotes[best].cheapest.estimated_freight


def average_freight(kk: KakaClo, carts: Sequence[Sequence[Item]]) -> Decimal:
    quotes = kk.freight.quote_many([(cart, "US") for cart in carts])
    return sum((quote.cheapest.estimated_freight for quote in quotes), Decimal(0)) / len(quotes)


def dearest_channel(kk: KakaClo, items: Sequence[Item]) -> Decimal:
    return max(channel.estimated_freight for channel in kk.freight.channels(items, "US"))


def by_warehouse(levels: Iterable[StockLevel]) -> Mapping[str, int]:
    held = Counter[str]()
    for level in levels:
        for place in level.warehouses:
            held[place.warehouse_code or "elsewhere"] += place.qty
    return held


def pieces_in(kk: KakaClo, sku: str, country: str) -> tuple[int, int]:
    level = kk.stocks.get(sku)
    return sum(place.qty for place in level.warehouses if place.country_code == country), level.qty


def headline(order: Order) -> str:
    paid = "paid" if order.financial_status is FinancialStatus.PAID else "not paid yet"
    pieces = sum(line.product_num for line in order.order_items)
    return f"{order.id}: {order.status.value.upper()}, {paid}, {pieces} pieces, {order.final_amount:.2f} USD"


def adds_up(order: Order) -> bool:
    goods = sum((line.amount * line.product_num for line in order.order_items), Decimal(0))
    lines = sum((line.total for line in order.order_items), Decimal(0))
    return goods == lines == order.sub_total_amount == order.final_amount - order.freight_amount


def spent(kk: KakaClo, numbers: Iterable[str]) -> Mapping[OrderStatus, Decimal]:
    found: dict[OrderStatus, Decimal] = {}
    for order in kk.orders.get_many(numbers):
        found[order.status] = found.get(order.status, Decimal(0)) + order.final_amount
    return found


def goods_of(family: Family) -> Decimal:
    return family.final_amount - family.freight


def adds_up_in_version_1(order: OrderV1) -> bool:
    goods = sum((line.purchase_prices * line.product_num for line in order.order_items), Decimal(0))
    lines = sum((line.subtotal for line in order.order_items), Decimal(0))
    settled = order.status.is_known and goods == lines == order.skus_amount
    return settled and order.total_amount == order.skus_amount + order.freight_amount


def whole_day(kk: KakaClo, order: NewOrder) -> list[str]:
    """Do all of it once; what a shop would print."""
    items = order.items
    country, freight = cheapest_country(kk, items, ["US", "FR", "XX"])
    told = [
        freight_shown(kk, items, "FR"),
        freight_shown(kk, items, "BR"),
        f"{country} {freight:.2f} {average_freight(kk, [items]):.2f} {dearest_channel(kk, items):.2f}",
        str(by_warehouse(kk.stocks.get_many([item.sku for item in items]))),
        str(pieces_in(kk, items[0].sku, "CN")),
    ]
    created = kk.orders.create(order)
    placed = kk.orders.get(created.id)
    of_version_1 = kk.v1.orders.page()
    family = Family(custom_order_id="A", orders=(placed,))
    told += [
        headline(placed),
        str(spent(kk, [created.id])),
        f"{goods_of(family) == placed.sub_total_amount} {adds_up(placed)}",
        str([adds_up_in_version_1(row) for row in of_version_1]),
    ]
    return told
