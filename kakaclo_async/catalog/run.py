"""One run of a mirror: pulls, stores page after page, each with its state, and counts."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from functools import partial
from typing import TYPE_CHECKING, TypeAlias, TypeVar

import attrs
from sqlalchemy import bindparam, delete, insert, select

from kakaclo_async.catalog import store
from kakaclo_async.catalog.reading import raw_json, row_key
from kakaclo_async.catalog.report import Gap, MirrorReport
from kakaclo_async.catalog.schema import mirror_undecodable
from kakaclo_async.catalog.state import PullState
from kakaclo_async.codec import Undecodable
from kakaclo_async.events import PageDone
from kakaclo_async.models.product import Product, StockLevel
from kakaclo_async.paging import Checkpoint, Pull
from kakaclo_async.sharing.fan_out import gather_in_order

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from datetime import datetime

    from sqlalchemy.engine import Connection

    from kakaclo_async.catalog.database import MirrorDatabase
    from kakaclo_async.catalog.rows import Row
    from kakaclo_async.models.pull import Certificate, Window
    from kakaclo_async.paging import Progress, Source


M = TypeVar("M", Product, StockLevel)

_Counts: TypeAlias = dict[str, int]
"""What a transaction adds to the report's numbers, by their names."""

_UNDECODABLE = select(mirror_undecodable.c.key).where(mirror_undecodable.c.endpoint == bindparam("of"))
_FORGET_UNDECODABLE = delete(mirror_undecodable).where(
    mirror_undecodable.c.endpoint == bindparam("of"),
    mirror_undecodable.c.key.in_(bindparam("met", expanding=True)),
)

_MOST_PAGES = {"products": 3, "stock": 16}
"""Pages stored in one transaction, when they come faster than they are stored: about as long a turn for both."""


