"""From bytes to records, quick: the reader for documents without surprises. This module generates code.

Why: a page of 30 products with 8 SKUs each holds some 5,000 values. Reading them field by field in Python takes six
times as long as what is here: msgspec parses into a struct at the speed of C, and a generated function moves the
struct's fields into a record. attrs and cattrs generate their `__init__` and their hooks for the same reason.

What: one function for each record class, from the names and types of its fields, and from no data. For `Sku`:

    def build(rows):
        records = []
        for row in rows:
            record = Open()
            record.sku = row.sku
            value = row.price
            record.price = value if type(value) is Decimal else wholes[value] if type(value) is int else ...
            ...
            record.extra = NO_EXTRA
            record.__class__ = Closed
            records.append(record)
        return tuple(records)

A value that already is what its field wants passes inline; what repeats (statuses, options, numbers as texts) is
looked up by its text. `Open` is the class unfrozen (see `many`). The source is in `linecache`, so debuggers and
tracebacks show it.

How it stays honest: what a struct does not expect ends in an exception, and `converter` reads the document again;
`UnknownFields` tells what the structs expect. `tests/codec/test_two_ways.py` compares both readers on every sample.
"""

from __future__ import annotations

import linecache
from collections.abc import Callable, Hashable, Iterable
from decimal import Decimal
from functools import cache, lru_cache
from typing import Annotated, Any, Final, TypeAlias, TypeVar, cast, get_args, get_origin
from zlib import crc32

import attrs
import msgspec

from kakaclo_async.codec.converter import (
    SCALARS,
    UNKNOWN_FIELDS,
    WireField,
    hook_of,
    row_type,
    type_of,
    wire_fields,
)
from kakaclo_async.codec.many import OpenMapping, OpenOption, Shared, open_class
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
_Build: TypeAlias = Callable[[Iterable[object]], tuple[object, ...]]

_IDENTIFIER: Final = Annotated[str, msgspec.Meta(min_length=1)]


def strict_decoder(kind: type[T]) -> Callable[[bytes | msgspec.Raw], T] | None:
    """Return the function that reads the data of an answer, or raises when anything surprises it.

    Args:
        kind: a subclass of `Record`, a generic one with its parameters, or a tuple of such.

    Returns:
        The function; None for any other kind.
    """
    # A new unknown field makes new decoders, which expect it.
    data, _ = _decoders(cast("Hashable", kind), UNKNOWN_FIELDS.count)
    return cast("Callable[[bytes | msgspec.Raw], T] | None", data)


def strict_body_decoder(kind: type[T]) -> Callable[[bytes], tuple[int, T]] | None:
    """Return the function that reads code and data of a whole answer in one pass; None as for `strict_decoder`."""
    _, body = _decoders(cast("Hashable", kind), UNKNOWN_FIELDS.count)
    return cast("Callable[[bytes], tuple[int, T]] | None", body)


@lru_cache(maxsize=64)
def _decoders(
    kind: Hashable, _unknown_fields: int
) -> (
    tuple[Callable[[bytes | msgspec.Raw], object], Callable[[bytes], tuple[int, object]]] | tuple[None, None]
):
    rows = get_origin(kind) is tuple
    record = cast("object", get_args(kind)[0]) if rows else kind
    if not issubclass(type_of(record), Record):
        return None, None
    struct, build = _struct_and_builder(record, ())
    data_shape = cast("object", tuple[struct, ...] if rows else struct)  # type: ignore[valid-type] # made at run time
    envelope = msgspec.defstruct("Envelope", [("code", int), ("data", data_shape)])
    parse_data, parse_body = (
        msgspec.json.Decoder(shape, float_hook=DECIMALS.__getitem__).decode
        for shape in (data_shape, envelope)
    )

    def read_data(data: bytes | msgspec.Raw) -> object:
        found = parse_data(data)
        return build(found) if rows else build((found,))[0]

    def read_body(body: bytes) -> tuple[int, object]:
        found = parse_body(body)
        return found.code, build(found.data) if rows else build((found.data,))[0]

    return read_data, read_body


