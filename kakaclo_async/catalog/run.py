"""One run of a mirror: pulls, stores page after page, each with its state, and counts."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from contextlib import aclosing
from functools import partial
from typing import TYPE_CHECKING, TypeAlias, TypeVar

import attrs

from kakaclo_async.catalog import store
from kakaclo_async.catalog.reading import (
    look_up_products,
    look_up_stock,
    product_source,
    row_key,
    stock_source,
)
from kakaclo_async.catalog.report import Gap, MirrorReport
from kakaclo_async.catalog.rows import Newer, without_nul
from kakaclo_async.catalog.state import PullState, SetAside
from kakaclo_async.codec import Undecodable
from kakaclo_async.events import PageDone
from kakaclo_async.models.product import Product, StockLevel
from kakaclo_async.paging import INDEX_LAG, TOO_DEEP, Checkpoint, Knowledge, Windows, complete_until
from kakaclo_async.resources._lookup import CODES_PER_REQUEST, chunks
from kakaclo_async.sharing import gather_in_order

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from sqlalchemy.engine import Connection

    from kakaclo_async.catalog.database import MirrorDatabase
    from kakaclo_async.models.pull import Certificate, Window
    from kakaclo_async.paging import Progress, Source
    from kakaclo_async.paging.given import Given
    from kakaclo_async.sending import Sender


M = TypeVar("M", Product, StockLevel)

_Counts: TypeAlias = dict[str, int]
"""What a transaction adds to the report's numbers, by their names."""

_log = logging.getLogger("kakaclo.mirror")

_LOOKED_THROUGH = 1000
"""Codes that a verification reads at a time from the database."""

_FILLED_AT_ONCE = 8 * CODES_PER_REQUEST
"""Codes whose stock is asked for and stored at a time."""

_BELIEVED = 5
"""Products that may be gone at once, however few there are."""

_MOST_PAGES = {"products": 3, "stock": 16}
"""Pages stored in one transaction, when they come faster than they are stored: about as long a turn for both."""


@attrs.frozen
class _Pulled:
    """How a pull ended, the codes that it met, and those of them that are stored without their NUL."""

    certificate: Certificate
    given: Given
    without_nul: frozenset[str]

    def met(self, code: str) -> bool:
        """Tell whether a stored code was met."""
        return code in self.given or code in self.without_nul


