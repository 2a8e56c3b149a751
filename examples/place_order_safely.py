"""Place an order exactly once: run it again after a crash or a broken connection, and nothing is ordered twice."""

import asyncio
from datetime import UTC, datetime, timedelta

from shop import open_shop

from kakaclo_async import Address, Item, NewOrder, OutcomeUnknown, Rejected
from kakaclo_async.ordering import Journal


async def main() -> None:
    """Order one piece of what is best in stock."""
    journal = Journal("sqlite:///orders.db")  # keep it: it knows what was sent
    async with open_shop() as kk:
        end = datetime.now(UTC) - timedelta(minutes=10)
        page = await kk.products.page(
            updated_from=end - timedelta(days=999), updated_to=end, sort_type="stock"
        )
        sku = next(sku.sku for row in page for sku in row.sku_details if sku.sku_status == 1 and sku.stock)
        address = Address(
            country="US",
            province="California",
            recipient="A. Customer",
            phone="555 0100",
            street1="1 Main St",
            city="Los Angeles",
            zip="90001",
        )
        # Use the order number of your own shop: it must be the same again after a crash.
        order = NewOrder(address=address, items=[Item(sku, 1)], custom_order_id=f"EXAMPLE-{sku}")
        try:
            created = await kk.orders.submit(order, journal=journal)
        except Rejected as refusal:
            print(f"KakaClo says: {refusal.message}")
        except OutcomeUnknown as unknown:
            print(f"not known yet: submit it again, at the latest at {unknown.settles_at}")
        else:
            print(f"placed as {created.id}")
            again = await kk.orders.submit(order, journal=journal)  # the journal answers, without a request
            print(f"submitted again: still {again.id}")


asyncio.run(main())
