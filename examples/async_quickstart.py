"""Look at a product, at its stock and at what it costs to send."""

import asyncio
from contextlib import aclosing
from datetime import UTC, datetime, timedelta

from shop import open_shop

from kakaclo_async import Item, NotFound


async def main() -> None:
    """Look around."""
    end = datetime.now(UTC) - timedelta(minutes=10)  # what is newer may not be in KakaClo's search index yet
    async with open_shop() as kk:
        async with aclosing(kk.products.updated(end - timedelta(days=365), end)) as products:
            product = await anext(products)
        print(f"{product.spu}: {product.product_name}, from {product.price} USD")

        # Both at once; look-ups of single SKUs that wait at the same time share requests.
        sku = product.sku_details[0].sku
        level, quote = await asyncio.gather(kk.stocks.get(sku), kk.freight.quote([Item(sku, 2)], "US"))
        for place in level.warehouses:
            print(f"{sku}: {place.qty} in {place.warehouse_code} ({place.country_code})")
        for option in quote.options:
            print(f"2 to the US by {option.channel_type}: {option.estimated_freight}, {option.delivery_time}")

        try:
            await kk.products.get("NO-SUCH-SPU")
        except NotFound as error:
            print(error)


asyncio.run(main())
