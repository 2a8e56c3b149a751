"""How the orders of a file are compared with what KakaClo has."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from kakaclo_async.resources.orders.check import judge

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from kakaclo_async import FreightQuote, OrderCheck, Product, StockLevel
    from kakaclo_async.shop.incoming.order_file import FileOrder


Priced: TypeAlias = "tuple[FileOrder, OrderCheck, Mapping[str, StockLevel]]"


def judge_all(
    entries: Sequence[FileOrder],
    products: Iterable[Product],
    stocks: Iterable[StockLevel],
    quotes: Iterable[FreightQuote | str],
) -> list[Priced]:
    """Compare the orders of a file with what KakaClo has, each with its own goods: a file may have thousands."""
    owners = {sku.sku: product for product in products for sku in product.sku_details}
    levels = {level.sku: level for level in stocks}
    priced: list[Priced] = []
    for entry, quote in zip(entries, quotes, strict=True):
        codes = dict.fromkeys(item.sku for item in entry.order.items)
        own = {owners[code].spu: owners[code] for code in codes if code in owners}
        held = [levels[code] for code in codes if code in levels]
        priced.append((entry, judge(entry.order, tuple(own.values()), held, quote, None), levels))
    return priced