@attrs.define(kw_only=True, eq=False)
class Run:
    """One run of a mirror.

    Attributes:
        database: open.
        sender: sends the requests, whose rows no resource would return.
        concurrency: windows read at once; None: by latency and rate.
        clock: tells the time, by KakaClo's clock once an answer has shown it.
        compare_clocks: called right after an answer.
        progress: called after each page, and at the end.
        most_gone: the share of products that may be gone at once.
        verifying: until when what is stored is put right by what comes; None for an ordinary run.
        report: what was done so far.
    """

    database: MirrorDatabase
    sender: Sender
    concurrency: int | None
    clock: Callable[[], datetime]
    compare_clocks: Callable[[], None]
    progress: Callable[[MirrorReport], object] | None
    most_gone: float
    verifying: datetime | None = None
    report: MirrorReport = attrs.field(factory=MirrorReport, init=False)
    _certificates: dict[str, Callable[[], Certificate]] = attrs.field(
        factory=dict[str, "Callable[[], Certificate]"], init=False
    )
    _rows_left: dict[str, int] = attrs.field(factory=dict[str, int], init=False)
    _set_aside: dict[str, SetAside] = attrs.field(factory=dict[str, SetAside], init=False)
    _met: Callable[[str], bool] = attrs.field(default=frozenset[str]().__contains__, init=False)
    _filled: tuple[Window, ...] = attrs.field(default=(), init=False)
    _look_ups: int = attrs.field(default=0, init=False)
    _started: float = attrs.field(factory=lambda: asyncio.get_running_loop().time(), init=False)

    async def pull(self, window: Window) -> None:
        """Store the products and the stock of a window, both at once; a verification reads again what is stored.

        Args:
            window: update times.
        """
        products, stock = product_source(self.sender), stock_source(self.sender)
        of_products, of_stock = await gather_in_order(
            (
                partial(self._pull, products, window, self._store_products),
                partial(self._pull, stock, window, partial(self._store_stock, as_of=window.end)),
            )
        )
        self._met = of_products.met
        gaps = zip(of_stock.certificate.gaps, of_stock.certificate.reasons, strict=True)
        unpaged = [gap for gap, reason in gaps if TOO_DEEP in reason]
        if unpaged and of_products.certificate.complete:
            await self._fill(unpaged, window, of_stock.met)

    async def _fill(self, gaps: Sequence[Window], window: Window, met: Callable[[str], bool]) -> None:
        """Ask by code for the stock of the SKUs that the products name: what lies in seconds that cannot be paged."""
        since, last = max(gap.end for gap in gaps), ""
        complete = True
        while codes := await self.database.write(
            partial(store.skus_without_stock, since=since, last=last, most=_FILLED_AT_ONCE)
        ):
            last = codes[-1]
            asked = [code for code in codes if not met(code)]
            if not asked:
                continue
            found = await look_up_stock(self.sender, asked)
            self._look_ups += -(-len(asked) // CODES_PER_REQUEST)
            complete = complete and not any(isinstance(row, Undecodable) for row in found)
            put_stock = partial(self._store_stock, as_of=window.end)
            levels = [row for row in found if isinstance(row, StockLevel)]
            self._add(await self.database.write(partial(_in_turn, put_stock, levels, self.clock())))
            self._count()
            self._show()
        if complete:
            self._filled = tuple(gaps)
            if self.verifying is None:
                await self.database.write(partial(_fill_state, "stock", gaps))

    async def look_for_missing(self) -> None:
        """Ask by code for the products that this verification did not meet; note those that are not known."""
        last = ""
        while spus := await self.database.write(partial(store.spus_after, last=last, most=_LOOKED_THROUGH)):
            last = spus[-1]
            if unmet := [spu for spu in spus if not self._met(spu)]:
                unknown, counts = await self._look_up(unmet)
                self._add(counts | {"missing": len(unknown)})
                await self.database.write(partial(store.mark_missing, spus=unknown, since=self.clock()))

    async def confirm_missing(self) -> None:
        """Ask again for the products that were not known more than the index lag ago; mark those that are gone."""
        moment = self.clock() - INDEX_LAG
        if not (spus := await self.database.write(partial(store.missing_since, moment=moment))):
            return
        unknown, counts = await self._look_up(spus)
        self._add(counts)
        live = await self.database.write(store.live_products)
        if len(unknown) > max(_BELIEVED, self.most_gone * live):
            self.report = attrs.evolve(self.report, unbelieved=len(unknown))
            _log.warning(
                "%d of %d products seem to be gone at once; none was marked: is KakaClo's index whole?",
                len(unknown),
                live,
            )
            return
        await self.database.write(partial(store.mark_gone, spus=unknown, since=self.clock()))
        self._add({"changes": len(unknown), "gone": len(unknown)})

    async def _look_up(self, spus: Sequence[str]) -> tuple[list[str], _Counts]:
        """Ask for products by code and store those that are found; return those that are not."""
        unknown: list[str] = []
        sums: Counter[str] = Counter()
        for codes in chunks(spus):
            found = await look_up_products(self.sender, codes)
            self._look_ups += 1
            known = {row_key(row) for row in found}
            unknown += [spu for spu in codes if spu not in known]
            sums.update(await self.database.write(partial(self._store_found, found, self.clock())))
        return unknown, dict(sums)

    def _store_found(
        self, found: Sequence[Product | Undecodable], seen_at: datetime, connection: Connection
    ) -> _Counts:
        products = [row for row in found if not isinstance(row, Undecodable)]
        changes = store.put_products(connection, products, seen_at=seen_at, newer=self._newer(seen_at))
        return {
            "changes": changes,
            "undecodable": self._set_aside["products"].keep(connection, found, seen_at),
        }

    def _newer(self, now: datetime) -> Newer:
        return Newer(now=now, repair_until=self.verifying)

    def finish(self) -> MirrorReport:
        """Return the final report."""
        self._count()
        self.report = done = attrs.evolve(self.report, finished=True, rows_left=0)
        _log.info(
            "mirrored %d products, %d SKUs and the stock of %d SKUs: %d changes, %d gaps, %d undecodable rows;"
            " %d requests in %.3g s",
            *(done.products, done.skus, done.stock, done.changes, len(done.gaps), done.undecodable),
            *(done.requests, done.seconds),
        )
        self._show()
        return self.report

    def _show(self) -> None:
        if self.progress is not None:
            self.progress(self.report)

    def _store_products(
        self, connection: Connection, products: Sequence[Product], seen_at: datetime
    ) -> _Counts:
        changes = store.put_products(connection, products, seen_at=seen_at, newer=self._newer(seen_at))
        skus = sum(len(product.sku_details) for product in products)
        return {"products": len(products), "skus": skus, "changes": changes}

    def _store_stock(
        self, connection: Connection, levels: Sequence[StockLevel], seen_at: datetime, *, as_of: datetime
    ) -> _Counts:
        as_of = min(as_of, complete_until(seen_at))  # a clock may have been ahead when the window was made
        changes = store.put_stock(
            connection, levels, as_of=as_of, seen_at=seen_at, newer=self._newer(seen_at)
        )
        return {"stock": len(levels), "changes": changes}

    async def _pull(
        self,
        source: Source[M | Undecodable],
        window: Window,
        put: Callable[[Connection, Sequence[M], datetime], _Counts],
    ) -> _Pulled:
        state, client = await self.database.write(partial(self._load, source.name)), self.sender.state
        limit = complete_until(self.clock())
        plan = [Checkpoint(window=window)] if self.verifying else state.plan(window, limit)
        known = client.learned.setdefault(source.name, Knowledge())
        pull = Windows(
            source, plan, concurrency=self.concurrency, rate=client.rate, known=known, shops=client.shops
        )
        self._certificates[source.name] = lambda: pull.certificate

        def store_pages(
            pages: Sequence[Progress[M | Undecodable]],
            rows: Sequence[M | Undecodable],
            seen_at: datetime,
            connection: Connection,
        ) -> _Counts:
            counts = put(connection, [row for row in rows if not isinstance(row, Undecodable)], seen_at)
            undecodable = self._set_aside[source.name].keep(connection, rows, seen_at)
            if self.verifying is None:
                state.record(connection, pages, complete_until(seen_at))
            return counts | {"undecodable": undecodable}

        done, stripped = 0, set[str]()
        async with aclosing(pull.batches(_MOST_PAGES[source.name])) as batches:
            async for pages in batches:
                self.compare_clocks()
                rows = [row for page in pages for row in page.rows]
                stripped.update(without_nul(code) for code in map(row_key, rows) if "\0" in code)
                self._add(await self.database.write(partial(store_pages, pages, rows, self.clock())))
                done += len(rows)
                self._rows_left[source.name] = left = pages[-1].rows_left
                self._count()
                event = PageDone(what=source.name, rows=len(rows), rows_done=done, rows_total=done + left)
                client.emit(event)
                self._show()
        return _Pulled(pull.certificate, pull.given, frozenset(stripped))

    def _load(self, endpoint: str, connection: Connection) -> PullState:
        self._set_aside[endpoint] = SetAside.load(connection, endpoint)
        return PullState.load(connection, endpoint)

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
            gaps=tuple(
                Gap(name, gap, reason)
                for name, each in certificates.items()
                for gap, reason in zip(each.gaps, each.reasons, strict=True)
                if name != "stock" or gap not in self._filled
            ),
            bounded=any(each.bounded for each in certificates.values()),
            rows_left=sum(self._rows_left.values()),
            seconds=asyncio.get_running_loop().time() - self._started,
        )


def _in_turn(
    put: Callable[[Connection, Sequence[M], datetime], _Counts],
    rows: Sequence[M],
    seen_at: datetime,
    connection: Connection,
) -> _Counts:
    return put(connection, rows, seen_at)


def _fill_state(endpoint: str, gaps: Sequence[Window], connection: Connection) -> None:
    PullState.load(connection, endpoint).fill(connection, gaps)
