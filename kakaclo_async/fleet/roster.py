"""Which shops a process knows: as its files have them, and as it tells the table of shops.

Only a worker tells the table what the files say, once nobody is writing them. A command adds what is new to the table,
and changes nothing that is there: its files may be older, or half written.
"""

from __future__ import annotations

import asyncio
from math import inf
from typing import TYPE_CHECKING, Final

import attrs

from kakaclo_async.errors import InvalidRequest
from kakaclo_async.fleet.config.files import add_shop, remove_shop
from kakaclo_async.fleet.config.homes import place_of
from kakaclo_async.fleet.config.settings import turns_of
from kakaclo_async.fleet.engine import log
from kakaclo_async.fleet.values import CATALOG

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from pathlib import Path

    from kakaclo_async.fleet.config.files import SettingsFiles
    from kakaclo_async.fleet.config.settings import FleetSettings, ShopSettings
    from kakaclo_async.fleet.engine import Engine
    from kakaclo_async.fleet.pool import Pool
    from kakaclo_async.fleet.values import Kind
    from kakaclo_async.fleet.waiting import Waiting


_JOIN_EVERY: Final = 30
"""Looks after which the table gets what it has lost: a standby, or a backup, may lack the last shops."""


class Roster:
    """The shops of a fleet.

    Args:
        files: have them.
        settings: as the files were at the start.
        engine: whose table is told of them.
        pool: of the shops that are open.
        waiting: looks into the journals of those that go.

    Attributes:
        is_kept: whether the table is as this process' files are.
    """

    def __init__(
        self, files: SettingsFiles, settings: FleetSettings, engine: Engine, pool: Pool, waiting: Waiting
    ) -> None:
        self.settings = settings
        self.is_kept = False
        self._files = files
        self._engine = engine
        self._pool = pool
        self._waiting = waiting
        self._looks = 0
        self._peeked_at = -inf

    async def begin(self) -> None:
        """Let the table have what is new; refuse another `home` than the fleet's.

        Raises:
            ConfigurationError: it is another one.
        """
        self._peeked_at = asyncio.get_running_loop().time()
        await self.check_home()
        turns = self.turns()
        await self._engine.table.join(turns, self._paused(turns))

    async def check_home(self) -> None:
        """Refuse another `home` than the fleet's.

        Raises:
            ConfigurationError: it is another one.
        """
        await self._engine.table.settle_home(place_of(self.settings))

    async def look(self) -> None:
        """Take up what has changed in the files since the look before, once two agree; with problems, nothing."""
        self._looks += 1
        settings = self._files.news(self.settings)
        if settings is not None:
            await self._take_up(settings)
        elif not self.is_kept and self._looks > 1 and self._files.are_taken_up:
            await self._keep()
        elif self.is_kept and self._looks % _JOIN_EVERY == 0:
            turns = self.turns()
            await self._engine.table.join(turns, self._paused(turns))

    async def _take_up(self, settings: FleetSettings) -> None:
        before, self.settings = self.settings, settings
        self.is_kept = False  # should this fail, a later look does it
        await self._pool.change(settings)
        await self._keep()
        renewed = [name for name, shop in settings.shops.items() if before.shops.get(name) != shop]
        if renewed:  # what failed with the old token need not wait
            await self._engine.ring([turn for turn in self.turns() if turn[0] in renewed])
        if before.shops.keys() - settings.shops.keys():
            await self._waiting.tell_left_behind()

    async def _keep(self) -> None:
        turns = self.turns()
        await self._engine.table.keep(turns, self._paused(turns), drop=True)
        for kind, every in self.settings.every.items():
            await self._engine.table.hasten(kind, every)
        self.is_kept = True

    async def revive(self, gone: Collection[str]) -> None:
        """Let those have their turns again that other files lack, and these have."""
        here = sorted({name for name, _ in self.turns()}.intersection(gone))
        if here and self._files.are_taken_up:
            log.warning("the files of another process lack %s: they have their turns still", ", ".join(here))
            await self._tell(here)

    async def _tell(self, names: Sequence[str]) -> None:
        turns = {turn for turn in self.turns() if turn[0] in names}
        await self._engine.table.keep(turns, self._paused(turns), drop=False)

    async def known(self, shop: str) -> str:
        """Return the name of a shop; one that was added meanwhile is found in the files.

        Raises:
            InvalidRequest: there is no such shop, or none any more, as of a tick ago.
        """
        now = asyncio.get_running_loop().time()
        if shop in self.settings.shops and now - self._peeked_at >= self.settings.tick:
            if not self.has(shop):
                raise InvalidRequest(f"the fleet has no shop {shop} any more: it was removed from its files")
            self._peeked_at = now
        if shop not in self.settings.shops and shop != CATALOG:
            await self._adopt(shop)
            turns = {turn for turn in self.turns() if turn[0] in {shop, CATALOG}}
            await self._engine.table.join(turns, self._paused(turns))
        return shop

    def has(self, shop: str) -> bool:
        """Return whether the files have a shop now, or may have it: they may have problems."""
        found = self._files.peek()
        return shop in (self.settings if found is None else found).shops

    async def _adopt(self, shop: str) -> None:
        """Know a shop as the files have it now, and nothing else of them."""
        found = self._files.peek()
        if found is None or shop not in found.shops:
            raise InvalidRequest(f"the fleet has no shop {shop}")
        await self._change({**self.settings.shops, shop: found.shops[shop]})

    async def add(self, shop: str, values: Mapping[str, object]) -> Path:
        """Write the file of a new shop; see `Fleet.add`."""
        path = add_shop(self._files, shop, values)
        await self._adopt(shop)
        await self._tell([shop, CATALOG])
        return path

    async def remove(self, shop: str) -> None:
        """Delete the file of a shop; see `Fleet.remove`."""
        remove_shop(self._files, await self.known(shop))
        await self._change({name: one for name, one in self.settings.shops.items() if name != shop})
        await self._engine.table.drop([shop, *([] if self.settings.shops else [CATALOG])])

    async def _change(self, shops: Mapping[str, ShopSettings]) -> None:
        self.settings = attrs.evolve(self.settings, shops=shops)
        await self._pool.change(self.settings)

    def turns(self) -> set[tuple[str, Kind]]:
        """Return the turns of all shops."""
        return set(turns_of(self.settings))

    def is_paused(self, shop: str) -> bool:
        """Return whether the files pause a shop."""
        return shop in self.settings.shops and self.settings.shops[shop].paused

    def _paused(self, turns: Collection[tuple[str, Kind]]) -> dict[str, bool]:
        return {name: self.is_paused(name) for name, _ in turns}
