"""The three turns of a shop. What is to do lies in its own home: the journal, the mirror's state, the feed's cursor.

A turn that runs twice, late, or again after a crash does no harm: the journal's leases and the mirror's lock see to it.
"""

from __future__ import annotations

import asyncio
import inspect
from contextlib import aclosing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, TypeVar

import attrs

from kakaclo_async.catalog import Mirror
from kakaclo_async.errors import (
    ConfigurationError,
    ConnectionFailed,
    DatabaseAway,
    DeadlineExceeded,
    KakaCloError,
    RateLimited,
    ServerError,
)
from kakaclo_async.feed import RefundSettled
from kakaclo_async.fleet.engine import log
from kakaclo_async.fleet.values import CATALOG, SLICE, Ended
from kakaclo_async.ordering import WriteStatus

if TYPE_CHECKING:
    from collections.abc import Callable

    from kakaclo_async.catalog import Change, MirrorReport
    from kakaclo_async.feed import FeedEvent
    from kakaclo_async.feed.delivery import Delivery
    from kakaclo_async.feed.feed import Feed
    from kakaclo_async.fleet.config.settings import FleetSettings
    from kakaclo_async.fleet.pool import OpenShop, Pool
    from kakaclo_async.fleet.table import Began
    from kakaclo_async.fleet.values import Kind
    from kakaclo_async.ordering import Entry


T = TypeVar("T")

_FIRST_PAUSE: Final = 5.0
_LONGEST_PAUSE: Final = 20.0
"""Seconds until a turn is tried again that failed for what passes: a network, a server, a Redis that is away."""

_LONGEST_STOP: Final = 300.0
"""The same for what somebody must mend: a token, a setting, a function of the owner's."""

_PASSING: Final = (ConnectionFailed, DeadlineExceeded, RateLimited, ServerError)
_PATIENCE: Final = 4 * SLICE
"""Seconds that a mirror's turn may take while permits are rare, or when it is nearly done."""

_LEAST_REQUESTS: Final = 24
"""Requests of a mirror's turn before it goes to the back of the line."""

_CONSUMER: Final = "fleet"
"""Whose cursor the hooks of a fleet have in each feed."""

_HOOK_PATIENCE: Final = 60.0
"""Seconds that a function of the owner's may take for one change, event or order."""

_PRUNE_EVERY: Final = 3600.0
"""Seconds between two looks for old events of a shop."""

_CLAIMED: Final = 2.0
"""Seconds until a turn is tried again whose database another worker uses."""


@attrs.frozen(kw_only=True)
class Hooks:
    """What the owner of a fleet wants to hear.

    Attributes:
        on_change: called with the shop, or `CATALOG`, and each change of the catalog; may be async.
        on_order: called with each event of the feed but those of refunds; may be async.
        on_refund: called with each event of a refund; may be async.
        on_declined: called with the shop, and each order that KakaClo declined; may be async.
    """

    on_change: Callable[[str, Change], object] | None = None
    on_order: Callable[[FeedEvent], object] | None = None
    on_refund: Callable[[FeedEvent], object] | None = None
    on_declined: Callable[[str, Entry], object] | None = None

    @property
    def wants_events(self) -> bool:
        """Whether anybody listens to the feed."""
        return self.on_order is not None or self.on_refund is not None


async def told(call: object) -> None:
    """Wait for what a hook returned, if it is to be waited for.

    Raises:
        ConfigurationError: it takes too long: a shop's orders must not wait for it for ever.
    """
    if not inspect.isawaitable(call):
        return
    limit = asyncio.timeout(_HOOK_PATIENCE)
    try:
        async with limit:
            await call
    except TimeoutError:
        if not limit.expired():
            raise  # its own
        raise ConfigurationError(
            f"a function of the fleet's owner took more than {_HOOK_PATIENCE:g} s, and is called again later: let it"
            " hand over what takes long"
        ) from None


