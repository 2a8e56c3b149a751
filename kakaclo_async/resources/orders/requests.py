"""Custom order ids and queries of the order area, in either version of the API; and orders that cannot be read."""

from __future__ import annotations

import re
import secrets
import time
from typing import TYPE_CHECKING, Final, cast

import attrs

from kakaclo_async.codec import DAMAGED, Undecodable, converter, to_wire_time
from kakaclo_async.errors import DecodeError, InvalidRequest
from kakaclo_async.models._checks import as_list_of, check_code
from kakaclo_async.models.common import Page
from kakaclo_async.models.order import Order, ShippingAddress
from kakaclo_async.protocol import Request
from kakaclo_async.resources._lookup import check_number, joined

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from datetime import datetime


_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's base 32: no I, L, O, U to misread aloud
_RANDOM_BITS = 80


def new_custom_order_id(milliseconds: int | None = None, entropy: int | None = None) -> str:
    """Return an id of 28 characters: the prefix "KK" and a ULID (10 characters of time, 16 of chance).

    Ids are unique without asking anybody, and sort by time as text.

    Args:
        milliseconds: since 1970; the present by default.
        entropy: below 2**80; from the system's secure source by default.
    """
    if milliseconds is None:
        milliseconds = time.time_ns() // 1_000_000
    if entropy is None:
        entropy = secrets.randbits(_RANDOM_BITS)
    number = milliseconds << _RANDOM_BITS | entropy
    return "KK" + "".join(_ALPHABET[number >> shift & 31] for shift in range(125, -1, -5))


def made_at(custom_order_id: str) -> float | None:
    """Return when an id of our own was made, in seconds since 1970; None for any other id."""
    digits = custom_order_id.removeprefix("KK")
    if len(custom_order_id) != 28 or len(digits) != 26 or not set(digits) <= set(_ALPHABET):
        return None
    number = 0
    for digit in digits:
        number = number << 5 | _ALPHABET.index(digit)
    return (number >> _RANDOM_BITS) / 1000


ORDERS_PATH: Final = "/v2/order/orders"
PAGE_SIZE: Final = 250
"""The most orders that one page of a query holds."""


def orders_query(
    *,
    ids: Iterable[str] | None = None,
    created_from: datetime | None = None,
    created_to: datetime | None = None,
    updated_from: datetime | None = None,
    updated_to: datetime | None = None,
    page_number: int = 1,
    page_size: int = PAGE_SIZE,
) -> tuple[tuple[str, str], ...]:
    """Build the query string of an order query; unlike those of products, its time ranges may be open at either end."""
    query: list[tuple[str, str]] = []
    if ids is not None:
        numbers = map(check_order_id, as_list_of("order numbers", ids))
        query.append(("ids", joined(numbers, "order id", at_most=PAGE_SIZE)))
    query += [
        *_time_range("create", created_from, created_to),
        *_time_range("update", updated_from, updated_to),
        ("pageNumber", str(check_number(page_number, "page_number"))),
        ("pageSize", str(check_number(page_size, "page_size", at_most=PAGE_SIZE))),
    ]
    return tuple(query)


def _time_range(what: str, start: datetime | None, end: datetime | None) -> Iterator[tuple[str, str]]:
    for name, moment in (("Start", start), ("End", end)):
        if moment is not None:
            yield f"{what}{name}Time", to_wire_time(moment)
    if start is not None and end is not None and start > end:
        raise InvalidRequest(f"{what}d_from {to_wire_time(start)} is after {what}d_to {to_wire_time(end)}")


def page_request(query: tuple[tuple[str, str], ...]) -> Request[Page[Order]]:
    """Build the request for a page of orders, V2."""
    return Request(method="GET", path=ORDERS_PATH, query=query, result=Page[Order])


def check_order_id(order_id: str | int) -> str:
    """Return an order number as a text that can stand in a comma-separated list, or refuse it.

    "None" and "True" would be numbers of orders that nobody meant.
    """
    given = cast("object", order_id)
    if isinstance(given, bool) or not isinstance(given, (str, int)):
        raise InvalidRequest(f"order id must be a str or an int, not {type(given).__name__}")
    return check_code(str(given), "order id")


