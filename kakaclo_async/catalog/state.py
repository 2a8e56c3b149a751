"""What a mirror has pulled already: closed intervals of update times, windows under way, and rows set aside."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final, TypeVar

import attrs
from sqlalchemy import bindparam, delete, insert, select

from kakaclo_async.catalog.reading import raw_json, row_key
from kakaclo_async.catalog.rows import Row, run_for_each, without_nul
from kakaclo_async.catalog.schema import mirror_done, mirror_open, mirror_undecodable
from kakaclo_async.codec import Undecodable
from kakaclo_async.database.migrations import among
from kakaclo_async.models.pull import Window
from kakaclo_async.paging import Checkpoint, merged, subtract

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy import Delete, Table
    from sqlalchemy.engine import Connection

    from kakaclo_async.models.product import Product, StockLevel
    from kakaclo_async.paging import Progress


T = TypeVar("T")

LOOK_BACK: Final = timedelta(minutes=15)
"""How far each cycle reads again what the last one read: rows may enter the index late, and out of order."""


def _until(windows: Sequence[Window], limit: datetime) -> tuple[Window, ...]:
    return tuple(Window(window.start, min(window.end, limit)) for window in windows if window.start <= limit)


def _forget(table: Table) -> Delete:
    return delete(table).where(table.c.endpoint == bindparam("of"), table.c.start == bindparam("at"))


_FORGET_DONE = _forget(mirror_done)
_FORGET_OPEN = _forget(mirror_open)
_ADD_DONE = insert(mirror_done)
_ADD_OPEN = insert(mirror_open)


@attrs.define
class PullState:
    """The state of one endpoint; it changes in the same transaction as the rows.

    Windows that are read by key need no record of their own: what they have read is done, the rest is not.

    Attributes:
        endpoint: "products" or "stock".
        done: the seconds whose rows are all stored, as few windows in order.
        open: windows that are being read from last to first, by their start.
    """

    endpoint: str
    done: tuple[Window, ...] = ()
    open: dict[datetime, Checkpoint] = attrs.field(factory=dict["datetime", Checkpoint])

    @classmethod
    def load_done(cls, connection: Connection, endpoint: str) -> PullState:
        """Read what is done, from tables of any version: reading does not migrate them."""
        finished = connection.execute(select(mirror_done).where(mirror_done.c.endpoint == endpoint))
        return cls(endpoint, merged(Window(row.start, row.end) for row in finished))

    @classmethod
    def load(cls, connection: Connection, endpoint: str) -> PullState:
        """Read the whole state."""
        state = cls.load_done(connection, endpoint)
        for row in connection.execute(select(mirror_open).where(mirror_open.c.endpoint == endpoint)):
            state.open[row.start] = Checkpoint(
                window=Window(row.start, row.end),
                page=row.page,
                page_size=row.page_size,
                total=row.total,
                last_total=row.last_total,
                first_page_total=row.first_page_total,
                distinct=row.distinct_rows,
            )
        return state

    @property
    def watermark(self) -> datetime | None:
        """The time up to which everything since the first pull's start is stored; gaps hold it back."""
        return self.done[0].end if self.done else None

    @property
    def holes(self) -> tuple[Window, ...]:
        """What is not stored between what is."""
        return subtract([Window(self.done[0].start, self.done[-1].end)], self.done) if self.done else ()

    def plan(self, window: Window, limit: datetime) -> list[Checkpoint]:
        """Return what is left to read of a window: what was interrupted, and what was never read.

        A window that ends later than the last one starts over 15 minutes before that one's end.

        Args:
            window: update times.
            limit: up to when the index is complete now: what seems to be read of later times, by a clock that was
                ahead, is not.
        """
        done: Sequence[Window] = _until(self.done, limit)
        if done and window.end > done[-1].end:
            done = subtract(done, [Window(done[-1].end - LOOK_BACK, done[-1].end)])
        left = subtract([window], done)
        resumed = [
            checkpoint
            for checkpoint in self.open.values()
            if any(checkpoint.window.start in part and checkpoint.window.end in part for part in left)
        ]
        fresh = subtract(left, [checkpoint.window for checkpoint in resumed])
        return [*(Checkpoint(window=part) for part in fresh), *resumed]

    def record(self, connection: Connection, pages: Sequence[Progress[T]], limit: datetime) -> None:
        """Note what pages have brought about.

        Args:
            connection: the transaction.
            pages: what they have brought, in order.
            limit: up to when the index is complete now.
        """
        done = self.done
        for page in pages:
            unread = [job.checkpoint.window for job in page.left]
            unread += [page.gap] if page.gap else []
            # Not only of this window: what was thought to be read may be left after all.
            done = subtract(merged((*done, page.done.checkpoint.window)), unread)
        self._set_done(connection, _until(done, limit))

        starts = [page.done.checkpoint.window.start for page in pages]
        closed: list[Row] = [
            {"of": self.endpoint, "at": start} for start in starts if self.open.pop(start, None)
        ]
        run_for_each(connection, _FORGET_OPEN, closed)
        left = [job.checkpoint for page in pages for job in page.left if job.checkpoint.page is not None]
        self.open |= {checkpoint.window.start: checkpoint for checkpoint in left}
        run_for_each(connection, _ADD_OPEN, [self._row(checkpoint) for checkpoint in left])

    def fill(self, connection: Connection, gaps: Sequence[Window]) -> None:
        """Note that the rows of some ranges came by another way."""
        self._set_done(connection, merged((*self.done, *gaps)))

    def _set_done(self, connection: Connection, done: tuple[Window, ...]) -> None:
        before, self.done = self.done, done
        dropped: list[Row] = [
            {"of": self.endpoint, "at": window.start} for window in before if window not in done
        ]
        added = [
            Row(endpoint=self.endpoint, start=window.start, end=window.end)
            for window in done
            if window not in before
        ]
        run_for_each(connection, _FORGET_DONE, dropped)
        run_for_each(connection, _ADD_DONE, added)

    def _row(self, checkpoint: Checkpoint) -> Row:
        return {
            "endpoint": self.endpoint,
            "start": checkpoint.window.start,
            "end": checkpoint.window.end,
            "page": checkpoint.page,
            "page_size": checkpoint.page_size,
            "total": checkpoint.total,
            "last_total": checkpoint.last_total,
            "first_page_total": checkpoint.first_page_total,
            "distinct_rows": checkpoint.distinct,
        }


