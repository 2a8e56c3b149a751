"""The settings of a sandbox, and which of them can change while it runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from functools import cache
from math import isnan
from types import NoneType
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin, get_type_hints

import msgspec
from attrs import define, field
from attrs.validators import and_, deep_iterable, ge, gt, le

if TYPE_CHECKING:
    from attrs import Attribute

FIXED = {
    "balance": "set ledger.balance",
    **dict.fromkeys(
        (
            "products",
            "seed",
            "years",
            "bulk_product_share",
            "bulk_stock_share",
            "custom_models",
            "start_at",
            "clock",
        ),
        "make a new Sandbox",
    ),
}
"""What the state is built from, and so cannot change afterwards; with what to do instead."""

DAMAGES = ("half_emoji", "cut_utf8", "raw_tab", "huge_number", "big_integer")
"""What `damaged_rows` can do to a row."""

MOVING: dict[str, dict[str, float]] = {
    "still": {"update_rate": 0.0, "stock_update_rate": 0.0, "backdate_rate": 0.0},
    "calm": {"update_rate": 1 / 60, "stock_update_rate": 0.1, "backdate_rate": 0.0},
    "busy": {"update_rate": 1.0, "stock_update_rate": 10.0, "backdate_rate": 0.0},
    "backdated": {"update_rate": 1.0, "stock_update_rate": 10.0, "backdate_rate": 1 / 60},
}
"""How the catalog moves, by name: changes per virtual second of products and of stock, and of times set back."""

_BEYOND = 10**18
_SHARE = and_(ge(0.0), le(1.0))


def _check_kind(_: object, attribute: Attribute[Any], value: object) -> None:
    """Refuse a value of another type than the setting's, in one sentence."""
    kind = _kinds()[attribute.name]
    if not _is(kind, value):
        raise ValueError(f"{attribute.name} must be {_told(kind)}, not {value!r:.60}")


def _with_kinds(_: type, fields: list[Attribute[Any]]) -> list[Attribute[Any]]:
    both = (and_(_check_kind, field.validator) if field.validator else _check_kind for field in fields)
    return [field.evolve(validator=validator) for field, validator in zip(fields, both, strict=True)]


@cache
def _kinds() -> dict[str, Any]:
    return get_type_hints(Settings, localns={"Callable": Callable, "Mapping": Mapping, "datetime": datetime})


def _is(kind: Any, value: Any) -> bool:
    if NoneType in get_args(kind):
        return value is None or any(_is(part, value) for part in get_args(kind) if part is not NoneType)
    if get_origin(kind) is Literal:
        return value in get_args(kind)
    if get_origin(kind) is Callable:
        return callable(value)
    given: object = value  # apart, so that the type checkers do not narrow `value`
    if get_origin(kind) is Mapping:
        return isinstance(given, Mapping) and all(isinstance(one, str) for one in (*value, *value.values()))
    if get_origin(kind) is tuple:
        return isinstance(given, tuple) and all(_is(get_args(kind)[0], one) for one in value)
    if kind in {int, float, Decimal}:  # a bool is a number only by history
        wanted = (int, float) if kind is float else kind
        sound = isinstance(value, wanted) and not isinstance(value, bool)
        return sound and (isinstance(value, int) or not isnan(value)) and abs(value) < _BEYOND
    return isinstance(value, kind) and not (isinstance(value, datetime) and value.tzinfo is None)


def _check_count(_: object, attribute: Attribute[Any], value: int | None) -> None:
    if value is not None and value < 0:
        raise ValueError(f"{attribute.name} must be at least 0, or None for no limit, not {value}")


def _check_filled(_: object, attribute: Attribute[Any], value: str) -> None:
    if not value.strip():
        raise ValueError(f"{attribute.name} must not be empty")


def _check_damages(_: object, attribute: Attribute[Any], value: Mapping[str, str]) -> None:
    if wrong := sorted({*value.values()} - {*DAMAGES}):
        raise ValueError(
            f"{attribute.name} must name one of {', '.join(DAMAGES)} for each code, not {wrong[0]!r}"
        )


def _check_tokens(_: object, attribute: Attribute[Any], value: tuple[str, ...]) -> None:
    if len({*filter(str.strip, value)}) < len(value):
        raise ValueError(f"{attribute.name} must all differ, and none may be empty")


_WORDS = {
    int: "a whole number",
    float: "a number",
    Decimal: "a finite Decimal",
    bool: "true or false",
    str: "a text",
    datetime: "a time with its zone",
    tuple[int, ...]: "a tuple of whole numbers",
    tuple[str, ...]: "a tuple of texts",
    Mapping[str, str]: "a mapping of texts to texts",
    Callable[[], float]: "a function that tells seconds",
}


def _told(kind: Any) -> str:
    if NoneType in get_args(kind):
        return f"{' or '.join(_told(part) for part in get_args(kind) if part is not NoneType)} or None"
    return f"one of {', '.join(get_args(kind))}" if get_origin(kind) is Literal else _WORDS[kind]


