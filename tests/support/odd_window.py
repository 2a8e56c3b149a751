"""A window on a server with odd habits: pages that lack rows, sizes that change, times that lie."""

from __future__ import annotations

import random
from datetime import timedelta
from itertools import groupby
from typing import TYPE_CHECKING

import attrs

from kakaclo_async.errors import Rejected
from kakaclo_async.models.common import Page
from support.moving_window import SCENARIOS, MovingWindow, Row, Scenario

if TYPE_CHECKING:
    from kakaclo_async.models.pull import Window

BULK_SECOND = timedelta(days=77, seconds=7)


@attrs.frozen(kw_only=True)
class Habits:
    """What a server does wrong.

    Attributes:
        sizes: page sizes, one after another.
        size_every: requests until the next one.
        says_size: each page tells the size that it was cut by.
        cap: the index counts no further.
        depth: the index pages no further; None: as far as there are rows.
        refuses: what lies deeper is refused; otherwise it is empty.
        drops: share of pages that lack a row.
        repeats: share of pages that show a row twice in place of another.
        short: share of pages that end early, or are empty.
        in_2099: share of rows that show such a time.
        newer: share of rows that show a newer time than the index goes by.
        older: share of rows that show an older one.
        timeless: share of rows that show none.
        days: windows are filtered by whole days.
        shuffles: rows of one second stand in another order at each request.
        bulk: share of rows that were updated in one second.
    """

    sizes: tuple[int, ...] = (30,)
    size_every: int = 40
    says_size: bool = True
    cap: int | None = None
    depth: int | None = None
    refuses: bool = False
    drops: float = 0.0
    repeats: float = 0.0
    short: float = 0.0
    in_2099: float = 0.0
    newer: float = 0.0
    older: float = 0.0
    timeless: float = 0.0
    days: bool = False
    shuffles: bool = False
    bulk: float = 0.0

    @property
    def lies_about_times(self) -> bool:
        return any((self.in_2099, self.newer, self.older, self.timeless))


HABITS = {
    "page sizes 20 and 30": Habits(sizes=(20, 30)),
    "page sizes that no page tells": Habits(sizes=(20, 30), says_size=False),
    "page sizes that change often": Habits(sizes=(30, 20, 25), size_every=11),
    "counts to 600": Habits(cap=600, depth=600),
    "counts to 600 and pages on": Habits(cap=600),
    "counts to 600 and refuses more": Habits(cap=600, depth=600, refuses=True),
    "pages to 600 only": Habits(depth=600, refuses=True),
    "pages that lack a row": Habits(drops=0.1),
    "pages that show a row twice": Habits(repeats=0.1),
    "short and empty pages": Habits(short=0.1),
    "times in 2099": Habits(in_2099=0.02),
    "times newer than the index thinks": Habits(newer=0.02),
    "times older than the index thinks": Habits(older=0.02),
    "rows without a time": Habits(timeless=0.02),
    "whole days": Habits(days=True),
    "whole days in changing order": Habits(days=True, shuffles=True),
    "changing order": Habits(shuffles=True),
    "a bulk job": Habits(bulk=0.3),
    "a bulk job, counted to 600": Habits(bulk=0.3, cap=600, depth=600),
    "a bulk job in changing order": Habits(bulk=0.3, shuffles=True),
    "everything": Habits(
        sizes=(20, 30), drops=0.05, repeats=0.05, short=0.05, in_2099=0.02, newer=0.02, bulk=0.1, cap=900
    ),
}

UNREST = {
    "calm": SCENARIOS["calm"],
    "drift": Scenario(updates=0.2),
    "ties and drift": Scenario(updates=0.2, same_second=20),
    "busy": SCENARIOS["busy with bulk jobs"],
    "very busy": Scenario(updates=2.0, bulk=20),
    "stale": SCENARIOS["stale replica"],
}


class OddWindow(MovingWindow):
    """A moving window that is read through a server's habits."""

    def __init__(self, seed: int, scenario: Scenario, habits: Habits, *, rows: int = 1500) -> None:
        self.habits = habits
        super().__init__(seed, scenario, rows=rows, days=habits.days)
        self.shown = {row.key: self._shown(row) for row in self.rows}

    def _rows(self, count: int) -> list[Row]:
        rows = super()._rows(count)
        bulk = self.window.start + BULK_SECOND
        return [
            attrs.evolve(row, time=bulk) if self.random.random() < self.habits.bulk else row for row in rows
        ]

    def _shown(self, row: Row) -> Row:
        habits, chance = self.habits, random.Random(f"{row.key} {len(self.rows)}")
        if chance.random() < habits.in_2099:
            return attrs.evolve(row, time=row.time.replace(year=2099, day=1))
        if chance.random() < habits.newer:
            return attrs.evolve(row, time=row.time + timedelta(seconds=chance.randint(1, 20_000)))
        if chance.random() < habits.older:
            return attrs.evolve(row, time=row.time - timedelta(seconds=chance.randint(1, 400_000)))
        if chance.random() < habits.timeless:
            return attrs.evolve(row, time=None)
        return row

    async def page(self, window: Window, number: int) -> Page[Row]:
        habits = self.habits
        rows = await self.answer(window)
        if habits.shuffles:
            rows = [
                row
                for _, tied in groupby(rows, key=lambda row: row.time)
                for row in self._shuffled(list(tied))
            ]
        size = habits.sizes[self.requests // habits.size_every % len(habits.sizes)]
        total = len(rows) if habits.cap is None else min(len(rows), habits.cap)
        if habits.depth is not None and number * size > habits.depth:
            if habits.refuses:
                raise Rejected("too deep", status=400)
            rows = []
        first = (number - 1) * size
        shown = [self.shown[row.key] for row in rows[first : first + size]]
        if shown and self.random.random() < habits.drops:
            shown.pop(self.random.randrange(len(shown)))
        if len(shown) > 1 and self.random.random() < habits.repeats:
            shown[self.random.randrange(1, len(shown))] = shown[0]
        if len(shown) == size and self.random.random() < habits.short:
            shown = shown[: self.random.choice((0, size // 2))]
        return Page(list=tuple(shown), total=total, page_size=size if habits.says_size else 1)

    def _shuffled(self, rows: list[Row]) -> list[Row]:
        self.random.shuffle(rows)
        return rows
