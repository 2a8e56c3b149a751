"""Compare the freight of several carts to several countries; equal quotes cost one request."""

import asyncio
from datetime import UTC, datetime, timedelta

from shop import open_shop

from kakaclo_async import FreightQuote, Item

COUNTRIES = ("US", "FR", "BR", "XX")  # nothing is shipped to the last: its error stands in its place


async def main() -> None:
    """Quote, then print a row per cart."""
    end = datetime.now(UTC) - timedelta(minutes=10)
    async with open_shop() as kk:
        page = await kk.products.page(updated_from=end - timedelta(days=4 * 365), updated_to=end)
        sku = page[0].sku_details[0].sku
        carts = [[Item(sku, quantity)] for quantity in (1, 2, 5)]
        matrix = await kk.freight.matrix(carts, COUNTRIES)

    print(f"{sku:<20}" + "".join(f"{country:>24}" for country in COUNTRIES))
    for cart in carts:
        cells = []
        for country in COUNTRIES:
            quote = matrix[cart, country]
            if isinstance(quote, FreightQuote):
                cells.append(f"{quote.cheapest.estimated_freight} {quote.cheapest.channel_type}")
            else:
                cells.append(type(quote).__name__)
        print(f"{cart[0].quantity:>20}" + "".join(f"{cell:>24}" for cell in cells))


asyncio.run(main())
