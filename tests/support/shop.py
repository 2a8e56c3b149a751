"""A shop to order in: what calls ask for, an address, SKUs that can be bought, a client without a limit."""

from __future__ import annotations

from copy import copy
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any, Self

import attrs

from kakaclo_async import (
    Address,
    Item,
    MaterialImage,
    NewDesign,
    NewOrder,
    RateLimit,
    RefundItem,
    SalePlatform,
)
from kakaclo_async.codec import encode
from kakaclo_async.sandbox.trade.designs import seeded_models

if TYPE_CHECKING:
    from collections.abc import Sequence

UNLIMITED = RateLimit(100_000, 50_000.0)
ADDRESS = Address(
    country="US",
    province="Florida",
    recipient="Nobody Shall-See",
    phone="555 0100 999",
    street1="1 Secret St",
    city="Orlando",
    zip="32801",
)
ANYWHERE = attrs.evolve(ADDRESS, street2="Flat 2", ioss="IM2760000742", vat="GB123")
"""With every field."""


class Shop:
    """What the calls of `support/calls.py` ask for. By itself: things of the right form, which nobody has.

    Attributes:
        some: SKUs to look up at once.
        parcels: what is quoted together.
        shipped: the number of an order that has arrived; of `refunded`, all is refunded.
        awaited: that of the order to wait for; likewise `settling`, whose refund is waited for.
        own: seconds of the calls that take a `timeout`.
        number: makes what a call writes its own: its order, design and refund.
    """

    sandbox: Any = None
    spus: Sequence[str] = ("AMN00003",)
    skus: Sequence[str] = tuple(f"AMN00003_{number}" for number in range(60))
    some: Sequence[str] = skus[:30]
    parcels: Sequence[Sequence[Item]] = ((Item(skus[0], 1),),)
    category = 1
    model, model_code, model_category = 7, "PODQRA028", "T-shirt"
    shipped = refunded = awaited = settling = paid = "1000000371651"
    end = datetime.now(UTC)
    start = end - timedelta(days=1)
    address = ANYWHERE
    remark = "with care"
    journal: Any = None

    def __init__(self, *, number: int = 1, own: float | None = 0.0, **given: Any) -> None:
        self.number, self.own = number, own
        vars(self).update(given)

    def at(self, number: int, **given: Any) -> Self:
        """Return the same shop with another number."""
        other = copy(self)
        vars(other).update(given, number=number)
        return other

    @property
    def items(self) -> list[Item]:
        return [Item(self.skus[0], 1)]

    @property
    def times(self) -> dict[str, datetime]:
        """Both ranges of an order query."""
        return {
            f"{kind}_{end}": moment
            for kind in ("created", "updated")
            for end, moment in (("from", self.start), ("to", self.end))
        }

    @property
    def order(self) -> NewOrder:
        return NewOrder(
            address=self.address,
            items=self.items,
            custom_order_id=f"SHOP-{self.number}",
            channel_type="Express",
            remark=self.remark,
            sale_platform=SalePlatform.SHOPIFY,
        )

    @property
    def paid_as(self) -> str:
        """The customOrderId of `paid`: an order that can be refunded."""
        return f"PAID-{self.number}"

    @property
    def lines(self) -> list[RefundItem]:
        return [RefundItem(item_id="1", sku_code=self.skus[0], quantity=1, country_code="CN")]

    @property
    def design(self) -> NewDesign:
        picture = "https://example.com/cat.png"
        return NewDesign(
            model_id=self.model,
            en_name=f"Cat {self.number}",
            image_url=picture,
            back_image_url=picture,
            material_images=[MaterialImage("cat", picture)],
            color_value="#A72525",
        )


class OpenShop(Shop):
    """A shop in a sandbox, which has all of it, and more of what is ordered than anybody orders."""

    def __init__(self, sandbox: Any, **given: Any) -> None:
        super().__init__(sandbox=sandbox, **given)
        catalog = sandbox.catalog
        self.spus, self.skus = list(catalog.spus()), list(catalog.skus())
        self.some = self.skus[:3]
        self.category = catalog.product(self.spus[0])["categoryId"]
        model = seeded_models(sandbox, 0)[0]
        self.model, self.model_code, self.model_category = model.number, model.code, model.category
        self.sold = next(catalog.selling("US", pieces=5))
        for sku, warehouse, _ in tuple(catalog.stock_rows()):
            if sku == self.sold:
                catalog.set_stock(sku, warehouse, 10**6)
        self.parcels = [self.items]
        self.shipped = self.awaited = self.place("SHIPPED")
        self.refunded = self.settling = self.place("REFUNDED")
        sandbox.ledger.refund(self.refunded, None, "Other", "why")
        sandbox.skip(86_400)
        self.start, self.end = sandbox.now() - timedelta(days=3000), sandbox.now() - timedelta(minutes=11)
        self._paid: dict[int, str] = {}

    def place(self, name: str) -> str:
        """Place an order past the network, and return its number."""
        body = encode(attrs.evolve(self.order, custom_order_id=name))
        answer = self.sandbox._state.first.router.answer("POST", "/v2/order/orders", {}, body)
        assert answer.status == 200, answer.body
        return self.sandbox.journal[-1].orders[0]

    @property
    def items(self) -> list[Item]:
        return [Item(self.sold, 1)]

    @property
    def paid(self) -> str:
        if self.number not in self._paid:
            self._paid[self.number] = self.place(self.paid_as)
        return self._paid[self.number]

    @property
    def lines(self) -> list[RefundItem]:
        return [
            RefundItem(item_id=item.number, sku_code=item.sku, quantity=1, country_code=item.country)
            for item in self.sandbox.ledger.orders[self.paid].items
        ]


def two_countries(catalog, pieces=5):
    """Return a SKU that only CN sells, and one that only US sells."""
    selling = {country: list(catalog.selling(country, pieces=pieces)) for country in ("CN", "US")}
    cn, us = set(catalog.selling("CN")), set(catalog.selling("US"))
    return (
        next(sku for sku in selling["CN"] if sku not in us),
        next(sku for sku in selling["US"] if sku not in cn),
    )


def past(**ago):
    return datetime.now(UTC) - timedelta(**ago)


def orderable(kk):
    """Return two SKUs that have stock, as a blocking client finds them."""
    found = (
        level.sku
        for product in kk.products.page(updated_from=past(days=3650), updated_to=past())
        if product.spu_status == 1
        for level in kk.stocks.get_many([sku.sku for sku in product.sku_details if sku.sku_status == 1])
        if level.qty > 10
    )
    return list(islice(found, 2))
