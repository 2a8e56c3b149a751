"""What the catalog's list is searched in: a line for each product, kept in memory and fresh.

The mirror's tables have no index for words, and reading 100,000 rows for each search takes a third of a second while
a mirror writes. A line costs some 300 bytes, and looking through all of them some hundredths of a second.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, cast

from sqlalchemy import func, select, type_coerce
from sqlalchemy.types import NullType

from kakaclo_async.board.queries import countries, in_stock
from kakaclo_async.board.search import NO_PRICE, PER_PAGE, SORTS, Line, Ordered, page_of, read_cursor
from kakaclo_async.catalog import schema
from kakaclo_async.database import in_thread

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Column, ColumnElement

    from kakaclo_async.board.search import Found, Search
    from kakaclo_async.catalog.database import MirrorDatabase
    from kakaclo_async.database.engines import Reader

_BATCH: Final = 2_000
_FRESH: Final = 5.0  # seconds
_SHARE: Final = 0.05
"""How much of the time may be spent on reading what is new."""
_FRESH_COUNTRIES: Final = 600.0  # to count these, all stock is read
_MOST_LOOKED_AT: Final = 4_000
"""Products whose stock one page asks the database for."""
_EVER: Final = datetime(1, 1, 1, tzinfo=UTC)


def _plain(column: Column[Any]) -> ColumnElement[Any]:
    """Read a value as the driver has it: for a figure to sort by, exact decimals take too long."""
    return type_coerce(column, NullType())


_LATE: Final = timedelta(seconds=30)
_of = schema.product.c
_READ: Final = (
    _of.spu, _of.product_name, _of.category_id, _of.full_category_name, _of.spu_status, _plain(_of.price), _of.stock,
    _plain(_of.update_time), _of.seen_at,
)  # fmt: skip


class Shelf:
    """The lines of a mirror.

    Args:
        db: the mirror.
    """

    def __init__(self, db: MirrorDatabase) -> None:
        self._db = db
        self._lines: dict[str, Line] = {}
        self._orders: dict[str, Ordered] = {}
        self._names: dict[int, str] = {}
        self._seen = _EVER
        self._loading: asyncio.Task[None] | None = None
        self._fresh_until = self._counted_at = float("-inf")
        self.categories: tuple[tuple[int, str, int], ...] = ()
        self.countries: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self._lines)

    async def freshen(self) -> None:
        """Read what is new, in the background once there is something to show.

        Raises:
            ConfigurationError: there is no mirror.
        """
        clock = asyncio.get_running_loop().time
        if self._loading is not None and self._loading.done():
            loading, self._loading = self._loading, None
            if not loading.cancelled() and (error := loading.exception()) is not None:
                raise error
        if self._loading is None and clock() > self._fresh_until:
            self._loading = asyncio.create_task(self._load(), name="kakaclo board's shelf")
        if self._loading is not None and not self._orders:
            await asyncio.shield(self._loading)

    async def aclose(self) -> None:
        """Stop reading."""
        if self._loading is not None:
            self._loading.cancel()
            await asyncio.gather(self._loading, return_exceptions=True)

    async def _load(self) -> None:
        clock = asyncio.get_running_loop().time
        began, first = clock(), not self._lines
        async with self._db.reading() as connection:
            there = await connection.scalar(select(func.count()).select_from(schema.product)) or 0
            if there < len(self._lines):  # another database lies there now
                self._lines, self._seen = {}, _EVER
            changed = await self._read(connection)
            if began - self._counted_at > _FRESH_COUNTRIES:
                self.countries, self._counted_at = await countries(connection), began
        by = ["newest"] if first else list(SORTS)  # the first visitor waits for it
        if changed or len(self._orders) < len(by):
            lines = list(self._lines.values())
            for name in by:
                self._orders[name] = await in_thread(Ordered, lines, name)
            self.categories = self._count()
        took = clock() - began
        self._fresh_until = clock() + (_FRESH if first else max(_FRESH, took / _SHARE))

    def _count(self) -> tuple[tuple[int, str, int], ...]:
        numbers = Counter(line.category for line in self._lines.values() if line.category is not None)
        found = [(number, self._names[number], count) for number, count in numbers.items()]
        return tuple(sorted(found, key=lambda category: category[1:]))

    async def _read(self, connection: Reader) -> bool:
        """Read the products that were written since the last time; all at first."""
        first = not self._lines
        seen, changed, last = self._seen, False, ""
        while True:
            wanted = select(*_READ).where(_of.spu > last).order_by(_of.spu).limit(_BATCH)
            if not first:  # a mirror's clock counts seconds, and a transaction shows some later
                wanted = wanted.where(_of.seen_at >= self._seen - _LATE)
            rows = cast("list[tuple[Any, ...]]", (await connection.execute(wanted)).all())
            for spu, name, number, category, status, price, stock, updated, seen_at in rows:
                line = _line(spu, name, number, status, price, stock, updated)
                changed = changed or self._lines.get(spu) != line
                self._lines[spu] = line
                if number is not None:
                    self._names[number] = category or str(number)
                seen = max(seen, seen_at)
            if len(rows) < _BATCH:
                self._seen = seen
                return changed
            last = rows[-1][0]

    async def find(self, connection: Reader, search: Search) -> Found:
        """Return a page of what is looked for.

        Raises:
            InvalidRequest: the page does not belong to this list.
        """
        lines = self._candidates(search)
        if search.country is None:
            page = [line for line, _ in zip(lines, range(PER_PAGE + 1), strict=False)]
            return page_of(search, page[:PER_PAGE], page[PER_PAGE - 1] if len(page) > PER_PAGE else None)
        found: list[Line] = []
        looked_at, last = 0, None
        while chunk := [line for line, _ in zip(lines, range(max(200, looked_at)), strict=False)]:
            there = await in_stock(connection, [line.spu for line in chunk], search.country)
            looked_at += len(chunk)
            for line in chunk:
                if line.spu in there:
                    if len(found) == PER_PAGE:
                        return page_of(search, found, found[-1])
                    found.append(line)
            last = chunk[-1]
            if looked_at >= _MOST_LOOKED_AT:
                return page_of(search, found, last)
        return page_of(search, found, None)

    def _candidates(self, search: Search) -> Iterator[Line]:
        """Iterate over what is looked for in its order, after the page before."""
        order = self._orders.get(search.sort)
        if order is None:
            order = self._orders[search.sort] = Ordered(self._lines.values(), search.sort)
        longest = max(search.words, key=len, default="")
        after = None if search.after is None else read_cursor(search.after)
        for chunk in order.chunks(longest, after):
            yield from search.sift(chunk)


def _line(
    spu: str,
    name: str | None,
    category: int | None,
    status: int | None,
    price: object,
    stock: int | None,
    updated: Any,
) -> Line:
    if isinstance(updated, str):
        updated = datetime.fromisoformat(updated).replace(tzinfo=UTC)
    known = None if price is None else float(str(price))
    return Line(
        spu,
        f"{name or ''} {spu}".casefold().replace("\0", " "),
        category,
        status,
        newest=0.0 if updated is None else -updated.timestamp(),
        cheapest=NO_PRICE if known is None else known,
        dearest=0.0 if known is None else -known,
        stock=-(stock or 0),
    )
