"""The settings of a sandbox, and which of them can change while it runs."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Literal

from attrs import define, field
from attrs.validators import ge, gt

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime


FIXED = {
    "balance": "set ledger.balance",
    **dict.fromkeys(
        ("products", "seed", "years", "custom_models", "start_at", "clock"), "make a new Sandbox"
    ),
}
"""What the state is built from, and so cannot change afterwards; with what to do instead."""


@define(kw_only=True, eq=False)
class Settings:
    """The settings of a sandbox; all can be given to `Sandbox(...)`.

    They may be changed on a running sandbox and count from then on. Two groups refuse it with a `RuntimeError`: what
    the state was built from (`products`, `seed`, `years`, `custom_models`, `balance`, `start_at`, `clock`), and `host`
    and `port` while it listens. A change never reaches back: what the search index has seen stays seen, and a parcel,
    refund or design that is under way keeps its time.

    Attributes:
        products: Products in the seeded catalog.
        seed: Equal seeds make equal catalogs, and equal changes while time passes.
        years: How far back the update times of the catalog reach.
        balance: US dollars on the account at the start; later, set `Sandbox.ledger.balance`.
        custom_models: Models that can be printed on.
        host: Address to listen on.
        port: Port to listen on; 0 takes a free one and keeps it.
        token: The one access token that is accepted.
        log_size: Requests kept in `Sandbox.log`, the newest; None keeps all.
        speed: Virtual seconds per real second. Everything with a duration follows it: bucket, index lag, orders.
        start_at: Wall clock time at the start, aware; None takes the present time.
        clock: Source of real seconds; None takes the running event loop's time.
        capacity: Requests that the leaky bucket holds.
        per_second: Requests that leak out of it per virtual second.
        index_lag: Virtual seconds by which searches trail the database.
        replica_lag: When above 0, every other answer comes from a second replica, this much more behind.
        update_rate: Product updates per virtual second; those due while it was idle are made at the next request.
        stock_update_rate: Stock updates per virtual second.
        page_size: Rows per page of products and stock.
        page_limit: Searches refuse pages that end beyond this row; None never refuses.
        total_cap: The highest total that is answered, however many rows there are; None counts all.
        day_granular: Product and stock windows look at the days of their bounds only, not at the time of day.
        tie_shuffle: Rows with equal sort keys come in a different order at each request.
        row_count_as_page_size: `pageSize` is the number of rows on the page, as in the published sample.
        retry_after: Answers 429 carry a `Retry-After` header, in real seconds.
        old_freight_shape: Freight trials answer in the older shape, with `channelCode` and without `channelType`.
        old_order_shape: V2 queries answer in the older shape, with the names of V1.
        old_custom_shape: Models and designs carry times without a zone ("2024-03-13 11:58:58"), not milliseconds, and
            `customDesignedId` is a text.
        numeric_refund_numbers: Refund numbers are JSON numbers.
        order_number_as_text: Order numbers are JSON strings.
        number_form: What the answer to a new order or refund is: the first number alone, a list of all, or an object
            that holds the list (`kkOrderIds`, `RefundNo`).
        address_field: What the address of a new order must be called; the documents name it both ways.
        balance_form: How the balance is written; the documents do not say.
        split_orders: An order that needs warehouses in two countries becomes two orders; only the first number is
            answered. Otherwise it is one order whose items differ in `countryCode`.
        ship_after: Virtual seconds until the first parcel leaves; each further country takes as long again.
        complete_after: Virtual seconds from the last parcel to its delivery.
        refund_settle: Virtual seconds until a refund is settled.
        design_delay: Virtual seconds until a new design is on sale.
    """

    products: int = field(default=500, validator=ge(0))
    seed: int = 1
    years: float = field(default=4.0, validator=ge(0.01))
    balance: Decimal = Decimal("10000.00")
    custom_models: int = field(default=40, validator=ge(0))

    host: str = "127.0.0.1"
    port: int = 0
    token: str = field(default="sandbox-token", repr=False)
    log_size: int | None = 100_000

    speed: float = field(default=1.0, validator=gt(0))
    start_at: datetime | None = None
    clock: Callable[[], float] | None = None

    capacity: float = field(default=120, validator=ge(1))
    per_second: float = field(default=2.0, validator=gt(0))

    index_lag: float = field(default=300.0, validator=ge(0))
    replica_lag: float = field(default=0.0, validator=ge(0))
    update_rate: float = field(default=0.0, validator=ge(0))
    stock_update_rate: float = field(default=0.0, validator=ge(0))

    # Answers
    page_size: int = field(default=30, validator=ge(1))
    page_limit: int | None = 10_000
    total_cap: int | None = None
    day_granular: bool = False
    tie_shuffle: bool = False
    row_count_as_page_size: bool = False
    retry_after: bool = False
    old_freight_shape: bool = False
    old_order_shape: bool = False
    old_custom_shape: bool = False
    numeric_refund_numbers: bool = False
    order_number_as_text: bool = False
    balance_form: Literal["number", "text", "object"] = "number"
    number_form: Literal["value", "list", "object"] = "value"
    address_field: Literal["orderAddresses", "orderAddress"] = "orderAddresses"

    # Orders
    split_orders: bool = False
    ship_after: float = 6 * 3600.0
    complete_after: float = 5 * 86_400.0
    refund_settle: float = 1800.0
    design_delay: float = 60.0