@attrs.frozen
class _Way:
    """How one field goes from the JSON to the record.

    Attributes:
        seen: the type that the parser checks.
        take: the expression that makes the field's value of `value`.
        tool: what the expression calls `{tool}`; its attributes `known` and `read` stand beside it.
    """

    seen: object
    take: str
    tool: object = None


_AS_IT_IS: Final = _Way(str | None, "value")
_NAMES: Final[dict[str, object]] = {
    "Decimal": Decimal,
    "NO_EXTRA": NO_EXTRA,
    "ClosedMapping": FrozenMapping,
    "OpenMapping": OpenMapping,
    "OpenOption": OpenOption,
    "ClosedOption": Option,
    "UNSET": msgspec.UNSET,
    "wholes": WHOLE_DECIMALS,
}


def _struct_and_builder(kind: object, outer: tuple[object, ...]) -> tuple[type[msgspec.Struct], _Build]:
    """Make the struct that the parser fills for a record class, and the function that makes records of structs.

    Args:
        kind: the class; a generic one with its parameters.
        outer: the classes that it is being made inside of.
    """
    closed = cast("type[Record]", type_of(kind))
    struct = _Struct(closed.__name__)
    names = {**_NAMES, "Closed": closed, "Open": open_class(closed)}
    before: list[str] = []
    lines: list[str] = []
    for field in wire_fields(kind):
        way = _way(field.kind, (*outer, kind))
        tool, known, read = (f"{what}_{field.name}" for what in ("tool", "known", "read"))
        names[tool] = way.tool
        if isinstance(way.tool, Shared):
            before += [
                f"if {tool}.pause: {tool}.rest(len(rows))",
                f"else: {tool}.seen += len(rows)",
                f"{known}, {read} = {tool}.known, {tool}.read",
            ]
        first, *others = struct.add(field, way.seen)
        if _is_code(field):
            lines.append(f"if {DAMAGED!r} in row.{first}: raise ValueError('damaged')")
        if way == _AS_IT_IS and not others:
            lines.append(f"record.{field.name} = row.{first}")
            continue
        lines.append(f"value = row.{first}")
        for other in others:
            lines += ["if value is None or value == '':", f"    value = row.{other}"]
        line = f"record.{field.name} = {way.take.format(tool=tool, known=known, read=read)}"
        lines += (
            [line]
            if type_of(field.kind) is not Option
            else [*_made_in_a_pause(field.name, known), f"    {line}"]
        )
        if field.default is attrs.NOTHING:
            lines.append(f"if record.{field.name} is None: raise ValueError('missing')")
    lines += struct.extra_lines(closed)
    return struct.define(), _compiled(_source(before, lines), closed.__name__, names)


def _source(before: list[str], lines: list[str]) -> str:
    """Write the function, around what prepares it and what fills one record."""
    each = ["record = Open()", *lines, "record.__class__ = Closed", "records.append(record)"]
    whole = [
        *before,
        "records = []",
        "for row in rows:",
        *(f"    {line}" for line in each),
        "return tuple(records)",
    ]
    return "def build(rows):\n" + "".join(f"    {line}\n" for line in whole)


def _made_in_a_pause(name: str, known: str) -> list[str]:
    """Return the lines that make an option as `read_when_asked` does where no text comes twice, up to their `else`."""
    return [
        f"if {known} is None and type(value) is str and value[:1] == '{{':",
        f"    option = record.{name} = OpenOption()",
        "    option.raw = value",
        "    option.__class__ = ClosedOption",
        "else:",
    ]


def _is_code(field: WireField) -> bool:
    """Tell a text that must be there, whole: what a record is known by."""
    return field.default is attrs.NOTHING and field.kind is str


def _compiled(source: str, name: str, names: dict[str, object]) -> _Build:
    # The checksum gives equal sources one entry, however often unknown fields make new decoders.
    filename = f"<generated builder of {name} {crc32(source.encode()):08x}>"
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    exec(compile(source, filename, "exec"), names)  # noqa: S102 # made of our own names
    return cast("_Build", names["build"])


