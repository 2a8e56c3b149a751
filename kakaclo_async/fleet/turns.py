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
from kakaclo_async.errors import ConfigurationError, DatabaseAway, KakaCloError
from kakaclo_async.fleet.engine import log
from kakaclo_async.fleet.values import CATALOG, SLICE, Ended
from kakaclo_async.ordering import WriteStatus

if TYPE_CHECKING:
    from collections.abc import Callable

    from kakaclo_async.catalog import Change
    from kakaclo_async.fleet.pool import OpenShop, Pool
    from kakaclo_async.fleet.settings import FleetSettings
    from kakaclo_async.fleet.table import Began
    from kakaclo_async.fleet.values import Kind


T = TypeVar("T")

_LONGEST_PAUSE: Final = 300.0
_FIRST_PAUSE: Final = 5.0
_CLAIMED: Final = 2.0
"""Seconds until a turn is tried again whose database another worker uses."""


@attrs.frozen(kw_only=True)
class Hooks:
    """What the owner of a fleet wants to hear.

    Attributes:
        on_change: called with the shop, or `CATALOG`, and each change of the catalog; may be async.
        on_order: called with the shop and each event of an order; may be async.
        on_refund: called with the shop and each event of a refund; may be async.
    """

    on_change: Callable[[str, Change], object] | None = None


async def told(call: object) -> None:
    """Wait for what a hook returned, if it is to be waited for."""
    if inspect.isawaitable(call):
        await call


@attrs.frozen
class Turns:
    """Carries out turns.

    Attributes:
        pool: of the shops that are open.
        settings: of the fleet.
        hooks: what its owner wants to hear.
    """

    pool: Pool
    settings: FleetSettings
    hooks: Hooks

    async def run(self, kind: Kind, shop: str, began: Began) -> Ended:
        """Carry out one turn; it raises only a cancellation."""
        try:
            match kind:
                case "mirror":
                    return await self._mirror(shop, began)
                case "orders":
                    return await self._orders(shop)
                case "watch":
                    return await self._watch(shop)
        except DatabaseAway as error:
            return Ended(after=_CLAIMED, error=str(error))
        except KakaCloError as error:
            return Ended(after=_pause(began), error=str(error) or type(error).__name__)
        except Exception as error:  # noqa: BLE001 - a worker goes on, and its log and status say so
            log.exception("the turn %s of %s failed", kind, shop)
            return Ended(after=_pause(began), error=f"{type(error).__name__}; the log has more")

    async def _mirror(self, shop: str, began: Began) -> Ended:
        clock = asyncio.get_running_loop().time
        start = clock()
        opened = self.pool.reader() if shop == CATALOG else self.pool.client(shop)
        async with opened as kk, Mirror(kk, self.pool.mirror_url(shop)) as mirror:
            told = began.told
            if self.hooks.on_change is not None and told is None:
                told = (await mirror.status()).last_change
            is_whole = True
            try:
                async with asyncio.timeout(SLICE):
                    await mirror.run()
            except TimeoutError:
                is_whole = False
            if self.hooks.on_change is not None:
                told, has_more = await self._tell_changes(shop, mirror, told or 0, start + 2 * SLICE)
                is_whole = is_whole and not has_more
        every = self.settings.mirror_every
        return Ended(after=max(0.0, every - (clock() - start)) if is_whole else 0.0, told=told)

    async def _tell_changes(self, shop: str, mirror: Mirror, last: int, until: float) -> tuple[int, bool]:
        """Tell of changes; return the last one that was handled, and whether there are more."""
        clock = asyncio.get_running_loop().time
        async with aclosing(mirror.changes(last)) as changes:
            async for change in changes:
                if self.hooks.on_change is not None:
                    await told(self.hooks.on_change(shop, change))
                last = change.id
                if clock() > until:
                    return last, True
        return last, False

    async def _orders(self, name: str) -> Ended:
        async with self.pool.shop(name) as shop:
            try:
                done = await shop.journal.drain(shop.kk, at_once=shop.settings.at_once, seconds=SLICE)
            except ConfigurationError as error:
                if not str(error).startswith("there is no journal"):
                    raise
                return Ended(after=self.settings.orders_every, pending=0, doubts=0)
            for key, error in done.declined:
                log.warning("shop %s: order %s was declined: %s", name, key, error)
            doubts = 0 if done.due is None else await _doubts(shop)
        after = self.settings.orders_every
        if done.due is not None:
            after = min(after, max(1.0, (done.due - datetime.now(UTC)).total_seconds()))
        if done.failure is not None:
            if not isinstance(done.failure, KakaCloError):
                log.error("shop %s: its orders failed", name, exc_info=done.failure)
            why = str(done.failure) if isinstance(done.failure, KakaCloError) else type(done.failure).__name__
            return Ended(after=min(after, _FIRST_PAUSE), error=why, pending=done.left, doubts=doubts)
        return Ended(after=0.0 if done.left else after, pending=done.left, doubts=doubts)

    async def _watch(self, name: str) -> Ended:
        async with self.pool.shop(name):
            return Ended(after=self.settings.watch_every)


async def _doubts(shop: OpenShop) -> int:
    unknown = {WriteStatus.SENDING, WriteStatus.UNKNOWN}
    return sum(entry.status in unknown for entry in await shop.journal.pending())


def _pause(began: Began) -> float:
    return min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** min(began.failures, 10))
