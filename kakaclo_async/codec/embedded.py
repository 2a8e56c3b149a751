"""JSON that was damaged, JSON inside strings, and values without a form: the balance, the custom area."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Hashable, Iterable, Mapping
from datetime import UTC, datetime
from functools import cache
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, cast

import attrs
import msgspec

from kakaclo_async.codec.many import read_when_asked
from kakaclo_async.codec.scalars import (
    DAMAGED,
    DECIMALS,
    InvalidValue,
    read_decimal,
    read_text,
    read_time,
    to_text,
    write_json,
)
from kakaclo_async.models.common import Attributes, Option
from kakaclo_async.models.order import Balance
from kakaclo_async.models.product import SizeContent, SizeRow, SizeSheet, SizeValue

if TYPE_CHECKING:
    from collections.abc import Iterator
    from decimal import Decimal


# Every number with a fraction becomes a Decimal straight from its text, never by way of a binary float.
parse: Final = msgspec.json.Decoder(object, float_hook=DECIMALS.__getitem__).decode
# ValueError: msgspec's errors too.
UNPARSABLE: Final = (InvalidValue, ValueError, ArithmeticError, RecursionError)
_BALANCE_NAMES: Final = ("balance", "availableBalance", "amount", "availableAmount")


# Texts, and compiled where they are used: few programs meet damage, and all would wait for it when they start.
# A quote that is never closed takes all that follows: a new search from each quote after it would be quadratic.
_WORD: Final = r'(?s)"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)|[^\s",:\[\]{}]+'
# The letters of escapes are small, those of their digits are not.
_ODD: Final = r"""(?sax)
    (?P<sound>\\u(?:[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(?![dD][89a-fA-F])[0-9a-fA-F]{4})
        |\\["\\/bfnrt])
    |(?P<half>\\u[0-9a-fA-F]{0,4})|(?P<rest>\\?[\x00-\x1f]|\\.)"""
_CONTROL: Final = r"[\x00-\x1f]"
_NUMBER: Final = r"-?(?:0|[1-9][0-9]*)(?P<part>(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)"
_LOST: Final = "[^\\t\\n\\r -\U0010ffff]"
_LITERALS: Final = {"true", "false", "null"}
_MOST_DIGITS: Final = 1000  # what a parser takes at least


def mend(document: bytes | msgspec.Raw | str) -> str:
    """Return JSON in which what broke one text or number breaks nothing else.

    Bytes that are no UTF-8, halves of characters and raw control characters become U+FFFD; tabs, line breaks and wrong
    escapes in a text stay what they are. Numbers that are none, or out of all bounds, become texts, for their fields
    to refuse. Where the document itself is broken it stays so.

    Raises:
        ValueError: no object and no list: a single value is all there is.
    """
    if not isinstance(document, str):
        held = bytes(document)
        document = held.decode(json.detect_encoding(held), errors="replace")
    document = document.strip("\ufeff\0 \t\r\n")
    if not document.startswith(("{", "[")):
        raise ValueError("a single value")
    return re.sub(_WORD, _mended, document)


def is_damaged(value: object) -> bool:
    """Tell whether any text in a model, or in a collection of them, holds a character that could not be read."""
    if type(value) is str:
        return DAMAGED in value
    return any(map(is_damaged, _parts(cast("Hashable", type(value)))(value)))


@cache
def _parts(key: Hashable) -> Callable[[Any], Iterable[object]]:
    """Return what takes a value of a type apart: whole results are looked through, so each type is told once."""
    kind = cast("type[object]", key)
    if issubclass(kind, str):
        return lambda text: (str.__str__(text),)
    if issubclass(kind, (tuple, list)):
        return iter
    if issubclass(kind, Mapping):
        return lambda held: (*held, *held.values(), getattr(held, "raw", None))
    names = [field.name for field in attrs.fields(kind)] if attrs.has(kind) else []
    return attrgetter(*names, "__class__") if names else lambda _: ()  # of one name it would make no tuple


def _mended(token: re.Match[str]) -> str:
    text = token.group()
    if text.startswith('"'):
        if "\\" not in text and text.isprintable():
            return text
        is_name = token.string[token.end() : token.end() + 9].lstrip().startswith(":")
        # A name that is damaged may be a known one: whoever reads it must see that.
        return re.sub(_ODD, _escaped, re.sub(_CONTROL, DAMAGED, text) if is_name else text)
    if text in _LITERALS:
        return text
    number = re.fullmatch(_NUMBER, text)
    if number is not None and len(text) <= _MOST_DIGITS:
        try:
            if number["part"]:
                DECIMALS.__getitem__(text)
        except UNPARSABLE:
            pass
        else:
            return text
    return write_json(text).decode()


def _escaped(odd: re.Match[str]) -> str:
    match odd.lastgroup:
        case "sound":
            return odd.group()
        case "half":
            return DAMAGED
        case _:
            return write_json(re.sub(_LOST, DAMAGED, odd.group())).decode()[1:-1]


class _OptionDocument(msgspec.Struct):
    name: str | None = None
    value: str | None = None


_parse_option: Final = msgspec.json.Decoder(_OptionDocument).decode


@read_when_asked
def read_option(value: object) -> Option | None:
    """Read `{"name": "color", "value": "Black"}`; what cannot be read keeps its raw text alone."""
    if isinstance(value, str):
        try:
            document = _parse_option(value)
        except UNPARSABLE:
            pass  # the closer look below takes longer
        else:
            return Option(document.name, document.value, value)
    opened = _open(value)
    if opened is None:
        return None
    raw, data = opened
    if not isinstance(data, dict):
        return Option(name=None, value=None, raw=raw)
    fields = cast("dict[str, object]", data)
    return Option(name=to_text(fields.get("name")), value=to_text(fields.get("value")), raw=raw)


def read_attributes(value: object) -> Attributes | None:
    """Read `{"season": "Spring-Summer"}`; what cannot be read keeps its raw text alone."""
    opened = _open(value)
    if opened is None:
        return None
    raw, data = opened
    if not isinstance(data, dict):
        return Attributes({}, raw)
    fields = cast("dict[str, object]", data)
    return Attributes({name: to_text(held) or "" for name, held in fields.items()}, raw)


def read_size_content(value: object) -> SizeContent | None:
    """Read the size charts; what cannot be read keeps its raw text alone."""
    opened = _open(value)
    if opened is None:
        return None
    raw, data = opened
    return SizeContent(tuple(_sheet(sheet) for sheet in _objects(data)), raw)


def read_balance(value: object) -> Balance:
    """Find the balance in a number, a numeric text, or an object that holds one."""
    if not isinstance(value, dict):
        return Balance(_number(value), raw=value)
    fields = cast("dict[str, object]", value)
    numbers = {name: number for name, held in fields.items() if (number := _number(held)) is not None}
    named = [numbers[name] for name in _BALANCE_NAMES if name in numbers]
    if not named and len(numbers) == 1:
        named = list(numbers.values())
    return Balance(named[0] if named else None, raw=fields)


def _open(value: object) -> tuple[str, object] | None:
    """Give the raw text and what it holds (None: nothing readable), or None when the value is absent."""
    if value is None or value in ("", "NULL", "null"):
        return None
    if not isinstance(value, str):  # the API sends texts; the object itself is as good
        return write_json(value).decode(), value
    try:
        return value, parse(value)
    except UNPARSABLE:
        return value, None


def _number(value: object) -> Decimal | None:
    try:
        return read_decimal(value)
    except InvalidValue:
        return None


def _objects(value: object) -> Iterator[dict[str, object]]:
    """Pass over what is no list of objects: a size chart that is half readable is better than none."""
    if isinstance(value, list):
        for element in cast("list[object]", value):
            if isinstance(element, dict):
                yield cast("dict[str, object]", element)


def _sheet(data: dict[str, object]) -> SizeSheet:
    return SizeSheet(to_text(data.get("sheet_name")), tuple(_row(row) for row in _objects(data.get("size"))))


def _row(data: dict[str, object]) -> SizeRow:
    return SizeRow(to_text(data.get("name")), tuple(_cell(cell) for cell in _objects(data.get("size_value"))))


def _cell(data: dict[str, object]) -> SizeValue:
    measure = data.get("value")
    number = _number(measure)
    return SizeValue(to_text(data.get("name")), to_text(measure) if number is None else number)


class LooseTime:
    """The type that a time is read as where nothing about its form can be counted on, as in the custom-product area."""


class LooseText:
    """The same for a text, which may come as a number."""


LOOSE_KINDS: Final[dict[type, type]] = {datetime: LooseTime, str: LooseText}


def read_loose_text(value: object) -> str | None:
    """Read a text or a number; None for anything else."""
    try:
        return read_text(value)
    except InvalidValue:
        return None


def read_loose_time(value: object) -> datetime | None:
    """Read a moment however it is written, without a zone as UTC; None when that cannot be done."""
    try:
        if isinstance(value, str) and not value.strip().isdecimal():
            moment = datetime.fromisoformat(value.strip())
            return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
        return read_time(value)
    except (InvalidValue, ValueError, OverflowError):
        return None
