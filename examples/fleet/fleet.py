"""Two shops in one process, against a local KakaClo: orders are submitted, placed, and told of.

Run it: `python examples/fleet/fleet.py`. It needs no account.
"""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from kakaclo_async import Address, Item, NewOrder
from kakaclo_async.fleet import Fleet
from kakaclo_async.sandbox import Sandbox

if TYPE_CHECKING:
    from kakaclo_async.feed import FeedEvent

ADDRESS = Address(
    country="US",
    recipient="Ada Lovelace",
    phone="5550100",
    province="CA",
    city="Springfield",
    street1="1 Example Street",
    zip="90001",
)


async def main() -> None:
    """Serve two shops until both have had their orders paid."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "fleet.toml"
        path.write_text('include = "shops.d/*.toml"\n[fleet]\ncatalog = "own"\nwatch_every = 1\ntick = 0.2\n')
        async with Sandbox(products=50, index_lag=0) as acme, Sandbox(products=50, index_lag=0) as bolt:
            await serve(path, {"acme": acme, "bolt": bolt})


async def serve(path: Path, shops: dict[str, Sandbox]) -> None:
    """Add the shops, be a worker, and submit two orders for each."""
    paid: set[str] = set()

    async with Fleet.open(path) as fleet:

        def note(event: FeedEvent) -> None:
            print(f"{event.shop}: {event.custom_order_id}: {event.type}")
            if event.type == "OrderPaid":
                paid.add(f"{event.shop} {event.custom_order_id}")
            if len(paid) == 2 * len(shops):
                fleet.stop()

        for name, sandbox in shops.items():
            token = path.with_name(f"{name}.token")
            token.touch(mode=0o600)
            token.write_text(sandbox.token)
            await fleet.add(name, f"file:{token}", settings={"base_url": sandbox.url})
            sku, *_ = sandbox.catalog.selling(pieces=5)
            for number in (1, 2):
                order = NewOrder(address=ADDRESS, items=[Item(sku, 1)], custom_order_id=f"{name}-{number}")
                await fleet.submit(name, order)
        await fleet.serve(on_order=note)
        for shop in (await fleet.status()).shops:
            print(f"{shop.shop}: {shop.pending} wait, {shop.doubts} in doubt, error: {shop.error}")


if __name__ == "__main__":
    asyncio.run(main())