class Run:
    """One run of a mirror.

    Args:
        database: open.
        concurrency: windows read at once; None: by latency and rate.
        rate: requests per second that the API grants.
        now: tells the time, aware.
        tell: called after each page.
        seen_in: verifications begun so far.

    Attributes:
        report: what was done so far.
    """

    def __init__(
        self,
        database: MirrorDatabase,
        *,
        concurrency: int | None,
        rate: float,
        now: Callable[[], datetime],
        tell: Callable[[MirrorReport, PageDone], None],
        seen_in: int,
    ) -> None:
        self._database = database
        self._concurrency = concurrency
        self._rate = rate
        self._now = now
        self._tell = tell
        self._seen_in = seen_in
        self._clock = asyncio.get_running_loop().time
        self._started = self._clock()
        self._certificates: dict[str, Certificate] = {}
        self._rows_left: dict[str, int] = {}
        self._undecodable: dict[str, set[str]] = {}
        self._look_ups = 0
        self.report = MirrorReport()

    async def pull(
        self,
        products: Source[Product | Undecodable],
        stock: Source[StockLevel | Undecodable],
        window: Window,
        *,
        all_again: bool = False,
    ) -> None:
        """Store the products and the stock of a window, both at once.

        Args:
            products: where products come from.
            stock: where stock comes from.
            window: update times.
            all_again: what is stored already is read again, too.
        """
        await gather_in_order(
            (
                partial(self._pull, products, window, self._store_products, all_again=all_again),
                partial(
                    self._pull,
                    stock,
                    window,
                    partial(self._store_stock, as_of=window.end),
                    all_again=all_again,
                ),
            )
        )

    async def confirm_missing(
        self, look_up: Callable[[Sequence[str]], Awaitable[Sequence[Product | Undecodable]]]
    ) -> None:
        """Ask by code for the products that this verification did not meet; mark those that are gone.

        Args:
            look_up: returns the products that KakaClo knows under at most 30 SPU codes, decodable or not.
        """
        last = ""
        while True:
            spus = await self._database.write(partial(store.not_seen, before=self._seen_in, after=last))
            if not spus:
                return
            last = spus[-1]
            found = await look_up(spus)
            self._look_ups += 1
            self._add(await self._database.write(partial(self._confirm, spus, found, self._now())))

    def _confirm(
        self,
        spus: Sequence[str],
        found: Sequence[Product | Undecodable],
        seen_at: datetime,
        connection: Connection,
    ) -> _Counts:
        known = {row_key(row) for row in found}
        gone = [spu for spu in spus if spu not in known]
        products = [row for row in found if not isinstance(row, Undecodable)]
        changes = store.put_products(connection, products, seen_at=seen_at, seen_in=self._seen_in)
        store.mark_gone(connection, gone, since=seen_at)
        undecodable = self._keep_undecodable(connection, "products", found, seen_at)
        return {"changes": changes + len(gone), "gone": len(gone), "undecodable": undecodable}

    def finish(self) -> MirrorReport:
        """Return the final report."""
        self._count()
        self.report = attrs.evolve(self.report, finished=True, rows_left=0)
        return self.report

    def _store_products(
        self, connection: Connection, products: Sequence[Product], seen_at: datetime
    ) -> _Counts:
        changes = store.put_products(connection, products, seen_at=seen_at, seen_in=self._seen_in)
        skus = sum(len(product.sku_details) for product in products)
        return {"products": len(products), "skus": skus, "changes": changes}

    def _store_stock(
        self, connection: Connection, levels: Sequence[StockLevel], seen_at: datetime, *, as_of: datetime
    ) -> _Counts:
        changes = store.put_stock(connection, levels, as_of=as_of, seen_at=seen_at)
        return {"stock": len(levels), "changes": changes}

    async def _pull(
        self,
        source: Source[M | Undecodable],
        window: Window,
        put: Callable[[Connection, Sequence[M], datetime], _Counts],
        *,
        all_again: bool,
    ) -> None:
        state = await self._database.write(partial(self._load, source.name))
        plan = [Checkpoint(window=window)] if all_again else state.plan(window)
        pull = Pull(source, plan, concurrency=self._concurrency, rate=self._rate)
        self._certificates[pull.name] = pull.certificate

        def store_pages(
            pages: Sequence[Progress[M | Undecodable]],
            rows: Sequence[M | Undecodable],
            seen_at: datetime,
            connection: Connection,
        ) -> _Counts:
            counts = put(connection, [row for row in rows if not isinstance(row, Undecodable)], seen_at)
            undecodable = self._keep_undecodable(connection, source.name, rows, seen_at)
            if not all_again:
                state.record(connection, pages)
            return counts | {"undecodable": undecodable}

        done = 0
        async with aclosing(pull.batches(_MOST_PAGES[source.name])) as batches:
            async for pages in batches:
                rows = [row for page in pages for row in page.rows]
                self._add(await self._database.write(partial(store_pages, pages, rows, self._now())))
                done += len(rows)
                self._certificates[pull.name] = pull.certificate
                self._rows_left[pull.name] = left = pages[-1].rows_left
                self._count()
                event = PageDone(what=pull.name, rows=len(rows), rows_done=done, rows_total=done + left)
                self._tell(self.report, event)
        self._certificates[pull.name] = pull.certificate

    def _load(self, endpoint: str, connection: Connection) -> PullState:
        self._undecodable[endpoint] = {str(key) for key in connection.scalars(_UNDECODABLE, {"of": endpoint})}
        return PullState.load(connection, endpoint)

    def _keep_undecodable(
        self,
        connection: Connection,
        endpoint: str,
        rows: Sequence[Product | StockLevel | Undecodable],
        seen_at: datetime,
    ) -> int:
        """Keep undecodable rows, each once, and forget those that can be decoded by now."""
        known = self._undecodable[endpoint]
        if known and (met := known.intersection(map(row_key, rows))):
            connection.execute(_FORGET_UNDECODABLE, {"of": endpoint, "met": sorted(met)})
            known.difference_update(met)
        undecodable = {row_key(row): row for row in rows if isinstance(row, Undecodable)}
        if undecodable:
            connection.execute(
                insert(mirror_undecodable),
                [_undecodable_row(endpoint, row, seen_at) for row in undecodable.values()],
            )
            known.update(undecodable)
        return len(undecodable)

    def _add(self, counts: _Counts) -> None:
        sums = {name: getattr(self.report, name) + count for name, count in counts.items()}
        self.report = attrs.evolve(self.report, **sums)

    def _count(self) -> None:
        certificates = self._certificates
        self.report = attrs.evolve(
            self.report,
            requests=self._look_ups + sum(each.requests for each in certificates.values()),
            windows=sum(each.windows for each in certificates.values()),
            rereads=sum(each.rereads for each in certificates.values()),
            gaps=tuple(Gap(name, gap) for name, each in certificates.items() for gap in each.gaps),
            rows_left=sum(self._rows_left.values()),
            seconds=self._clock() - self._started,
        )


def _undecodable_row(endpoint: str, row: Undecodable, seen_at: datetime) -> Row:
    return {
        "endpoint": endpoint,
        "key": row_key(row),
        "reason": row.problem,
        "raw": raw_json(row),
        "seen_at": seen_at,
    }