_FIELDS: Final = {"customOrderId": "custom_order_id", "status": "status", "id": "id"}
_TELLING: Final = ("customOrderId", "createDate", "shippingAddress", "orderItems")
# What every order has, and none is recognized by: these stand in where it cannot be read.
_STAND_INS: Final = {"status": "unreadable", "finalAmount": 0, "freightAmount": 0, "subTotalAmount": 0}
_ITEM_STAND_INS: Final = {"amount": 0, "total": 0}
_MOST_NAMED: Final = 5


def field_of(row: Order | Undecodable, name: str) -> object:
    """Return a field of an order by its wire name, as it was read or as it came."""
    return cast("object", getattr(row, _FIELDS[name])) if isinstance(row, Order) else row.fields.get(name)


def may_mean(name: object, custom_order_id: str) -> bool:
    """Tell whether a custom order id, as it came, may be this one."""
    if name is None or isinstance(name, (str, int)):
        parts = str(name or "").split(DAMAGED)
        return re.fullmatch(".*".join(map(re.escape, parts)), custom_order_id) is not None
    return True


def recognizable(row: Order | Undecodable) -> Order | None:
    """Return an order as far as it can be told from others; None when nobody can tell whose it is.

    What is damaged says nothing: a custom order id that is not whole is none, and so is a part of an address.
    """
    order = row if isinstance(row, Order) else _legible(row)
    if order is None:
        return None
    if (order.custom_order_id or "").strip():
        if is_damaged(order.custom_order_id):
            return recognizable(attrs.evolve(order, custom_order_id=None))
    elif any(is_damaged(item.sku_code) for item in order.order_items):
        return None
    address = order.shipping_address
    lost = [name for name in _ADDRESS if DAMAGED in (cast("str | None", getattr(address, name, None)) or "")]
    if not lost:
        return order
    without = cast("Callable[..., ShippingAddress]", attrs.evolve)(address, **dict.fromkeys(lost))
    return attrs.evolve(order, shipping_address=without)


_ADDRESS: Final = [field.name for field in attrs.fields(ShippingAddress) if field.name != "extra"]


def is_damaged(code: str | None) -> bool:
    """Tell whether a code that came is not the code that was sent: nothing is found by it."""
    return code is not None and (DAMAGED in code or not code.isprintable())


def _legible(row: Undecodable) -> Order | None:
    """Return what can be read of what an order is recognized by."""
    number, kept = row.fields.get("id"), dict[str, object]()
    for name in _TELLING:
        value = row.fields.get(name)
        if name == "orderItems" and isinstance(value, list):
            value = [_piece(item) for item in cast("list[object]", value)]
        if isinstance(_read({"id": number, **_STAND_INS, name: value}), Order):
            kept[name] = value
    order = _read({"id": number, **_STAND_INS, **kept})
    if not isinstance(order, Order):
        return None
    return order if (order.custom_order_id or "").strip() or kept.get("orderItems") else None


def _piece(item: object) -> object:
    if not isinstance(item, dict):
        return item
    fields = cast("dict[str, object]", item)
    return {name: fields.get(name) for name in ("skuCode", "productNum")} | _ITEM_STAND_INS


def _read(document: dict[str, object]) -> Order | Undecodable:
    return converter.structure(document, cast("type[Order]", Order | Undecodable))


def named(rows: Sequence[Order | Undecodable]) -> str:
    """Name orders by their numbers, as far as there are any."""
    numbers = [str(number) for row in rows if isinstance(number := field_of(row, "id"), (str, int))]
    return f"order {', '.join(numbers[:_MOST_NAMED])}" if numbers else "an order"


def unreadable(rows: Sequence[Order | Undecodable]) -> DecodeError:
    """Make the error for orders that cannot be read."""
    row = rows[0]
    why = row.problem if isinstance(row, Undecodable) else "its custom order id is damaged"
    return DecodeError(f"cannot be read ({why}); all others can", where=named(rows))
