"""Freight: what is asked, the offers that come back, and the preflight of an order that is made with them."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from decimal import Decimal
from html import escape
from typing import Final, cast

import attrs

from kakaclo_async.errors import InvalidRequest, KakaCloError
from kakaclo_async.models._checks import (
    WAREHOUSE_LENGTH,
    as_country,
    as_models,
    as_stripped,
    as_tuple,
    country,
    filled,
    lookup_code,
    optional_text,
    positive,
    text,
)
from kakaclo_async.models.common import OpenStrEnum, Record, wire
from kakaclo_async.travel import Travels, Unreadable, fields_of, read_plain, to_plain
from kakaclo_async.travel.shown import Shown, Tabled, cut, grid

_DAYS: Final = re.compile(r"\s*(\d{1,4})(?:\s*(?:[~～\-–—]|to)\s*(\d{1,4}))?\b", re.ASCII | re.IGNORECASE)  # noqa: RUF001 # KakaClo writes full-width signs at times


class ChannelType(OpenStrEnum):
    """How quickly a parcel travels: STANDARD is the slowest, EXPEDITED the fastest."""

    STANDARD = "Standard"
    EXPRESS = "Express"
    EXPEDITED = "Expedited"


def as_channel_type(name: str) -> str:
    """Write a channel type as the API does, " standard" as "Standard"; others stay, for the API may have more."""
    given = cast("object", name)
    if not isinstance(given, str):
        return name  # the validator says so, and names the field
    written = given.strip()
    known = {member.value.casefold(): member for member in ChannelType}
    return known.get(written.casefold()) or ChannelType(written)


@attrs.frozen
class Item(Shown):
    """A line of a cart or an order.

    Attributes:
        sku: at most 64 characters, no comma; blanks around it are dropped.
        quantity: above 0, at most 16 digits.

    Raises:
        InvalidRequest: when a limit is broken.
    """

    sku: str = attrs.field(converter=as_stripped, validator=[text(64), lookup_code])
    quantity: int = attrs.field(validator=positive)


def item_as_read(sku: str, quantity: int) -> Item:
    """Return a line as KakaClo or a journal has it: one that no request takes breaks nobody who reads it."""
    with suppress(InvalidRequest):
        return Item(sku, quantity)
    made = object.__new__(Item)
    object.__setattr__(made, "sku", sku)
    object.__setattr__(made, "quantity", quantity)
    return made


def items_tuple(items: Iterable[Item | Mapping[str, object]]) -> tuple[Item, ...]:
    """Convert the lines of a cart, models or plain data; one that was read, and cannot be sent, is refused."""
    lines = as_models("items", items, Item)
    given = cast("object", lines)  # what is no list of lines is left for a validator to refuse by name
    for line in cast("tuple[object, ...]", given) if isinstance(given, tuple) else ():
        if isinstance(line, Item):
            attrs.validate(line)
    return lines


@attrs.frozen(cache_hash=True)
class FreightRequest(Shown):
    """A cart and where it goes.

    Attributes:
        items: at least one; any iterable is accepted, also of plain data: `{"sku": "A", "quantity": 2}`.
        country: the short code, "US"; " us" is taken as "US".

    Raises:
        InvalidRequest: when a limit is broken.
    """

    items: tuple[Item, ...] = attrs.field(
        converter=items_tuple, validator=filled(Item), metadata=wire("products")
    )
    country: str = attrs.field(
        converter=as_country, validator=[text(32), country], metadata=wire("shipToCountry")
    )


@attrs.frozen
class ChannelsRequest(FreightRequest):
    """A cart, where it goes, and the warehouse that it leaves.

    Attributes:
        warehouse_code: "H008", at most 32 characters; absent or unknown: the server takes G007.
    """

    warehouse_code: str | None = attrs.field(default=None, validator=optional_text(WAREHOUSE_LENGTH))


@attrs.frozen(kw_only=True)
class FreightOption(Record):
    """One offer of a freight quote.

    Attributes:
        channel_type: the timeliness level; None in the API's older shape.
        estimated_freight: in `estimated_freight_currency`, US dollars when that is None.
        delivery_time: as the API words it: "6~9 Business Days".
    """

    _shown = (
        "channel_type",
        "channel_code",
        "estimated_freight",
        "estimated_freight_currency",
        "delivery_time",
    )

    channel_type: ChannelType | None = None
    estimated_freight: Decimal
    delivery_time: str | None = None
    estimated_freight_currency: str | None = None
    channel_code: str | None = None
    channel_name_en: str | None = None

    @property
    def delivery_days(self) -> tuple[int, int] | None:
        """The least and the most business days, or None when the wording has no number."""
        found = _DAYS.match(self.delivery_time or "")
        if found is None:
            return None
        days = [int(number) for number in found.groups() if number]
        return min(days), max(days)


@attrs.frozen(kw_only=True)
class LogisticsChannel(FreightOption):
    """A logistics channel of one warehouse (`POST /v2/order/orders/channel`)."""


def _options_tuple(options: Iterable[FreightOption]) -> tuple[FreightOption, ...]:
    return as_tuple(options)


@attrs.frozen
class FreightQuote(Tabled):
    """The offers for one cart and country, one per channel type.

    Attributes:
        options: as the server ordered them, at least one.

    Raises:
        InvalidRequest: without any; where nothing ships, there is no quote.
    """

    _rows = "options"

    options: tuple[FreightOption, ...] = attrs.field(
        converter=_options_tuple, validator=filled(FreightOption)
    )

    @property
    def cheapest(self) -> FreightOption:
        """The offer that costs least; the quicker one of two."""
        return min(self.options, key=lambda option: (option.estimated_freight, _days(option)))

    @property
    def fastest(self) -> FreightOption:
        """The offer that arrives first; the cheaper one of two. One that names no days counts as the slowest."""
        return min(self.options, key=lambda option: (_days(option), option.estimated_freight))

    def by_channel(self, channel_type: ChannelType | str) -> FreightOption | None:
        """Find the offer of a channel type, or None."""
        wanted = as_channel_type(channel_type)
        return next((option for option in self.options if option.channel_type == wanted), None)


Cart = tuple[Item, ...]


class FreightMatrix(Travels, Mapping[tuple[Cart, str], FreightQuote | KakaCloError]):
    """The quotes of many carts to many countries, in the order asked.

    A key is `(cart, country)`: the cart as a tuple of items, though any sequence of them finds it too, and the
    country in capitals, though "us" finds it too.
    A value is the quote, or the error that stands in its place.
    """

    __slots__ = ("_cells",)

    def __init__(self, cells: Mapping[tuple[Cart, str], FreightQuote | KakaCloError]) -> None:
        self._cells = dict(cells)

    def __getitem__(self, key: tuple[Sequence[Item], str]) -> FreightQuote | KakaCloError:
        cart, code = key
        return self._cells[tuple(cart), as_country(code)]

    def __iter__(self) -> Iterator[tuple[Cart, str]]:
        return iter(self._cells)

    def __len__(self) -> int:
        return len(self._cells)

    def to_dict(self) -> dict[str, object]:
        """Return its cells as plain data: the items, the country, and the quote or the error."""
        return {
            "cells": [
                {
                    "items": to_plain(cart),
                    "country": code,
                    "error" if isinstance(cell, KakaCloError) else "quote": cell.to_dict(),
                }
                for (cart, code), cell in self._cells.items()
            ]
        }

    @classmethod
    def from_plain(cls, value: object, kind: object) -> object:
        """Make one of its cells."""
        if isinstance(value, cls):
            return value
        del kind
        given = (fields_of(value) or {}).get("cells")
        cells = cast("tuple[_Cell, ...]", read_plain(tuple[_Cell, ...], given))
        return cls({(cell.items, cell.country): cell.found for cell in cells})

    def __repr__(self) -> str:
        failed = sum(isinstance(cell, KakaCloError) for cell in self._cells.values())
        return f"<FreightMatrix of {len(self)} quotes, {failed} failed>"

    def _repr_html_(self) -> str:
        rows = ([escape(text) for text in _told(*key, cell)] for key, cell in self._cells.items())
        return grid(["cart", "country", "cheapest", "delivery_time"], rows, len(self))


def _told(cart: Cart, code: str, cell: FreightQuote | KakaCloError) -> tuple[str, ...]:
    """Return the texts of a row: cart, country, and the cheapest offer or the kind of the error."""
    items = cut(", ".join(f"{item.quantity} x {item.sku}" for item in cart[:4]), 80)
    if isinstance(cell, KakaCloError):
        return items, code, type(cell).__name__, ""
    best = cell.cheapest
    price = f"{best.estimated_freight} {best.estimated_freight_currency or ''}"
    return items, code, cut(price.strip(), 40), cut(best.delivery_time or "", 40)


@attrs.frozen(kw_only=True)
class _Cell(Travels):
    """One cell of a matrix, as it travels."""

    items: tuple[Item, ...]
    country: str
    quote: FreightQuote | None = None
    error: KakaCloError | None = None

    @property
    def found(self) -> FreightQuote | KakaCloError:
        found = self.quote or self.error
        if found is None:
            raise Unreadable((("cells",), "each must hold a quote or an error"))
        return found


def _days(option: FreightOption) -> tuple[bool, int, int]:
    days = option.delivery_days
    return (True, 0, 0) if days is None else (False, days[1], days[0])


@attrs.frozen
class OrderProblem(Shown):
    """Something that keeps an order from being placed.

    Attributes:
        field: where: "address.phone", "items[0].quantity", "channel_type", "balance"; empty: the order as a whole.
        text: what is wrong, and with which SKU; never an address.
    """

    field: str
    text: str

    def __str__(self) -> str:
        return f"{self.field}: {self.text}" if self.field else self.text


@attrs.frozen(kw_only=True)
class OrderCheck(Shown):
    """What a preflight found; amounts in US dollars.

    Attributes:
        problems: all of them; none: the order can be placed as things stand.
        sub_total: the price of all pieces; None while some price is not known.
        quote: freight by channel type; None when it could not be asked.
        freight: for the order's own channel type.
        balance: what orders are paid from.
    """

    _shown = ("problems", "sub_total", "freight", "balance", "quote")

    problems: tuple[OrderProblem, ...]
    sub_total: Decimal | None = None
    quote: FreightQuote | None = None
    freight: Decimal | None = None
    balance: Decimal | None = None

    @property
    def ok(self) -> bool:
        """Whether there is no problem."""
        return not self.problems

    @property
    def total(self) -> Decimal | None:
        """What the order will cost; None when a part of it is not known."""
        return None if self.sub_total is None or self.freight is None else self.sub_total + self.freight
