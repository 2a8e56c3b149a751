"""A worker of the long campaign: submits the orders of a file, and may be killed at any moment.

It prints `custom-order-id number` for each order once `submit` has returned.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
from pathlib import Path

from kakaclo_async import Item, KakaClo, NewOrder, OutcomeUnknown
from kakaclo_async.ordering import Journal
from support.shop import ADDRESS, UNLIMITED


async def main(url, token, database, ids):
    random.shuffle(ids["ids"])
    journal = Journal(database, quiet_time=ids["quiet_time"], lease=2.0)
    turn = asyncio.Semaphore(16)

    async def one(kk, custom_order_id, timeout):
        order = NewOrder(address=ADDRESS, items=[Item(ids["sku"], 1)], custom_order_id=custom_order_id)
        async with turn:
            try:
                created = await kk.bulk().orders.submit(order, journal=journal, timeout=timeout)
            except OutcomeUnknown:
                return custom_order_id
            sys.stdout.write(f"{custom_order_id} {created.id}\n")
            sys.stdout.flush()
            return None

    async with KakaClo(token, base_url=url, rate_limit=UNLIMITED, timeout=1.0) as kk:
        left = ids["ids"]
        for timeout in (0.0, None, None, None):
            left = [key for key in await asyncio.gather(*(one(kk, key, timeout) for key in left)) if key]
        assert left == []


*where, orders = sys.argv[1:]
asyncio.run(main(*where, json.loads(Path(orders).read_text())))
