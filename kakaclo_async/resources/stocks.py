"""Stock per SKU and warehouse, by code and by update time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kakaclo_async.errors import InvalidRequest, NotFound
from kakaclo_async.models._checks import check_code, check_warehouse
from kakaclo_async.models.common import Page
from kakaclo_async.models.product import StockLevel
from kakaclo_async.paging import Knowledge, Pull, Source, checked_window
from kakaclo_async.protocol import Request, tolerant
from kakaclo_async.resources._lookup import (
    BatchedLookup,
    check_many,
    check_number,
    joined,
    time_range,
)

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from kakaclo_async.codec import Undecodable
    from kakaclo_async.models.pull import Window
    from kakaclo_async.sending import Sender


_PATH = "/v1/product/stocks"


def stocks_request(
    *,
    skus: Iterable[str] | None = None,
    updated_from: datetime | None = None,
    updated_to: datetime | None = None,
    warehouse_code: str | None = None,
    page_number: int = 1,
) -> Request[Page[StockLevel]]:
    """Build a `GET /v1/product/stocks`; a range of times may stand beside SKUs."""
    query: list[tuple[str, str]] = []
    if skus is not None:
        query.append(("skus", joined(skus, "SKU")))
    window = time_range(updated_from, updated_to, "updated")
    if skus is None and window is None:
        raise InvalidRequest("choose one of skus= and updated_from= with updated_to=")
    if window is not None:
        query += [("dateStartTime", window[0]), ("dateEndTime", window[1])]
    if warehouse_code is not None:
        query.append(("warehouseCode", check_warehouse(warehouse_code)))
    query.append(("pageNumber", str(check_number(page_number, "page_number"))))
    return Request(method="GET", path=_PATH, query=tuple(query), result=Page[StockLevel])


class Stocks:
    """`kk.stocks`."""

    def __init__(self, sender: Sender) -> None:
        self._sender = sender

    async def get(self, sku: str, warehouse_code: str | None = None) -> StockLevel:
        """Return the stock of one SKU; concurrent calls share requests of 30 codes.

        `GET /v1/product/stocks?skus=`

        Args:
            sku: the SKU code.
            warehouse_code: only this warehouse; None for all.

        Raises:
            NotFound: KakaClo has no such SKU.
        """
        return await self._lookup(warehouse_code).get(check_code(sku, "SKU"))

    async def get_many(
        self, skus: Iterable[str], warehouse_code: str | None = None
    ) -> tuple[StockLevel, ...]:
        """Return the stock of any number of SKUs, 30 per request.

        `GET /v1/product/stocks`

        Args:
            skus: SKU codes. Equal codes are asked for once.
            warehouse_code: only this warehouse; None for all.

        Returns:
            The levels found, in the order of the codes; unknown codes are left out.
        """
        lookup = self._lookup(warehouse_code)
        return tuple((await lookup.get_many(await check_many(skus, "SKU"))).values())

    async def page(
        self,
        *,
        skus: Iterable[str] | None = None,
        updated_from: datetime | None = None,
        updated_to: datetime | None = None,
        warehouse_code: str | None = None,
        page_number: int = 1,
    ) -> Page[StockLevel]:
        """Return one page of stock levels; one request, for callers that page by themselves.

        Rows move between pages while stock changes: `updated` does not lose any.

        `GET /v1/product/stocks`

        Args:
            skus: at most 30 SKU codes.
            updated_from: or the start of a range of stock update times, aware, inclusive, to the second; KakaClo
                lets a range stand beside `skus`, and does not say what it changes there.
            updated_to: its end, inclusive, not after now; 10 minutes before now is complete.
            warehouse_code: only this warehouse; None for all.
            page_number: from 1; the server chooses the size of a page.

        Raises:
            InvalidRequest: no selector, too many codes, a naive time, a page number below 1.
        """
        return await self._sender.send(
            stocks_request(
                skus=skus,
                updated_from=updated_from,
                updated_to=updated_to,
                warehouse_code=warehouse_code,
                page_number=page_number,
            )
        )

    def updated(self, start: datetime, end: datetime, warehouse_code: str | None = None) -> Pull[StockLevel]:
        """Iterate over all stock levels that changed in a range of times: complete, concurrent, no row twice.

        Stock rows carry no time, so windows are read from their last page to their first, several at once, in
        the bulk lane; a slow consumer holds the pull. The iterator's `certificate` says how it knows that it saw
        every row. Close it to stop early.

        `GET /v1/product/stocks`

        Args:
            start: aware, inclusive.
            end: aware, inclusive, after `start`; up to 10 minutes before now the index is complete.
            warehouse_code: only this warehouse; None for all.

        Raises:
            InvalidRequest: a naive time, or a range that ends before it starts.
            IncompletePull: after the last level, when some range kept moving; its `certificate` names the gaps.
            DecodeError: after the last level, when some cannot be read; it names them.
        """
        source = stock_source(self._sender.bulk(), warehouse_code)
        state = self._sender.state
        known = state.learned.setdefault(source.name, Knowledge())
        return Pull(source, checked_window(start, end), rate=state.rate, known=known, shops=state.shops)

    def _lookup(self, warehouse_code: str | None) -> BatchedLookup[StockLevel]:
        if warehouse_code is not None:
            check_warehouse(warehouse_code)
        return BatchedLookup(
            self._sender,
            group=("stock", warehouse_code),
            request=lambda skus: stocks_request(skus=skus, warehouse_code=warehouse_code),
            codes_of=lambda level: (level.sku,),
            missing=lambda sku: NotFound(f"no stock is known of the SKU {sku!r}", status=200, path=_PATH),
        )


def stock_source(sender: Sender, warehouse_code: str | None = None) -> Source[StockLevel | Undecodable]:
    """Return where stock comes from by update time; a row that cannot be read does not stop the reading.

    `GET /v1/product/stocks`
    """

    async def read(window: Window, page_number: int) -> Page[StockLevel | Undecodable]:
        request = stocks_request(
            updated_from=window.start,
            updated_to=window.end,
            warehouse_code=warehouse_code,
            page_number=page_number,
        )
        return await sender.send(tolerant(request))

    def key(row: StockLevel | Undecodable) -> str:
        return row.sku if isinstance(row, StockLevel) else row.key

    return Source(name="stock levels", read=read, key=key)