@attrs.define
class Turn:
    """Carries out one turn.

    Attributes:
        pool: of the shops that are open.
        settings: of the fleet.
        hooks: what its owner wants to hear.
        began: how it began.
    """

    pool: Pool
    settings: FleetSettings
    hooks: Hooks
    began: Began
    _told: int | None = attrs.field(init=False, default=None)

    async def run(self, kind: Kind, shop: str) -> Ended:
        """Do it; it raises only a cancellation."""
        try:
            match kind:
                case "mirror":
                    return await self._mirror(shop)
                case "orders":
                    return await self._orders(shop)
                case "watch":
                    return await self._watch(shop)
        except DatabaseAway as error:
            return Ended(after=_CLAIMED, error=str(error))
        except KakaCloError as error:
            return Ended(after=self._pause(error), error=_why(error), told=self._told)
        except (
            Exception,
            asyncio.CancelledError,
            SystemExit,
        ) as error:  # a worker goes on, and its log says so
            task = asyncio.current_task()
            if isinstance(error, asyncio.CancelledError) and (task is None or task.cancelling()):
                raise  # this turn is cancelled; otherwise a function of the owner's has raised it
            log.exception("the turn %s of %s failed", kind, shop)
            return Ended(after=self._pause(error), error=_why(error), told=self._told)

    def _pause(self, error: BaseException) -> float:
        """Return the seconds until a turn that failed is tried again."""
        longest = _LONGEST_PAUSE if isinstance(error, _PASSING) else _LONGEST_STOP
        return min(longest, _FIRST_PAUSE * 2.0 ** min(self.began.failures, 10))

    async def _mirror(self, shop: str) -> Ended:
        clock = asyncio.get_running_loop().time
        start = clock()
        # A pull that goes on begins with some requests that bring nothing new: cut off there, it would never end.
        limit = asyncio.timeout(_PATIENCE)

        def stored(report: MirrorReport) -> None:
            if not limit.expired():
                may_end = report.rows_left and report.requests >= _LEAST_REQUESTS
                limit.reschedule(max(clock(), start + (SLICE if may_end else _PATIENCE)))

        opened = self.pool.reader() if shop == CATALOG else self.pool.client(shop)
        async with opened as kk, Mirror(kk, self.pool.mirror_url(shop), progress=stored) as mirror:
            self._told = self.began.told
            if self.hooks.on_change is not None and self._told is None:
                self._told = (await mirror.status()).last_change
            has_more = False
            try:
                async with limit:
                    await mirror.run()
            except TimeoutError:
                has_more = True  # what it has stored by now is stored
            if self.hooks.on_change is not None:
                has_more = await self._tell_changes(shop, mirror, start + 2 * SLICE) or has_more
        every = self.settings.mirror_every
        return Ended(after=0.0 if has_more else max(0.0, every - (clock() - start)), told=self._told)

    async def _tell_changes(self, shop: str, mirror: Mirror, until: float) -> bool:
        """Tell of changes; return whether there are more."""
        clock = asyncio.get_running_loop().time
        async with aclosing(mirror.changes(self._told or 0)) as changes:
            async for change in changes:
                if self.hooks.on_change is not None:
                    await told(self.hooks.on_change(shop, change))
                self._told = change.id
                if clock() > until:
                    return True
        return False

    async def _orders(self, name: str) -> Ended:
        async with self.pool.shop(name) as shop:
            try:
                done = await shop.journal.drain(shop.kk, at_once=shop.settings.at_once, seconds=SLICE / 2)
            except ConfigurationError as error:
                if not str(error).startswith("there is no journal"):
                    raise
                return Ended(after=self.settings.orders_every, pending=0, doubts=0, declined=0)
            for key, refusal in done.declined.items():
                log.warning("shop %s: order %s was declined: %s", name, key, refusal)
            doubts, why = (0, None) if done.due is None else await _doubts(shop)
            why = (await self._tell_declined(shop) if done.still_declined else None) or why
        after = self.settings.orders_every
        if done.due is not None:
            after = min(after, max(1.0, (done.due - datetime.now(UTC)).total_seconds()))
        if done.failure is not None:
            if type(done.failure) is KakaCloError:
                log.error("shop %s: its orders failed", name, exc_info=done.failure)
            after = min(after, self._pause(done.failure))
            why = _why(done.failure)
        elif done.left:
            after = 0.0
        return Ended(after=after, error=why, pending=done.left, doubts=doubts, declined=done.still_declined)

    async def _tell_declined(self, shop: OpenShop) -> str | None:
        """Tell of orders that were declined; return why that failed. It keeps no order from being placed."""
        if self.hooks.on_declined is None:
            return None
        try:
            for entry in await shop.journal._store.declined(untold=True):  # noqa: SLF001 - packages share privates
                await told(self.hooks.on_declined(shop.settings.name, entry))
                await shop.journal._store.told(entry)  # noqa: SLF001
        except Exception as error:  # noqa: BLE001 - the worker's log and status say so
            log.exception("shop %s: what was declined could not be told", shop.settings.name)
            return _why(error)
        return None

    async def _watch(self, name: str) -> Ended:
        clock = asyncio.get_running_loop().time
        start = clock()
        async with self.pool.shop(name) as shop:
            feed = shop.feed
            turn = await feed.turn(shop.kk, seconds=SLICE)
            failure, has_more = None, False
            try:
                has_more = self.hooks.wants_events and await self._tell_events(feed, start + 2 * SLICE)
            except Exception as error:  # noqa: BLE001 - raised again once the webhook has had its share
                failure = error
            why: str | None = "; ".join(turn.problems) or None
            if (webhook := await self.pool.webhook()) is not None:
                delivery = await feed.deliver(webhook, seconds=SLICE)
                why = why or _refused(delivery)
            if (days := self.settings.keep_days) is not None and clock() >= shop.prune_at:
                shop.prune_at = clock() + _PRUNE_EVERY
                await feed.prune(days)
            if failure is not None:
                raise failure
        is_late = turn.due_at is not None and turn.due_at <= datetime.now(UTC)
        every = self.settings.watch_every
        return Ended(after=0.0 if has_more or is_late else max(0.0, every - (clock() - start)), error=why)

    async def _tell_events(self, feed: Feed, until: float) -> bool:
        """Tell of what happened to orders; return whether there is more to tell."""
        clock = asyncio.get_running_loop().time
        events = await feed.read(_CONSUMER)
        if events:  # which are not to be dropped for it has failed, and has no cursor yet
            await feed.acknowledge(_CONSUMER, events[0].seq - 1)
        while events:
            last = 0
            try:
                for event in events:
                    hook = self.hooks.on_refund if isinstance(event, RefundSettled) else self.hooks.on_order
                    if hook is not None:
                        await told(hook(event))
                    last = event.seq
            finally:
                if last:
                    await feed.acknowledge(_CONSUMER, last)
            if clock() > until:
                return True
            events = await feed.read(_CONSUMER)
        return False


async def _doubts(shop: OpenShop) -> tuple[int, str | None]:
    """Return how many orders are in doubt, and why the first one is that should be settled by now."""
    unknown = {WriteStatus.SENDING, WriteStatus.UNKNOWN}
    found = [entry for entry in await shop.journal.pending() if entry.status in unknown]
    late = [entry for entry in found if entry.why and entry.settles_at and entry.settles_at < entry.seen_at]
    return len(found), f"order {late[0].key} is in doubt: {late[0].why}" if late else None


def _refused(delivery: Delivery) -> str | None:
    """Say what a webhook has not taken, also between two attempts; None: it takes all."""
    if delivery.since is None:
        return None
    since = delivery.since.isoformat(" ", "seconds")
    return f"the webhook does not take all: {delivery.why}; {delivery.waiting} wait, the first since {since}"


def _why(error: BaseException) -> str:
    """Return what a status may show: of foreign errors only the kind, for their texts may hold anything."""
    if isinstance(error, KakaCloError):
        return str(error) or type(error).__name__
    return f"{type(error).__name__}: see the worker's log"
