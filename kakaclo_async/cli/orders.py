"""The commands of `kakaclo order`: show, create, refund."""

import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import attrs
import typer

from kakaclo_async import (
    DeadlineExceeded,
    FreightOption,
    InvalidRequest,
    KakaClo,
    KakaCloError,
    NewOrder,
    NotFound,
    Order,
    RefundReason,
    RefundStatus,
    Rejected,
)
from kakaclo_async.cli.arguments import read_items, read_time
from kakaclo_async.cli.ask import confirm
from kakaclo_async.cli.errors import FAILED
from kakaclo_async.cli.freight import freight_table
from kakaclo_async.cli.order_input import new_order, read_document
from kakaclo_async.cli.output import Answer, Table, print_table
from kakaclo_async.resources.order_ids import new_custom_order_id

__all__ = ["create", "order_tables", "refund", "show"]


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


async def create(
    kk: KakaClo,
    *,
    sku: Annotated[
        list[str] | None, typer.Option(metavar="SKU:QTY", help="An item; may be repeated.")
    ] = None,
    country: Annotated[str | None, typer.Option(help="Two-letter code.")] = None,
    recipient: Annotated[str | None, typer.Option(help="Name.")] = None,
    phone: Annotated[str | None, typer.Option()] = None,
    province: Annotated[str | None, typer.Option(help="Province or state.")] = None,
    city: Annotated[str | None, typer.Option()] = None,
    street1: Annotated[str | None, typer.Option()] = None,
    street2: Annotated[str | None, typer.Option()] = None,
    zip_code: Annotated[str | None, typer.Option("--zip")] = None,
    ioss: Annotated[str | None, typer.Option(help="Tax number of the EU's import scheme.")] = None,
    vat: Annotated[str | None, typer.Option(help="Tax number.")] = None,
    channel: Annotated[str | None, typer.Option(help="Standard (the default), Express or Expedited.")] = None,
    custom_id: Annotated[
        str | None, typer.Option(help="Your own number; one is made if you give none.")
    ] = None,
    remark: Annotated[str | None, typer.Option(help="Free text.")] = None,
    platform: Annotated[str | None, typer.Option(help="Where it was sold: Shopify, Amazon.")] = None,
    file: Annotated[Path | None, typer.Option(help="Or a JSON file with the whole order.")] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Place it without asking.")] = False,
) -> Answer:
    """Place an order, which is paid from the balance at once; shows the freight and asks first.

    It is sent at most once. Exit code 7 means that it may have been placed.

    The file for --file, where the names after province and the last line are optional:

    {"address": {"country": "US", "recipient": "...", "phone": "...", "province": "...",
      "city": "...", "street1": "...", "street2": "...", "zip": "...", "ioss": "...", "vat": "..."},
     "items": [{"sku": "AMN00432_B_M", "quantity": 1}],
     "channel_type": "Standard", "custom_order_id": "...", "remark": "...", "sale_platform": "..."}
    """
    address = {
        "country": country,
        "recipient": recipient,
        "phone": phone,
        "province": province,
        "city": city,
        "street1": street1,
        "street2": street2,
        "zip": zip_code,
        "ioss": ioss,
        "vat": vat,
    }
    rest = {
        "channel_type": channel,
        "custom_order_id": custom_id,
        "remark": remark,
        "sale_platform": platform,
    }
    if file is None:
        items = [attrs.asdict(item) for item in read_items(sku or ())]
        order = new_order({"address": address, "items": items, **_given(rest)})
    elif sku or _given(address) or _given(rest):
        raise InvalidRequest("--file holds the whole order: give no other part of it")
    else:
        order = new_order(read_document(file))
    if order.custom_order_id is None:
        order = attrs.evolve(order, custom_order_id=new_custom_order_id())
    freight = await _agreed(kk, order, sure=yes)
    return await _place(kk, order, freight)


def _given(values: dict[str, str | None]) -> dict[str, str]:
    return {name: value for name, value in values.items() if value is not None}


async def _agreed(kk: KakaClo, order: NewOrder, *, sure: bool) -> FreightOption | None:
    if not sure and not sys.stdin.isatty():
        raise InvalidRequest(
            "nobody can be asked, for standard input is no terminal: pass --yes to place the order"
        )
    quote = await kk.freight.quote(order.items, order.address.country)
    print_table(freight_table({order.address.country: quote}), sys.stderr)
    sys.stderr.write(f"Custom id: {order.custom_order_id}\n")  # known whatever happens from here on
    pieces = sum(item.quantity for item in order.items)
    if not sure and not confirm(f"Place this order of {pieces} pieces by {order.channel_type}?"):
        sys.stderr.write("not placed\n")
        raise typer.Exit(FAILED)
    return quote.by_channel(order.channel_type)


async def _place(kk: KakaClo, order: NewOrder, freight: FreightOption | None) -> Answer:
    created = await kk.orders.create(order)
    estimate = freight and freight.estimated_freight
    facts = [("Custom id", created.custom_order_id), ("Channel", order.channel_type), ("Freight", estimate)]
    return Answer(
        data={
            "id": created.id,
            "custom_order_id": created.custom_order_id,
            "channel_type": order.channel_type,
            "estimated_freight": estimate,
        },
        tables=(Table(("Order", created.id), facts),),
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
