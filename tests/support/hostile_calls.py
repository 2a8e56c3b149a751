"""Every public operation that sends something, as the fault matrix calls it, on either face."""

from __future__ import annotations

import asyncio
import inspect
import json
import warnings
from datetime import timedelta

import attrs

from kakaclo_async import Item, KakaClo, NewDesign, NewOrder, RefundItem
from kakaclo_async.catalog import Mirror
from kakaclo_async.codec import encode
from kakaclo_async.ordering import Journal
from kakaclo_async.resources import V1
from support.shop import ADDRESS

OWN = 20.0
"""Seconds of the waits that take a time of their own."""

KINDS = ("read", "look-up", "stream", "fan-out", "wait", "write", "journal", "settle", "mirror", "follow")


@attrs.frozen
class Operation:
    """A public operation.

    Attributes:
        kind: what its errors and its number of requests are like.
        call: `call(kk, shop)` is awaited, iterated over, or blocks, as the face has it.
        reads_first: whether a write is preceded by reads.
    """

    kind: str
    call: object
    reads_first: bool = False


def read(call):
    return Operation("read", call)


def lookup(call):
    return Operation("look-up", call)


def stream(call):
    return Operation("stream", call)


def fan_out(call):
    return Operation("fan-out", call)


def wait(call):
    return Operation("wait", call)


def write(call, *, reads_first=False):
    return Operation("write", call, reads_first)


def journaled(call, *, reads_first=False):
    return Operation("journal", call, reads_first)


def settle(call):
    return Operation("settle", call)


def mirror(call):
    return Operation("mirror", call)


class Shop:
    """What the operations of one cell ask for: things that are there, and orders and files of its own."""

    def __init__(self, face, world, folder, number):
        self.face, self.world, self.folder, self.number = face, world, folder, number
        catalog = world.sandbox.catalog
        self.spus, self.skus = list(catalog.spus()), list(catalog.skus())
        self.category = catalog.product(self.spus[0])["categoryId"]
        self.items = [Item(next(catalog.selling("US", pieces=5)), 1)]
        self.order = NewOrder(address=ADDRESS, items=self.items, custom_order_id=f"SHOP-{number}")
        self.model = self._ask("POST", "/v1/product/custom/designModel/search", b'{"pageNumber":1}')["list"][
            0
        ]["id"]
        self.design = NewDesign(
            model_id=self.model, en_name=f"Cat {number}", image_url="https://example.com/cat.png"
        )
        self.shipped = self._place("SHIPPED")
        self.refunded = self._place("REFUNDED")
        world.sandbox.ledger.refund(self.refunded, None, "Other", "why")
        world.skip(86_400)
        self.paid = self._place("PAID")
        self.lines = [
            RefundItem(item_id=item.number, sku_code=item.sku, quantity=1, country_code=item.country)
            for item in world.sandbox.ledger.orders[self.paid].items
        ]
        self.start, self.end = world.now() - timedelta(days=3000), world.now() - timedelta(minutes=11)

    def _ask(self, method, path, body):
        """Ask the sandbox past the network."""
        return json.loads(self.world.sandbox._state.router.answer(method, path, {}, body).body)["data"]

    def _place(self, name):
        return str(
            self._ask("POST", "/v2/order/orders", encode(attrs.evolve(self.order, custom_order_id=name)))
        )

    @property
    def journal(self):
        """The journal of this cell, through an object of its own, as another process has it."""
        url = f"sqlite:///{self.folder}/journal-{self.number}.db"
        return self.face.Journal(url, quiet_time=60.0, now=self.world.now)

    def mirror(self, kk, **options):
        url = f"sqlite:///{self.folder}/mirror-{self.number}.db"
        return self.face.Mirror(kk.with_options(max_wait=30.0), url, now=self.world.now, **options)

    def follow(self, kk):
        """Follow through an outage that is over after three pauses, and stop when all is well."""
        pauses = 0

        async def sleep(seconds):
            nonlocal pauses
            pauses += 1
            await asyncio.sleep(seconds)
            if pauses == 3:
                await self.lift()
            if pauses == 6:
                mirror.stop()

        mirror = self.mirror(kk, sleep=sleep)
        return mirror.follow(60.0)


def hasty(kk):
    """Return a view whose streams and fan-outs wait for permits no longer than single calls do."""
    return kk.with_options(max_wait=30.0)


def v1(kk):
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        return kk.v1


