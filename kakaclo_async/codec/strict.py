"""From bytes to records, quick: the reader for documents without surprises. This module generates code.

Why: a page of 30 products with 8 SKUs each holds some 5,000 values. Reading them field by field in Python takes six
times as long as what is here: msgspec parses into a struct at the speed of C, and a generated function moves the
struct's fields into a record. attrs and cattrs generate their `__init__` and their hooks for the same reason.

What: one function for each record class, from the names and types of its fields, and from no data. For `Sku`:

    def build(row):
        record = new(Open)
        record.sku = row.sku
        value = row.price
        record.price = None if value is None else value if type(value) is Decimal else ...
        ...
        record.extra = NO_EXTRA
        record.__class__ = Closed
        return record

A value that already is what its field wants passes inline; what repeats (statuses, options) is looked up by its
text. `Open` is an unfrozen subclass of the same layout: a frozen class sets its slots through `object.__setattr__`,
which alone would cost as much as the parsing. The source is in `linecache`, so debuggers and tracebacks show it.

How it stays honest: what a struct does not expect ends in an exception, and `converter` reads the document again;
`UnknownFields` tells what the structs expect. `tests/codec/test_two_ways.py` compares both readers on every sample.
"""

from __future__ import annotations

import linecache
from collections.abc import Callable, Hashable
from decimal import Decimal
from functools import lru_cache
from typing import Annotated, Any, Final, TypeAlias, TypeVar, cast, get_args, get_origin
from zlib import crc32

import attrs
import msgspec

from kakaclo_async.codec.converter import (
    UNKNOWN_FIELDS,
    WireField,
    hook_of,
    row_type,
    type_of,
    wire_fields,
)
from kakaclo_async.codec.scalars import DAMAGED, DECIMALS, WHOLE_DECIMALS, Memo
from kakaclo_async.models.common import (
    NO_EXTRA,
    Attributes,
    FrozenMapping,
    OpenIntEnum,
    OpenStrEnum,
    Option,
    Record,
)

T = TypeVar("T")
_Build: TypeAlias = Callable[[object], object]

_IDENTIFIER: Final = Annotated[str, msgspec.Meta(min_length=1)]


def strict_decoder(kind: type[T]) -> Callable[[bytes | msgspec.Raw], T]:
    """Return the function that reads a record from the data of an answer, or raises when anything surprises it.

    Args:
        kind: a subclass of `Record`; a generic one with its parameters.
    """
    # A new unknown field makes new decoders, which expect it.
    data, _ = _decoders(cast("Hashable", kind), UNKNOWN_FIELDS.count)
    return cast("Callable[[bytes | msgspec.Raw], T]", data)


def strict_body_decoder(kind: type[T]) -> Callable[[bytes], tuple[int, T]] | None:
    """Return the function that reads code and data of a whole answer in one pass; None unless it is a record's."""
    return cast(
        "Callable[[bytes], tuple[int, T]] | None", _body(cast("Hashable", kind), UNKNOWN_FIELDS.count)
    )


@lru_cache(maxsize=64)
def _body(kind: Hashable, unknown_fields: int) -> Callable[[bytes], tuple[int, object]] | None:
    return _decoders(kind, unknown_fields)[1] if issubclass(type_of(kind), Record) else None


@lru_cache(maxsize=64)
def _decoders(
    kind: Hashable, _unknown_fields: int
) -> tuple[Callable[[bytes | msgspec.Raw], object], Callable[[bytes], tuple[int, object]]]:
    struct, build = _struct_and_builder(kind, ())
    envelope = msgspec.defstruct("Envelope", [("code", int), ("data", struct)])
    parse_data, parse_body = (
        msgspec.json.Decoder(shape, float_hook=DECIMALS.__getitem__).decode for shape in (struct, envelope)
    )

    def read_body(body: bytes) -> tuple[int, object]:
        code, data = msgspec.structs.astuple(parse_body(body))
        return code, build(data)

    return lambda data: build(parse_data(data)), read_body


@attrs.frozen
class _Way:
    """How one field goes from the JSON to the record.

    Attributes:
        seen: the type that the parser checks.
        take: the expression that makes the field's value of `value`, which is not None.
        absent: what stands for None.
        tool: what the expression calls `tool`.
    """

    seen: object
    take: str
    absent: str = "None"
    tool: object = None


_AS_IT_IS: Final = _Way(str | None, "value")


