"""The shops that a worker keeps open: the busiest few, all of them with one connection to Redis."""

from __future__ import annotations

from collections import OrderedDict
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import attrs

from kakaclo_async.client import KakaClo
from kakaclo_async.database.postgresql import keeping_connections
from kakaclo_async.errors import InvalidRequest
from kakaclo_async.feed import Webhook
from kakaclo_async.feed.feed import Feed
from kakaclo_async.fleet.team import Team
from kakaclo_async.fleet.values import CATALOG
from kakaclo_async.ordering import Journal
from kakaclo_async.ratelimit import RedisServer
from kakaclo_async.ratelimit.bucket import RateLimit
from kakaclo_async.ratelimit.redis import RedisBucket
from kakaclo_async.token import token_from

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Collection

    from kakaclo_async.fleet.settings import FleetSettings, ShopSettings
    from kakaclo_async.ratelimit.bucket import Bucket


_FILES: Final = {"journal": "orders.db", "mirror": "catalog.db"}


def home_of(settings: FleetSettings, shop: str, holds: str) -> str:
    """Return the URL of a shop's journal or mirror.

    Args:
        settings: of the fleet.
        shop: its name, or `CATALOG`.
        holds: "journal" or "mirror".
    """
    home = settings.home.replace("{shop}", shop)
    if home.startswith("sqlite:///"):
        folder = settings.folder / Path(home.removeprefix("sqlite:///"))
        return f"sqlite:///{folder / _FILES[holds]}"
    if home != settings.home:
        return home
    schema = CATALOG if shop == CATALOG else f"shop_{shop}"
    return f"{home}{'&' if '?' in home else '?'}schema={schema}"


def _bucket_name(shop: str) -> str:
    return f"kakaclo:{shop}"


