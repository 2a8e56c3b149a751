"""The page of freight: what a cart costs to send to several countries, as a chart and a table."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import attrs

from kakaclo_async.board.charts import bars
from kakaclo_async.errors import InvalidRequest, KakaCloError
from kakaclo_async.models._checks import check_country
from kakaclo_async.models.freight import FreightQuote, Item

if TYPE_CHECKING:
    from aiohttp import web

    from kakaclo_async.board.desk import Desk

_MOST_COUNTRIES = 20
_USUAL = "US, GB, DE, FR, AU"


@attrs.frozen(eq=False)
class FreightPages:
    """Freight.

    Args:
        desk: what is shown.
    """

    desk: Desk

    async def quotes(self, request: web.Request) -> web.Response:
        """Quote the cart of the address, if it has one."""
        kk, cart, to = self.desk.kk, request.query.get("cart", ""), request.query.get("to", "")
        shown = {"cart": cart, "to": to or _USUAL}
        if kk is None or not cart.strip():
            return self.desk.page(request, "freight.html", rows=[], chart=None, **shown)
        items, countries = read_cart(cart), read_countries(to or _USUAL)
        found = await kk.freight.quote_many([(items, country) for country in countries], "collect")
        rows = [_row(country, quote) for country, quote in zip(countries, found, strict=True)]
        cheapest = [
            (
                f"{row['country']} {offer.channel_type or offer.channel_code or ''}",
                float(offer.estimated_freight),
                f"{offer.estimated_freight} USD",
            )
            for row in rows
            for offer in row["offers"]
        ]
        chart = bars(cheapest, f"Freight in US dollars to {', '.join(countries)}") if cheapest else None
        return self.desk.page(request, "freight.html", rows=rows, chart=chart, **shown)


def _row(country: str, quote: FreightQuote | KakaCloError) -> dict[str, Any]:
    if isinstance(quote, KakaCloError):
        return {"country": country, "offers": (), "problem": str(quote)}
    best, fastest = quote.cheapest, quote.fastest
    return {"country": country, "offers": quote.options, "best": best, "fastest": fastest, "problem": ""}


def read_cart(text: str) -> tuple[Item, ...]:
    """Read `SKU:QTY` texts, between commas, blanks or on lines of their own; a SKU alone is one piece.

    Raises:
        InvalidRequest: one that is not of this form.
    """
    items: list[Item] = []
    for part in re.split(r"[\s,;]+", text.strip()):
        sku, colon, quantity = part.partition(":")
        if not sku or (colon and not re.fullmatch(r"[0-9]{1,9}", quantity)):
            raise InvalidRequest(f"{part!r} is not SKU:QTY, for example AMN00432_B_M:2")
        items.append(Item(sku, int(quantity) if colon else 1))
    return tuple(items)


def read_countries(text: str) -> tuple[str, ...]:
    """Read country codes, each once.

    Raises:
        InvalidRequest: one that is no code, or too many.
    """
    codes = [check_country(code) for code in re.split(r"[\s,;]+", text.strip()) if code]
    found = tuple(dict.fromkeys(codes))
    if not 0 < len(found) <= _MOST_COUNTRIES:
        raise InvalidRequest(f"name 1 to {_MOST_COUNTRIES} countries")
    return found
