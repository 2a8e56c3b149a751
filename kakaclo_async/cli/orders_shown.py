"""The commands `orders show` and `orders list`: what became of orders; nothing is changed."""

import shlex
from collections.abc import Iterator
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

import typer

from kakaclo_async import (
    DecodeError,
    IncompletePull,
    InvalidRequest,
    KakaClo,
    KakaCloError,
    NotFound,
    Order,
    OrderStatus,
)
from kakaclo_async.cli.output import Result, Table
from kakaclo_async.cli.progress import progress
from kakaclo_async.cli.values import read_time, status as statuses
from kakaclo_async.resources.orders.reads import by_number

_NEW: Final = "(we assume that a new one shows up within 5 minutes)"


async def show(
    kk: KakaClo,
    order_ids: Annotated[
        list[str] | None, typer.Argument(metavar="[ORDER_ID]...", help="KakaClo's order numbers.")
    ] = None,
    custom_id: Annotated[str | None, typer.Option(help="Or your own number.", metavar="ID")] = None,
    since: Annotated[
        str | None,
        typer.Option(
            help="With --custom-id: a time before the order was created; a week ago by default.",
            metavar="TIME",
        ),
    ] = None,
) -> Result:
    """Show orders by their numbers, or all orders of one custom id; new ones may take some minutes to show up."""
    if bool(order_ids) == bool(custom_id):
        raise InvalidRequest("give either order numbers or a --custom-id")
    if custom_id:
        start = read_time(since, "--since") if since else datetime.now(UTC) - timedelta(days=7)
        orders = await kk.orders.find(custom_id, created_from=start)
        unknown = f"no order since {start:%Y-%m-%dT%H:%M:%SZ} has the custom id {custom_id!r} {_NEW}"
        missing = [] if orders else [unknown]
    else:
        wanted = tuple(dict.fromkeys(order_ids or ()))
        orders = await kk.orders.get_many(wanted)
        found = {order.id for order in orders}
        missing = [
            f"no order has the number {number!r} {_NEW}; {own_number(number)}"
            for number in wanted
            if number not in found
        ]
    return Result(
        data=orders,
        tables=tuple(table for order in orders for table in order_tables(order)),
        errors=tuple(NotFound(text, status=200) for text in missing),
    )


def own_number(number: str) -> str:
    """Return what to do about an unknown number if the shop gave it, and not KakaClo."""
    return f"if it is your own number: kakaclo orders show --custom-id {shlex.quote(number)}"


async def list_orders(
    kk: KakaClo,
    *,
    since: Annotated[
        str | None,
        typer.Option(
            help="Only orders created since then; 30 days ago by default.", metavar="TIME", show_default=False
        ),
    ] = None,
    updated: Annotated[
        str | None, typer.Option(help="Only orders updated since then.", metavar="TIME")
    ] = None,
    status: Annotated[
        list[str] | None,
        typer.Option(
            help=f"Only this status: {', '.join(OrderStatus)}; may be repeated.",
            metavar="STATUS",
            autocompletion=statuses,
        ),
    ] = None,
) -> Result:
    """List orders, the newest first: 250 in a request."""
    known = set(map(str, OrderStatus))
    if odd := [text for text in status or () if text not in known]:
        raise InvalidRequest(f"--status {odd[0]!r} is none of {', '.join(sorted(known))}")
    month = datetime.now(UTC) - timedelta(days=30)
    created = read_time(since, "--since") if since else None if updated else month
    orders: list[Order] = []
    errors: tuple[KakaCloError, ...] = ()
    query = kk.bulk().orders.query(
        created_from=created,
        updated_from=None if updated is None else read_time(updated, "--updated"),
        statuses=status,
    )
    with progress(kk):
        try:
            async with aclosing(query) as found:
                async for order in found:
                    orders.append(order)  # noqa: PERF401 - those before an error count
        except (DecodeError, IncompletePull) as error:  # after the last order
            errors = (error,)
    orders.sort(key=lambda order: (order.create_date or month, by_number(order)), reverse=True)
    columns = ("Order", "Custom id", "Created", "Status", "Payment", "Fulfilment", "Refund", "To", "Total")
    rows = [
        (
            order.id,
            order.custom_order_id,
            order.create_date,
            order.status,
            order.financial_status,
            order.fulfillment_status,
            order.refund_status,
            order.shipping_address and order.shipping_address.country,
            order.final_amount,
        )
        for order in orders
    ]
    return Result(data=orders, tables=(Table(columns, rows),), errors=errors)


def order_tables(order: Order) -> Iterator[Table]:
    """Yield the tables of an order: its facts, its items, its packages."""
    yield Table(
        ("Order", order.id),
        [
            ("Custom id", order.custom_order_id),
            ("Created", order.create_date),
            ("Status", order.status),
            ("Payment", order.financial_status),
            ("Fulfilment", order.fulfillment_status),
            ("Refund", order.refund_status),
            ("Ship to", order.shipping_address and order.shipping_address.country),
            ("Items", order.sub_total_amount),
            ("Freight", order.freight_amount),
            ("Coupon", order.coupon_amount),
            ("Total", order.final_amount),
            ("Refunded", order.refunded_amount),
        ],
    )
    yield Table(
        ("Item", "SKU", "From", "Qty", "Price", "Total", "Fulfilment", "Refund"),
        [
            (
                item.item_id or item.id,
                item.sku_code,
                item.country_code,
                item.product_num,
                item.amount,
                item.total,
                item.fulfillment_status,
                item.refund_status,
            )
            for item in order.order_items
        ],
    )
    if order.fulfillments:
        yield Table(
            ("Package", "Status", "Carrier", "Tracking code", "Sent"),
            [
                (pack.pack_id or pack.id, pack.status, pack.carrier, pack.tracking_code, pack.delivery_time)
                for pack in order.fulfillments
            ],
        )
