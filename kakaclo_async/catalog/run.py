"""One run of a mirror: pulls, stores page after page, each with its state, and counts."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from functools import partial
from typing import TYPE_CHECKING, TypeAlias, TypeVar

import attrs
from sqlalchemy import bindparam, delete, insert, select

from kakaclo_async.catalog import store
from kakaclo_async.catalog.reading import look_up_products, product_source, raw_json, row_key, stock_source
from kakaclo_async.catalog.report import Gap, MirrorReport
from kakaclo_async.catalog.rows import Row, run_for_each
from kakaclo_async.catalog.schema import mirror_undecodable
from kakaclo_async.catalog.state import PullState
from kakaclo_async.codec import Undecodable
from kakaclo_async.events import PageDone
from kakaclo_async.models.product import Product, StockLevel
from kakaclo_async.paging import Checkpoint, Pull
from kakaclo_async.sharing.fan_out import gather_in_order

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from sqlalchemy.engine import Connection

    from kakaclo_async.catalog.database import MirrorDatabase
    from kakaclo_async.models.pull import Certificate, Window
    from kakaclo_async.paging import Progress, Source
    from kakaclo_async.sending import Sender


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


@attrs.define(kw_only=True, eq=False)
class Run:
    """One run of a mirror.

    Attributes:
        database: open.
        sender: sends the requests, whose rows no resource would return.
        concurrency: windows read at once; None: by latency and rate.
        now: tells the time, aware.
        progress: called after each page, and at the end.
        seen_in: verifications begun so far.
        report: what was done so far.
    """

    database: MirrorDatabase
    sender: Sender
    concurrency: int | None
    now: Callable[[], datetime]
    progress: Callable[[MirrorReport], object] | None
    seen_in: int
    report: MirrorReport = attrs.field(factory=MirrorReport, init=False)
    _certificates: dict[str, Callable[[], Certificate]] = attrs.field(
        factory=dict[str, "Callable[[], Certificate]"], init=False
    )
    _rows_left: dict[str, int] = attrs.field(factory=dict[str, int], init=False)
    _undecodable: dict[str, set[str]] = attrs.field(factory=dict[str, set[str]], init=False)
    _look_ups: int = attrs.field(default=0, init=False)
    _started: float = attrs.field(factory=lambda: asyncio.get_running_loop().time(), init=False)

    async def pull(self, window: Window, *, all_again: bool = False) -> None:
        """Store the products and the stock of a window, both at once.

        Args:
            window: update times.
            all_again: what is stored already is read again, too.
        """
        products, stock = product_source(self.sender), stock_source(self.sender)
        put_stock = partial(self._store_stock, as_of=window.end)
        await gather_in_order(
            (
                partial(self._pull, products, window, self._store_products, all_again=all_again),
                partial(self._pull, stock, window, put_stock, all_again=all_again),
            )
        )

    async def confirm_missing(self) -> None:
        """Ask by code for the products that this verification did not meet; mark those that are gone."""
        last = ""
        while spus := await self.database.write(partial(store.not_seen, before=self.seen_in, after=last)):
            last = spus[-1]
            found = await look_up_products(self.sender, spus)
            self._look_ups += 1
            self._add(await self.database.write(partial(self._confirm, spus, found, self.now())))

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
        changes = store.put_products(connection, products, seen_at=seen_at, seen_in=self.seen_in)
        store.mark_gone(connection, gone, since=seen_at)
        undecodable = self._keep_undecodable(connection, "products", found, seen_at)
        return {"changes": changes + len(gone), "gone": len(gone), "undecodable": undecodable}

    def finish(self) -> MirrorReport:
        """Return the final report."""
        self._count()
        self.report = attrs.evolve(self.report, finished=True, rows_left=0)
        self._show()
        return self.report

    def _show(self) -> None:
        if self.progress is not None:
            self.progress(self.report)

    def _store_products(
        self, connection: Connection, products: Sequence[Product], seen_at: datetime
    ) -> _Counts:
        changes = store.put_products(connection, products, seen_at=seen_at, seen_in=self.seen_in)
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
        state = await self.database.write(partial(self._load, source.name))
        plan = [Checkpoint(window=window)] if all_again else state.plan(window)
        pull = Pull(source, plan, concurrency=self.concurrency, rate=self.sender.state.rate)
        self._certificates[pull.name] = lambda: pull.certificate

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
                self._add(await self.database.write(partial(store_pages, pages, rows, self.now())))
                done += len(rows)
                self._rows_left[pull.name] = left = pages[-1].rows_left
                self._count()
                event = PageDone(what=pull.name, rows=len(rows), rows_done=done, rows_total=done + left)
                self.sender.state.emit(event)
                self._show()

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
        kept = [
            Row(endpoint=endpoint, key=key, reason=row.problem, raw=raw_json(row), seen_at=seen_at)
            for key, row in undecodable.items()
        ]
        run_for_each(connection, insert(mirror_undecodable), kept)
        known.update(undecodable)
        return len(undecodable)

    def _add(self, counts: _Counts) -> None:
        sums = {name: getattr(self.report, name) + count for name, count in counts.items()}
        self.report = attrs.evolve(self.report, **sums)

    def _count(self) -> None:
        certificates = {name: certificate() for name, certificate in self._certificates.items()}
        self.report = attrs.evolve(
            self.report,
            requests=self._look_ups + sum(each.requests for each in certificates.values()),
            windows=sum(each.windows for each in certificates.values()),
            rereads=sum(each.rereads for each in certificates.values()),
            gaps=tuple(Gap(name, gap) for name, each in certificates.items() for gap in each.gaps),
            rows_left=sum(self._rows_left.values()),
            seconds=asyncio.get_running_loop().time() - self._started,
        )
