"""The commands `order show` and `order refund`."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from kakaclo_async import (
    DeadlineExceeded,
    InvalidRequest,
    KakaClo,
    KakaCloError,
    NotFound,
    Order,
    RefundReason,
    RefundStatus,
    Rejected,
)
from kakaclo_async.cli.arguments import read_items, read_time
from kakaclo_async.cli.output import Answer, Table


async def show(
    kk: KakaClo,
    order_ids: Annotated[
        list[str] | None, typer.Argument(metavar="[ORDER_ID]...", help="KakaClo's order numbers.")
    ] = None,
    custom_id: Annotated[str | None, typer.Option(help="Or your own number.", metavar="ID")] = None,
    since: Annotated[
        str | None,
        typer.Option(
            help="With --custom-id: no later than the order was made; a week ago by default.", metavar="TIME"
        ),
    ] = None,
) -> Answer:
    """Show orders by their numbers, or all orders of one custom id; new ones show up within 5 minutes."""
    if bool(order_ids) == bool(custom_id):
        raise InvalidRequest("name either order numbers or a --custom-id")
    if custom_id:
        start = read_time(since, "--since") if since else datetime.now(UTC) - timedelta(days=7)
        orders = await kk.orders.find(custom_id, created_from=start)
        missing = (
            [] if orders else [f"no order since {start:%Y-%m-%dT%H:%M:%SZ} has the custom id {custom_id!r}"]
        )
    else:
        wanted = tuple(dict.fromkeys(order_ids or ()))
        orders = await kk.orders.get_many(wanted)
        found = {order.id for order in orders}
        missing = [f"no order has the number {number!r}" for number in wanted if number not in found]
    return Answer(
        data=orders,
        tables=tuple(table for order in orders for table in order_tables(order)),
        errors=tuple(
            NotFound(f"{text} (new orders show up within 5 minutes)", status=200) for text in missing
        ),
    )


def order_tables(order: Order) -> Iterator[Table]:
    """Yield the tables of an order: its facts, its items, its packages."""
    yield Table(
        ("Order", order.id),
        [
            ("Custom id", order.custom_order_id),
            ("Made", order.create_date),
            ("Status", order.status),
            ("Payment", order.financial_status),
            ("Fulfilment", order.fulfillment_status),
            ("Refund", order.refund_status),
            ("Ship to", order.shipping_address and order.shipping_address.country),
            ("Items", order.sub_total_amount),
            ("Freight", order.freight_amount),
            ("Coupon", order.coupon_amount),
            ("In all", order.final_amount),
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


async def refund(
    kk: KakaClo,
    order_id: Annotated[str, typer.Argument(metavar="ORDER_ID", help="KakaClo's order number.")],
    *,
    sku: Annotated[
        list[str] | None, typer.Option(metavar="SKU:QTY", help="Only this; may be repeated.")
    ] = None,
    reason: Annotated[
        str, typer.Option(help=f"One of: {'; '.join(RefundReason)}.")
    ] = RefundReason.OTHER.value,
    remark: Annotated[str | None, typer.Option(help="Free text for KakaClo's staff.")] = None,
    wait: Annotated[
        float | None, typer.Option(help="Seconds to wait until it settled.", metavar="SECONDS")
    ] = None,
) -> Answer:
    """Ask for the refund of an order, or of a part of it; possible until it is shipped."""
    items = read_items(sku) if sku else None
    number = await kk.refunds.request(order_id, items, reason, remark)
    status, error = (None, None) if wait is None else await _settled(kk, order_id, number, wait)
    return Answer(
        data={"refund_no": number, "order_id": order_id, "refund_status": status},
        tables=(Table(("Refund", number), [("Order", order_id), ("Status", status or "asked for")]),),
        errors=() if error is None else (error,),
    )


async def _settled(
    kk: KakaClo, order_id: str, number: str, seconds: float
) -> tuple[RefundStatus | None, KakaCloError | None]:
    error: KakaCloError | None = None
    try:
        refunds = await kk.refunds.wait(order_id, seconds)
    except DeadlineExceeded as late:
        refunds, error = await kk.refunds.of(order_id), late
    status = next((row.refund_status for row in refunds if row.refund_no == number), None)
    if status is RefundStatus.REFUND_FAILED:
        error = Rejected(f"KakaClo declined refund {number} of order {order_id}", status=200)
    return status, error
