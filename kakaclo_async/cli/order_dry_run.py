"""What placing many orders would meet: checked together, in as few requests as they allow."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from typing import TYPE_CHECKING

from kakaclo_async import FreightQuote, FreightRequest, InvalidRequest, OrderCheck, OrderProblem
from kakaclo_async.cli.output import Answer, Table
from kakaclo_async.cli.progress import progress
from kakaclo_async.resources.orders.check import judge

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kakaclo_async import KakaClo, NewOrder
    from kakaclo_async.cli.order_file import FileOrder


async def dry_run_of(kk: KakaClo, found: Sequence[FileOrder]) -> Answer:
    """Compare all orders with what KakaClo has, in as few requests as they allow."""
    good = [entry.order for entry in found if entry.order is not None]
    skus = list(dict.fromkeys(item.sku for order in good for item in order.items))
    bulk = kk.bulk()
    with progress(kk):
        products = await bulk.products.get_many(skus=skus) if skus else ()
        stocks = await bulk.stocks.get_many(skus) if skus else ()
        carts = [FreightRequest(order.items, order.address.country) for order in good]
        quotes = await bulk.freight.quote_many(carts, on_error="collect")
        balance = (await bulk.payment.balance()).amount
    judged = [
        judge(order, products, stocks, quote if isinstance(quote, FreightQuote) else str(quote), balance)
        for order, quote in zip(good, quotes, strict=True)
    ]
    checks = iter(judged)
    rows = [
        (entry, OrderCheck(problems=entry.problems) if entry.order is None else next(checks))
        for entry in found
    ]
    problems = [
        *(entry.tell(problem) for entry, check in rows for problem in check.problems),
        *_shortages(good, {level.sku: level.qty for level in stocks}),
    ]
    total = sum((check.total or Decimal(0) for check in judged), Decimal(0))
    if balance is not None and balance < total:
        problems.append(f"all together cost {total} USD, and the balance is {balance}")
    data = [
        {
            "line": entry.line,
            "custom_order_id": entry.custom_order_id,
            "sub_total": check.sub_total,
            "freight": check.freight,
            "total": check.total,
            "problems": [str(problem) for problem in check.problems],
        }
        for entry, check in rows
    ]
    columns = ("Line", "Custom id", "Items", "Freight", "In all", "Problems")
    amounts = [
        (
            row["line"],
            row["custom_order_id"],
            row["sub_total"],
            row["freight"],
            row["total"],
            len(check.problems),
        )
        for row, (_, check) in zip(data, rows, strict=True)
    ]
    return Answer(
        data={"orders": data, "total": total, "balance": balance, "problems": problems},
        tables=(
            Table(columns, amounts),
            Table(("Orders", str(len(rows))), [("In all", total), ("Balance", balance)]),
        ),
        errors=tuple(InvalidRequest(problem) for problem in problems),
    )


def _shortages(orders: Sequence[NewOrder], stock: Mapping[str, int]) -> list[OrderProblem]:
    """Return the SKUs of which each order could have enough, and all of them together cannot."""
    wanted = Counter[str]()
    most = Counter[str]()
    for order in orders:
        pieces = Counter[str]()
        for item in order.items:
            pieces[item.sku] += item.quantity
        wanted += pieces
        most |= pieces
    return [
        OrderProblem(f"SKU {sku!r}", f"all orders want {quantity}, {stock[sku]} are in stock")
        for sku, quantity in wanted.items()
        if most[sku] <= stock.get(sku, 0) < quantity
    ]
