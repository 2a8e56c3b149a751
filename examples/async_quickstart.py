"""Look at a product, at its stock and at what it costs to send."""

import asyncio
from contextlib import aclosing
from datetime import UTC, datetime, timedelta

from shop import open_shop

from kakaclo_async import Item, NotFound, ProductStatus


async def main() -> None:
    """Look around."""
    end = datetime.now(UTC) - timedelta(minutes=10)  # what is newer may not be in KakaClo's search index yet
    async with open_shop() as kk:
        async with aclosing(kk.products.updated(end - timedelta(days=365), end)) as products:
            product = await anext(products)
        sku = next(
            (sku for sku in product.sku_details if sku.sku_status is ProductStatus.ON_SHELF),
            product.sku_details[0],
        )
        print(
            f"{product.spu}: {product.product_name}, {len(product.sku_details)} SKUs from {product.price} USD"
        )

        # Both at once; look-ups of single SKUs that wait at the same time share requests.
        level, quote = await asyncio.gather(
            kk.stocks.get(sku.sku), kk.freight.quote([Item(sku.sku, 2)], "US")
        )
        for warehouse in level.warehouses:
            print(f"{sku.sku}: {warehouse.qty} in {warehouse.warehouse_code} ({warehouse.country_code})")
        for option in quote.options:
            print(
                f"2 pieces to the US by {option.channel_type}: {option.estimated_freight} USD, {option.delivery_time}"
            )

        try:
            await kk.products.get("NO-SUCH-SPU")
        except NotFound as error:
            print(error)


asyncio.run(main())
