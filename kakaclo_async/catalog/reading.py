"""Pages of products and stock for a mirror: a row that cannot be read does not stop the pull."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Generic, TypeVar, cast

import attrs
import msgspec

from kakaclo_async.codec.converter import converter
from kakaclo_async.codec.scalars import Unreadable, read_time
from kakaclo_async.models import Page, Product, StockLevel
from kakaclo_async.pulling import Source, Window
from kakaclo_async.resources.products import products_request
from kakaclo_async.resources.stocks import stocks_request

if TYPE_CHECKING:
    from datetime import datetime

    from kakaclo_async.caller import Caller
    from kakaclo_async.protocol import Request

__all__ = ["Received", "product_source", "stock_source"]

M = TypeVar("M", Product, StockLevel)

_to_json: Final = msgspec.json.Encoder(decimal_format="number").encode


@attrs.frozen(kw_only=True)
class Received(Generic[M]):
    """A row as it came.

    Attributes:
        key: its SPU or SKU; its text when even that cannot be read.
        model: what it means; None when it cannot be read.
        problem: why not, with the path inside the row.
        raw: its JSON text, kept only when it cannot be read.
        time: its update time, if it has one.
    """

    key: str
    model: M | None
    problem: str = ""
    raw: str = ""
    time: datetime | None = None


def product_source(caller: Caller) -> Source[Received[Product]]:
    """Return where a mirror's products come from.

    `GET /v1/product/products`
    """

    async def read(window: Window, page_number: int) -> Page[Received[Product]]:
        request = products_request(updated_from=window.start, updated_to=window.end, page_number=page_number)
        return await _page(caller, request, Product, "spu")

    return Source(name="products", read=read, key=_key, time=_time)


def stock_source(caller: Caller) -> Source[Received[StockLevel]]:
    """Return where a mirror's stock comes from.

    `GET /v1/product/stocks`
    """

    async def read(window: Window, page_number: int) -> Page[Received[StockLevel]]:
        request = stocks_request(updated_from=window.start, updated_to=window.end, page_number=page_number)
        return await _page(caller, request, StockLevel, "sku")

    return Source(name="stock", read=read, key=_key)


async def _page(caller: Caller, request: Request[Page[M]], kind: type[M], key: str) -> Page[Received[M]]:
    rows = await caller.send(attrs.evolve(request, result=cast("type[Page[M]]", Page[object])))
    received = tuple(_receive(row, kind, key) for row in cast("Page[object]", rows))
    return Page(
        list=received,
        total=rows.total,
        page_number=rows.page_number,
        page_size=rows.page_size,
        extra=rows.extra,
    )


def _receive(row: object, kind: type[M], key: str) -> Received[M]:
    try:
        model = converter.structure(row, kind)
    except Unreadable as error:
        problem = error.where(kind.__name__) + f" {error.reason}"
    else:
        if isinstance(model, Product):
            return Received(key=model.spu, model=model, time=model.update_time)
        return Received(key=model.sku, model=model)
    raw = _to_json(row).decode()
    fields = cast("dict[str, object]", row) if isinstance(row, dict) else {}
    return Received(
        key=str(fields.get(key) or raw), model=None, problem=problem, raw=raw, time=_own_time(fields)
    )


def _own_time(fields: dict[str, object]) -> datetime | None:
    try:
        return read_time(fields.get("updateTime"))
    except Unreadable:
        return None


def _key(row: Received[M]) -> str:
    return row.key


def _time(row: Received[Product]) -> datetime | None:
    return row.time