_UNDECODABLE = select(mirror_undecodable.c.key).where(mirror_undecodable.c.endpoint == bindparam("of"))
_FORGET_UNDECODABLE = delete(mirror_undecodable).where(
    mirror_undecodable.c.endpoint == bindparam("of"),
    among(mirror_undecodable.c.key, "met"),
)


@attrs.define
class SetAside:
    """Rows that cannot be decoded, kept as they came until they can be.

    Attributes:
        endpoint: "products" or "stock".
        known: the codes of those that are kept.
    """

    endpoint: str
    known: set[str]

    @classmethod
    def load(cls, connection: Connection, endpoint: str) -> SetAside:
        """Read which are kept."""
        return cls(
            endpoint, {without_nul(str(key)) for key in connection.scalars(_UNDECODABLE, {"of": endpoint})}
        )

    def keep(
        self, connection: Connection, rows: Sequence[Product | StockLevel | Undecodable], seen_at: datetime
    ) -> int:
        """Keep the undecodable ones, each once, and forget those that can be decoded by now; return their number."""
        if self.known and (met := self.known.intersection(map(_key, rows))):
            connection.execute(_FORGET_UNDECODABLE, {"of": self.endpoint, "met": sorted(met)})
            self.known.difference_update(met)
        undecodable = {_key(row): row for row in rows if isinstance(row, Undecodable)}
        kept = [
            Row(endpoint=self.endpoint, key=key, reason=row.problem, raw=raw_json(row), seen_at=seen_at)
            for key, row in undecodable.items()
        ]
        run_for_each(connection, insert(mirror_undecodable), kept)
        self.known.update(undecodable)
        return len(undecodable)


def _key(row: Product | StockLevel | Undecodable) -> str:
    return without_nul(row_key(row))  # as all databases hold it
