"""The pages that move: the permits, lanes and waiting calls of the client, and how fresh the mirror is."""

from __future__ import annotations

import asyncio
from collections import deque
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

import attrs
from sqlalchemy import select

from kakaclo_async.board.charts import lines
from kakaclo_async.catalog import schema
from kakaclo_async.events import Lane, PageDone

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from aiohttp import web

    from kakaclo_async.board.desk import Desk
    from kakaclo_async.catalog import MirrorStatus
    from kakaclo_async.client import KakaClo
    from kakaclo_async.events import Event, Stats

EVERY: Final = 2.0
"""Seconds between two looks at the client."""

_KEPT: Final = 150
_MOST_UNDECODABLE: Final = 50


@attrs.frozen
class Sample:
    """The client at one moment.

    Attributes:
        at: on the event loop's clock.
        stats: what it had done by then.
        rows: of streams and mirrors that it had stored by then.
    """

    at: float
    stats: Stats
    rows: int


class Sampler:
    """Looks at a client again and again."""

    def __init__(self) -> None:
        self.samples: deque[Sample] = deque(maxlen=_KEPT)
        self._kk: KakaClo | None = None
        self._rows = 0
        self._task: asyncio.Task[None] | None = None
        self._unsubscribe: Callable[[], None] | None = None

    def attach(self, kk: KakaClo) -> None:
        """Look at this client from now on."""
        self.detach()
        self._kk, self._rows = kk, 0
        self._unsubscribe = kk.on_event(self._count)

    def detach(self) -> None:
        """Look at no client any more."""
        if self._unsubscribe is not None:
            self._unsubscribe()
        self._kk = self._unsubscribe = None
        self.samples.clear()

    def _count(self, event: Event) -> None:
        if isinstance(event, PageDone):
            self._rows += event.rows

    def start(self) -> None:
        """Begin."""
        self._task = asyncio.create_task(self._look(), name="kakaclo board's sampler")

    async def aclose(self) -> None:
        """End."""
        task, self._task = self._task, None
        self.detach()
        if task is not None:
            task.cancel()
            await asyncio.wait((task,))

    async def _look(self) -> None:
        while True:
            self.look()
            await asyncio.sleep(EVERY)

    def look(self) -> None:
        """Take a sample now."""
        if self._kk is not None:
            now = asyncio.get_running_loop().time()
            self.samples.append(Sample(now, self._kk.stats(), self._rows))

    def rates(self, value: Callable[[Sample], float]) -> list[tuple[float, float]]:
        """Return how much a count has grown per second, between each two samples."""
        found = list(self.samples)
        return [
            (new.at, max(0.0, value(new) - value(old)) / (new.at - old.at))
            for old, new in pairwise(found)
            if new.at > old.at
        ]


@attrs.define(eq=False)
class LivePages:
    """What moves.

    Args:
        desk: what is shown.
        sampler: looks at the client.
    """

    desk: Desk
    sampler: Sampler
    _counted: tuple[float, int] | None = None

    async def traffic(self, request: web.Request) -> web.Response:
        """Show the client's traffic."""
        return self.desk.page(request, "traffic.html", **self._traffic())

    async def traffic_now(self, request: web.Request) -> web.Response:
        """Show the part of it that moves, alone."""
        return self.desk.page(request, "traffic_now.html", **self._traffic())

    def _traffic(self) -> dict[str, Any]:
        kk = self.desk.kk
        if kk is None:
            return {"stats": None, "every": EVERY}
        self.sampler.look()
        samples = self.sampler.samples
        series: Sequence[tuple[str, Sequence[tuple[float, float]]]] = [
            ("permits in use", [(one.at, one.stats.level) for one in samples]),
            ("interactive calls waiting", _waiting(samples, Lane.INTERACTIVE)),
            ("bulk calls waiting", _waiting(samples, Lane.BULK)),
            ("requests per second", self.sampler.rates(lambda one: one.stats.requests)),
        ]
        return {
            "stats": kk.stats(),
            "etas": {lane: kk.eta(lane) for lane in Lane},
            "chart": lines(series, "Permits, waiting calls and requests of the last minutes", _KEPT * EVERY),
            "rows": (self.sampler.rates(lambda one: one.rows) or [(0.0, 0.0)])[-1][1],
            "every": EVERY,
        }

    async def mirror(self, request: web.Request) -> web.Response:
        """Show how fresh and how whole the mirror is."""
        return self.desk.page(request, "mirror.html", **await self._mirror())

    async def mirror_now(self, request: web.Request) -> web.Response:
        """Show the part of it that moves, alone."""
        return self.desk.page(request, "mirror_now.html", **await self._mirror())

    async def _mirror(self) -> dict[str, Any]:
        db = self.desk.db
        if db is None:
            return {"status": None, "every": EVERY}
        status = await db.status()
        of = schema.mirror_undecodable.c
        unread = select(of.endpoint, of.key, of.reason, of.seen_at).order_by(of.id.desc())
        async with db.reading() as connection:
            rows = (await connection.execute(unread.limit(_MOST_UNDECODABLE))).all()
        return {"status": status, "added": self._added(status), "undecodable": rows, "every": EVERY}

    def _added(self, status: MirrorStatus) -> float | None:
        """Return the rows per second that came to the database since the last look; None at the first."""
        now = asyncio.get_running_loop().time()
        there = status.products + status.skus + status.stock
        before, self._counted = self._counted, (now, there)
        if before is None or now - before[0] < EVERY / 4:
            return None
        return max(0, there - before[1]) / (now - before[0])


def _waiting(samples: Sequence[Sample] | deque[Sample], lane: Lane) -> list[tuple[float, float]]:
    return [(one.at, float(one.stats.lanes[lane].queued)) for one in samples]