def _java_hash(text: str) -> int:
    """Return what Java's hash tables go by: the rows of products are written in their order."""
    found = 0
    for character in text:
        found = (31 * found + ord(character)) & 0xFFFFFFFF
    return found ^ (found >> 16)


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

    def extra_lines(self, closed: type[Record]) -> list[str]:
        """Add the unknown fields that were met before; return the lines that keep those that a row has."""
        lines: list[str] = []
        for place, wire_name in enumerate(UNKNOWN_FIELDS.of(closed)):
            name = self._add(f"extra{place}", wire_name, object, msgspec.UNSET)
            lines += [f"if row.{name} is not UNSET:", f"    extra[{wire_name!r}] = row.{name}"]
        if not lines:
            return ["record.extra = NO_EXTRA"]
        keep = ["mapping = OpenMapping()", "mapping._items = extra", "mapping.__class__ = ClosedMapping"]
        lines += ["if extra:", *(f"    {line}" for line in [*keep, "record.extra = mapping"])]
        return ["extra = {}", *lines, "else: record.extra = NO_EXTRA"]

    def define(self) -> type[msgspec.Struct]:
        """Define the struct; the parser expects its fields in the order in which KakaClo writes most."""
        size = 16
        while len(self._fields) > size * 3 // 4:
            size *= 2
        fields = sorted(self._fields, key=lambda field: _java_hash(field[2].name) % size)
        return msgspec.defstruct(self._name, fields, forbid_unknown_fields=True, kw_only=True, gc=False)


def _way(kind: object, outer: tuple[object, ...]) -> _Way:
    """Choose the way of a type; what has no quick one is parsed freely and read by its hook."""
    if kind is str:
        return _AS_IT_IS
    if kind == tuple[str, ...]:
        return _Way(tuple[str, ...] | None, "() if value is None else value")
    rows = get_origin(kind) is tuple
    row = row_type(cast("object", get_args(kind)[0])) if rows else kind
    # A category holds categories: inside itself it takes the long way.
    if issubclass(type_of(row), Record) and row not in outer:
        struct, build = _struct_and_builder(row, outer)
        if rows:
            many = cast("object", tuple[struct, ...] | None)  # type: ignore[valid-type] # made at run time
            return _Way(many, "() if value is None else {tool}(value)", build)
        return _Way(struct | None, "None if value is None else {tool}((value,))[0]", build)
    if issubclass(type_of(kind), (Option, Attributes)):
        return _Way(object, _SHARED, _shared(kind))
    for base, taken in _TAKEN.items():
        if issubclass(type_of(kind), base):
            return _Way(object, taken + _ELSE, _memo(kind))
    absent = "()" if rows else "None"
    return _Way(object, f"{absent} if value is None else {{tool}}(value)", _reader(kind))


# What comes most often comes first. What is no text, None or of these types is left to the reader.
_TAKEN: Final[dict[type, str]] = {  # an enumeration of numbers is one of `int`
    OpenIntEnum: "{tool}[value] if type(value) is int",
    OpenStrEnum: "{tool}[value] if type(value) is str",
    int: f"value if type(value) is int and value < {2**30} and value > -1",  # these are compared quickly
    Decimal: "value if type(value) is Decimal else wholes[value] if type(value) is int",
}
_ELSE: Final = " else None if value is None else {tool}[value] if type(value) is str else {tool}.read(value)"
_SHARED: Final = (
    "({read}(value) if {known} is None else {known}[value]) if value and type(value) is str"
    " else None if value is None else {read}(value)"
)


@cache  # fields of one type share what was read
def _memo(kind: object) -> Memo[str | int, object]:
    return Memo(_reader(kind))


@cache
def _shared(kind: object) -> Shared[object]:
    return Shared(_reader(kind))


def _reader(kind: object) -> Callable[[object], object]:
    hook = hook_of(kind)
    return SCALARS.get(cast("type", kind)) or (lambda value: hook(value, kind))
