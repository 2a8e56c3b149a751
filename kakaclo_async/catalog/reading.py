"""Pages of products and stock for a mirror: an undecodable row does not stop the pull."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, TypeVar, cast

import attrs

from kakaclo_async.codec import Undecodable, encode
from kakaclo_async.codec.scalars import InvalidValue, read_time
from kakaclo_async.models.common import Page
from kakaclo_async.models.product import Product, StockLevel
from kakaclo_async.paging import Source
from kakaclo_async.resources._lookup import chunks
from kakaclo_async.resources.products import products_request
from kakaclo_async.resources.stocks import stocks_request
from kakaclo_async.sharing.fan_out import gather_in_order

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from kakaclo_async.models.pull import Window
    from kakaclo_async.protocol import Request
    from kakaclo_async.sending import Sender


M = TypeVar("M", Product, StockLevel)


def product_source(sender: Sender) -> Source[Product | Undecodable]:
    """Return where a mirror's products come from.

    `GET /v1/product/products`
    """

    async def read(window: Window, page_number: int) -> Page[Product | Undecodable]:
        request = products_request(updated_from=window.start, updated_to=window.end, page_number=page_number)
        return await sender.send(_tolerant(request, Page[Product | Undecodable]))

    return Source(name="products", read=read, key=row_key, time=_time)


def stock_source(sender: Sender) -> Source[StockLevel | Undecodable]:
    """Return where a mirror's stock comes from.

    `GET /v1/product/stocks`
    """

    async def read(window: Window, page_number: int) -> Page[StockLevel | Undecodable]:
        request = stocks_request(updated_from=window.start, updated_to=window.end, page_number=page_number)
        return await sender.send(_tolerant(request, Page[StockLevel | Undecodable]))

    return Source(name="stock", read=read, key=row_key)


async def look_up_products(sender: Sender, spus: Sequence[str]) -> Sequence[Product | Undecodable]:
    """Ask for at most 30 products by their SPU codes.

    `GET /v1/product/products`
    """
    return (await sender.send(_tolerant(products_request(spus=spus), Page[Product | Undecodable]))).list


async def look_up_stock(sender: Sender, skus: Sequence[str]) -> Sequence[StockLevel | Undecodable]:
    """Ask for stock by SKU codes, 30 per request.

    `GET /v1/product/stocks`
    """
    pages = await gather_in_order(
        partial(sender.send, _tolerant(stocks_request(skus=codes), Page[StockLevel | Undecodable]))
        for codes in chunks(skus)
    )
    return [row for page in pages for row in page.list]


def _tolerant(
    request: Request[Page[M]], result: type[Page[M | Undecodable]]
) -> Request[Page[M | Undecodable]]:
    return cast("Request[Page[M | Undecodable]]", attrs.evolve(request, result=cast("type[Page[M]]", result)))


def row_key(row: Product | StockLevel | Undecodable) -> str:
    """Return the SPU or SKU code of a row; its JSON text when even that cannot be decoded."""
    if isinstance(row, Product):
        return row.spu
    if isinstance(row, StockLevel):
        return row.sku
    fields = _fields(row)
    return str(fields.get("spu") or fields.get("sku") or raw_json(row))


def raw_json(row: Undecodable) -> str:
    """Return an undecodable row as it came."""
    return encode(row.document).decode()


def _time(row: Product | Undecodable) -> datetime | None:
    if isinstance(row, Product):
        return row.update_time
    try:
        return read_time(_fields(row).get("updateTime"))
    except InvalidValue:
        return None


def _fields(row: Undecodable) -> dict[str, object]:
    document = row.document
    return cast("dict[str, object]", document) if isinstance(document, dict) else {}
