"""The state of a sandbox: one catalog for all, and for each token a bucket, and the orders and money of a shop."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from attrs import define, field

from kakaclo_async.sandbox.http.custom import CustomArea
from kakaclo_async.sandbox.http.freight import FreightArea
from kakaclo_async.sandbox.http.habits import Habits
from kakaclo_async.sandbox.http.orders import OrderArea
from kakaclo_async.sandbox.http.products import ProductArea
from kakaclo_async.sandbox.http.routing import Router
from kakaclo_async.sandbox.trade.ledger import Ledger
from kakaclo_async.sandbox.world.catalog import Catalog
from kakaclo_async.sandbox.world.clock import Clock, LeakyBucket, Timeline

if TYPE_CHECKING:
    from kakaclo_async.sandbox.settings import Settings


@define(eq=False)
class Shop:
    """One shop of a sandbox.

    Attributes:
        ledger: Its orders, its refunds and its balance.
        bucket: What its requests are counted in.
        router: Answers its requests.
        requests: How many came in with its token, by path, including those over the limit.
        throttled: How many found its bucket full.
    """

    ledger: Ledger
    bucket: LeakyBucket = field(repr=False)
    router: Router = field(repr=False)
    requests: Counter[str] = field(init=False, factory=Counter[str])
    throttled: int = field(init=False, default=0)

    @property
    def level(self) -> float:
        """Requests in its leaky bucket now."""
        return self.bucket.level

    def take(self, path: str) -> float:
        """Count a request; return 0.0, or the seconds until it fits into the bucket."""
        self.requests[path] += 1
        wait = self.bucket.take()
        self.throttled += wait > 0
        return wait


class World:
    """All state of a sandbox; it outlives a stop of the server."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        source = settings.clock or asyncio.get_running_loop().time
        self.clock = Clock(source, settings.speed, settings.start_at or datetime.now(UTC))
        self.timeline = Timeline(self.clock)
        self.catalog = Catalog(settings, self.timeline)
        self._habits = Habits(settings)
        self._products = ProductArea(settings, self._habits, self.catalog, self.timeline)
        self._freight = FreightArea(settings, self.catalog)
        self.first = self._open()
        self._shops = {"": self.first} | {token: self._open() for token in settings.tokens}

    def _open(self) -> Shop:
        settings, ledger = self._settings, Ledger(self._settings, self.catalog, self.timeline)
        orders = OrderArea(settings, ledger)
        custom = CustomArea(settings, self.catalog, ledger, self.timeline)
        areas = (self._products, self._freight, orders, custom)
        return Shop(
            ledger,
            LeakyBucket(settings.capacity, settings.per_second, lambda: self.clock.elapsed),
            Router((route for area in areas for route in area.routes()), self._habits.damage),
        )

    def shop(self, token: str) -> Shop | None:
        """Return what a token opens; None for one that is not accepted, or not any more."""
        if token == self._settings.token:
            return self.first
        return self._shops[token] if token in self._settings.tokens else None

    def settle(self) -> None:
        """Do all that is due under the settings as they are, so that a change of them does not reach back."""
        self.timeline.now()
        self.catalog.catch_up()
        for shop in self._shops.values():
            shop.ledger.catch_up()

    def adopt(self) -> None:
        """Let the settings, as they are now, count from now on; most of them are read at each request anyway."""
        self.clock.run_at(self._settings.speed)
        self._shops |= {token: self._open() for token in self._settings.tokens if token not in self._shops}
        for shop in self._shops.values():
            shop.bucket.resize(self._settings.capacity, self._settings.per_second)
        self.catalog.adopt()
