"""The command `freight`, and its table, which an order shows before it is placed."""

from collections.abc import Iterator, Mapping
from typing import Annotated

import typer

from kakaclo_async import FreightQuote, InvalidRequest, KakaClo, KakaCloError
from kakaclo_async.cli.arguments import read_countries, read_items
from kakaclo_async.cli.output import Answer, Table, to_plain


async def freight(
    kk: KakaClo,
    items: Annotated[list[str], typer.Argument(metavar="SKU:QTY...", help="The cart.")],
    to: Annotated[list[str], typer.Option(help="Countries: US,FR.", metavar="US,FR")],
) -> Answer:
    """Quote the freight of a cart to one or more countries, for every channel type."""
    cart, countries = read_items(items), read_countries(to)
    if not countries:
        raise InvalidRequest("--to names no country, for example --to US,FR")
    matrix = await kk.freight.matrix([cart], countries)
    quotes = {country: quote for (_, country), quote in matrix.items() if not isinstance(quote, KakaCloError)}
    errors = {country: error for (_, country), error in matrix.items() if isinstance(error, KakaCloError)}
    for country, error in errors.items():
        error.add_note(f"no freight to {country}")
    return Answer(
        data=[{"country": country, **_plain(quote)} for country, quote in quotes.items()],
        tables=(freight_table(quotes),) if quotes else (),
        errors=tuple(errors.values()),
    )


def freight_table(quotes: Mapping[str, FreightQuote]) -> Table:
    """Return the table of quotes by country."""
    rows = [row for country, quote in quotes.items() for row in _rows(country, quote)]
    return Table(("To", "Channel", "Freight", "Delivery", "Best"), rows)


def _rows(country: str, quote: FreightQuote) -> Iterator[tuple[object, ...]]:
    best = {id(quote.cheapest): ["cheapest"]}
    best.setdefault(id(quote.fastest), []).append("fastest")
    for option in quote.options:
        channel = option.channel_type or option.channel_name_en or option.channel_code
        notes = ", ".join(best.get(id(option), ()))
        yield country, channel, option.estimated_freight, option.delivery_time, notes


def _plain(quote: FreightQuote) -> dict[str, object]:
    return {
        "options": [
            {**attributes, "delivery_days": to_plain(option.delivery_days)}
            for option in quote.options
            if isinstance(attributes := to_plain(option), dict)
        ],
        "cheapest": quote.cheapest and quote.cheapest.channel_type,
        "fastest": quote.fastest and quote.fastest.channel_type,
    }
