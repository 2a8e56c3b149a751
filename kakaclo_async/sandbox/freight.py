"""What freight costs, and how long it takes."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Annotated

import msgspec
from attrs import frozen

from kakaclo_async.sandbox.places import COUNTRY_OF, DEFAULT_WAREHOUSE, WAREHOUSES
from kakaclo_async.sandbox.wire import Call, Code, Refusal, Route, money

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kakaclo_async.sandbox.catalog import Catalog
    from kakaclo_async.sandbox.goods import Product, Sku, StockRow
    from kakaclo_async.sandbox.orders import Item
    from kakaclo_async.sandbox.settings import Settings


_ZONES = (
    ("US CN HK TW", "1.00", 0),
    ("GB DE FR NL BE AT PL CZ IT ES PT IE LU", "1.12", 1),
    ("CA AU NZ JP KR SG MY TH", "1.25", 2),
    ("SE DK FI NO CH GR HU RO BG HR SK SI EE LV LT IL AE SA", "1.40", 3),
    ("MX BR CL CO PE AR VE ZA NG EG IN RU TR UA", "1.75", 5),
)
_ZONE_OF = {
    country: (Decimal(factor), days) for countries, factor, days in _ZONES for country in countries.split()
}
_DOMESTIC = Decimal("0.62")
"""From a warehouse in the country of the customer."""


@frozen
class _Level:
    name: str
    code: str
    label: str
    base: Decimal
    per_kg: Decimal
    days: tuple[int, int]


LEVELS = {
    level.name: level
    for level in (
        _Level(
            "Standard", "WB001", "Economy line (general goods)", Decimal("2.35"), Decimal("9.40"), (8, 12)
        ),
        _Level("Express", "WB003", "Priority line", Decimal("3.10"), Decimal("11.90"), (6, 9)),
        _Level("Expedited", "WB004", "Courier", Decimal("15.80"), Decimal("31.50"), (3, 4)),
    )
}
"""By channel type, cheapest and slowest first."""


class Line(msgspec.Struct):
    """A SKU and how many of it."""

    sku: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    quantity: Annotated[int, msgspec.Meta(gt=0)]


class _Trial(msgspec.Struct, rename="camel"):
    products: Annotated[list[Line], msgspec.Meta(min_length=1)]
    ship_to_country: str
    warehouse_code: str | None = None


def check_country(country: str) -> None:
    """Refuse a country that nothing is shipped to."""
    if country not in _ZONE_OF:
        raise Refusal(Code.UNKNOWN_COUNTRY, f"nothing is shipped to country {country!r}")


def price(grams: int, country: str, channel_type: str, origin: str = "CN") -> Decimal:
    """Return the freight in US dollars, with cents.

    Args:
        grams: Total weight.
        country: Country of the customer.
        channel_type: "Standard", "Express" or "Expedited".
        origin: Country of the warehouse.
    """
    level, (factor, _) = LEVELS[channel_type], _ZONE_OF[country]
    if origin == country:
        factor *= _DOMESTIC
    return ((level.base + level.per_kg * grams / 1000) * factor).quantize(Decimal("0.01"))


def _delivery(country: str, channel_type: str, origin: str = "CN") -> str:
    first, last = LEVELS[channel_type].days
    extra = _ZONE_OF[country][1]
    if origin == country:
        return f"{max(1, first // 2)}~{max(2, last // 2)} Business Days"
    return f"{first + extra}~{last + extra} Business Days"


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

    def split(self, call: Call) -> object:
        """Answer one entry per channel type, in no useful order, as the published sample does."""
        trial, grams = self._read(call)
        if self._settings.old_freight_shape:
            return [
                {key: value for key, value in channel.items() if key != "channelType"}
                for channel in self._entries(grams, trial.ship_to_country, "CN")
            ]
        return [
            {
                "deliveryTime": _delivery(trial.ship_to_country, name),
                "estimatedFreight": money(price(grams, trial.ship_to_country, name)),
                "channelType": name,
            }
            for name in ("Express", "Expedited", "Standard")
        ]

    def channels(self, call: Call) -> object:
        """Answer the channels of one warehouse, fastest first."""
        trial, grams = self._read(call)
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
                "deliveryTime": _delivery(country, level.name, origin),
                "channelType": level.name,
            }
            for level in reversed(LEVELS.values())
        ]

    def _read(self, call: Call) -> tuple[_Trial, int]:
        trial = call.read(_Trial)
        check_country(trial.ship_to_country)
        return trial, weigh(self._catalog, trial.products)


def look_up(catalog: Catalog, sku: str) -> tuple[Product, Sku, tuple[StockRow, ...]]:
    """Return a SKU with its product and stock; refuse one that there is not."""
    try:
        return catalog.find(sku)
    except LookupError:
        raise Refusal(Code.UNKNOWN_SKU, f"there is no SKU {sku!r}") from None


def weigh(catalog: Catalog, lines: Iterable[Line | Item]) -> int:
    """Return the total weight in grams; refuse SKUs that there are not."""
    return sum(look_up(catalog, line.sku)[1].weight * line.quantity for line in lines)
