"""Freight trials: by channel type, and the channels of one warehouse."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import msgspec

from kakaclo_async.sandbox.http.routing import Request, Route
from kakaclo_async.sandbox.trade.delivery import LEVELS, Line, check_country, delivery_time, price, weigh
from kakaclo_async.sandbox.wire import money
from kakaclo_async.sandbox.world.places import COUNTRY_OF, DEFAULT_WAREHOUSE, WAREHOUSES

if TYPE_CHECKING:
    from kakaclo_async.sandbox.settings import Settings
    from kakaclo_async.sandbox.world.catalog import Catalog


class _Trial(msgspec.Struct, rename="camel"):
    products: Annotated[list[Line], msgspec.Meta(min_length=1)]
    ship_to_country: str
    warehouse_code: str | None = None


class FreightArea:
    """The trial endpoints: freight by channel type, and the channels of one warehouse."""

    def __init__(self, settings: Settings, catalog: Catalog) -> None:
        self._settings = settings
        self._catalog = catalog

    def routes(self) -> tuple[Route, ...]:
        """List the endpoints."""
        return (
            Route("POST", "/v2/order/orders/channel/automationSplit", self.split, "Success!"),
            Route("POST", "/v2/order/orders/channel", self.channels),
            Route("POST", "/v1/order/orders/channel", self.channels),
        )

    def split(self, request: Request) -> object:
        """Answer one entry per channel type, in no useful order, as the published sample does."""
        trial, grams = self._read(request)
        if trial.ship_to_country in self._settings.no_freight_to:
            return []
        if self._settings.old_freight_shape:
            return [
                {key: value for key, value in channel.items() if key != "channelType"}
                for channel in self._entries(grams, trial.ship_to_country, "CN")
            ]
        return [
            {
                "deliveryTime": delivery_time(trial.ship_to_country, name),
                "estimatedFreight": money(price(grams, trial.ship_to_country, name)),
                "channelType": name,
            }
            for name in ("Express", "Expedited", "Standard")
        ]

    def channels(self, request: Request) -> object:
        """Answer the channels of one warehouse, fastest first."""
        trial, grams = self._read(request)
        if trial.ship_to_country in self._settings.no_freight_to:
            return []
        known = trial.warehouse_code in WAREHOUSES
        warehouse = trial.warehouse_code if known and trial.warehouse_code else DEFAULT_WAREHOUSE
        return self._entries(grams, trial.ship_to_country, COUNTRY_OF[warehouse])

    def _entries(self, grams: int, country: str, origin: str) -> list[dict[str, object]]:
        return [
            {
                "channelCode": level.code,
                "channelNameEn": level.label,
                "estimatedFreight": price(grams, country, level.name, origin),
                "estimatedFreightCurrency": "USD",
                "deliveryTime": delivery_time(country, level.name, origin),
                "channelType": level.name,
            }
            for level in reversed(LEVELS.values())
        ]

    def _read(self, request: Request) -> tuple[_Trial, int]:
        trial = request.read(_Trial)
        check_country(trial.ship_to_country)
        return trial, weigh(self._catalog, trial.products)
