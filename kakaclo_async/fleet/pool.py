"""The shops that a worker keeps open: the busiest few, all of them with one connection to Redis."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from typing import TYPE_CHECKING, Final

import attrs

from kakaclo_async.client import KakaClo
from kakaclo_async.database.postgresql import keeping_connections
from kakaclo_async.errors import ConfigurationError, InvalidRequest
from kakaclo_async.feed import Webhook
from kakaclo_async.feed.feed import Feed
from kakaclo_async.fleet.checks import Twins, too_quick, webhook_secret
from kakaclo_async.fleet.engine import log
from kakaclo_async.fleet.files import check_home, home_of, homes, prepared
from kakaclo_async.fleet.team import Readers, Team
from kakaclo_async.fleet.values import CATALOG, orders_that_wait
from kakaclo_async.ordering import Journal
from kakaclo_async.ratelimit import RedisServer
from kakaclo_async.ratelimit.bucket import RateLimit
from kakaclo_async.ratelimit.redis import RedisBucket
from kakaclo_async.token import token_from

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Collection

    from kakaclo_async.fleet.settings import FleetSettings, ShopSettings
    from kakaclo_async.fleet.values import FleetStatus
    from kakaclo_async.ordering import Entry
    from kakaclo_async.ratelimit.bucket import Bucket


_BUCKET: Final = "kakaclo:{}"
_AT_ONCE: Final = 16  # journals that are read at the same time


@attrs.define(eq=False)
class OpenShop:
    """A shop that is open.

    Attributes:
        settings: as it was opened.
        kk: its client.
        journal: of its orders.
        feed: of what becomes of them.
        users: how many use it now.
    """

    settings: ShopSettings
    kk: KakaClo
    journal: Journal
    feed: Feed
    users: int = 0


class Pool:
    """The shops that are open, opened when they are needed.

    Args:
        settings: of the fleet.
        paused: returns the names of the shops that are paused now.
    """

    def __init__(self, settings: FleetSettings, paused: Callable[[], Awaitable[Collection[str]]]) -> None:
        self._settings = settings
        self._shops: OrderedDict[str, OpenShop] = OrderedDict()
        self._old: list[OpenShop] = []
        self._journals: dict[str, Journal] = {}  # with nothing open, but what they have learned of the tables
        self._redis = None if settings.bucket is None else RedisServer(settings.bucket)
        self._warned: dict[str, str] = {}
        self._twins = Twins(settings.shops)
        self._readers = Readers(self.shop, paused)
        self._stack = AsyncExitStack()

    async def open(self) -> None:
        """Keep a few connections to the shops' database until the pool is closed."""
        await self._stack.enter_async_context(keeping_connections())

    async def change(self, settings: FleetSettings) -> None:
        """Go on with other settings: shops that are gone or changed are closed once nobody uses them."""
        before, self._settings = self._settings, settings
        self._journals.clear()
        self._twins.keep(settings.shops)
        for name, shop in list(self._shops.items()):
            if settings.shops.get(name) != shop.settings:
                self._old.append(self._shops.pop(name))
        if (before.bucket, before.home) != (settings.bucket, settings.home):
            self._old += self._shops.values()
            self._shops.clear()
            self._redis = None if settings.bucket is None else RedisServer(settings.bucket)
        await self.look()
        await self._tidy()

    @asynccontextmanager
    async def shop(self, name: str) -> AsyncGenerator[OpenShop, None]:
        """Give an open shop, which stays open meanwhile.

        Raises:
            InvalidRequest: there is no such shop.
            ConfigurationError: it cannot be opened.
        """
        settings = self._settings.shops.get(name)
        if settings is None:
            raise InvalidRequest(f"the fleet has no shop {name}")
        shop = self._shops.get(name)
        if shop is None:
            shop = self._shops[name] = self._open(settings)
        self._shops.move_to_end(name)
        shop.users += 1
        try:
            yield shop
        finally:
            shop.users -= 1
            await self._tidy()

    def reader(self) -> AbstractAsyncContextManager[Team]:
        """Give a team of shops that reads what all share; see `Readers`."""
        return self._readers.team(self._settings)

    async def look(self) -> None:
        """Let teams that read now have the shops that may read, and no others; tell the log of risky settings."""
        times = {name: shop.quiet_time for name, shop in self._settings.shops.items()}
        before, self._warned = self._warned, too_quick(times)
        for name in self._warned.keys() - before.keys():
            log.warning("shop %s: quiet_time %s", name, self._warned[name])
        await self._readers.look(self._settings)

    @asynccontextmanager
    async def client(self, name: str) -> AsyncGenerator[KakaClo, None]:
        """Give the client of a shop; see `shop`."""
        async with self.shop(name) as shop:
            yield shop.kk

    def mirror_url(self, shop: str) -> str:
        """Return where the mirror of a shop lies, or the shared one."""
        return prepared(home_of(self._settings, shop, "mirror"))

    def journal(self, shop: str) -> Journal:
        """Return the journal of a shop, without opening the shop."""
        settings = self._settings.shops.get(shop)
        if settings is None:
            raise InvalidRequest(f"the fleet has no shop {shop}")
        if shop not in self._journals:
            url = prepared(home_of(self._settings, shop, "journal"))
            self._journals[shop] = Journal(url, quiet_time=settings.quiet_time, lease=settings.lease)
        return self._journals[shop]

    async def waiting(self, shop: str) -> tuple[Entry, ...]:
        """Return what waits in a journal, is being sent, or is in doubt; also where its shop is gone.

        Raises:
            ConfigurationError: it cannot be read.
        """
        is_known = shop in self._settings.shops
        journal = self.journal(shop) if is_known else Journal(home_of(self._settings, shop, "journal"))
        try:
            return await journal.pending()
        except ConfigurationError as error:
            if not str(error).startswith("there is no journal"):
                raise
            return ()

    async def pending(
        self, unread: Callable[[str, ConfigurationError], object] | None = None
    ) -> dict[str, tuple[Entry, ...]]:
        """Return what waits, is being sent, or is in doubt, by name, where something does.

        Args:
            unread: called with each name whose journal cannot be read; None: the first such error is raised.

        Raises:
            ConfigurationError: a journal cannot be read.
        """
        return await self._waiting_in(self._settings.shops.keys() | await homes(self._settings), unread)

    async def left_behind(self) -> dict[str, str]:
        """Return the names under which orders wait or are in doubt without a shop, and how many, in words.

        Raises:
            ConfigurationError: the shops' database cannot be read.
        """
        names = await homes(self._settings) - self._settings.shops.keys()
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
        is_new = shop not in self._settings.shops and shop in await homes(self._settings)
        if is_new and (found := await self.waiting(shop)):
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
        self, names: Collection[str], unread: Callable[[str, ConfigurationError], object] | None
    ) -> dict[str, tuple[Entry, ...]]:
        limit = asyncio.Semaphore(_AT_ONCE)

        async def read(name: str) -> tuple[Entry, ...]:
            async with limit:
                try:
                    return await self.waiting(name)
                except ConfigurationError as error:
                    if unread is None:
                        raise
                    unread(name, error)
                    return ()

        found = await asyncio.gather(*map(read, sorted(names)))
        return {name: entries for name, entries in zip(sorted(names), found, strict=True) if entries}

    async def permits(self) -> dict[str, float | None]:
        """Return the free permits of each shop; None where they are counted in another process.

        Raises:
            ConnectionFailed: Redis cannot be used now.
        """
        limits = {name: RateLimit(shop.burst, shop.rate) for name, shop in self._settings.shops.items()}
        if self._redis is not None:
            used = await self._redis.levels({_BUCKET.format(name): limit for name, limit in limits.items()})
            return {name: limit.burst - used[_BUCKET.format(name)] for name, limit in limits.items()}
        opened = {name: shop.kk.stats().level for name, shop in self._shops.items()}
        return {
            name: limit.burst - opened[name] if name in opened else None for name, limit in limits.items()
        }

    async def webhook(self) -> Webhook | None:
        """Return where events are posted to; its secret is read anew.

        Raises:
            ConfigurationError: the secret cannot be read, or is too short.
        """
        url, source = self._settings.webhook, self._settings.webhook_secret
        if url is None or source is None:
            return None
        return Webhook(url, await webhook_secret(source))

    def check(self, shop: str) -> None:
        """Find out whether a shop could be opened, with its settings; open and make nothing.

        Raises:
            ConfigurationError: it could not.
        """
        settings = self._settings.shops[shop]
        self._client(settings)
        url = home_of(self._settings, shop, "journal")
        Journal(url, quiet_time=settings.quiet_time, lease=settings.lease)
        check_home(url)

    def _open(self, settings: ShopSettings) -> OpenShop:
        journal = self.journal(settings.name)
        feed = Feed(journal, shop=settings.name, balance_below=settings.balance_below)
        return OpenShop(settings, self._client(settings), journal, feed)

    def _client(self, settings: ShopSettings) -> KakaClo:
        return KakaClo(
            self._twins.watched(token_from(settings.token), settings.name, settings.base_url),
            base_url=settings.base_url,
            allow_http=settings.allow_http,
            reserve=settings.reserve,
            timeout=settings.timeout,
            max_wait=None,
            bucket=self._bucket(settings),
            rate_limit=RateLimit(settings.burst, settings.rate),
        )

    def _bucket(self, settings: ShopSettings) -> Bucket | None:
        """Return the shop's bucket in Redis; None: each process counts for itself."""
        if self._redis is None:
            return None
        limit = RateLimit(settings.burst, settings.rate)
        return RedisBucket(self._redis, key=_BUCKET.format(settings.name), rate_limit=limit)

    async def _tidy(self) -> None:
        """Close what nobody uses: shops of other settings, and those that were used longest ago."""
        spare = [shop for shop in self._shops.values() if not shop.users]
        for shop in spare[: max(0, len(self._shops) - self._settings.keep_open)]:
            self._old.append(self._shops.pop(shop.settings.name))
        closing = [shop for shop in self._old if not shop.users]
        self._old = [shop for shop in self._old if shop.users]
        for shop in closing:
            await shop.kk.aclose()

    async def aclose(self) -> None:
        """Close all shops."""
        shops = [*self._shops.values(), *self._old]
        self._shops.clear()
        self._old.clear()
        try:
            for shop in shops:
                await shop.kk.aclose()
        finally:
            await self._stack.aclose()