@define(kw_only=True, eq=False, field_transformer=_with_kinds)
class Settings:
    """The settings of a sandbox; all can be given to `Sandbox(...)`.

    They may be changed on a running sandbox and count from then on. Two groups refuse it with a `RuntimeError`: what
    the state was built from (`products`, `seed`, `years`, `bulk_product_share`, `bulk_stock_share`, `custom_models`,
    `balance`, `start_at`, `clock`), and `host` and `port` while it listens. A change never reaches back: what the
    search index has seen stays seen, and a parcel, refund or design that is under way keeps its time.

    By default a search answers what its index holds. The habits of odd servers are switched on one by one: rows that
    are missing or come twice, short pages, wrong times, refused codes, damaged text. They change what is answered, not
    the truth in `Sandbox.catalog`. Shares lie between 0 and 1. Equal seeds, settings and requests make equal answers.

    Attributes:
        products: Products in the seeded catalog.
        seed: Equal seeds make equal catalogs, and equal changes while time passes.
        years: How far back the update times of the catalog reach.
        bulk_product_share: Share of the products that were last updated in one and the same second, somewhere in these
            years.
        bulk_stock_share: Share of the SKUs whose stock was, in a second of its own.
        balance: US dollars on the account at the start; later, set `Sandbox.ledger.balance`.
        custom_models: Models that can be printed on.
        host: Address to listen on.
        port: Port to listen on; 0 takes a free one and keeps it.
        token: The access token that is accepted.
        tokens: Further ones, each of a shop of its own with a bucket, orders and money: see `Sandbox.shop`. The
            catalog is the same. One that is taken out is refused, and finds its shop as it was when it comes back.
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
        backdate_rate: Changes per virtual second that set an update time back, of one product and of one SKU's stock
            each: changed rows turn up in windows that are long over.
        backdate_by: The most, in virtual seconds, by which such a change goes back from the time that the row had.
        url_limit: The longest path with its query, in bytes as sent, that is let in; longer ones get HTTP 400 with a
            page of HTML, and cost nothing in the bucket.
        page_size: Rows per page of products and stock.
        page_sizes: Sizes that take turns in place of `page_size`; empty: always `page_size`.
        page_size_every: Pages of searches, of products and of stock together, until the next of `page_sizes`.
        page_limit: Searches show no pages that end beyond this row; None shows all.
        deep_pages: What comes in place of pages beyond `page_limit`: a refusal ("refused"), a page without rows and
            with the total ("empty"), or the last page within the limit once more ("last").
        total_cap: The highest total that is answered, however many rows there are; None counts all. It hides no page.
        drop_row_rate: Share of the pages that lack one of their rows. The total counts it, no other row moves up, and
            the same page may be whole when it is asked for again: chance decides about each answer, as for the next
            three.
        repeat_row_rate: Share of the pages that show one of their rows twice.
        repeat_row_mode: Whether the second comes "instead" of another row, which is then missing, or as one row more
            ("extra").
        short_page_rate: Share of the pages that lack some of their rows at the end, 1 to all but one, although another
            page follows.
        empty_page_rate: Share of the pages that have no row, although another page follows.
        odd_time_rate: Share of the products whose `updateTime` is shown as one in 2099. The row decides about this and
            the next two, so a product is shown alike by all searches.
        newer_time_rate: Share of the products whose `updateTime` is shown newer than searches take it to be, though
            never later than now.
        newer_time_by: By how much at most, in virtual seconds.
        missing_time_rate: Share of the products whose `updateTime` is null, an empty string, or left out.
        lookup_limit: The most rows that are answered for codes, the first; the total counts all. None answers all.
        hidden_while_lagging: A product that changed is not found at all until the search index has seen the change,
            by code neither; likewise the stock of a SKU. Without index lag it has no effect.
        index_empty: Searches and look-ups of products and stock find nothing, with success.
        refuses_codes: SPUs and SKUs that spoil a look-up: one that names any of them is refused as a whole, in a
            sentence that does not say which.
        refuses_codes_status: The HTTP status of that refusal.
        damaged_rows: What is wrong, by SPU, SKU, order number or refund number, with the row of that code in any
            answer; the rest of the answer is intact. "half_emoji": an escaped half of a surrogate pair.
            "cut_utf8": a character of which bytes are missing. "raw_tab": a tab without its escape. "huge_number":
            1e400. "big_integer": 2**64.
        damaged_field: The field that is damaged; None damages the name, `remark` in rows without a name, and `score`
            by numbers.
        date_header: Answers carry a `Date` header, by the sandbox's clock.
        day_granular: Product and stock windows look at the days of their bounds only, not at the time of day.
        tie_shuffle: Rows with equal sort keys come in no fixed order.
        tie_shuffle_by: With what their order changes: with each "request", with the number of the "page", or with the
            "replica" that answers.
        row_count_as_page_size: `pageSize` is the number of rows on the page, as in the published sample.
        retry_after: Answers 429 carry a `Retry-After` header, in real seconds.
        old_freight_shape: Freight trials answer in the older shape, with `channelCode` and without `channelType`.
        no_freight_to: Countries to which freight trials offer nothing: an empty list, with success.
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
    bulk_product_share: float = field(default=0.0, validator=_SHARE)
    bulk_stock_share: float = field(default=0.0, validator=_SHARE)
    balance: Decimal = Decimal("10000.00")
    custom_models: int = field(default=40, validator=ge(0))

    host: str = field(default="127.0.0.1", validator=_check_filled)
    port: int = field(default=0, validator=and_(ge(0), le(65_535)))
    token: str = field(default="sandbox-token", repr=False, validator=_check_filled)
    tokens: tuple[str, ...] = field(default=(), repr=False, validator=_check_tokens)
    log_size: int | None = field(default=100_000, validator=_check_count)

    speed: float = field(default=1.0, validator=gt(0))
    start_at: datetime | None = None
    clock: Callable[[], float] | None = None

    capacity: float = field(default=120, validator=ge(1))
    per_second: float = field(default=2.0, validator=gt(0))

    index_lag: float = field(default=300.0, validator=ge(0))
    replica_lag: float = field(default=0.0, validator=ge(0))
    update_rate: float = field(default=0.0, validator=ge(0))
    stock_update_rate: float = field(default=0.0, validator=ge(0))
    backdate_rate: float = field(default=0.0, validator=ge(0))
    backdate_by: float = field(default=3 * 86_400.0, validator=ge(1))

    # Answers
    url_limit: int = field(default=8190, validator=ge(1))
    page_size: int = field(default=30, validator=ge(1))
    page_sizes: tuple[int, ...] = field(default=(), validator=deep_iterable(ge(1)))
    page_size_every: int = field(default=1, validator=ge(1))
    page_limit: int | None = field(default=10_000, validator=_check_count)
    deep_pages: Literal["refused", "empty", "last"] = "refused"
    total_cap: int | None = field(default=None, validator=_check_count)
    day_granular: bool = False
    tie_shuffle: bool = False
    tie_shuffle_by: Literal["request", "page", "replica"] = "request"
    date_header: bool = True
    row_count_as_page_size: bool = False
    retry_after: bool = False
    old_freight_shape: bool = False
    no_freight_to: tuple[str, ...] = ()
    old_order_shape: bool = False
    old_custom_shape: bool = False
    numeric_refund_numbers: bool = False
    order_number_as_text: bool = False
    balance_form: Literal["number", "text", "object"] = "number"
    number_form: Literal["value", "list", "object"] = "value"
    address_field: Literal["orderAddresses", "orderAddress"] = "orderAddresses"

    # Habits of odd servers
    drop_row_rate: float = field(default=0.0, validator=_SHARE)
    repeat_row_rate: float = field(default=0.0, validator=_SHARE)
    repeat_row_mode: Literal["instead", "extra"] = "instead"
    short_page_rate: float = field(default=0.0, validator=_SHARE)
    empty_page_rate: float = field(default=0.0, validator=_SHARE)
    odd_time_rate: float = field(default=0.0, validator=_SHARE)
    newer_time_rate: float = field(default=0.0, validator=_SHARE)
    newer_time_by: float = field(default=2 * 3600.0, validator=ge(1))
    missing_time_rate: float = field(default=0.0, validator=_SHARE)
    lookup_limit: int | None = field(default=None, validator=_check_count)
    hidden_while_lagging: bool = False
    index_empty: bool = False
    refuses_codes: tuple[str, ...] = ()
    refuses_codes_status: int = field(default=400, validator=and_(ge(200), le(599)))
    damaged_rows: Mapping[str, str] = field(factory=dict[str, str], validator=_check_damages)
    damaged_field: str | None = None

    # Orders
    split_orders: bool = False
    ship_after: float = field(default=6 * 3600.0, validator=ge(0))
    complete_after: float = field(default=5 * 86_400.0, validator=ge(0))
    refund_settle: float = field(default=1800.0, validator=ge(0))
    design_delay: float = field(default=60.0, validator=ge(0))


def read_setting(text: str) -> tuple[str, object]:
    """Read `name=value`, as on a command line; lists and objects are JSON, and `null` is None.

    Raises:
        ValueError: There is no such setting, or the value is not of its type.
    """
    name, _, value = text.partition("=")
    kinds = _kinds()
    if name not in kinds or name == "clock":
        raise ValueError(f"there is no setting {name}")
    try:
        document = msgspec.json.decode(value) if value.startswith(("[", "{")) else value
        return name, msgspec.convert(document, kinds[name], strict=False)
    except msgspec.MsgspecError:
        raise ValueError(f"it must be {_told(kinds[name])}, not {value!r:.60}") from None
