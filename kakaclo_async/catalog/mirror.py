"""The mirror: all products, SKUs and stock in a database."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Final, Self

import attrs

from kakaclo_async.catalog.database import MirrorDatabase, last_change
from kakaclo_async.catalog.follow import Follower
from kakaclo_async.catalog.run import Run
from kakaclo_async.catalog.store import drop_changes
from kakaclo_async.errors import InvalidRequest, Rejected
from kakaclo_async.paging import checked_window, complete_until
from kakaclo_async.sending import sender_of

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
    from types import TracebackType

    from kakaclo_async.catalog.report import Change, MirrorReport, MirrorStatus
    from kakaclo_async.client import KakaClo
    from kakaclo_async.models.pull import Window
    from kakaclo_async.protocol import ServerClock


BEGINNING: Final = datetime(2015, 1, 1, tzinfo=UTC)
"""Where a mirror of everything starts: before KakaClo's first product."""

_CLOCKS_DIFFER: Final = timedelta(minutes=1)
"""From where on two clocks do not agree."""


@attrs.define(eq=False)
class _TrueClock:
    """Tells the time by KakaClo's clock, as the `Date` of its answers shows it; the own one may be wrong.

    Attributes:
        own: the own clock, aware.
        server: KakaClo's.
    """

    own: Callable[[], datetime]
    server: ServerClock
    _ahead: timedelta = attrs.field(default=timedelta(0), init=False)

    def __call__(self) -> datetime:
        """Return the own time, put right by the last comparison; KakaClo's, as far as it is known, if that is later."""
        own, shown = self.own() - self._ahead, self._shown()
        return own if shown is None or shown - own < _CLOCKS_DIFFER else shown

    @property
    def is_known(self) -> bool:
        """Whether an answer has shown KakaClo's clock."""
        return self._shown() is not None

    def compare(self) -> None:
        """Note by how much the own clock is ahead, right after an answer."""
        if (shown := self._shown()) is not None:
            ahead = self.own() - shown
            self._ahead = ahead if abs(ahead) > _CLOCKS_DIFFER else timedelta(0)

    def is_behind(self) -> bool:
        """Whether the own clock is behind KakaClo's."""
        shown = self._shown()
        return shown is not None and shown - self.own() > _CLOCKS_DIFFER

    def _shown(self) -> datetime | None:
        seconds = self.server.now(loop_time=asyncio.get_running_loop().time(), wall_time=time.time())
        return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


