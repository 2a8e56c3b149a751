"""From parsed JSON objects to records, forgiving: the way that reads everything that can be read.

`strict` is the quick way for documents without surprises; both give equal records.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import GenericAlias, UnionType
from typing import Final, TypeAlias, Union, cast, get_args, get_origin

import attrs

from kakaclo_async.codec.scalars import Unreadable
from kakaclo_async.models.common import FrozenMapping, Page, Record, wire_names

# The form of cattrs: a hook takes the value and the type that is wanted.
Hook: TypeAlias = Callable[[object, object], object]
HookOf: TypeAlias = Callable[[object], Hook]

UNKNOWN_NAMES: Final[dict[tuple[type[Record], str], None]] = {}
"""The unknown fields seen so far, in order, so that `strict` can expect them from then on."""
_MOST_UNKNOWN_NAMES: Final = 256


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
        WireField(attribute.name, wire_names(attribute), _bare(attribute.type, kind), attribute.default)
        for attribute in attributes
        if attribute.name != "extra"
    )


def type_of(kind: object) -> type:
    """Return the class behind a type: `Page` of `Page[Product]`."""
    return cast("type", get_origin(kind) or kind)


def _bare(kind: object, owner: object) -> object:
    """Take `| None` off the type of a field, and fill in the type parameters of its owner."""
    if get_origin(kind) in {Union, UnionType}:
        kind = cast("object", next(part for part in get_args(kind) if part is not type(None)))
    if getattr(kind, "__parameters__", ()):
        kind = cast("GenericAlias", kind)[get_args(owner)]
    return kind


def record_hook(kind: object, hook_of: HookOf) -> Hook:
    """Make the function that reads a record.

    Args:
        kind: a subclass of `Record`; a generic one with its parameters.
        hook_of: finds the function that reads a type.
    """
    make = cast("type[Record]", type_of(kind))
    fields = [(field, type_of(field.kind), hook_of(field.kind)) for field in wire_fields(kind)]
    known = {name for field, _, _ in fields for name in field.wire_names}

    def read(document: object, _: object) -> object:
        if document is None or document == "":
            return None
        if not isinstance(document, dict):
            raise Unreadable.expected("an object", document)
        row = cast("dict[str, object]", document)
        values: dict[str, object] = {}
        for field, plain, hook in fields:
            value = row.get(field.wire_names[0])
            if value and type(value) is plain:  # as it should be, and so no call
                values[field.name] = value
            elif (found := _read_field(row, field, hook)) is not None:
                values[field.name] = found
        if extra := {name: held for name, held in row.items() if name not in known}:
            values["extra"] = FrozenMapping(extra)
            _remember(make, extra)
        return cast("Callable[..., object]", make)(**values)

    return read


def _remember(kind: type[Record], unknown: Iterable[str]) -> None:
    for name in unknown:
        if name.isidentifier() and len(UNKNOWN_NAMES) < _MOST_UNKNOWN_NAMES:
            UNKNOWN_NAMES[kind, name] = None


def _read_field(row: dict[str, object], field: WireField, hook: Hook) -> object:
    name, *others = field.wire_names
    for other in others:
        if row.get(name) in (None, "") and other in row:
            name = other
    value = row.get(name)
    try:
        found = None if value is None else hook(value, field.kind)
    except Unreadable as error:
        error.path.append(name)
        raise
    if field.default is attrs.NOTHING and (found is None or found == ""):
        missing = Unreadable("is missing")
        missing.path.append(name)
        raise missing
    return found


def list_hook(kind: object, hook_of: HookOf) -> Hook:
    """Make the function that reads `tuple[X, ...]` or `list[X]`; elements that are null are left out."""
    element, *_ = get_args(kind)
    gather = cast("Callable[[list[object]], object]", type_of(kind))

    def read(value: object, _: object) -> object:
        if value is None or value == "":
            return gather([])
        if not isinstance(value, list):
            raise Unreadable.expected("a list", value)
        hook = hook_of(element)  # not before: a category holds categories
        elements: list[object] = []
        for place, held in enumerate(cast("list[object]", value)):
            try:
                found = hook(held, element)
            except Unreadable as error:
                error.path.append(place)
                raise
            if found is not None:
                elements.append(found)
        return gather(elements)

    return read


def page_hook(kind: object, hook_of: HookOf) -> Hook:
    """Make the function that reads a page; a bare list is a page that says nothing else of itself."""
    read_page = record_hook(kind, hook_of)
    rows = next(field.kind for field in wire_fields(kind) if field.name == "list")

    def read(value: object, _: object) -> object:
        if isinstance(value, dict):
            return read_page(cast("object", value), kind)
        return Page(list=cast("tuple[object, ...]", hook_of(rows)(value, rows)))

    return read


@attrs.frozen
class Unread:
    """What stands for a row that cannot be read: `Page[Product | Unread]` is read whatever its rows are.

    Attributes:
        document: the row as it was parsed.
        problem: what is wrong, with the path inside the row and without the value.
    """

    document: object = attrs.field(repr=False)
    problem: str


def is_readable_or_not(kind: object) -> bool:
    """Tell whether a type is that of a row or `Unread`."""
    return get_origin(kind) in {Union, UnionType} and Unread in get_args(kind)


def readable(kind: object) -> object:
    """Return the type of the row, without the `Unread` beside it."""
    return get_args(kind)[0] if is_readable_or_not(kind) else kind


def readable_or_not_hook(kind: object, hook_of: HookOf) -> Hook:
    """Make the function that reads `X | Unread`."""
    row = readable(kind)
    hook = hook_of(row)

    def read(value: object, _: object) -> object:
        try:
            return hook(value, row)
        except Unreadable as error:
            return Unread(value, f"{error.where(getattr(row, '__name__', 'row'))} {error.reason}")

    return read