def _prepared(url: str) -> str:
    if url.startswith("sqlite:///"):
        Path(url.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
    return url


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

    async def aclose(self) -> None:
        """Close it."""
        await self.kk.aclose()


@attrs.define(eq=False)
class _Reading:
    """A team that reads what all shops share.

    Attributes:
        base_url: of its shops: a team reads from one KakaClo.
        team: of their clients.
        stack: keeps the shops open, those that have left included: they may have a request under way.
        members: those that are in it.
    """

    base_url: str | None
    team: Team
    stack: AsyncExitStack
    members: dict[str, OpenShop]


class Pool:
    """The shops that are open, opened when they are needed.

    Args:
        settings: of the fleet.
        paused: returns the names of the shops that are paused now.
    """

    def __init__(self, settings: FleetSettings, paused: Callable[[], Awaitable[Collection[str]]]) -> None:
        self._settings = settings
        self._paused = paused
        self._shops: OrderedDict[str, OpenShop] = OrderedDict()
        self._old: list[OpenShop] = []
        self._journals: dict[str, Journal] = {}  # with nothing open, but what they have learned of the tables
        self._redis = None if settings.bucket is None else RedisServer(settings.bucket)
        self._readings: list[_Reading] = []
        self._turn = 0
        self._stack = AsyncExitStack()

    async def open(self) -> None:
        """Keep a few connections to the shops' database until the pool is closed."""
        await self._stack.enter_async_context(keeping_connections())

    async def change(self, settings: FleetSettings) -> None:
        """Go on with other settings, but the same `home` and `bucket`.

        Shops that are gone or changed are closed once nobody uses them.
        """
        self._settings = settings
        self._journals.clear()
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

    @asynccontextmanager
    async def reader(self) -> AsyncGenerator[Team, None]:
        """Give a team of shops that reads what all share, each with permits that it can spare.

        They are half as many as may be open, so that those with orders stay open, too; others come next time.

        Raises:
            InvalidRequest: the fleet has no shops, or all are paused.
        """
        chosen = self._readers(await self._paused())
        if not chosen:
            raise InvalidRequest("the fleet has no shops that may read: all are paused")
        async with AsyncExitStack() as stack:
            opened = {name: await stack.enter_async_context(self.shop(name)) for name in chosen}
            clients = {name: shop.kk for name, shop in opened.items()}
            team = await stack.enter_async_context(Team(clients, share=self._settings.share))
            base_url = next(iter(opened.values())).settings.base_url
            reading = _Reading(base_url, team, stack, opened)
            self._readings.append(reading)
            try:
                yield team
            finally:
                self._readings.remove(reading)

    def _readers(self, paused: Collection[str]) -> list[str]:
        """Return the shops whose turn it is to read: all of one KakaClo, in case there are several."""
        places: dict[str | None, list[str]] = {}
        for name, shop in sorted(self._settings.shops.items()):
            if name not in paused:
                places.setdefault(shop.base_url, []).append(name)
        if not places:
            return []
        rounds, place = divmod(self._turn, len(places))
        self._turn += 1
        names = list(places.values())[place]
        first = rounds * (1 if len(names) <= self._most else self._most) % len(names)
        return [*names[first:], *names[:first]][: self._most]

    @property
    def _most(self) -> int:
        return max(1, self._settings.keep_open // 2)

    async def look(self) -> None:
        """Let the teams that read now have the shops that came or go on, and not those that are gone or paused."""
        if not self._readings:
            return
        paused = await self._paused()
        wanted = {name: shop for name, shop in self._settings.shops.items() if name not in paused}
        for reading in self._readings:
            for name in wanted.keys() - reading.members.keys():
                await self._join(reading, wanted[name])
            for name, shop in list(reading.members.items()):
                if wanted.get(name) != shop.settings:
                    del reading.members[name]
                    if name in reading.team.members:  # it leaves by itself when it is closed
                        reading.team.leave(name)
                    if name in wanted:
                        await self._join(reading, wanted[name])

    async def _join(self, reading: _Reading, settings: ShopSettings) -> None:
        if settings.base_url != reading.base_url or len(reading.members) >= self._most:
            return
        shop = await reading.stack.enter_async_context(self.shop(settings.name))
        reading.team.join(shop.kk, settings.name)
        reading.members[settings.name] = shop

    @asynccontextmanager
    async def client(self, name: str) -> AsyncGenerator[KakaClo, None]:
        """Give the client of a shop; see `shop`."""
        async with self.shop(name) as shop:
            yield shop.kk

    def mirror_url(self, shop: str) -> str:
        """Return where the mirror of a shop lies, or the shared one."""
        return _prepared(home_of(self._settings, shop, "mirror"))

    def journal(self, shop: str) -> Journal:
        """Return the journal of a shop, without opening the shop."""
        settings = self._settings.shops.get(shop)
        if settings is None:
            raise InvalidRequest(f"the fleet has no shop {shop}")
        if shop not in self._journals:
            url = _prepared(home_of(self._settings, shop, "journal"))
            self._journals[shop] = Journal(url, quiet_time=settings.quiet_time, lease=settings.lease)
        return self._journals[shop]

    async def permits(self) -> dict[str, float | None]:
        """Return the free permits of each shop; None where they are counted in another process.

        Raises:
            ConnectionFailed: Redis cannot be used now.
        """
        limits = {name: RateLimit(shop.burst, shop.rate) for name, shop in self._settings.shops.items()}
        if self._redis is not None:
            used = await self._redis.levels({_bucket_name(name): limit for name, limit in limits.items()})
            return {name: limit.burst - used[_bucket_name(name)] for name, limit in limits.items()}
        opened = {name: shop.kk.stats().level for name, shop in self._shops.items()}
        return {
            name: limit.burst - opened[name] if name in opened else None for name, limit in limits.items()
        }

    async def webhook(self) -> Webhook | None:
        """Return where events are posted to; its secret is read anew."""
        url, source = self._settings.webhook, self._settings.webhook_secret
        if url is None or source is None:
            return None
        return Webhook(url, await token_from(source)())

    def _open(self, settings: ShopSettings) -> OpenShop:
        journal = self.journal(settings.name)
        return OpenShop(
            settings,
            KakaClo(
                token_from(settings.token),
                base_url=settings.base_url,
                allow_http=settings.allow_http,
                reserve=settings.reserve,
                timeout=settings.timeout,
                max_wait=None,
                bucket=self._bucket(settings),
                rate_limit=RateLimit(settings.burst, settings.rate),
            ),
            journal,
            Feed(journal, shop=settings.name, balance_below=settings.balance_below),
        )

    def _bucket(self, settings: ShopSettings) -> Bucket | None:
        """Return the shop's bucket in Redis; None: each process counts for itself."""
        if self._redis is None:
            return None
        limit = RateLimit(settings.burst, settings.rate)
        return RedisBucket(self._redis, key=_bucket_name(settings.name), rate_limit=limit)

    async def _tidy(self) -> None:
        """Close what nobody uses: shops of other settings, and those that were used longest ago."""
        spare = [shop for shop in self._shops.values() if not shop.users]
        for shop in spare[: max(0, len(self._shops) - self._settings.keep_open)]:
            self._old.append(self._shops.pop(shop.settings.name))
        closing = [shop for shop in self._old if not shop.users]
        self._old = [shop for shop in self._old if shop.users]
        for shop in closing:
            await shop.aclose()

    async def aclose(self) -> None:
        """Close all shops."""
        shops = [*self._shops.values(), *self._old]
        self._shops.clear()
        self._old.clear()
        try:
            for shop in shops:
                await shop.aclose()
        finally:
            await self._stack.aclose()
