"""The event feed that KakaClo lacks: it looks at the orders of a journal, and tells what has happened to them."""

from __future__ import annotations

import asyncio
import logging
import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

from kakaclo_async.catalog.follow import Follower
from kakaclo_async.errors import InvalidRequest, KakaCloError
from kakaclo_async.feed import store, tables
from kakaclo_async.feed.asking import Turn, Work
from kakaclo_async.feed.delivery import Deliverer, Delivery
from kakaclo_async.ordering.journal import wall_clock

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Sequence

    from sqlalchemy.engine import Connection

    from kakaclo_async.client import KakaClo
    from kakaclo_async.feed.events import FeedEvent
    from kakaclo_async.feed.webhook import Webhook
    from kakaclo_async.ordering import Journal


T = TypeVar("T")

_log = logging.getLogger("kakaclo.feed")
_MOST_READ: Final = 10_000
_PRUNE_EVERY: Final = 3600.0
_LATE: Final = 86_400.0  # seconds: more than the clocks of those who place orders differ
_SWEEP_EVERY: Final = 3600.0  # seconds, for what was placed by a clock that differed more
_LARGEST: Final = 2**63 - 1


class _Place:
    """The journal's database, with the feed's tables in it."""

    def __init__(self, journal: Journal) -> None:
        self._database = journal._database  # noqa: SLF001 - packages share privates
        self._is_ready = False

    async def run(self, work: Callable[[Connection], T]) -> T:
        def prepared(connection: Connection) -> T:
            if not self._is_ready:
                tables.MIGRATIONS.migrate(connection)
            return work(connection)

        result = await self._database.run(prepared)
        self._is_ready = True
        return result


