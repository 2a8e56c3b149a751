"""Place an order at most once, and find out what became of it when the connection breaks at the wrong moment."""

import asyncio
from datetime import UTC, datetime, timedelta

from shop import open_shop

from kakaclo_async import Address, Item, KakaClo, NewOrder, OutcomeUnknown, Rejected

PAUSES = (1, 2, 5, 10, 30, 60, 120, 120)  # seconds; orders show up within 5 minutes


async def place(kk: KakaClo, order: NewOrder) -> str | None:
    """Return the order's number, None if it did not show up; it is never sent twice."""
    started = datetime.now(UTC) - timedelta(minutes=1)  # our clock and KakaClo's may differ
    try:
        return (await kk.orders.create(order)).id
    except OutcomeUnknown as doubt:
        custom_order_id = doubt.custom_order_id or ""  # the SDK makes one where the order has none
        print(f"in doubt, so we look for {custom_order_id}")
    for pause in PAUSES:
        await asyncio.sleep(pause)
        for found in await kk.orders.find(custom_order_id, created_from=started):
            return found.id
    return None


async def main() -> None:
    """Order one piece of what is best in stock."""
    async with open_shop() as kk:
        end = datetime.now(UTC) - timedelta(minutes=10)
        page = await kk.products.page(
            updated_from=end - timedelta(days=999), updated_to=end, sort_type="stock"
        )
        sku = next(sku.sku for row in page for sku in row.sku_details if sku.sku_status == 1 and sku.stock)
        address = Address(country="US", recipient="A. Customer", phone="555 0100", province="California")
        try:
            number = await place(kk, NewOrder(address=address, items=[Item(sku, 1)]))
        except Rejected as refusal:
            print(f"KakaClo says: {refusal.message}")
        else:
            print(f"placed as {number}" if number else "not placed: it may be sent again")


asyncio.run(main())
