"""A shop to look at: a sandbox, its mirror with a price that changed, an order, a refund, and an order in doubt."""

from __future__ import annotations

from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import aiohttp
import attrs
from yarl import URL

from kakaclo_async import Item, KakaClo, NewOrder, OutcomeUnknown
from kakaclo_async.board import show_sandbox
from kakaclo_async.catalog import Mirror
from kakaclo_async.ordering import Journal
from kakaclo_async.sandbox import Fault, Sandbox
from support.shop import ADDRESS, UNLIMITED, two_countries

SECRETS = (ADDRESS.recipient, ADDRESS.phone, ADDRESS.street1, ADDRESS.city, ADDRESS.province)


@attrs.define
class Scene:
    """What there is to see.

    Attributes:
        spu: a product whose price changed.
        sku: its SKU.
        cart: what two countries deliver.
        order_id: a placed order, a part of which is being refunded.
        waiting_id: one that nothing happened to.
        look: the address of the sandbox's own pages.
    """

    sandbox: Sandbox
    kk: KakaClo
    db: str
    journal: Journal
    journal_url: str
    spu: str
    sku: str
    cart: str
    order_id: str
    waiting_id: str
    look: str


@asynccontextmanager
async def scene(folder: Any, db: str | None = None, **settings: Any):
    sandbox = Sandbox(**{"products": 60, "capacity": 1e9, "per_second": 1e9} | settings)
    look = show_sandbox(sandbox)
    db, journal_url = db or f"sqlite:///{folder}/catalog.db", f"sqlite:///{folder}/orders.db"
    async with (
        sandbox,
        KakaClo(sandbox.token, base_url=sandbox.url, rate_limit=UNLIMITED, max_attempts=1) as kk,
    ):
        sku = next(sandbox.catalog.selling("CN", pieces=5))
        mirror = Mirror(kk, db, now=sandbox.now)
        await mirror.run()
        for price in ("12.5000", "9.9000"):
            sandbox.catalog.set_price(sku, Decimal(price))
            sandbox.skip(86_400)
            await mirror.run()
        cn, us = two_countries(sandbox.catalog)
        journal = Journal(journal_url)
        both = [Item(cn, 2), Item(us, 2)]
        placed = await kk.orders.submit(_order("SHOP-1", both), journal=journal)
        waiting = await kk.orders.submit(_order("SHOP-2", both), journal=journal)
        sandbox.skip(sandbox.index_lag + 1)
        await kk.refunds.request(placed.id, [Item(cn, 1)])
        sandbox.faults.add(Fault("reset_after", path="*/orders", method="POST"))
        try:
            await kk.orders.submit(_order("SHOP-3", both), journal=journal, timeout=0.0)
        except OutcomeUnknown:
            sandbox.skip(sandbox.index_lag + 1)
        sandbox.skip(600)
        await mirror.run()
        yield Scene(
            sandbox=sandbox,
            kk=kk,
            db=db,
            journal=journal,
            journal_url=journal_url,
            spu=sku.partition("_")[0],
            sku=sku,
            cart=f"{cn}:2,{us}:2",
            order_id=placed.id,
            waiting_id=waiting.id,
            look=look(),
        )


def _order(name: str, items: list[Item]) -> NewOrder:
    return NewOrder(address=ADDRESS, items=items, custom_order_id=name)


class Visitor:
    """Somebody with a browser that holds cookies, and runs no script.

    Args:
        address: what the board has printed.
    """

    def __init__(self, address: str) -> None:
        self.address = URL(address)
        self.session = aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True))
        self.texts: list[str] = []

    async def __aenter__(self):
        status, _ = await self.get(str(self.address.relative()))
        assert status == 200
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.session.close()

    @property
    def origin(self) -> str:
        return str(self.address.origin())

    async def get(self, path: str, **options: Any) -> tuple[int, str]:
        """Return the status and the text of a page."""
        async with self.session.get(self.origin + path, **options) as answer:
            self.texts.append(await answer.text())
            return answer.status, self.texts[-1]

    async def post(self, path: str, /, headers: Any = None, **form: str) -> tuple[int, str]:
        """Send a form as a browser would."""
        sent = {"Origin": self.origin} | (headers or {})
        async with self.session.post(self.origin + path, data=form, headers=sent) as answer:
            return answer.status, await answer.text()
