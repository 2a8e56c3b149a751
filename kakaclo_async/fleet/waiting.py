"""Orders that wait in the journals of shops, are in doubt, or were declined; also where a shop has left them behind."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import attrs

from kakaclo_async.errors import ConfigurationError, DatabaseAway, InvalidRequest, KakaCloError
from kakaclo_async.fleet.config.homes import home_of, homes
from kakaclo_async.fleet.engine import log
from kakaclo_async.fleet.values import CATALOG, orders_that_wait
from kakaclo_async.ordering import Journal

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from kakaclo_async.fleet.pool import Pool
    from kakaclo_async.fleet.values import FleetStatus, ShopStatus
    from kakaclo_async.ordering import Entry

_AT_ONCE: Final = 16
"""Journals that are read at the same time."""


class Waiting:
    """Looks into the journals of a fleet.

    Args:
        pool: has them.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def waiting(self, shop: str, *, declined: bool = False) -> tuple[Entry, ...]:
        """Return what waits in a journal, is being sent, or is in doubt; also where its shop is gone.

        Args:
            shop: its name.
            declined: what KakaClo declined as well.

        Raises:
            ConfigurationError: it cannot be read.
        """
        is_known = shop in self._pool.settings.shops
        journal = (
            self._pool.journal(shop) if is_known else Journal(home_of(self._pool.settings, shop, "journal"))
        )
        try:
            found = await journal.pending()
            return found + await journal._store.declined() if declined else found  # noqa: SLF001 - packages share privates
        except ConfigurationError as error:
            if not str(error).startswith("there is no journal"):
                raise
            return ()

    async def pending(
        self, unread: Callable[[str, ConfigurationError], object] | None = None
    ) -> dict[str, tuple[Entry, ...]]:
        """Return what waits, is being sent, in doubt or declined, by name, where something is.

        Args:
            unread: called with each name whose journal cannot be read; None: the first such error is raised.

        Raises:
            ConfigurationError: a journal cannot be read.
        """
        names = self._pool.settings.shops.keys() | await homes(self._pool.settings)
        return await self._waiting_in(names, unread, declined=True)

    async def left_behind(self) -> dict[str, str]:
        """Return the names under which orders wait or are in doubt without a shop, and how many, in words.

        Raises:
            ConfigurationError: the shops' database cannot be read.
        """
        names = await homes(self._pool.settings) - self._pool.settings.shops.keys()
        found = await self._waiting_in(
            names, lambda name, error: log.warning("journal of %s: %s", name, error)
        )
        return {name: orders_that_wait(len(entries)) for name, entries in found.items()}

    async def with_left_behind(self, found: FleetStatus) -> FleetStatus:
        """Return a status that names them, if the shops' database can be read."""
        with suppress(ConfigurationError):
            return attrs.evolve(found, left_behind=tuple(await self.left_behind()))
        return found

    async def tell_left_behind(self) -> None:
        """Tell the log of them."""
        with suppress(ConfigurationError):
            for name, found in (await self.left_behind()).items():
                log.warning("%s has %s, and the fleet has no such shop any more", name, found)

    async def check_may_begin(self, shop: str) -> None:
        """Refuse a shop whose name has orders that wait already: they may be of another account.

        Raises:
            InvalidRequest: it has.
        """
        is_there = shop in await homes(self._pool.settings)
        if is_there and (found := await self.waiting(shop)):
            raise InvalidRequest(
                f"a journal of a shop {shop} is there already, with {orders_that_wait(len(found))}: they would be"
                " placed with this token; if it is the same shop, say force=True (--force)"
            )

    async def check_may_end(self, shop: str) -> None:
        """Refuse to let a shop go whose orders nobody would look after then.

        Raises:
            InvalidRequest: it has such orders.
        """
        if shop != CATALOG and (found := await self.waiting(shop)):
            raise InvalidRequest(
                f"shop {shop} has {orders_that_wait(len(found))}, and nobody would look after them: see kakaclo fleet"
                " pending; to remove it all the same, say force=True (--force)"
            )

    async def _waiting_in(
        self,
        names: Collection[str],
        unread: Callable[[str, ConfigurationError], object] | None,
        *,
        declined: bool = False,
    ) -> dict[str, tuple[Entry, ...]]:
        limit = asyncio.Semaphore(_AT_ONCE)

        async def read(name: str) -> tuple[Entry, ...]:
            async with limit:
                try:
                    return await self.waiting(name, declined=declined)
                except ConfigurationError as error:
                    if unread is None:
                        raise
                    unread(name, error)
                    return ()

        found = await asyncio.gather(*map(read, sorted(names)))
        return {name: entries for name, entries in zip(sorted(names), found, strict=True) if entries}

    async def with_counts(self, status: FleetStatus) -> FleetStatus:
        """Return a status that counts now what no turn counts: of paused shops, and of all while nobody serves."""
        limit = asyncio.Semaphore(_AT_ONCE)
        is_away = False

        async def counted(shop: ShopStatus) -> ShopStatus:
            nonlocal is_away
            if status.workers and not shop.paused:
                return shop
            async with limit:
                if is_away or all(turn.kind != "orders" for turn in shop.turns):
                    return shop
                try:
                    now = await self._pool.journal(shop.shop)._store.standing(make=False)  # noqa: SLF001 - packages share privates
                except DatabaseAway:
                    is_away = True  # the others' would keep everybody waiting as well
                except KakaCloError:  # it has no journal yet, or one that its turns complain of
                    pass
                else:
                    return attrs.evolve(shop, pending=now.left, doubts=len(now.doubts), declined=now.declined)
                return shop

        shops = await asyncio.gather(*map(counted, status.shops))
        return attrs.evolve(status, shops=tuple(shops))
