"""The one cattrs converter: how each kind of value is read, and how requests are written."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING, Final, cast

import attrs
from cattrs import Converter

from kakaclo_async.codec.embedded import read_attributes, read_balance, read_option, read_size_content
from kakaclo_async.codec.records import (
    is_readable_or_not,
    list_hook,
    page_hook,
    readable_or_not_hook,
    record_hook,
    type_of,
)
from kakaclo_async.codec.scalars import (
    read_decimal,
    read_integer,
    read_number_member,
    read_text,
    read_text_member,
    read_time,
    to_wire_time,
)
from kakaclo_async.models.common import Attributes, OpenIntEnum, OpenStrEnum, Option, Page, Record, wire_names
from kakaclo_async.models.payment import Balance
from kakaclo_async.models.size import SizeContent

if TYPE_CHECKING:
    from collections.abc import Callable

    from kakaclo_async.codec.records import Hook


converter: Final = Converter(detailed_validation=False)

_READERS: Final[dict[type, Callable[[object], object]]] = {
    str: read_text,
    int: read_integer,
    Decimal: read_decimal,
    datetime: read_time,
    Option: read_option,
    Attributes: read_attributes,
    SizeContent: read_size_content,
    Balance: read_balance,
}


def _reader_hook(kind: type) -> Hook:
    read = _READERS[kind]
    return lambda value, _: read(value)


def _is(base: type) -> Callable[[object], bool]:
    def check(kind: object) -> bool:
        found = cast("object", type_of(kind))
        return isinstance(found, type) and issubclass(found, base)

    return check


def hook_of(kind: object) -> Hook:
    """Find the function that reads values of a type."""
    return cast("Hook", converter.get_structure_hook(kind))


def _list_hook(kind: object) -> Hook:
    return list_hook(kind, hook_of)


def _page_hook(kind: object) -> Hook:
    return page_hook(kind, hook_of)


def _record_hook(kind: object) -> Hook:
    return record_hook(kind, hook_of)


def _readable_or_not_hook(kind: object) -> Hook:
    return readable_or_not_hook(kind, hook_of)


for _kind in _READERS:
    converter.register_structure_hook(_kind, _reader_hook(_kind))
converter.register_structure_hook_func(lambda kind: kind is object, lambda value, _: value)
converter.register_structure_hook(OpenStrEnum, lambda value, kind: read_text_member(kind, value))
converter.register_structure_hook(OpenIntEnum, lambda value, kind: read_number_member(kind, value))
converter.register_structure_hook_factory(_is(tuple), _list_hook)
converter.register_structure_hook_factory(_is(list), _list_hook)
converter.register_structure_hook_factory(_is(Record), _record_hook)
converter.register_structure_hook_factory(_is(Page), _page_hook)
converter.register_structure_hook_factory(is_readable_or_not, _readable_or_not_hook)


def _write_request(request: attrs.AttrsInstance) -> dict[str, object]:
    """Write a request under its wire names; what is None or empty stays out."""
    body: dict[str, object] = {}
    for name, wire_name in _wire_names_of(type(request)):
        value = cast("object", getattr(request, name))
        if value is not None and value != ():
            body[wire_name] = converter.unstructure(value)
    return body


@cache
def _wire_names_of(kind: type[attrs.AttrsInstance]) -> tuple[tuple[str, str], ...]:
    return tuple((field.name, wire_names(field)[0]) for field in attrs.fields(kind))


converter.register_unstructure_hook_func(attrs.has, _write_request)
converter.register_unstructure_hook(datetime, to_wire_time)
