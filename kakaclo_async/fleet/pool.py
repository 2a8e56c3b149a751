"""The shops that a worker keeps open: the busiest few, all of them with one connection to Redis."""

from __future__ import annotations

from collections import OrderedDict
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from math import inf
from typing import TYPE_CHECKING, Final

import attrs

from kakaclo_async.client import KakaClo
from kakaclo_async.database.postgresql import keeping_connections
from kakaclo_async.errors import InvalidRequest
from kakaclo_async.feed import Webhook
from kakaclo_async.feed.feed import Feed
from kakaclo_async.fleet.config.checks import Twins, too_quick, webhook_secret
from kakaclo_async.fleet.config.homes import check_home, home_of, prepared
from kakaclo_async.fleet.engine import log
from kakaclo_async.fleet.team import Readers, Team
from kakaclo_async.ordering import Journal
from kakaclo_async.ratelimit import RedisServer
from kakaclo_async.ratelimit.bucket import RateLimit
from kakaclo_async.ratelimit.local import LocalBucket
from kakaclo_async.ratelimit.redis import RedisBucket
from kakaclo_async.token import token_from

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Collection

    from kakaclo_async.fleet.config.settings import FleetSettings, ShopSettings
    from kakaclo_async.ratelimit.bucket import Bucket


_BUCKET: Final = "kakaclo:{}"


@attrs.define(eq=False)
class OpenShop:
    """A shop that is open.

    Attributes:
        settings: as it was opened.
        kk: its client.
        journal: of its orders.
        feed: of what becomes of them.
        prune_at: the loop's time from when on the feed may be pruned again.
        users: how many use it now.
    """

    settings: ShopSettings
    kk: KakaClo
    journal: Journal
    feed: Feed
    prune_at: float = -inf
    users: int = 0


class Pool:
    """The shops that are open, opened when they are needed.

    Args:
        settings: of the fleet.
        paused: returns the names of the shops that are paused now.
    """

    def __init__(self, settings: FleetSettings, paused: Callable[[], Awaitable[Collection[str]]]) -> None:
        self.settings = settings
        self._shops: OrderedDict[str, OpenShop] = OrderedDict()
        self._old: list[OpenShop] = []
        self._journals: dict[str, Journal] = {}  # with nothing open, but what they have learned of the tables
        self._redis = None if settings.bucket is None else RedisServer(settings.bucket)
        self._buckets: dict[str, LocalBucket] = {}
        self._warned: dict[str, str] = {}
        self._twins = Twins(settings.shops)
        self._readers = Readers(self.shop, paused)
        self._stack = AsyncExitStack()

    async def open(self) -> None:
        """Keep a few connections to the shops' database until the pool is closed."""
        await self._stack.enter_async_context(keeping_connections())

    async def change(self, settings: FleetSettings) -> None:
        """Go on with other settings, but the same `home` and `bucket`.

        Shops that are gone or changed are closed once nobody uses them.
        """
        self.settings = settings
        self._journals.clear()
        self._twins.keep(settings.shops)
        for name, shop in list(self._shops.items()):
            if settings.shops.get(name) != shop.settings:
                self._old.append(self._shops.pop(name))
        await self.look()
        await self._tidy()

    @asynccontextmanager
    async def shop(self, name: str) -> AsyncGenerator[OpenShop, None]:
        """Give an open shop, which stays open meanwhile.

        Raises:
            InvalidRequest: there is no such shop.
            ConfigurationError: it cannot be opened.
        """
        settings = self.settings.shops.get(name)
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
        return self._readers.team(self.settings)

    async def look(self) -> None:
        """Let teams that read now have the shops that may read, and no others; tell the log of risky settings."""
        times = {name: shop.quiet_time for name, shop in self.settings.shops.items()}
        before, self._warned = self._warned, too_quick(times)
        for name in self._warned.keys() - before.keys():
            log.warning("shop %s: quiet_time %s", name, self._warned[name])
        await self._readers.look(self.settings)

    @asynccontextmanager
    async def client(self, name: str) -> AsyncGenerator[KakaClo, None]:
        """Give the client of a shop; see `shop`."""
        async with self.shop(name) as shop:
            yield shop.kk

    def mirror_url(self, shop: str) -> str:
        """Return where the mirror of a shop lies, or the shared one."""
        return prepared(home_of(self.settings, shop, "mirror"))

    def journal(self, shop: str) -> Journal:
        """Return the journal of a shop, without opening the shop."""
        settings = self.settings.shops.get(shop)
        if settings is None:
            raise InvalidRequest(f"the fleet has no shop {shop}")
        if shop not in self._journals:
            url = prepared(home_of(self.settings, shop, "journal"))
            self._journals[shop] = Journal(url, quiet_time=settings.quiet_time, lease=settings.lease)
        return self._journals[shop]

    async def permits(self) -> dict[str, float | None]:
        """Return the free permits of each shop; None where they are counted in another process.

        Raises:
            ConnectionFailed: Redis cannot be used now.
        """
        limits = {name: RateLimit(shop.burst, shop.rate) for name, shop in self.settings.shops.items()}
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
        url, source = self.settings.webhook, self.settings.webhook_secret
        if url is None or source is None:
            return None
        return Webhook(url, await webhook_secret(source))

    def check(self, shop: str) -> None:
        """Find out whether a shop could be opened, with its settings; open and make nothing.

        Raises:
            ConfigurationError: it could not.
        """
        settings = self.settings.shops[shop]
        self._client(settings)
        url = home_of(self.settings, shop, "journal")
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

    def _bucket(self, settings: ShopSettings) -> Bucket:
        """Return the shop's bucket: in Redis, or one of this process that outlives the shop's clients."""
        limit = RateLimit(settings.burst, settings.rate)
        if self._redis is None:
            before = self._buckets.get(settings.name)
            if before is not None and before.rate == limit:
                return before
            bucket = self._buckets[settings.name] = LocalBucket(limit)
            if before is not None:
                bucket.start(min(before.level, limit.burst), 1.0, before.hold)
            return bucket
        return RedisBucket(self._redis, key=_BUCKET.format(settings.name), rate_limit=limit)

    async def _tidy(self) -> None:
        """Close what nobody uses: shops of other settings, and those that were used longest ago."""
        spare = [shop for shop in self._shops.values() if not shop.users]
        for shop in spare[: max(0, len(self._shops) - self.settings.keep_open)]:
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
