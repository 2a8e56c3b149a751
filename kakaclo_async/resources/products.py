"""Products with their SKUs, by code, by category and by update time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kakaclo_async.codec.scalars import InvalidValue, read_time
from kakaclo_async.errors import InvalidRequest, NotFound
from kakaclo_async.models._checks import check_code
from kakaclo_async.models.common import Page
from kakaclo_async.models.product import Product, SortBy, SortType
from kakaclo_async.paging import Knowledge, Pull, Source, checked_window
from kakaclo_async.paging.listing import Listing, readable
from kakaclo_async.protocol import Request, tolerant
from kakaclo_async.resources._lookup import (
    BatchedLookup,
    check_many,
    check_number,
    joined,
    time_range,
)

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable
    from datetime import datetime

    from kakaclo_async.codec import Undecodable
    from kakaclo_async.models.pull import Window
    from kakaclo_async.sending import Sender


_PATH = "/v1/product/products"


def products_request(
    *,
    spus: Iterable[str] | None = None,
    skus: Iterable[str] | None = None,
    updated_from: datetime | None = None,
    updated_to: datetime | None = None,
    category_id: int | None = None,
    sort_type: SortType | str | None = None,
    sort_by: SortBy | str | None = None,
    page_number: int = 1,
) -> Request[Page[Product]]:
    """Build a `GET /v1/product/products`; exactly one selector is taken."""
    query: list[tuple[str, str]] = []
    if spus is not None:
        query.append(("spus", joined(spus, "SPU")))
    if skus is not None:
        query.append(("skus", joined(skus, "SKU")))
    if category_id is not None:
        query.append(("categoryId", str(check_number(category_id, "category_id", at_least=0))))
    window = time_range(updated_from, updated_to, "updated")
    selectors = len(query) + (window is not None)
    if selectors != 1:
        raise InvalidRequest(
            "choose exactly one of spus=, skus=, category_id= and updated_from= with updated_to=,"
            f" not {selectors}"
        )
    if window is not None:
        query += [("dateStartTime", window[0]), ("dateEndTime", window[1])]
    if sort_type is not None:
        query.append(("sortType", _member(SortType, sort_type, "sort_type")))
    if sort_by is not None:
        query.append(("sortBy", _member(SortBy, sort_by, "sort_by")))
    query.append(("pageNumber", str(check_number(page_number, "page_number"))))
    return Request(method="GET", path=_PATH, query=tuple(query), result=Page[Product])


def _member(kind: type[SortType | SortBy], value: str, what: str) -> str:
    known = [member.value for member in kind]
    if value not in known:
        raise InvalidRequest(f"{what} must be one of {', '.join(known)}, not {value!r}")
    return str(value)


class Products:
    """`kk.products`."""

    def __init__(self, sender: Sender) -> None:
        self._sender = sender
        self._by_spu: BatchedLookup[Product] = BatchedLookup(
            sender,
            group="products by SPU",
            request=lambda spus: products_request(spus=spus),
            codes_of=lambda product: (product.spu,),
            missing=lambda spu: NotFound(f"no product has the SPU code {spu!r}", status=200, path=_PATH),
        )
        self._by_sku: BatchedLookup[Product] = BatchedLookup(
            sender,
            group="products by SKU",
            request=lambda skus: products_request(skus=skus),
            codes_of=lambda product: (sku.sku for sku in product.sku_details),
            missing=lambda sku: NotFound(f"no product has the SKU {sku!r}", status=200, path=_PATH),
        )

    async def get(self, spu: str) -> Product:
        """Return one product by its SPU code; concurrent calls share requests of 30 codes.

        `GET /v1/product/products?spus=`

        Raises:
            NotFound: KakaClo has no such product.
        """
        return await self._by_spu.get(check_code(spu, "SPU"))

    async def get_many(
        self, *, spus: Iterable[str] | None = None, skus: Iterable[str] | None = None
    ) -> tuple[Product, ...]:
        """Return the products with these codes, any number of them, 30 per request.

        `GET /v1/product/products`

        Args:
            spus: SPU codes. Equal codes are asked for once.
            skus: or SKU codes; each product comes once, however many of its SKUs are named.

        Returns:
            The products found, in the order of the codes; unknown codes are left out.

        Raises:
            InvalidRequest: both or neither selector, or a code that cannot be one.
        """
        if (spus is None) == (skus is None):
            raise InvalidRequest("choose exactly one of spus= and skus=")
        if skus is None:
            by_spu = await check_many(spus or (), "SPU")
            return tuple((await self._by_spu.get_many(by_spu)).values())
        found = await self._by_sku.get_many(await check_many(skus, "SKU"))
        return tuple({product.spu: product for product in found.values()}.values())

    async def page(
        self,
        *,
        spus: Iterable[str] | None = None,
        skus: Iterable[str] | None = None,
        updated_from: datetime | None = None,
        updated_to: datetime | None = None,
        category_id: int | None = None,
        sort_type: SortType | str | None = None,
        sort_by: SortBy | str | None = None,
        page_number: int = 1,
    ) -> Page[Product]:
        """Return one page of products; one request, for callers that page by themselves.

        Rows move between pages while products are updated: `updated` and `in_category` do not lose any.

        `GET /v1/product/products`

        Args:
            spus: at most 30 SPU codes.
            skus: or at most 30 SKU codes.
            updated_from: or the start of a range of update times, aware, inclusive, to the second.
            updated_to: its end, inclusive, not after now; 10 minutes before now is complete.
            category_id: or a category.
            sort_type: salasVolume (sic), stock, price or updateTime; by default the update time.
            sort_by: asc or desc; by default newest first.
            page_number: from 1; the server chooses the size of a page.

        Raises:
            InvalidRequest: not exactly one selector, too many codes, a naive time, a page number below 1.
        """
        return await self._sender.send(
            products_request(
                spus=spus,
                skus=skus,
                updated_from=updated_from,
                updated_to=updated_to,
                category_id=category_id,
                sort_type=sort_type,
                sort_by=sort_by,
                page_number=page_number,
            )
        )

    def updated(self, start: datetime, end: datetime) -> Pull[Product]:
        """Iterate over all products that were updated in a range of times: complete, concurrent, no row twice.

        Read by key in several windows at once, in the bulk lane; a slow consumer holds the pull. The iterator's
        `certificate` says how it knows that it saw every row. Close it to stop early.

        `GET /v1/product/products`

        Args:
            start: aware, inclusive.
            end: aware, inclusive, after `start`; up to 10 minutes before now the index is complete.

        Raises:
            InvalidRequest: a naive time, or a range that ends before it starts.
            IncompletePull: after the last product, when some range kept moving; its `certificate` names the gaps.
            DecodeError: after the last product, when some cannot be read; it names them.
        """
        source = product_source(self._sender.bulk())
        state = self._sender.state
        known = state.learned.setdefault(source.name, Knowledge())
        return Pull(source, checked_window(start, end), rate=state.rate, known=known, shops=state.shops)

    def in_category(self, category_id: int) -> AsyncGenerator[Product, None]:
        """Iterate over the products of a category, none twice, in the bulk lane.

        `GET /v1/product/products?categoryId=`

        Raises:
            IncompletePull: after the last product, when the category kept changing.
            DecodeError: after the last product, when some cannot be read; it names them.
        """
        check_number(category_id, "category_id", at_least=0)
        bulk = self._sender.bulk()

        async def read(page_number: int) -> Page[Product | Undecodable]:
            return await bulk.send(
                tolerant(products_request(category_id=category_id, page_number=page_number))
            )

        return readable(Listing(f"the products of category {category_id}", read, _key))


def product_source(sender: Sender) -> Source[Product | Undecodable]:
    """Return where products come from by update time; one that cannot be read does not stop the reading.

    `GET /v1/product/products`
    """

    async def read(window: Window, page_number: int) -> Page[Product | Undecodable]:
        request = products_request(updated_from=window.start, updated_to=window.end, page_number=page_number)
        return await sender.send(tolerant(request))

    return Source(name="products", read=read, key=_key, time=_time)


def _key(row: Product | Undecodable) -> str:
    return row.spu if isinstance(row, Product) else row.key


def _time(row: Product | Undecodable) -> datetime | None:
    if isinstance(row, Product):
        return row.update_time
    try:
        return read_time(row.fields.get("updateTime"))
    except InvalidValue:
        return None