OPERATIONS = {
    "categories.tree": read(lambda kk, shop: kk.categories.tree()),
    "warehouses.all": read(lambda kk, shop: kk.warehouses.all()),
    "payment.balance": read(lambda kk, shop: kk.payment.balance()),
    "products.get": lookup(lambda kk, shop: kk.products.get(shop.spus[0])),
    "products.get_many": lookup(lambda kk, shop: kk.products.get_many(skus=shop.skus[:3])),
    "products.page": read(lambda kk, shop: kk.products.page(spus=shop.spus[:2])),
    "products.updated": stream(lambda kk, shop: hasty(kk).products.updated(shop.start, shop.end)),
    "products.in_category": stream(lambda kk, shop: hasty(kk).products.in_category(shop.category)),
    "stocks.get": lookup(lambda kk, shop: kk.stocks.get(shop.skus[0])),
    "stocks.get_many": lookup(lambda kk, shop: kk.stocks.get_many(shop.skus[:3])),
    "stocks.get_many of more than one request": lookup(
        lambda kk, shop: hasty(kk).stocks.get_many(shop.skus[:40])
    ),
    "stocks.page": read(lambda kk, shop: kk.stocks.page(skus=shop.skus[:2])),
    "stocks.updated": stream(lambda kk, shop: hasty(kk).stocks.updated(shop.start, shop.end)),
    "freight.quote": read(lambda kk, shop: kk.freight.quote(shop.items, "US")),
    "freight.quote_many": fan_out(
        lambda kk, shop: hasty(kk).freight.quote_many([(shop.items, "US"), (shop.items, "FR")])
    ),
    "freight.quote_many that collects errors": fan_out(
        lambda kk, shop: hasty(kk).freight.quote_many([(shop.items, "US"), (shop.items, "FR")], "collect")
    ),
    "freight.matrix": fan_out(lambda kk, shop: hasty(kk).freight.matrix([shop.items], ["US", "FR"])),
    "freight.channels": read(lambda kk, shop: kk.freight.channels(shop.items, "US")),
    "orders.get": lookup(lambda kk, shop: kk.orders.get(shop.shipped)),
    "orders.get_many": lookup(lambda kk, shop: kk.orders.get_many([shop.shipped, shop.paid])),
    "orders.page": read(lambda kk, shop: kk.orders.page()),
    "orders.query": stream(lambda kk, shop: hasty(kk).orders.query()),
    "orders.find": read(lambda kk, shop: kk.orders.find("PAID", shop.start)),
    "orders.family": read(lambda kk, shop: kk.orders.family("PAID")),
    "orders.check": read(lambda kk, shop: kk.orders.check(shop.order)),
    "orders.wait": wait(lambda kk, shop: kk.orders.wait(shop.shipped, timeout=OWN)),
    "orders.create": write(lambda kk, shop: kk.orders.create(shop.order)),
    "orders.submit": journaled(
        lambda kk, shop: kk.orders.submit(shop.order, journal=shop.journal, timeout=OWN)
    ),
    "refunds.plan": read(lambda kk, shop: kk.refunds.plan(shop.paid)),
    "refunds.of": read(lambda kk, shop: kk.refunds.of(shop.refunded)),
    "refunds.wait": wait(lambda kk, shop: kk.refunds.wait(shop.refunded, timeout=OWN)),
    "refunds.request": write(lambda kk, shop: kk.refunds.request(shop.paid), reads_first=True),
    "refunds.request of lines": write(lambda kk, shop: kk.refunds.request(shop.paid, shop.lines)),
    "refunds.request with a journal": journaled(
        lambda kk, shop: kk.refunds.request(shop.paid, journal=shop.journal, timeout=OWN), reads_first=True
    ),
    "custom.category_names": read(lambda kk, shop: kk.custom.category_names()),
    "custom.models": stream(lambda kk, shop: hasty(kk).custom.models()),
    "custom.model": read(lambda kk, shop: kk.custom.model(shop.model)),
    "custom.designs": stream(lambda kk, shop: hasty(kk).custom.designs()),
    "custom.add_design": write(
        lambda kk, shop: kk.custom.add_design(shop.design, timeout=OWN), reads_first=True
    ),
    "custom.add_design with a journal": journaled(
        lambda kk, shop: kk.custom.add_design(shop.design, journal=shop.journal, timeout=OWN),
        reads_first=True,
    ),
    "v1.orders.create": write(lambda kk, shop: v1(kk).orders.create(shop.order)),
    "v1.orders.get": read(lambda kk, shop: v1(kk).orders.get(shop.shipped)),
    "v1.orders.page": read(lambda kk, shop: v1(kk).orders.page()),
    "v1.freight.channels": read(lambda kk, shop: v1(kk).freight.channels(shop.items, "US")),
    "v1.refunds.request": write(lambda kk, shop: v1(kk).refunds.request(shop.paid, "why")),
    "v1.refunds.of": read(lambda kk, shop: v1(kk).refunds.of(shop.refunded)),
    "Mirror.run": mirror(lambda kk, shop: shop.mirror(kk).run()),
    "Mirror.verify": mirror(lambda kk, shop: shop.mirror(kk).verify()),
    "Mirror.follow": Operation("follow", lambda kk, shop: shop.follow(kk)),
    "Journal.settle": settle(lambda kk, shop: shop.journal.settle(hasty(kk))),
    "Journal.finish": settle(lambda kk, shop: shop.journal.finish(hasty(kk))),
}
"""Each by the name of its method, and what is special about the call, if anything is."""

ASKS_NOTHING = {
    "Mirror.aclose", "Mirror.changes", "Mirror.status", "Mirror.stop",
    "Journal.find", "Journal.pending", "Journal.recall",
    "Journal.once",  # `orders.submit` and its like call it
}  # fmt: skip


def public_operations():
    """Read them off the classes, so that a new one fails until the matrix has it."""
    kk = KakaClo("token")
    owners = {name: type(area) for name, area in vars(kk).items() if not name.startswith("_")}
    owners |= {f"v1.{name}": type(area) for name, area in vars(V1(kk._sender)).items()}
    owners |= {"Mirror": Mirror, "Journal": Journal}
    return {
        f"{name}.{method}"
        for name, owner in owners.items()
        for method, _ in inspect.getmembers(owner, inspect.isfunction)
        if not method.startswith("_")
    }
