"""What a mirror reports: what a run did, what the database holds, what changed."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Final

import attrs

from kakaclo_async.models.pull import Window
from kakaclo_async.travel.shown import Shown


@attrs.frozen
class Gap(Shown):
    """A range that kept moving, or that KakaClo does not page: it is read again by the next run.

    Attributes:
        endpoint: "products" or "stock".
        window: update times whose rows may be incomplete.
        reason: why it could not be certified; empty where it is not known any more.
    """

    endpoint: str
    window: Window
    reason: str = attrs.field(default="", eq=False)


@attrs.frozen(kw_only=True)
class MirrorReport(Shown):
    """What a run of a mirror did, so far or in the end.

    Attributes:
        products: products stored.
        skus: SKUs stored with them.
        stock: SKUs whose stock was stored.
        changes: events noted in the table `change`.
        gone: products that KakaClo was found not to know any more, twice, by more than the index lag apart.
        missing: products that it was found not to know for the first time; they may be hidden for a moment.
        unbelieved: products that seem to be gone, but too many at once: none of them was marked. Is the server whole?
        undecodable: rows kept undecoded in the table `mirror_undecodable`.
        requests: pages asked for.
        windows: windows whose rows are certainly all stored.
        rereads: requests that had to be made again because rows had moved.
        gaps: ranges that the next run reads again.
        bounded: whether some gaps were left because a pull had made the requests that it may: 3 for each page of stock,
            5 for each page of products.
        rows_left: rows still to come, as far as known.
        seconds: how long it took.
        finished: whether the run came to its end.
    """

    _shown = ("products", "skus", "stock", "changes", "gone", "gaps", "requests", "seconds", "finished")

    products: int = 0
    skus: int = 0
    stock: int = 0
    changes: int = 0
    gone: int = 0
    missing: int = 0
    unbelieved: int = 0
    undecodable: int = 0
    requests: int = 0
    windows: int = 0
    rereads: int = 0
    gaps: tuple[Gap, ...] = ()
    bounded: bool = False
    rows_left: int = 0
    seconds: float = 0.0
    finished: bool = False

    @property
    def complete(self) -> bool:
        """Whether every row of the range is stored."""
        return self.finished and not self.gaps


@attrs.frozen(kw_only=True)
class MirrorStatus(Shown):
    """What a mirror's database holds.

    Attributes:
        products: rows of the table `product`, those that are gone included.
        skus: rows of `sku`.
        stock: rows of `stock`, one per SKU and warehouse.
        last_change: the id of the newest row of `change`; 0 when there is none.
        undecodable: rows kept undecoded in `mirror_undecodable`.
        products_until: the update time up to which products are complete; None before the first run.
        stock_until: likewise for stock.
        gaps: ranges between those already pulled that the next run reads.
    """

    _shown = ("products", "skus", "stock", "last_change", "gaps", "products_until", "stock_until")

    products: int
    skus: int
    stock: int
    last_change: int
    undecodable: int
    products_until: datetime | None
    stock_until: datetime | None
    gaps: tuple[Gap, ...]


class ChangeKind(StrEnum):
    """What happened to a product or a SKU; each step of a value is one event."""

    PRODUCT_ADDED = "product_added"
    SKU_ADDED = "sku_added"
    PRICE_CHANGED = "price_changed"
    COST_CHANGED = "cost_changed"
    STOCK_CHANGED = "stock_changed"
    SOLD_OUT = "sold_out"
    BACK_IN_STOCK = "back_in_stock"
    STATUS_CHANGED = "status_changed"
    GONE = "gone"


STATED: Final = "-"
"""In the column `country`: stock as KakaClo states it, of a SKU that cannot be sold as that."""

EVERYWHERE: Final = "*"
"""In the column `country`: stock as it can be sold in all countries together, where that is not what KakaClo states."""


def _of_one_country(country: str | None) -> str | None:
    return None if country in {STATED, EVERYWHERE} else country


@attrs.frozen(kw_only=True)
class Change(Shown):
    """One event.

    Attributes:
        id: counts up; keep the last one that you handled, and ask for what comes after it.
        at: when the mirror saw it, UTC.
        kind: what happened.
        spu: the product, None when stock came of a SKU whose product is not known yet.
        sku: the SKU, None when it is about the product as a whole.
        old: the value before, as text; None when there was none.
        new: the value now.
        country: the country whose warehouses `old` and `new` count; None: all of them, or it is not about stock.
    """

    _shown = ("id", "kind", "spu", "sku", "old", "new", "country", "at")

    id: int
    at: datetime
    kind: ChangeKind = attrs.field(converter=ChangeKind)
    spu: str | None
    sku: str | None
    old: str | None
    new: str | None
    country: str | None = attrs.field(default=None, converter=_of_one_country)