def _struct_and_builder(kind: object, outer: tuple[object, ...]) -> tuple[type[msgspec.Struct], _Build]:
    """Make the struct that the parser fills for a record class, and the function that makes a record of it.

    Args:
        kind: the class; a generic one with its parameters.
        outer: the classes that it is being made inside of.
    """
    closed = cast("type[Record]", type_of(kind))
    struct = _Struct(closed.__name__)
    names: dict[str, object] = {
        "Closed": closed,
        "Decimal": Decimal,
        "NO_EXTRA": NO_EXTRA,
        "Open": _open_class(closed),
        "new": object.__new__,
        "wholes": WHOLE_DECIMALS,
    }
    lines = ["record = new(Open)"]
    for field in wire_fields(kind):
        way = _way(field.kind, (*outer, kind))
        names[f"tool_{field.name}"] = way.tool
        first, *others = struct.add(field, way.seen)
        if _is_code(field):
            lines.append(f"if {DAMAGED!r} in row.{first}: raise ValueError('damaged')")
        if way == _AS_IT_IS and not others:
            lines.append(f"record.{field.name} = row.{first}")
            continue
        lines.append(f"value = row.{first}")
        for other in others:
            lines += ["if value is None or value == '':", f"    value = row.{other}"]
        take = way.take.replace("tool", f"tool_{field.name}")
        lines.append(f"record.{field.name} = {way.absent} if value is None else {take}")
        if field.default is attrs.NOTHING:
            lines.append(f"if record.{field.name} is None: raise ValueError('missing')")
    names["extra_of"] = struct.extra_of(closed)
    lines += [
        f"record.extra = {'extra_of(row)' if names['extra_of'] else 'NO_EXTRA'}",
        "record.__class__ = Closed",
        "return record",
    ]
    source = "def build(row):\n" + "".join(f"    {line}\n" for line in lines)
    return struct.define(), _compiled(source, closed.__name__, names)


def _is_code(field: WireField) -> bool:
    """Tell a text that must be there, whole: what a record is known by."""
    return field.default is attrs.NOTHING and field.kind is str


def _compiled(source: str, name: str, names: dict[str, object]) -> _Build:
    # The checksum gives equal sources one entry, however often unknown fields make new decoders.
    filename = f"<generated builder of {name} {crc32(source.encode()):08x}>"
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    exec(compile(source, filename, "exec"), names)  # noqa: S102 # made of our own names
    return cast("_Build", names["build"])


def _open_class(closed: type[Record]) -> type[Record]:
    # Both methods share one slot of the type: with one of them left frozen, setting stays as slow as it was.
    opened = {"__setattr__": object.__setattr__, "__delattr__": object.__delattr__}
    return type(closed.__name__, (closed,), {"__slots__": (), **opened})


class _Struct:
    """The fields of a struct while they are gathered."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._fields: list[tuple[str, Any, Any]] = []

    def add(self, field: WireField, seen: object) -> list[str]:
        """Add a field for each wire name of a field; return their names."""
        if _is_code(field):
            return [self._add(field.name, field.wire_names[0], _IDENTIFIER, msgspec.NODEFAULT)]
        return [
            self._add(f"{field.name}{place or ''}", wire_name, seen, None)
            for place, wire_name in enumerate(field.wire_names)
        ]

    def _add(self, name: str, wire_name: str, seen: object, default: object) -> str:
        self._fields.append((name, seen, msgspec.field(default=default, name=wire_name)))
        return name

    def extra_of(self, closed: type[Record]) -> _Build | None:
        """Add the unknown fields that were met before; return the function that collects them, if any."""
        wire_names = UNKNOWN_FIELDS.of(closed)
        if not wire_names:
            return None
        extras = {
            self._add(f"extra{place}", wire_name, object, msgspec.UNSET): wire_name
            for place, wire_name in enumerate(wire_names)
        }

        def collect(row: object) -> object:
            values = {
                wire_name: value
                for name, wire_name in extras.items()
                if (value := getattr(row, name)) is not msgspec.UNSET
            }
            return FrozenMapping(values) if values else NO_EXTRA

        return collect

    def define(self) -> type[msgspec.Struct]:
        """Define the struct."""
        return msgspec.defstruct(self._name, self._fields, forbid_unknown_fields=True, kw_only=True, gc=False)


def _way(kind: object, outer: tuple[object, ...]) -> _Way:
    """Choose the way of a type; what has no quick one is parsed freely and read by its hook."""
    if kind is str:
        return _AS_IT_IS
    if kind == tuple[str, ...]:
        return _Way(tuple[str, ...] | None, "value", absent="()")
    rows = get_origin(kind) is tuple
    row = row_type(cast("object", get_args(kind)[0])) if rows else kind
    # A category holds categories: inside itself it takes the long way.
    if issubclass(type_of(row), Record) and row not in outer:
        struct, build = _struct_and_builder(row, outer)
        if rows:
            many = cast("object", tuple[struct, ...] | None)  # type: ignore[valid-type] # made at run time
            return _Way(many, "tuple([tool(row) for row in value])", "()", build)
        return _Way(struct | None, "tool(value)", tool=build)

    hook = hook_of(kind)

    def read(value: object) -> object:
        return hook(value, kind)

    if kind is int:
        in_bounds = f"type(value) is int and {-(2**63)} <= value < {2**63}"
        return _Way(object, f"value if {in_bounds} else tool(value)", tool=read)
    if kind is Decimal:
        whole = "wholes[value] if type(value) is int else tool(value)"
        return _Way(object, f"value if type(value) is Decimal else {whole}", tool=read)
    if issubclass(type_of(kind), (Option, Attributes, OpenStrEnum)):
        return _Way(object, "tool[value] if type(value) is str else tool.read(value)", tool=Memo(read))
    if issubclass(type_of(kind), OpenIntEnum):
        return _Way(object, "tool[value] if type(value) is int else tool.read(value)", tool=Memo(read))
    return _Way(object, "tool(value)", absent="()" if rows else "None", tool=read)
