"""One run of a mirror: pulls, stores page after page, each with its state, and counts."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import attrs
from sqlalchemy import insert

from kakaclo_async.catalog.report import Gap, MirrorReport
from kakaclo_async.catalog.schema import mirror_undecodable
from kakaclo_async.catalog.state import PullState
from kakaclo_async.events import PageDone
from kakaclo_async.fan_out import gather_in_order
from kakaclo_async.models import Product, StockLevel
from kakaclo_async.pulling import Checkpoint, Pull

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncConnection

    from kakaclo_async.catalog.database import Database
    from kakaclo_async.catalog.reading import Received
    from kakaclo_async.catalog.store import Store
    from kakaclo_async.pulling import Certificate, Progress, Source, Window

__all__ = ["Run"]

M = TypeVar("M", Product, StockLevel)

_MOST_PAGES = 4
"""Pages stored in one transaction, when they come faster than they are stored; it keeps the event loop free."""


class Run:
    """One run of a mirror.

    Args:
        database: open.
        store: writes its tables.
        lanes: windows read at once; None: by latency and rate.
        rate: requests per second that the API grants.
        now: tells the time, aware.
        tell: told after each page.
        seen_in: verifications begun so far.

    Attributes:
        report: what was done so far.
    """

    def __init__(
        self,
        database: Database,
        store: Store,
        *,
        lanes: int | None,
        rate: float,
        now: Callable[[], datetime],
        tell: Callable[[MirrorReport, PageDone], None],
        seen_in: int,
    ) -> None:
        self._database = database
        self._store = store
        self._lanes = lanes
        self._rate = rate
        self._now = now
        self._tell = tell
        self._seen_in = seen_in
        self._clock = asyncio.get_running_loop().time
        self._started = self._clock()
        self._certificates: dict[str, Certificate] = {}
        self._rows_left: dict[str, int] = {}
        self._look_ups = 0
        self.report = MirrorReport()

    async def pull(
        self,
        products: Source[Received[Product]],
        stock: Source[Received[StockLevel]],
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

        async def put_products(connection: AsyncConnection, models: Sequence[Product]) -> None:
            skus = sum(len(product.sku_details) for product in models)
            changes = await self._put_products(connection, models)
            self._add(products=len(models), skus=skus, changes=changes)

        async def put_stock(connection: AsyncConnection, models: Sequence[StockLevel]) -> None:
            changes = await self._store.put_stock(connection, models, as_of=window.end, seen_at=self._now())
            self._add(stock=len(models), changes=changes)

        await gather_in_order(
            (
                partial(self._pull, products, window, put_products, all_again=all_again),
                partial(self._pull, stock, window, put_stock, all_again=all_again),
            )
        )

    async def confirm_missing(self, look_up: Callable[[Sequence[str]], Awaitable[Sequence[Product]]]) -> None:
        """Ask by code for the products that this verification did not meet; mark those that are gone.

        Args:
            look_up: returns the products that KakaClo knows under at most 30 SPU codes.
        """
        last = ""
        while True:
            spus = await self._database.write(partial(self._store.not_seen, before=self._seen_in, after=last))
            if not spus:
                return
            last = spus[-1]
            found = await look_up(spus)
            self._look_ups += 1
            await self._database.write(partial(self._confirm, spus, found))

    async def _confirm(
        self, spus: Sequence[str], found: Sequence[Product], connection: AsyncConnection
    ) -> None:
        known = {product.spu for product in found}
        gone = [spu for spu in spus if spu not in known]
        changes = await self._put_products(connection, found)
        await self._store.mark_gone(connection, gone, since=self._now())
        self._add(changes=changes + len(gone), gone=len(gone))

    def finish(self) -> MirrorReport:
        """Return the final report."""
        self._count()
        self.report = attrs.evolve(self.report, finished=True, rows_left=0)
        return self.report

    async def _put_products(self, connection: AsyncConnection, products: Sequence[Product]) -> int:
        return await self._store.put_products(
            connection, products, seen_at=self._now(), seen_in=self._seen_in
        )

    async def _pull(
        self,
        source: Source[Received[M]],
        window: Window,
        put: Callable[[AsyncConnection, Sequence[M]], Awaitable[None]],
        *,
        all_again: bool,
    ) -> None:
        state = await self._database.write(partial(PullState.load, endpoint=source.name))
        plan = [Checkpoint(window=window)] if all_again else state.plan(window)
        pull = Pull(source, plan, lanes=self._lanes, rate=self._rate)
        self._certificates[pull.name] = pull.certificate

        async def store(
            pages: Sequence[Progress[Received[M]]], rows: Sequence[Received[M]], connection: AsyncConnection
        ) -> None:
            await put(connection, [row.model for row in rows if row.model is not None])
            await self._set_aside(connection, source.name, rows)
            if not all_again:
                await state.record(connection, pages)

        done = 0
        async with aclosing(pull.batches(_MOST_PAGES)) as batches:
            async for pages in batches:
                rows = [row for page in pages for row in page.rows]
                await self._database.write(partial(store, pages, rows))
                done += len(rows)
                self._certificates[pull.name] = pull.certificate
                self._rows_left[pull.name] = left = pages[-1].rows_left
                self._count()
                event = PageDone(what=pull.name, rows=len(rows), rows_done=done, rows_total=done + left)
                self._tell(self.report, event)
        self._certificates[pull.name] = pull.certificate

    async def _set_aside(
        self, connection: AsyncConnection, endpoint: str, rows: Sequence[Received[M]]
    ) -> None:
        bad = [row for row in rows if row.model is None]
        if bad:
            seen_at = self._now()
            await connection.execute(
                insert(mirror_undecodable),
                [
                    {
                        "endpoint": endpoint,
                        "key": row.key,
                        "reason": row.problem,
                        "raw": row.raw,
                        "seen_at": seen_at,
                    }
                    for row in bad
                ],
            )
            self._add(undecodable=len(bad))

    def _add(self, **counts: int) -> None:
        now = attrs.asdict(self.report, recurse=False)
        self.report = attrs.evolve(self.report, **{name: now[name] + count for name, count in counts.items()})

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