class Feed:
    """The orders of a journal as a feed of events: paid, split, shipped, refund settled, completed, cancelled.

    State and events lie in the journal's database and are written together: whatever kills the process, each event is
    there once. Several feeds of one journal may run at once. Nothing is kept open between two calls.

    Args:
        journal: the `Journal` that the orders were placed with.
        shop: a name that each event bears, where several shops have the same reader.
        since: aware; orders that were placed before are left alone. None: all are watched, also those of long ago.
        balance_below: US dollars; tells when the balance falls below. It costs a request each five minutes.
        now: tells the time, aware.

    Raises:
        InvalidRequest: a naive time, or a limit that is no amount.
    """

    def __init__(
        self,
        journal: Journal,
        *,
        shop: str | None = None,
        since: datetime | None = None,
        balance_below: Decimal | int | None = None,
        now: Callable[[], datetime] = wall_clock,
    ) -> None:
        if since is not None and since.tzinfo is None:
            raise InvalidRequest("since must be an aware time: datetime.now(UTC)")
        if isinstance(balance_below, (bool, float)) or not Decimal(balance_below or 0).is_finite():
            raise InvalidRequest(f"balance_below must be a Decimal or an int, not {balance_below!r}")
        self._journal = journal
        self._place = _Place(journal)
        self._shop = shop
        self._since = 0.0 if since is None else since.timestamp()
        self._below = None if balance_below is None else Decimal(balance_below)
        self._now = now
        self._follower: Follower | None = None
        self._swept_at = self._entered_until = 0.0

    def __repr__(self) -> str:
        return f"<Feed of {self._journal!r}>"

    async def turn(self, kk: KakaClo, seconds: float = 5.0) -> Turn:
        """Look at the orders that are due, and append what happened to them.

        An order is due again after a sixtieth of the time since it last changed, at least half a minute and at most a
        day; one that is completed, or cancelled and paid back, never again.

        `GET /v2/order/orders?ids=`, 250 orders per request, in the bulk lane; `?createStartTime=` where a part of an
        order is missing, because KakaClo made several of it; `GET /v1/payment/balance`

        Args:
            kk: a client of the journal's shop.
            seconds: after these no further orders are asked for; what is left is due still.

        Returns:
            What it did. It may be called again at once: while nothing is due it sends nothing.

        Raises:
            KakaCloError: KakaClo could not be asked; what was learned before is kept.
        """
        clock = asyncio.get_running_loop().time
        end = clock() + seconds
        work = Work()
        work.events += await self._enter()
        while numbers := await self._place.run(partial(store.claim, now=self._seconds())):
            found = await work.ask(kk, numbers)
            record = partial(store.record, found=found, now=self._seconds(), shop=self._shop)
            work.events += await self._place.run(record)
            if clock() >= end:
                break
        await self._look_for_parts(kk, work)
        await self._look_at_balance(kk, work)
        due = await self._place.run(store.next_look)
        return work.turn(None if due is None else datetime.fromtimestamp(due, UTC))

    async def _enter(self) -> int:
        """Begin to watch what the journal has placed; return the number of events."""
        now, since = self._seconds(), self._since
        if is_sweep := not self._swept_at <= now < self._swept_at + _SWEEP_EVERY:
            self._swept_at = now
        else:
            since = max(since, self._entered_until - _LATE)
        events, is_all = 0, False
        while not is_all:
            entered = await self._place.run(partial(store.enter, now=now, since=since, shop=self._shop))
            since = since if entered.until is None else entered.until
            events, is_all = events + entered.events, entered.is_all
        self._entered_until = now if is_sweep else max(self._entered_until, since)
        return events

    async def _look_for_parts(self, kk: KakaClo, work: Work) -> None:
        wanted = await self._place.run(partial(store.missing_parts, now=self._seconds()))
        if wanted is None:
            return
        listed = await work.list(kk, wanted)
        work.events += await self._place.run(
            lambda on: store.adopt(on, wanted, listed, self._seconds(), self._shop)
        )

    async def _look_at_balance(self, kk: KakaClo, work: Work) -> None:
        below = self._below
        if below is None or not await self._place.run(partial(store.claim_balance, now=self._seconds())):
            return
        work.requests += 1
        balance = (await kk.bulk().payment.balance()).amount
        if balance is None:
            work.problems.append("the balance cannot be read")
            return
        work.events += await self._place.run(
            lambda on: store.record_balance(on, balance, below, self._seconds(), self._shop)
        )

    async def read(self, after: int | str = 0, limit: int = 100) -> tuple[FeedEvent, ...]:
        """Return events, oldest first.

        Args:
            after: the number of the last event that you have; or the name of a consumer, whose cursor is taken.
            limit: how many at most, 1 to 10,000.
        """
        if not 1 <= limit <= _MOST_READ:
            raise InvalidRequest(f"limit must be 1 to {_MOST_READ}, not {limit!r}")
        if isinstance(after, int) and not 0 <= after <= _LARGEST:
            raise InvalidRequest(f"after must be the number of an event, or 0, not {after!r}")

        def work(connection: Connection) -> tuple[FeedEvent, ...]:
            start = after if isinstance(after, int) else tables.cursor(connection, after)
            return tables.read(connection, start, limit)

        return await self._place.run(work)

    async def events(
        self, after: int | str = 0, *, every: float | None = None
    ) -> AsyncGenerator[FeedEvent, None]:
        """Iterate over the events that are kept, oldest first.

        Args:
            after: the number of the last event that you have; or the name of a consumer, whose cursor is taken.
            every: seconds between two looks for more; None: end after the last.
        """
        start = after if isinstance(after, int) else await self.cursor(after)
        while True:
            found = await self.read(start)
            for event in found:
                yield event
                start = event.seq
            if not found:
                if every is None:
                    return
                await asyncio.sleep(every)

    async def cursor(self, consumer: str) -> int:
        """Return the number of the last event that a consumer has acknowledged; 0 before the first."""
        return await self._place.run(partial(tables.cursor, name=consumer))

    async def acknowledge(self, consumer: str, seq: int) -> int:
        """Keep the number of the last event that a consumer has; it never goes back. Return where it is.

        Args:
            consumer: a name of your own for a reader.
            seq: the event's number: this one and all before it were handled.

        Raises:
            InvalidRequest: no name, or there is no such event yet.
        """
        if not consumer:
            raise InvalidRequest("a consumer needs a name")
        if not isinstance(seq, int):  # pyright: ignore[reportUnnecessaryIsInstance] - callers err
            raise InvalidRequest(f"seq must be the number of an event, not {seq!r}")
        return await self._place.run(lambda on: tables.acknowledge(on, consumer, seq, self._seconds()))

    async def forget(self, consumer: str) -> None:
        """Drop a consumer, or a webhook by its name: its cursor, and what waits for it."""
        await self._place.run(partial(tables.forget, name=consumer))

    async def prune(self, days: float = 30.0) -> int:
        """Drop events that all consumers and webhooks have and that are older; return how many.

        While there is neither, nothing is dropped.

        Args:
            days: their age.
        """
        before = (self._now() - timedelta(days=days)).timestamp()
        return await self._place.run(partial(tables.prune, before=before))

    async def deliver(self, webhook: Webhook, seconds: float = 5.0) -> Delivery:
        """Post the events that a webhook has not had: at least once, in order for each of your orders.

        A 2xx is taken for an answer; anything else is tried again, after pauses of 5 seconds to an hour, for as long as
        it takes. The later events of that order wait; other orders go on. Several workers may deliver at once.

        Args:
            webhook: where to.
            seconds: after these no further post is begun.

        Returns:
            What it did, and how many events wait still.
        """
        deliverer = Deliverer(webhook, self._place, self._seconds, random.random)
        return await deliverer.run(seconds)

    async def follow(
        self,
        kk: KakaClo,
        every: float = 15.0,
        *,
        webhooks: Sequence[Webhook] = (),
        keep_days: float | None = None,
        stop_on_signals: bool = False,
    ) -> None:
        """Take turns and deliver, again and again, until `stop`.

        A network that fails, or a server in trouble, is waited for, however long it takes.

        Args:
            kk: a client of the journal's shop.
            every: seconds from the start of one turn to the start of the next.
            webhooks: where events are posted to.
            keep_days: events that everybody has are dropped once they are so old; None: they are kept.
            stop_on_signals: SIGTERM and SIGINT call `stop`.

        Raises:
            InvalidRequest: `every` is less than a second.
            KakaCloError: what waiting does not mend: a token that is refused, a database that cannot be used.
        """
        clock = asyncio.get_running_loop().time
        pruned = clock() - _PRUNE_EVERY

        async def cycle() -> None:
            nonlocal pruned
            failure: KakaCloError | None = None
            try:
                await self.turn(kk)
            except KakaCloError as error:
                failure = error  # what is there is delivered all the same
            for webhook in webhooks:
                told = await self.deliver(webhook)
                if told.why is not None:
                    _log.warning("%r: %d events wait: %s", webhook, told.waiting, told.why)
            if keep_days is not None and clock() - pruned >= _PRUNE_EVERY:
                await self.prune(keep_days)
                pruned = clock()
            if failure is not None:
                raise failure

        self._follower = Follower(run=cycle, every=every, sleep=asyncio.sleep, what="the feed", log=_log)
        await self._follower.follow(stop_on_signals=stop_on_signals)

    def stop(self) -> None:
        """Let `follow` return; what is being written is written as a whole or not at all."""
        if self._follower is not None:
            self._follower.stop()

    def _seconds(self) -> float:
        return self._now().timestamp()
