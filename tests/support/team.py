"""Several shops of one sandbox, with a client each."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta

from kakaclo_async import KakaClo, Lane, RateLimit, Sent, Waited
from kakaclo_async.paging import INDEX_LAG
from kakaclo_async.sandbox import Sandbox

SMALL = {"capacity": 12, "per_second": 2.0}
"""A bucket that is soon at its rate, so that a small catalog shows what a large one does."""


class Shops:
    """A sandbox and its shops' clients.

    Attributes:
        sandbox: with a token for each.
        clients: by token, which names the shop.
    """

    def __init__(self, sandbox, clients):
        self.sandbox = sandbox
        self.clients = clients
        self.end = sandbox.now().replace(microsecond=0) - INDEX_LAG
        self.start = self.end - timedelta(days=3000)

    def requests(self):
        """Return how many requests each shop has sent."""
        return {token: self.sandbox.shop(token).requests.total() for token in self.clients}

    def truth(self, what):
        """Return the codes that lie in the pulled range now: whoever pulled it must have them."""
        view = self.sandbox.catalog._truth
        times = view.products if what == "products" else view.stock
        name = view.register.spu if what == "products" else view.register.sku_code
        return {name(row) for row in times.rows(int(self.start.timestamp()), int(self.end.timestamp()))}

    async def pull(self, kk):
        """Read products and stock at once; return the codes, by what they are."""

        async def products():
            return {product.spu async for product in kk.products.updated(self.start, self.end)}

        async def stock():
            return {level.sku async for level in kk.stocks.updated(self.start, self.end)}

        return dict(zip(("products", "stock"), await asyncio.gather(products(), stock()), strict=True))

    async def timed(self, kk):
        """Pull; return what came, and the loop's seconds that it took."""
        started = asyncio.get_running_loop().time()
        found = await self.pull(kk)
        return found, asyncio.get_running_loop().time() - started

    def missed(self, found):
        """Return what a pull has not given, although it was there all the time."""
        return {what: self.truth(what) - codes for what, codes in found.items() if self.truth(what) - codes}


@asynccontextmanager
async def opened_shops(number, *, reserve=2, **settings):
    """Open a sandbox of so many shops, an hour after its start; the small bucket unless the settings say otherwise."""
    settings = {"products": 300, **SMALL, **settings}
    first, *others = [f"shop-{n}" for n in range(number)]
    async with AsyncExitStack() as stack:
        sandbox = await stack.enter_async_context(Sandbox(token=first, tokens=tuple(others), **settings))
        sandbox.skip(3600)  # so that its index has seen changes, and goes on to
        rate = RateLimit(int(sandbox.capacity), sandbox.per_second)
        clients = {
            token: await stack.enter_async_context(
                KakaClo(token, base_url=sandbox.url, rate_limit=rate, reserve=reserve)
            )
            for token in (first, *others)
        }
        yield Shops(sandbox, clients)


class Watch:
    """What a client told of its calls.

    Attributes:
        waits: seconds that calls of its own waited for their permits.
        sent: requests in the bulk lane.
    """

    def __init__(self, kk):
        self.waits = []
        self.sent = 0
        kk.on_event(self)

    def __call__(self, event):
        if isinstance(event, Waited) and event.lane is Lane.INTERACTIVE:
            self.waits.append(event.seconds)
        elif isinstance(event, Sent) and event.lane is Lane.BULK:
            self.sent += 1


async def busy_with(kk, *, every, times, at_once=1):
    """Let a shop call for itself, again and again."""
    for _ in range(times):
        await asyncio.gather(*(kk.payment.balance() for _ in range(at_once)))
        await asyncio.sleep(every)
