"""Pages of products and stock for a mirror: an undecodable row does not stop the pull."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar, cast

import attrs

from kakaclo_async.codec import Undecodable, encode, to_json, to_wire_time
from kakaclo_async.errors import DecodeError, InvalidRequest, KakaCloError, Rejected
from kakaclo_async.models._checks import check_code
from kakaclo_async.models.product import Product, StockLevel
from kakaclo_async.protocol import tolerant
from kakaclo_async.resources import products, stocks
from kakaclo_async.resources._lookup import chunks
from kakaclo_async.resources.products import products_request
from kakaclo_async.resources.stocks import stocks_request
from kakaclo_async.sharing import gather_in_order
from kakaclo_async.sharing.batching import ask_apart

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from kakaclo_async.models.common import Page
    from kakaclo_async.models.pull import Window
    from kakaclo_async.paging import Source
    from kakaclo_async.sending import Sender


R = TypeVar("R", Product, StockLevel)


def product_source(sender: Sender) -> Source[Product | Undecodable]:
    """Return where a mirror's products come from.

    `GET /v1/product/products`
    """
    source = products.product_source(sender)

    async def read(window: Window, page_number: int) -> Page[Product | Undecodable]:
        return _storable(await source.read(window, page_number))

    return attrs.evolve(source, read=read)


def stock_source(sender: Sender) -> Source[StockLevel | Undecodable]:
    """Return where a mirror's stock comes from.

    `GET /v1/product/stocks`
    """
    source = stocks.stock_source(sender)

    async def read(window: Window, page_number: int) -> Page[StockLevel | Undecodable]:
        return _storable(await source.read(window, page_number))

    return attrs.evolve(source, name="stock", read=read)


async def look_up_products(sender: Sender, spus: Sequence[str]) -> Sequence[Product | Undecodable]:
    """Ask for products by their SPU codes.

    A code that KakaClo does not answer is not known to be gone where it cannot be asked for, is refused, or where its
    row cannot be read: an `Undecodable` says so.

    `GET /v1/product/products`, for at most 30 codes per request

    Raises:
        Rejected: KakaClo refuses them all.
        DecodeError: no answer can be read.
    """
    codes, found = _askable(spus, "SPU")
    products: list[Product | Undecodable] = [*found]
    for batch in chunks(codes):
        products += (await _apart(partial(_look_up, sender), batch)).values()
    return products


async def look_up_stock(sender: Sender, skus: Sequence[str]) -> Sequence[StockLevel | Undecodable]:
    """Ask for stock by SKU codes; an `Undecodable` stands for what is counted and not shown, or cannot be asked for.

    `GET /v1/product/stocks`, for at most 30 codes per request

    Raises:
        Rejected: KakaClo refuses all codes of a request.
        DecodeError: no answer of one can be read.
    """

    async def ask(codes: tuple[str, ...]) -> Mapping[str, StockLevel | Undecodable | KakaCloError]:
        page = _storable(await sender.send(tolerant(stocks_request(skus=codes))))
        hidden = [Undecodable({"sku": f"beside {codes[0]}"}, _HIDDEN)] if _hides_rows(page) else []
        return {row_key(row): row for row in (*page.list, *hidden)}

    codes, unknown = _askable(skus, "SKU")
    found = await gather_in_order(partial(_apart, ask, batch) for batch in chunks(codes))
    return [*unknown, *(row for rows in found for row in rows.values())]


def _askable(codes: Sequence[str], what: str) -> tuple[list[str], list[Undecodable]]:
    """Tell the codes that a request can name from the others."""
    askable: list[str] = []
    others: list[Undecodable] = []
    for code in codes:
        try:
            askable.append(check_code(code, what))
        except InvalidRequest as error:
            others.append(_unknown(code, str(error)))
    return askable, others


async def _apart(
    ask: Callable[[tuple[str, ...]], Awaitable[Mapping[str, R | Undecodable | KakaCloError]]],
    codes: tuple[str, ...],
) -> dict[str, R | Undecodable]:
    """Ask for codes; an `Undecodable` stands for one that spoils the request of all, unless each of them does."""
    try:
        answers = await ask(codes)
    except _BLAMED as error:
        answers = await ask_apart(ask, codes, error, blames=_BLAMED)
    failures = [answer for answer in answers.values() if isinstance(answer, KakaCloError)]
    for failure in failures:
        if not isinstance(failure, _BLAMED) or 1 < len(codes) == len(failures):
            raise failure
    return {
        code: _unknown(code, str(answer)) if isinstance(answer, KakaCloError) else answer
        for code, answer in answers.items()
    }


_HIDDEN: Final = "KakaClo counts it and does not show it"


def _hides_rows(page: Page[R | Undecodable]) -> bool:
    """Tell whether an answer shows fewer rows than it counts: what it does not show may be there."""
    return page.total is not None and page.total > len({row_key(row) for row in page.list})


_BLAMED: Final = (Rejected, DecodeError)


async def _look_up(
    sender: Sender, spus: tuple[str, ...]
) -> Mapping[str, Product | Undecodable | KakaCloError]:
    """Ask for products with one request; those that are not answered are gone."""
    rows = _storable(await sender.send(tolerant(products_request(spus=spus))))
    if _hides_rows(rows):
        if len(spus) == 1:
            return {spus[0]: _unknown(spus[0], _HIDDEN)}
        halves = spus[: len(spus) // 2], spus[len(spus) // 2 :]
        return {spu: row for half in halves for spu, row in (await _look_up(sender, half)).items()}
    found: dict[str, Product | Undecodable | KakaCloError] = {row_key(row): row for row in rows}
    unanswered = [spu for spu in spus if spu not in found]
    for key, row in list(found.items()) if unanswered else ():
        if key in spus:
            continue
        alike = [spu for spu in unanswered if spu.strip().casefold() == key.strip().casefold()]
        if isinstance(row, Product):
            found |= {spu: _unknown(spu, f"KakaClo answers it with {key!r}") for spu in alike}
        elif isinstance(row, Undecodable):
            if len(unanswered) > 1 and not alike:
                raise DecodeError("it cannot be told which product a row is about", where="data.list")
            del found[key]
            found |= {
                spu: Undecodable({"spu": spu, "row": row.document}, row.problem)
                for spu in alike or unanswered
            }
    return found


def _unknown(spu: str, problem: str) -> Undecodable:
    return Undecodable({"spu": spu}, problem)


_MOST_PIECES: Final = 10**15  # databases add them up, in 64 bits
_LONGEST_CODE: Final = 256  # PostgreSQL has no room for much longer ones in an index


def _storable(page: Page[R | Undecodable]) -> Page[R | Undecodable]:
    """Set rows aside that were read, and that no database can hold or add up."""
    problems = {place: problem for place, row in enumerate(page.list) if (problem := _problem(row))}
    if not problems:
        return page
    rows: list[R | Undecodable] = list(page.list)
    for place, problem in problems.items():
        row = cast("Product | StockLevel", rows[place])
        document = cast("dict[str, object]", to_json(row))
        if isinstance(row, Product) and row.update_time is not None:
            document["updateTime"] = to_wire_time(row.update_time)
        rows[place] = Undecodable(document, problem)
    return attrs.evolve(page, list=tuple(rows))


def _problem(row: Product | StockLevel | Undecodable) -> str | None:
    match row:
        case Product():
            codes = [row.spu, *(sku.sku for sku in row.sku_details)]
            counts = [sku.stock for sku in row.sku_details]
        case StockLevel():
            codes = [row.sku, *(at.warehouse_code or "" for at in row.warehouses)]
            counts = [at.qty for at in row.warehouses]
        case _:
            return None
    if any(len(code) > _LONGEST_CODE for code in codes):
        return f"{type(row).__name__} has a code of more than {_LONGEST_CODE} characters"
    if any(abs(count or 0) > _MOST_PIECES for count in counts):
        return f"{type(row).__name__} has a stock that is a number out of all bounds"
    return None


def row_key(row: Product | StockLevel | Undecodable) -> str:
    """Return the SPU or SKU code of a row; its JSON text when even that cannot be decoded."""
    if isinstance(row, Product):
        return row.spu
    if isinstance(row, StockLevel):
        return row.sku
    return row.key


def raw_json(row: Undecodable) -> str:
    """Return an undecodable row as it came."""
    return encode(row.document).decode()
