"""A closed window that moves while it is read, in memory: the scenarios that lose rows to a plain page loop."""

from __future__ import annotations

import asyncio
import random
from bisect import bisect_left, bisect_right
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import attrs

from kakaclo_async.errors import Rejected
from kakaclo_async.models.common import Page
from kakaclo_async.models.pull import Window
from kakaclo_async.paging import Source

if TYPE_CHECKING:
    from collections.abc import Iterable

START = datetime(2021, 1, 1, tzinfo=UTC)


@attrs.frozen
class Row:
    key: str
    time: datetime


@attrs.frozen(kw_only=True)
class Scenario:
    """How rows lie in time and move.

    Attributes:
        updates: rows per second that are updated, and so leave the window.
        bulk: rows that leave at once, every `bulk_every` seconds.
        seconds: what one request takes, while others run as well.
        lag: seconds by which the second replica trails the first.
        same_second: rows that share one second, as bulk jobs make them.
        shuffled: each replica has its own order among equal times.
    """

    updates: float = 0.0
    bulk: int = 0
    bulk_every: float = 60.0
    seconds: float = 0.5
    lag: float = 0.0
    same_second: int = 1
    shuffled: bool = False


SCENARIOS = {
    "calm": Scenario(),
    "busy with bulk jobs": Scenario(updates=0.2, bulk=20),
    "burst": Scenario(updates=0.1, bulk=400, bulk_every=20.0),
    "slow network": Scenario(updates=0.2, bulk=20, seconds=3.0),
    "stale replica": Scenario(updates=0.4, bulk=20, lag=0.6),
    "ties": Scenario(updates=0.2, same_second=45, shuffled=True, lag=0.6),
}


class MovingWindow:
    """A server with two replicas; its clock goes by the requests that it answers."""

    def __init__(
        self,
        seed: int,
        scenario: Scenario,
        *,
        rows: int = 3000,
        page_size: int = 30,
        days: bool = False,
        limit: int = 10_000,
    ) -> None:
        self.random = random.Random(seed)
        self.scenario = scenario
        self.page_size = page_size
        self.days = days
        self.limit = limit
        self.requests = 0
        self.now = 0.0
        self.window = Window(START, START + timedelta(days=200))
        self.rows = self._rows(rows)
        self.gone_at: dict[str, float] = self._leave()
        self._orders = [self._ordered(replica) for replica in (0, 1)]

    def _rows(self, count: int) -> list[Row]:
        rows: list[Row] = []
        span = int((self.window.end - self.window.start).total_seconds())
        while len(rows) < count:
            # Uneven over time: most updates are recent.
            second = START + timedelta(seconds=int(span * self.random.random() ** 0.5))
            for _ in range(self.random.randint(1, 2 * self.scenario.same_second - 1)):
                rows.append(Row(f"K{len(rows):06d}", second))
        return rows[:count]

    def _leave(self) -> dict[str, float]:
        scenario, gone = self.scenario, dict[str, float]()
        left = [row.key for row in self.rows]
        self.random.shuffle(left)
        horizon = scenario.seconds * (len(self.rows) / self.page_size) * 1.5
        for _ in range(int(horizon * scenario.updates)):
            if left:
                gone[left.pop()] = self.random.random() * horizon
        for moment in range(1, int(horizon / scenario.bulk_every) + 1):
            for _ in range(min(scenario.bulk, len(left) // 2)):
                gone[left.pop()] = moment * scenario.bulk_every
        return gone

    def _ordered(self, replica):
        salt = replica if self.scenario.shuffled else 0
        ties = random.Random(salt)
        order = sorted(sorted(self.rows, key=lambda _: ties.random()), key=lambda row: -row.time.timestamp())
        return order, [-row.time.timestamp() for row in order]

    async def page(self, window: Window, number: int) -> Page[Row]:
        rows = await self.answer(window)
        if number * self.page_size > self.limit + self.page_size - 1:
            raise Rejected("too deep", status=400)
        first = (number - 1) * self.page_size
        return Page(
            list=tuple(rows[first : first + self.page_size]), total=min(len(rows), self.limit), page_size=1
        )

    async def answer(self, window: Window) -> list[Row]:
        """Return the rows of a window as one of the replicas sees them by now."""
        self.requests += 1
        for _ in range(self.random.randint(0, 6)):
            await asyncio.sleep(0)
        self.now += self.scenario.seconds * self.random.uniform(0.5, 1.5)
        replica = self.random.randint(0, 1)
        moment = self.now - replica * self.scenario.lag
        if self.days:
            window = Window(_midnight(window.start), window.end.replace(hour=23, minute=59, second=59))
        order, times = self._orders[replica]
        inside = order[
            bisect_left(times, -window.end.timestamp()) : bisect_right(times, -window.start.timestamp())
        ]
        return [row for row in inside if self.gone_at.get(row.key, moment + 1) > moment]

    def still_there(self) -> set[str]:
        return {row.key for row in self.rows if self.gone_at.get(row.key, self.now + 1) > self.now}

    def lost(self, keys: Iterable[str], gaps: Iterable[Window]) -> set[str]:
        """Return the rows that a pull neither gave out nor named as missing."""
        missing = self.still_there() - set(keys)
        if self.days:
            day, second = timedelta(days=1), timedelta(seconds=1)
            gaps = [Window(_midnight(gap.start), _midnight(gap.end) + day - second) for gap in gaps]
        named = {row.key for row in self.rows if row.key in missing and any(row.time in gap for gap in gaps)}
        return missing - named

    def source(self, *, timed: bool) -> Source[Row]:
        return Source(
            name="rows",
            read=self.page,
            key=lambda row: row.key,
            time=(lambda row: row.time) if timed else None,
        )

    async def page_loop(self) -> list[str]:
        """What people write first: page 1, 2, 3 and so on until a page is not full."""
        keys: list[str] = []
        number = 1
        while page := await self.page(self.window, number):
            keys += [row.key for row in page]
            number += 1
        return keys


def _midnight(moment: datetime) -> datetime:
    return moment.replace(hour=0, minute=0, second=0)
