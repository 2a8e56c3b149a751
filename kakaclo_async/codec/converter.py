"""The one cattrs converter: from parsed JSON to models, forgiving, and from request models to plain data.

This is the reader that takes everything that can be read, and says where something cannot be. `strict` is the quick
one, for documents without surprises; both give equal records.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from decimal import Decimal
from functools import partial
from types import GenericAlias, UnionType
from typing import Final, TypeAlias, Union, cast, get_args, get_origin

import attrs
from cattrs import Converter

from kakaclo_async.codec.embedded import (
    LOOSE_KINDS,
    LooseText,
    LooseTime,
    read_attributes,
    read_balance,
    read_loose_text,
    read_loose_time,
    read_option,
    read_size_content,
)
from kakaclo_async.codec.outgoing import SecretBytes
from kakaclo_async.codec.scalars import (
    DAMAGED,
    InvalidValue,
    OrderNumber,
    RefundNumber,
    Undecodable,
    read_decimal,
    read_integer,
    read_number,
    read_number_member,
    read_text,
    read_text_member,
    read_time,
    to_wire_time,
    write_json,
)
from kakaclo_async.errors import InvalidRequest
from kakaclo_async.models.common import (
    Attributes,
    FrozenMapping,
    OpenIntEnum,
    OpenStrEnum,
    Option,
    Page,
    Record,
    is_loose,
    wire_names,
)
from kakaclo_async.models.order import Balance
from kakaclo_async.models.product import SizeContent

# The form of cattrs: a hook takes the value and the type that is wanted.
Hook: TypeAlias = Callable[[object, object], object]

converter: Final = Converter(detailed_validation=False)


class UnknownFields:
    """Fields that answers hold and records lack: what the forgiving reader teaches the strict one.

    The forgiving reader puts such a field into `extra` and adds its name here. The strict reader refuses documents
    with fields that its structs lack; once `count` has changed it makes new structs, with the names `of` each record.
    So a new field costs the slow way once, and not for every page from then on.
    """

    _MOST: Final = 256  # a server that invents names must not fill the memory

    def __init__(self) -> None:
        self._names: dict[tuple[type[Record], str], None] = {}  # a set that keeps its order
        self.count = 0

    def add(self, kind: type[Record], names: Iterable[str]) -> None:
        """Note the unknown fields of a document."""
        for name in names:
            if name.isidentifier() and len(self._names) < self._MOST:
                self._names[kind, name] = None
        self.count = len(self._names)

    def of(self, kind: type[Record]) -> list[str]:
        """Return the unknown fields of a record class, in the order they were met."""
        return [name for owner, name in self._names if owner is kind]


UNKNOWN_FIELDS: Final = UnknownFields()


@attrs.frozen
class WireField:
    """A field of a record, as its readers see it.

    Attributes:
        name: the attribute.
        wire_names: the keys that may hold its value, the preferred one first.
        kind: its type, without `| None`.
        default: what stands for an absent value; attrs.NOTHING when there must be one.
    """

    name: str
    wire_names: tuple[str, ...]
    kind: object
    default: object


def wire_fields(kind: object) -> tuple[WireField, ...]:
    """List the fields of a record class, `extra` aside, with the type parameters of `Page[Product]` filled in."""
    attributes = attrs.fields(attrs.resolve_types(cast("type[Record]", type_of(kind))))
    return tuple(
        WireField(attribute.name, wire_names(attribute), _kind_of(attribute, kind), attribute.default)
        for attribute in attributes
        if attribute.name != "extra"
    )


def type_of(kind: object) -> type:
    """Return the class behind a type: `Page` of `Page[Product]`."""
    return cast("type", get_origin(kind) or kind)


def row_type(kind: object) -> object:
    """Return `X` of `X | Undecodable`, and any other type as it is."""
    return get_args(kind)[0] if _is_maybe_undecodable(kind) else kind


def hook_of(kind: object) -> Hook:
    """Find the function that reads values of a type."""
    return cast("Hook", converter.get_structure_hook(kind))


def _kind_of(attribute: attrs.Attribute[object], owner: object) -> object:
    kind = _bare(attribute.type, owner)
    return LOOSE_KINDS[cast("type", kind)] if is_loose(attribute) else kind


def _bare(kind: object, owner: object) -> object:
    """Take `| None` off the type of a field, and fill in the type parameters of its owner."""
    if get_origin(kind) in {Union, UnionType}:
        kind = cast("object", next(part for part in get_args(kind) if part is not type(None)))
    if getattr(kind, "__parameters__", ()):
        kind = cast("GenericAlias", kind)[get_args(owner)]
    return kind


def _is_maybe_undecodable(kind: object) -> bool:
    return get_origin(kind) in {Union, UnionType} and Undecodable in get_args(kind)


def _is(base: type) -> Callable[[object], bool]:
    def check(kind: object) -> bool:
        found = cast("object", type_of(kind))
        return isinstance(found, type) and issubclass(found, base)

    return check


def _record_hook(kind: object) -> Hook:
    """Make the function that reads a record."""
    make = cast("type[Record]", type_of(kind))
    fields = [(field, _taken_as_it_is(field), hook_of(field.kind)) for field in wire_fields(kind)]
    known = {name for field, _, _ in fields for name in field.wire_names}

    def read(document: object, _: object) -> object:
        if document is None or document == "":
            return None
        if not isinstance(document, dict):
            raise InvalidValue.expected("an object", document)
        row = cast("dict[str, object]", document)
        values: dict[str, object] = {}
        for field, plain, hook in fields:
            value = row.get(field.wire_names[0])
            if value and type(value) is plain:  # as it should be, and so no call
                values[field.name] = value
            elif (found := _read_field(row, field, hook)) is not None:
                values[field.name] = found
        if extra := {name: held for name, held in row.items() if name not in known}:
            if any(DAMAGED in name for name in extra):
                raise InvalidValue("has a field whose name is damaged")  # it may be one that is known
            values["extra"] = FrozenMapping(extra)
            UNKNOWN_FIELDS.add(make, extra)
        return cast("Callable[..., object]", make)(**values)

    return read


def _taken_as_it_is(field: WireField) -> type | None:
    """Return the type whose values a field takes as they are; integers have bounds, and codes must be whole."""
    kind = type_of(field.kind)
    return None if kind is int or field.default is attrs.NOTHING else kind


def _read_field(row: dict[str, object], field: WireField, hook: Hook) -> object:
    name, *others = field.wire_names
    for other in others:
        if row.get(name) in (None, "") and other in row:
            name = other
    value = row.get(name)
    try:
        found = None if value is None else hook(value, field.kind)
    except InvalidValue as error:
        error.path.append(name)
        raise
    if field.default is attrs.NOTHING and (found is None or found == ""):
        missing = InvalidValue("is missing")
        missing.path.append(name)
        raise missing
    if field.default is attrs.NOTHING and type(found) is str and DAMAGED in found:  # a code
        damaged = InvalidValue("is damaged: a character of it could not be read")
        damaged.path.append(name)
        raise damaged
    return found


def _list_hook(kind: object) -> Hook:
    """Make the function that reads `tuple[X, ...]` or `list[X]`; elements that are null are left out."""
    element, *_ = get_args(kind)
    gather = cast("Callable[[list[object]], object]", type_of(kind))

    def read(value: object, _: object) -> object:
        if value is None or value == "":
            return gather([])
        if not isinstance(value, list):
            raise InvalidValue.expected("a list", value)
        hook = hook_of(element)  # not before: a category holds categories
        elements: list[object] = []
        for place, held in enumerate(cast("list[object]", value)):
            try:
                found = hook(held, element)
            except InvalidValue as error:
                error.path.append(place)
                raise
            if found is not None:
                elements.append(found)
        return gather(elements)

    return read


def _page_hook(kind: object) -> Hook:
    """Make the function that reads a page; a bare list is a page with rows and nothing else."""
    read_page = _record_hook(kind)
    rows = next(field.kind for field in wire_fields(kind) if field.name == "list")

    def read(value: object, _: object) -> object:
        if isinstance(value, dict):
            return read_page(cast("object", value), kind)
        return Page(list=cast("tuple[object, ...]", hook_of(rows)(value, rows)))

    return read


def _maybe_undecodable_hook(kind: object) -> Hook:
    """Make the function that reads `X | Undecodable`."""
    row = row_type(kind)
    hook, name = hook_of(row), getattr(row, "__name__", "row")

    def read(value: object, _: object) -> object:
        try:
            return hook(value, row) or Undecodable(value, f"{name} is missing")
        except InvalidValue as error:
            return Undecodable(value, f"{error.where(name)} {error.reason}")

    return read


def _scalar_hook(read: Callable[[object], object]) -> Hook:
    return lambda value, _: read(value)


def _write_request(request: attrs.AttrsInstance) -> dict[str, object]:
    """Write a request under its wire names; what is None or empty stays out."""
    body: dict[str, object] = {}
    for field in attrs.fields(type(request)):
        value = cast("object", getattr(request, field.name))
        if value is not None and value != ():
            body[wire_names(field)[0]] = converter.unstructure(value)
    return body


SCALARS: Final[dict[type, Callable[[object], object]]] = {
    str: read_text,
    int: read_integer,
    Decimal: read_decimal,
    datetime: read_time,
    LooseText: read_loose_text,
    LooseTime: read_loose_time,
    Option: read_option,
    Attributes: read_attributes,
    SizeContent: read_size_content,
    Balance: read_balance,
    OrderNumber: partial(read_number, OrderNumber),
    RefundNumber: partial(read_number, RefundNumber),
}

for _kind, _read in SCALARS.items():
    converter.register_structure_hook(_kind, _scalar_hook(_read))
converter.register_structure_hook_func(lambda kind: kind is object, lambda value, _: value)
converter.register_structure_hook(OpenStrEnum, lambda value, kind: read_text_member(kind, value))
converter.register_structure_hook(OpenIntEnum, lambda value, kind: read_number_member(kind, value))
converter.register_structure_hook_factory(_is(tuple), _list_hook)
converter.register_structure_hook_factory(_is(list), _list_hook)
converter.register_structure_hook_factory(_is(Record), _record_hook)
converter.register_structure_hook_factory(_is(Page), _page_hook)
converter.register_structure_hook_factory(_is_maybe_undecodable, _maybe_undecodable_hook)
converter.register_unstructure_hook_func(attrs.has, _write_request)
converter.register_unstructure_hook(datetime, to_wire_time)


def encode(request: object) -> bytes:
    """Write the JSON body of a request.

    Args:
        request: a request model, whose None and empty fields stay out, or plain JSON data.

    Raises:
        InvalidRequest: a text that is no Unicode.
    """
    try:
        return SecretBytes(write_json(converter.unstructure(request)))
    except UnicodeEncodeError:
        pass  # it repeats the text, which may be an address
    raise InvalidRequest("the request holds half a character (a lone surrogate, as of a cut emoji)")
