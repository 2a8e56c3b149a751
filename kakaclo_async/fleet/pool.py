"""The shops that a worker keeps open: the busiest few, all of them with one connection to Redis."""

from __future__ import annotations

from collections import OrderedDict
from contextlib import asynccontextmanager
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Final

import attrs

from kakaclo_async.client import KakaClo
from kakaclo_async.errors import InvalidRequest
from kakaclo_async.feed import Webhook
from kakaclo_async.feed.feed import Feed
from kakaclo_async.fleet.values import CATALOG
from kakaclo_async.ordering import Journal
from kakaclo_async.ratelimit import RedisServer
from kakaclo_async.ratelimit.bucket import RateLimit
from kakaclo_async.ratelimit.redis import RedisBucket
from kakaclo_async.token import token_from

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

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


class Pool:
    """The shops that are open, opened when they are needed.

    Args:
        settings: of the fleet.
    """

    def __init__(self, settings: FleetSettings) -> None:
        self._settings = settings
        self._shops: OrderedDict[str, OpenShop] = OrderedDict()
        self._old: list[OpenShop] = []
        self._journals: dict[str, Journal] = {}  # with nothing open, but what they have learned of the tables
        self._redis = None if settings.bucket is None else RedisServer(settings.bucket)
        self._turns = cycle(sorted(settings.shops))

    async def change(self, settings: FleetSettings) -> None:
        """Go on with other settings: shops that are gone or changed are closed once nobody uses them."""
        before, self._settings = self._settings, settings
        self._journals.clear()
        self._turns = cycle(sorted(settings.shops))
        for name, shop in list(self._shops.items()):
            if settings.shops.get(name) != shop.settings:
                self._old.append(self._shops.pop(name))
        if (before.bucket, before.home) != (settings.bucket, settings.home):
            self._old += self._shops.values()
            self._shops.clear()
            self._redis = None if settings.bucket is None else RedisServer(settings.bucket)
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
    async def reader(self) -> AsyncGenerator[KakaClo, None]:
        """Give the client of the shop whose turn it is to read what all share.

        Raises:
            InvalidRequest: the fleet has no shops.
        """
        name = next(self._turns, None)
        if name is None:
            raise InvalidRequest("the fleet has no shops")
        async with self.shop(name) as shop:
            yield shop.kk

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
        return RedisBucket(self._redis, key=f"kakaclo:{settings.name}", rate_limit=limit)

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
        for shop in shops:
            await shop.aclose()
