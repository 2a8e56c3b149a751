"""Post events to a webhook: at least once, in order per order, whatever fails or is killed.

What waits for a webhook is in the database. A worker claims the first event of an order, posts it, and drops it when
the receiver has taken it; the next event of that order can be claimed only then. A worker that dies loses its claim
with the time.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

import attrs
from sqlalchemy import and_, delete, func, insert, select, update

from kakaclo_async.database import run_to_completion
from kakaclo_async.errors import ConnectionFailed
from kakaclo_async.feed.tables import acknowledge, cursor, event, lock, post
from kakaclo_async.retry import Pauses
from kakaclo_async.transport.posting import Poster
from kakaclo_async.travel.shown import Shown

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import ColumnElement
    from sqlalchemy.engine import Connection

    from kakaclo_async.feed.webhook import Webhook


T = TypeVar("T")

AT_ONCE: Final = 8
BACKOFF: Final = Pauses(first=5.0, growth=2.0, longest=3600.0)
_MOST_FAILURES: Final = 10
"""In a row: then the receiver is down, and this delivery ends."""

_MOST_TAKEN: Final = 1000  # events that one transaction hands on
_SPARE: Final = 30.0  # seconds that a claim outlives its post


class Runs(Protocol):
    """What runs a transaction."""

    async def run(self, work: Callable[[Connection], T]) -> T:
        """Run a function in one."""
        ...


@attrs.frozen(kw_only=True)
class Delivery(Shown):
    """What a delivery did.

    Attributes:
        posted: events that the receiver took.
        failed: posts that it did not take.
        waiting: events that wait for it still.
        why: what the last failure was, now or before, of an event that waits; None: none of them was refused.
        since: when the first of these events was found; None: none was refused.
    """

    posted: int
    failed: int
    waiting: int
    why: str | None = None
    since: datetime | None = None


@attrs.frozen
class _Post:
    seq: int
    attempts: int
    body: bytes


class Deliverer:
    """Delivers to one webhook.

    Args:
        webhook: where to.
        database: where the events are.
        seconds: tells the time, in seconds since 1970.
        random: gives [0, 1), for the jitter of pauses.
    """

    def __init__(
        self, webhook: Webhook, database: Runs, seconds: Callable[[], float], random: Callable[[], float]
    ) -> None:
        self._webhook = webhook
        self._database = database
        self._seconds = seconds
        self._random = random
        self._posted = self._failed = self._in_a_row = 0
        self._why: str | None = None

    async def run(self, seconds: float) -> Delivery:
        """Post what is due, for some seconds at most; posts under way are waited for."""
        end = asyncio.get_running_loop().time() + seconds
        under_way: set[asyncio.Task[None]] = set()
        async with Poster(self._webhook.url, self._webhook.host) as poster:
            try:
                while True:
                    over = self._in_a_row >= _MOST_FAILURES or asyncio.get_running_loop().time() >= end
                    for due in () if over else await self._claim(AT_ONCE - len(under_way)):
                        under_way.add(asyncio.create_task(self._post(poster, due)))
                    if not under_way:
                        break
                    done, under_way = await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
                    for task in done:
                        task.result()
            finally:
                for task in under_way:
                    task.cancel()
                if under_way:
                    await run_to_completion(asyncio.wait(under_way))
        waiting, since, why = await self._database.run(self._left)
        return Delivery(
            posted=self._posted,
            failed=self._failed,
            waiting=waiting,
            why=self._why or why,
            since=None if since is None else datetime.fromtimestamp(since, UTC),
        )

    async def _claim(self, most: int) -> tuple[_Post, ...]:
        now = self._seconds()
        until = now + self._webhook.timeout + _SPARE
        name = self._webhook.name

        def work(connection: Connection) -> tuple[_Post, ...]:
            _hand_on(connection, name, now)
            if most <= 0:
                return ()
            first = select(func.min(post.c.seq)).where(post.c.consumer == name).group_by(post.c.lane)
            mine = and_(post.c.consumer == name, post.c.due_at <= now, post.c.seq.in_(first))
            columns = select(post.c.seq, post.c.attempts, event.c.document)
            due = (
                columns.join(event, event.c.seq == post.c.seq).where(mine).order_by(post.c.due_at, post.c.seq)
            )
            if not connection.execute(due.limit(1)).first():
                return ()
            lock(connection)  # another worker may be claiming the same
            rows = connection.execute(due.limit(most)).all()
            for row in rows:
                connection.execute(update(post).where(_same(name, row.seq)).values(due_at=until))
            return tuple(_Post(row.seq, row.attempts, row.document.encode()) for row in rows)

        return await self._database.run(work)

    async def _post(self, poster: Poster, due: _Post) -> None:
        try:
            headers = self._webhook.headers(due.body, self._seconds())
            status = await poster.post(due.body, headers, timeout=self._webhook.timeout)
            why = None if 200 <= status < 300 else f"HTTP {status}"
        except ConnectionFailed as error:
            why = str(error)
        which = _same(self._webhook.name, due.seq)
        if why is None:
            await self._database.run(lambda on: on.execute(delete(post).where(which)))
            self._posted, self._in_a_row = self._posted + 1, 0
            return
        pause = BACKOFF.after(due.attempts + 1) * (0.5 + self._random() / 2)
        values = {"attempts": due.attempts + 1, "due_at": self._seconds() + pause, "why": why[:500]}
        # Not if another worker has tried it since.
        change = update(post).where(which, post.c.attempts == due.attempts).values(values)
        await self._database.run(lambda on: on.execute(change))
        self._failed, self._in_a_row, self._why = self._failed + 1, self._in_a_row + 1, why

    def _left(self, connection: Connection) -> tuple[int, float | None, str | None]:
        """Return how many events wait, since when the first of those does that were refused, and why it was."""
        waiting = select(func.count()).where(post.c.consumer == self._webhook.name)
        left = connection.scalar(waiting) or 0
        after = event.c.seq > cursor(connection, self._webhook.name)
        left += connection.scalar(select(func.count()).select_from(event).where(after)) or 0
        refused = and_(post.c.consumer == self._webhook.name, post.c.attempts > 0)
        first = select(event.c.at, post.c.why).join(post, event.c.seq == post.c.seq).where(refused)
        found = connection.execute(first.order_by(event.c.seq).limit(1)).first() if left else None
        return (left, None, None) if found is None else (left, float(found.at), found.why)


def _hand_on(connection: Connection, name: str, now: float) -> None:
    """Let what the feed has since the last time wait for a webhook, and move its cursor: in one transaction."""
    new = select(event.c.seq, event.c.lane).where(event.c.seq > cursor(connection, name))
    if not connection.execute(new.limit(1)).first():
        return
    lock(connection)
    new = select(event.c.seq, event.c.lane).where(event.c.seq > cursor(connection, name))
    rows = connection.execute(new.order_by(event.c.seq).limit(_MOST_TAKEN)).all()
    if rows:
        values = {"consumer": name, "attempts": 0, "due_at": now}
        connection.execute(insert(post), [{**values, "seq": row.seq, "lane": row.lane} for row in rows])
        acknowledge(connection, name, rows[-1].seq, now)


def _same(name: str, seq: int) -> ColumnElement[bool]:
    return and_(post.c.consumer == name, post.c.seq == seq)
