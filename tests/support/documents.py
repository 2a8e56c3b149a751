"""Documents as KakaClo may send them, made from the fields of the models: for each type its value, and what it means.

There is no list of fields here: `wire_fields` tells them, as it tells the readers. A type without a maker fails.
"""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, Union, get_args, get_origin

import attrs

from kakaclo_async import codec
from kakaclo_async.codec.converter import WireField, row_type, type_of, wire_fields
from kakaclo_async.codec.embedded import LooseText, LooseTime
from kakaclo_async.codec.scalars import OrderNumber, RefundNumber, Undecodable, write_json
from kakaclo_async.models.common import Attributes, OpenIntEnum, OpenStrEnum, Option, Page, Record
from kakaclo_async.models.order import Balance
from kakaclo_async.models.product import SizeContent, SizeRow, SizeSheet, SizeValue

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterator

_TEXTS: Final = [
    "裙",
    "größe M",
    "a\tb",
    'say "hi"',
    "\\",
    "\U0001f457",
    "</p>",
    "\u2028",
    "x" * 60,
    "7",
    "",
    " ",
]
_ODD: Final = [None, True, False, "", " ", "NULL", "null", "x", 0, -1, 7, Decimal("7.50"), 10**30, [], {}, [None], [7],
               {"a": 1}, "2024-01-01", "1e9", "NaN", "9" * 50, "\ufffd", 2**63, "0x10", [[]], "{"]  # fmt: skip

UNTOLD: Final = object()
"""The meaning of what may have none."""

Made = tuple[Any, Any]
"""A value as it is sent, and what it is to be read as; of records the expected attributes."""


@attrs.define
class Maker:
    """Makes values.

    Attributes:
        random: the source of all choices.
        oddness: how often a value is replaced by one that its field may not take.
        depth: records inside records.
    """

    random: random.Random
    oddness: float = 0.0
    depth: int = 0

    def value(self, kind: object) -> Made:
        """Make a value of a type."""
        if self.oddness and self.random.random() < self.oddness:
            return self.random.choice(_ODD), UNTOLD
        if get_origin(kind) is Union or isinstance(kind, type(int | str)):
            assert Undecodable in get_args(kind), f"no maker for {kind}"
            return self.value(row_type(kind))
        found = type_of(kind)
        for base, make in MAKERS.items():
            if issubclass(found, base):
                return make(self, kind)
        raise AssertionError(f"no maker for {kind}: add one")

    def answer(self, kind: object) -> tuple[bytes, Any]:
        """Make an answer whose data is of a type; return it with what its data means."""
        data, meaning = self.value(kind)
        message = self.random.choice(["success", "Success!", "Success！", "ok", "kk.api.200"])
        return write_json({"code": 10000, "message": message, "data": data}), meaning

    @contextmanager
    def inside(self) -> Iterator[None]:
        self.depth += 1
        yield
        self.depth -= 1


def _number(maker: Maker, number: int | Decimal) -> Any:
    return str(number) if maker.random.random() < 0.25 else number


def _text(maker: Maker, _: object) -> Made:
    text = maker.random.choice(_TEXTS) if maker.random.random() < 0.5 else f"T{maker.random.randrange(10**9)}"
    return text, text


def _code(maker: Maker) -> Made:
    number = maker.random.randrange(1, 10**13)
    return (number, str(number)) if maker.random.random() < 0.3 else (f"AMN{number}", f"AMN{number}")


def _integer(maker: Maker, _: object) -> Made:
    number = maker.random.choice([0, 1, -1, 12, 2**53 + 1, 2**63 - 1, maker.random.randrange(10**6)])
    return _number(maker, number), number


def _decimal(maker: Maker, _: object) -> Made:
    number = Decimal(maker.random.randrange(1, 10**8)).scaleb(-maker.random.randrange(5))
    return _number(maker, number), number


def _time(maker: Maker, _: object) -> Made:
    moment = datetime(2022, 1, 1, tzinfo=UTC) + timedelta(seconds=maker.random.randrange(10**8))
    if maker.random.random() < 0.2:
        return int(moment.timestamp()) * 1000, moment
    return codec.to_wire_time(moment), moment


def _option(maker: Maker, _: object) -> Made:
    name, value = (
        maker.random.choice(["color", "size", "print"]),
        maker.random.choice(["Black", "XL", "裙", ""]),
    )
    text = write_json({"name": name, "value": value}).decode()
    return text, Option(name, value, text)