class Mirror:
    """A copy of the catalog in a database of its own, complete and kept fresh.

    A run goes on where the last one ended, or was killed. Rows and state are stored together, so nothing is ever
    half-written. Used as an async context manager it keeps the database open; otherwise each call opens and
    closes it. One mirror writes to a database at a time; other programs may read it meanwhile.

    Args:
        kk: the client; the mirror's requests queue in its bulk lane.
        url: `sqlite:///catalog.db` or `postgresql://user:password@host/name`.
        progress: called with the report so far after each page, and with the whole one when a run has finished.
        concurrency: windows read at once, 1 to 16; None: by latency and rate.
        keep_changes: how long a change is kept in the table `change`; None: for ever.
        most_gone: the share of all products that is believed to be gone at once; above it none is marked.
        now: tells the time, aware, until an answer has shown KakaClo's own clock.
        sleep: waits some seconds, between the cycles of `follow`.

    Raises:
        ConfigurationError: a URL that is neither.
    """

    def __init__(
        self,
        kk: KakaClo,
        url: str,
        *,
        progress: Callable[[MirrorReport], object] | None = None,
        concurrency: int | None = None,
        keep_changes: timedelta | None = None,
        most_gone: float = 0.05,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._kk = kk.bulk()
        self._database = MirrorDatabase(url)
        self._progress = progress
        self._concurrency = concurrency
        self._keep_changes = keep_changes
        self._most_gone = most_gone
        self._clock = _TrueClock(now, sender_of(kk).state.server_clock)
        self._turn = asyncio.Lock()
        self._sleep = sleep
        self._follower: Follower | None = None

    def __repr__(self) -> str:
        return f"<Mirror {self._database}>"

    async def __aenter__(self) -> Self:
        await self._database.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._database.close()

    async def aclose(self) -> None:
        """Close the database, also while others use it; harmless when it is closed."""
        await self._database.close(for_all=True)

    async def run(self, since: datetime | None = None, until: datetime | None = None) -> MirrorReport:
        """Pull what was updated in a range of times and is not stored yet.

        Args:
            since: aware; None: everything since KakaClo began.
            until: aware; None: 10 minutes ago, when the search index is complete. Never in the future.

        Returns:
            What was done; its `gaps` are read again by the next run.

        Raises:
            InvalidRequest: a naive time, an empty range, or one that ends in the future.
            ConfigurationError: the database cannot be used, or another mirror writes to it.
        """
        window = self._window(since, until)
        async with self, self._one_run() as run:
            await self._pull(run, window, since, until)
            await run.confirm_missing()
            return run.finish()

    async def verify(self) -> MirrorReport:
        """Read the whole catalog again, repair what differs, and look for what is gone.

        A product that the reading does not meet is looked up by its code: it may just have been updated. One that is
        not known is `missing`, and marked as gone by a run or verification more than 10 minutes later that still does
        not find it: a search index may hide it meanwhile. What was repaired shows as `changes`. With gaps nothing is
        looked for, and more than `most_gone` at once is not believed.

        Returns:
            What was done.

        Raises:
            ConfigurationError: the database cannot be used, or another mirror writes to it.
        """
        window = self._window(None, None)
        async with self, self._one_run(verifying=window.end) as run:
            await self._pull(run, window)
            if not run.report.gaps:
                await run.look_for_missing()
            await run.confirm_missing()
            return run.finish()

    async def follow(
        self,
        every: float = 60.0,
        *,
        since: datetime | None = None,
        on_change: Callable[[Change], object] | None = None,
        after: int | None = None,
        stop_on_signals: bool = False,
    ) -> None:
        """Run again and again, until it is cancelled or `stop` is called; a cycle without news costs 2 requests.

        Retries network failures, server errors and a locked or restarting database indefinitely, with pauses that
        double up to 10 minutes.

        Args:
            every: seconds from the start of one cycle to the start of the next.
            since: as for `run`.
            on_change: called with each change once it is stored; may be async. The next `follow` repeats a change
                when this one ends before `on_change` has returned.
            after: the id of the last change that was handled; None: only those that are still to come.
            stop_on_signals: SIGTERM and SIGINT call `stop`; only in the main thread.

        Raises:
            InvalidRequest: `every` is less than a second.
            KakaCloError: what retrying cannot cure: a token that is refused, a database that cannot be used.
        """
        async with self:
            if after is None:
                after = await self._database.write(last_change)
            if self._follower is not None:
                raise InvalidRequest("this mirror is following already")
            self._follower = Follower(
                run=lambda: self.run(since),
                changes=self._database.changes,
                on_change=on_change,
                every=every,
                handled=after,
                sleep=self._sleep,
            )
            try:
                await self._follower.follow(stop_on_signals=stop_on_signals)
            finally:
                self._follower = None

    def stop(self) -> None:
        """Let `follow` return; a page that is being stored is stored as a whole or not at all."""
        if self._follower is not None:
            self._follower.stop()

    async def status(self) -> MirrorStatus:
        """Return what the database holds; a mirror may be writing meanwhile.

        Raises:
            ConfigurationError: there is no mirror yet.
        """
        return await self._database.status()

    def changes(
        self, after: int = 0, *, country: str | None = None, only: Iterable[str] | None = None
    ) -> AsyncGenerator[Change, None]:
        """Iterate over what changed, in order, each at least once; keep the last `id` as your cursor.

        With `country` or `only`, stock is what a shop can sell: a SKU that is taken off the shelf, or that KakaClo does
        not know any more, is sold out, whatever lies in the warehouses; one that returns with stock is back in stock.

        Args:
            after: the id of the last change that was handled.
            country: tell stock in this country's warehouses, "US", and not over all; prices and the like as well.
            only: tell what concerns these SKUs, and the SKUs of these SPUs, alone.

        Raises:
            InvalidRequest: a country or codes that make no sense; changes after `after` that are not kept any more.
            ConfigurationError: there is no mirror yet.
        """
        return self._database.changes(after, country=country, only=only)

    @asynccontextmanager
    async def _one_run(self, *, verifying: datetime | None = None) -> AsyncGenerator[Run, None]:
        async with self._turn:
            yield Run(
                database=self._database,
                sender=sender_of(self._kk).bulk(),
                concurrency=self._concurrency,
                clock=self._clock,
                compare_clocks=self._clock.compare,
                progress=self._progress,
                most_gone=self._most_gone,
                verifying=verifying,
            )
            if self._keep_changes is not None:
                until = self._clock() - self._keep_changes
                await self._database.write(partial(drop_changes, until=until))

    async def _pull(
        self, run: Run, window: Window, since: datetime | None = None, until: datetime | None = None
    ) -> None:
        is_guess = until is None and not self._clock.is_known
        try:
            await run.pull(window)
        except Rejected:
            # A clock that is ahead asks for times that KakaClo has not reached; its answer told the true time.
            self._clock.compare()
            again = self._window(since, until)
            if again.end >= window.end - _CLOCKS_DIFFER:
                raise
        else:
            # A process's first answers tell the time; behind it, what is newest would not be met by any first run.
            if not is_guess or not self._clock.is_behind():
                return
            again = self._window(window.end, until)
        run.verifying = run.verifying and again.end
        await run.pull(again)

    def _window(self, since: datetime | None, until: datetime | None) -> Window:
        now = self._clock()
        window = checked_window(since or BEGINNING, until or complete_until(now))
        if window.end > now:
            raise InvalidRequest(f"until {window.end.isoformat()} is in the future")
        return window
