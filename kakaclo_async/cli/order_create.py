"""The command `order create`: shows the freight, asks, and places the order once."""

import sys
from pathlib import Path
from typing import Annotated

import attrs
import typer

from kakaclo_async import FreightOption, InvalidRequest, KakaClo, NewOrder
from kakaclo_async.cli.arguments import read_items
from kakaclo_async.cli.ask import confirm
from kakaclo_async.cli.errors import FAILED
from kakaclo_async.cli.freight import freight_table
from kakaclo_async.cli.order_input import new_order, read_document
from kakaclo_async.cli.output import Answer, Table, print_table
from kakaclo_async.resources.orders.requests import new_custom_order_id


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