def _attributes(maker: Maker, _: object) -> Made:
    held = {f"a{n}": maker.random.choice(["Summer", "裙"]) for n in range(maker.random.randrange(3))}
    return write_json(held).decode(), Attributes(held)


def _sizes(maker: Maker, _: object) -> Made:
    sent, number = _decimal(maker, None)
    count = maker.random.randrange(3)
    cells = [{"name": "S", "value": sent}] * count
    text = write_json([{"sheet_name": "Chart", "size": [{"name": "Bust", "size_value": cells}]}]).decode()
    row = SizeRow("Bust", (SizeValue("S", number),) * count)
    return text, SizeContent((SizeSheet("Chart", (row,)),), text)


def _balance(maker: Maker, _: object) -> Made:
    sent, number = _decimal(maker, None)
    return ({"balance": sent, "storeId": "S"} if maker.random.random() < 0.5 else sent), Balance(number)


def _made_number(*names: str) -> Callable[[Maker, object], Made]:
    def make(maker: Maker, _: object) -> Made:
        number = str(maker.random.randrange(1, 10**13))
        form = maker.random.randrange(4)
        sent: list[Any] = [number, int(number), {names[0]: [number]}, {names[1]: int(number)}]
        return sent[form], number

    return make


def _member(maker: Maker, kind: Any) -> Made:
    unknown = "a_new_one" if issubclass(kind, str) else 77
    member = maker.random.choice([*kind, kind(unknown)])
    return (str(member.value) if maker.random.random() < 0.2 else member.value), member


def _anything(maker: Maker, _: object) -> Made:
    value = maker.random.choice(_ODD)
    return value, value


def _list(maker: Maker, kind: object) -> Made:
    element, *_ = get_args(kind)
    most = 4 if maker.depth < 3 else 2
    with maker.inside():
        made = [maker.value(element) for _ in range(maker.random.randrange(most) if maker.depth < 4 else 0)]
    return [sent for sent, _ in made], tuple(meaning for _, meaning in made)


def _page(maker: Maker, kind: object) -> Made:
    sent, meaning = _record(maker, kind)
    if "list" in meaning and maker.random.random() < 0.1:  # a bare list is a page
        return sent["list"], {"list": meaning["list"]}
    return sent, meaning


def _record(maker: Maker, kind: object) -> Made:
    sent: dict[str, Any] = {}
    meaning: dict[str, Any] = {}
    for field in wire_fields(kind):
        if not is_required(field) and maker.random.random() < 0.25:
            if maker.random.random() < 0.5:
                sent[field.wire_names[0]] = None
            continue
        made = _code(maker) if is_code(field) and not maker.oddness else maker.value(field.kind)
        sent[maker.random.choice(field.wire_names)], meaning[field.name] = made
    if maker.random.random() < 0.1:
        sent["someNewField"] = maker.random.choice(_ODD)
    return sent, meaning


def is_required(field: WireField) -> bool:
    """Return whether a record cannot be without this field."""
    return field.default is attrs.NOTHING


def is_code(field: WireField) -> bool:
    """Return whether a record is known by this field."""
    return is_required(field) and field.kind is str


MAKERS: Final[dict[type, Callable[[Maker, Any], Made]]] = {
    OrderNumber: _made_number("kkOrderIds", "id"),
    RefundNumber: _made_number("RefundNo", "id"),
    OpenStrEnum: _member,
    OpenIntEnum: _member,
    Page: _page,
    Record: _record,
    tuple: _list,
    list: _list,
    Option: _option,
    Attributes: _attributes,
    SizeContent: _sizes,
    Balance: _balance,
    LooseText: _text,
    LooseTime: _time,
    datetime: _time,
    Decimal: _decimal,
    int: _integer,
    str: _text,
    object: _anything,
}
"""By type, what is more special first."""


def read_meaning(found: Any, meaning: Any) -> Any:
    """Return what a value is read as, in the form of its meaning: only what the meaning names."""
    if meaning is UNTOLD:
        return meaning
    if isinstance(meaning, dict) and not isinstance(found, dict):  # of what no model describes, all is meant
        return {name: read_meaning(getattr(found, name), held) for name, held in meaning.items()}
    if isinstance(meaning, tuple) and len(meaning) == len(found):
        return tuple(read_meaning(one, held) for one, held in zip(found, meaning, strict=True))
    return found
