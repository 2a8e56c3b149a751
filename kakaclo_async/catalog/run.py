"""One run of a mirror: pulls, stores page after page, each with its state, and counts."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING, TypeVar

import attrs
from sqlalchemy import insert

from kakaclo_async.catalog.report import Gap, MirrorReport
from kakaclo_async.catalog.schema import mirror_undecodable
from kakaclo_async.catalog.state import PullState
from kakaclo_async.events import PageDone
from kakaclo_async.models import Product, StockLevel
from kakaclo_async.pulling import Checkpoint, Pull

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncConnection

    from kakaclo_async.catalog.database import Database
    from kakaclo_async.catalog.reading import Received
    from kakaclo_async.catalog.store import Store
    from kakaclo_async.pulling import Source, Window

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
        self.report = MirrorReport()

    async def products(
        self, source: Source[Received[Product]], window: Window, *, all_again: bool = False
    ) -> bool:
        """Store the products of a window; tell whether the server filters by whole days.

        Args:
            source: where they come from.
            window: update times.
            all_again: what is stored already is read again, too.
        """

        async def put(connection: AsyncConnection, products: Sequence[Product]) -> None:
            skus = sum(len(product.sku_details) for product in products)
            changes = await self._put_products(connection, products)
            self._add(products=len(products), skus=skus, changes=changes)

        return await self._pull(source, window, put, coarse=False, all_again=all_again)

    async def stock(
        self,
        source: Source[Received[StockLevel]],
        window: Window,
        *,
        coarse: bool,
        all_again: bool = False,
    ) -> None:
        """Store the stock of a window.

        Args:
            source: where it comes from.
            window: update times of the stock.
            coarse: the server filters by whole days.
            all_again: what is stored already is read again, too.
        """

        async def put(connection: AsyncConnection, levels: Sequence[StockLevel]) -> None:
            changes = await self._store.put_stock(connection, levels, as_of=window.end, seen_at=self._now())
            self._add(stock=len(levels), changes=changes)

        await self._pull(source, window, put, coarse=coarse, all_again=all_again)

    async def confirm_missing(self, look_up: Callable[[Sequence[str]], Awaitable[Sequence[Product]]]) -> None:
        """Ask by code for the products that this verification did not meet; mark those that are gone.

        Args:
            look_up: returns the products that KakaClo knows under at most 30 SPU codes.
        """
        last = ""
        while True:
            async with self._database.transaction() as connection:
                spus = await self._store.not_seen(connection, before=self._seen_in, after=last)
            if not spus:
                return
            last = spus[-1]
            found = await look_up(spus)
            known = {product.spu for product in found}
            gone = [spu for spu in spus if spu not in known]
            async with self._database.transaction() as connection:
                changes = await self._put_products(connection, found)
                await self._store.mark_gone(connection, gone, since=self._now())
            self._add(requests=1, changes=changes + len(gone), gone=len(gone))

    def finish(self) -> MirrorReport:
        """Return the final report."""
        self.report = attrs.evolve(
            self.report, finished=True, rows_left=0, seconds=self._clock() - self._started
        )
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
        coarse: bool,
        all_again: bool,
    ) -> bool:
        async with self._database.transaction() as connection:
            state = await PullState.load(connection, source.name)
        plan = [Checkpoint(window=window)] if all_again else state.plan(window)
        pull = Pull(source, plan, lanes=self._lanes, rate=self._rate, coarse=coarse)
        before, done = self.report, 0
        async with aclosing(pull.batches(_MOST_PAGES)) as batches:
            async for pages in batches:
                rows = [row for page in pages for row in page.rows]
                async with self._database.transaction() as connection:
                    await put(connection, [row.model for row in rows if row.model is not None])
                    await self._set_aside(connection, source.name, rows)
                    if not all_again:
                        await state.record(connection, pages)
                done += len(rows)
                self._count(before, pull, pages[-1].rows_left)
                event = PageDone(
                    what=pull.name, rows=len(rows), rows_done=done, rows_total=done + pages[-1].rows_left
                )
                self._tell(self.report, event)
        return pull.coarse

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

    def _count(self, before: MirrorReport, pull: Pull[Received[M]], rows_left: int) -> None:
        certificate = pull.certificate
        self.report = attrs.evolve(
            self.report,
            requests=before.requests + certificate.requests,
            windows=before.windows + certificate.windows,
            rereads=before.rereads + certificate.rereads,
            gaps=before.gaps + tuple(Gap(pull.name, window) for window in certificate.gaps),
            rows_left=rows_left,
            seconds=self._clock() - self._started,
        )
