"""A shop to order in: an address, SKUs that can be bought, a client without a limit."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice

from kakaclo_async import Address, RateLimit

UNLIMITED = RateLimit(100_000, 50_000.0)
ADDRESS = Address(
    country="US",
    province="Florida",
    recipient="Nobody Shall-See",
    phone="555 0100 999",
    street1="1 Secret St",
    city="Orlando",
)


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
