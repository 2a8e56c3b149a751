"""Values that travel: models and errors as plain data for JSON, and back, the same to the last digit.

    model ── to_dict ──> dict of texts, numbers, lists ── from_dict ──> an equal model

It is not the form of the wire (`codec`): the names are Python's, and nothing is lost. This package imports nothing of
the others, because errors travel, too. What reads is loaded when it is first used.
"""

from __future__ import annotations

import json
import re
from collections.abc import Hashable, Mapping, Set as AbstractSet
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, Self, TypeAlias, TypeVar, cast

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pydantic_core import CoreSchema


T = TypeVar("T")

READ_AS: Final = "kakaclo.read_as"
"""The metadata of a field that is read as another type than the one that is written there."""

Path: TypeAlias = tuple[str | int, ...]

_NUMBER: Final = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,9})?")
_LONGEST_NUMBER: Final = 1200
_MOST_DIGITS: Final = 100
_DECIMAL: Final = "$decimal"
_OBJECT: Final = "$object"
_TEXT: Final = "$text"


class Unreadable(Exception):
    """Plain data that cannot be read; nothing of it is repeated.

    Attributes:
        problems: the path to each, outermost first, and what is wrong there.
    """

    def __init__(self, *problems: tuple[Path, str]) -> None:
        super().__init__()
        self.problems = problems

    @classmethod
    def expected(cls, wanted: str, value: object) -> Unreadable:
        """Say what was wanted, and what kind of value came."""
        kind = "nothing" if value is None else f"a value of type {type(value).__name__}"
        return cls(((), f"it must be {wanted}, not {kind}"))

    def below(self, name: str | int) -> list[tuple[Path, str]]:
        """Return the problems as the owner of a part sees them."""
        return [((name, *path), text) for path, text in self.problems]


class Travels:
    """What becomes plain data, and comes back equal."""

    __slots__ = ()

    def to_dict(self) -> dict[str, object]:
        """Return it as plain data that every JSON writer takes, under the Python names of its fields.

        Amounts are texts with all their digits, times are ISO 8601 in UTC, an enumeration is its value, a tuple is a
        list. Fields of KakaClo's answers that this package does not know are in `extra`, if there are any. All of it
        is there, addresses and phone numbers included: it is data, not a line for a log.
        """
        return {
            name: write(getattr(self, name))
            for name, write in _writers(cast("Hashable", type(self)))
            if name != "extra" or getattr(self, name)
        }

    def to_json(self) -> str:
        """Return `to_dict` as JSON text."""
        return json.dumps(self.to_dict(), ensure_ascii=False, separators=(",", ":"))

    def __json__(self) -> object:
        # What kombu asks for, and so Celery when a task returns a model.
        return self.to_plain()

    def to_plain(self) -> object:
        """Return what stands for it inside of other plain data."""
        return self.to_dict()

    @classmethod
    def from_dict(cls, document: Mapping[str, object]) -> Self:
        """Make one of plain data: of what `to_dict` gave, or of what a person or a program wrote by the same names.

        Args:
            document: fields that have a default may be absent. Values may also be what they stand for: a Decimal, a
                datetime, a model.

        Raises:
            InvalidRequest: all that is wrong with it, each with its path; no value is repeated, for it may be an
                address.
        """
        found, problems = read(cls, document)
        del document
        if found is None:
            raise refusal(cls, problems)
        return found

    @classmethod
    def from_plain(cls, value: object, kind: object) -> object:
        """Make one of what `to_plain` gave.

        Args:
            value: what was given.
            kind: this class, with its type parameters if it has any.

        Raises:
            Unreadable: with all problems.
        """
        return _reading().read_fields(kind, value)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: object, _handler: object) -> CoreSchema:
        return cast("CoreSchema", _schema().core_schema_of(source))

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: object) -> dict[str, object]:
        return cast("dict[str, object]", _schema().json_schema_of(cls, schema, handler))


def _schema() -> Any:
    # Loaded when pydantic asks: it is no dependency.
    return import_module(f"{__name__}.schema")


def _reading() -> Any:
    # Loaded when something is read: it needs this module, and programs that only ask never need it.
    return import_module(f"{__name__}.reading")


def read(kind: type[T], document: object) -> tuple[T | None, tuple[tuple[str, str], ...]]:
    """Read plain data as a type; return what it is, or None and all its problems: path and sentence."""
    return cast("tuple[T | None, tuple[tuple[str, str], ...]]", _reading().read_all(kind, document))


@cache
def model(name: object) -> Any:
    """Return the class of a model by its name.

    Raises:
        Unreadable: there is none.
    """
    todo = list[type](Travels.__subclasses__())
    while todo:
        kind = todo.pop()
        # attrs leaves behind the class that it made slots for, and the decoder makes some of the same names.
        own = "__slots__" in vars(kind) and (attrs.has(kind) or "from_plain" in vars(kind))
        if kind.__name__ == name and own and "codec" not in kind.__module__:
            return kind
        todo += kind.__subclasses__()
    raise Unreadable((("of",), "there is no model of this name"))


def read_plain(kind: object, value: object) -> object:
    """Read plain data as a type.

    Raises:
        Unreadable: with all problems.
    """
    return cast("object", _reading().hook_of(kind)(value, kind))


_refusals: Final[list[type[Exception]]] = []


def refuses(kind: type[T]) -> type[T]:
    """Name the error that plain data which cannot be read is refused with; errors are above this package."""
    _refusals.append(cast("type[Exception]", kind))
    return kind


def refusal(kind: type, problems: tuple[tuple[str, str], ...]) -> Exception:
    """Return the error that names all problems of plain data."""
    told = "; ".join(f"{path}: {text}" if path else text for path, text in problems)
    return _refusals[0](f"this is no {kind.__name__}: {told}")


def to_json_value(value: object) -> object:
    """Return a value as plain data: models, errors, Decimals, times, enumerations, and collections of them.

    For `json.dumps(value, default=kakaclo_async.to_json_value)`, and the like of other writers.

    Raises:
        TypeError: a value of another type, as `json` itself says it.
    """
    if isinstance(value, (Travels, Enum, Decimal, datetime, bytes, Mapping, AbstractSet, tuple, list)):
        return to_plain(cast("object", value))
    if value is None or isinstance(value, (str, int, float)):
        return value
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")


def to_plain(value: object) -> object:
    """Write a value whose type is known, so that it need not be told."""
    match value:
        case Enum():
            return cast("object", value.value)
        case Travels():
            return value.to_plain()
        case str():
            return str.__str__(value)
        case Decimal():
            return format(value, "f")
        case datetime():
            return write_time(value)
        case bytes():
            try:
                return value.decode()
            except UnicodeDecodeError:
                raise TypeError("bytes that are no UTF-8 are not JSON serializable") from None
        case Mapping():
            items = cast("Mapping[object, object]", value).items()
            return {str(to_plain(key)): to_plain(held) for key, held in items}
        case list() | tuple():
            return [to_plain(element) for element in cast("tuple[object, ...]", value)]
        case AbstractSet():
            return sorted(map(to_plain, cast("Iterable[object]", value)), key=str)
        case _:
            return value


def fields_of(value: object) -> Mapping[str, object] | None:
    """Return a mapping as such, and None of anything else."""
    return cast("Mapping[str, object]", value) if isinstance(value, Mapping) else None


def write_time(moment: datetime) -> str:
    """Write a time in UTC; one without a zone stays without, and is refused when it is read."""
    if moment.tzinfo is None:
        return moment.isoformat()
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def write_untyped(value: object) -> object:
    """Write JSON data of any form, in which numbers with a fraction are Decimals: these are told from texts."""
    match value:
        case Decimal():
            return {_DECIMAL: str(value)}
        case Mapping():
            held = cast("Mapping[str, object]", value)
            written = {name: write_untyped(part) for name, part in held.items()}
            return (
                {_OBJECT: written} if len(written) == 1 and written.keys() & {_DECIMAL, _OBJECT} else written
            )
        case list() | tuple():
            return [write_untyped(element) for element in cast("tuple[object, ...]", value)]
        case _:
            return to_plain(value)


def read_untyped(value: object) -> object:
    """Read what `write_untyped` wrote."""
    match value:
        case Mapping():
            held = cast("Mapping[str, object]", value)
            if len(held) == 1:
                [(name, part)] = held.items()
                if name == _DECIMAL:
                    if (number := as_number(str(part))) is None:
                        raise Unreadable(((_DECIMAL,), "it must be a number, written as a text"))
                    return number
                if name == _OBJECT and isinstance(part, Mapping):
                    inner = cast("Mapping[str, object]", part)
                    return {name: read_untyped(one) for name, one in inner.items()}
            return {name: read_untyped(part) for name, part in held.items()}
        case list() | tuple():
            return [read_untyped(element) for element in cast("tuple[object, ...]", value)]
        case _:
            return value


def write_measure(value: object) -> object:
    """Write a number or a text: a text that looks like a number says that it is none."""
    if isinstance(value, str) and as_number(value) is not None:
        return {_TEXT: str(value)}
    return to_plain(value)


def read_measure(value: object) -> object:
    """Read what `write_measure` wrote."""
    if (held := fields_of(value)) is not None:
        return held.get(_TEXT)
    number = as_number(value) if isinstance(value, str) else None
    return value if number is None else number


def as_number(text: str) -> Decimal | None:
    """Return the number that a text is, or None; one out of all bounds is none: to write it out takes a gigabyte."""
    written = text.strip()
    if len(written) > _LONGEST_NUMBER or not _NUMBER.fullmatch(written):
        return None
    number = Decimal(written)
    return number if is_bounded(number) else None


def is_bounded(number: Decimal) -> bool:
    """Tell whether a number is finite, and has no more digits than money or a measure may have."""
    return number.is_finite() and abs(number.adjusted()) <= _MOST_DIGITS


@cache
def _writers(kind: Hashable) -> tuple[tuple[str, Callable[[object], object]], ...]:
    fields = attrs.fields(attrs.resolve_types(cast("type[attrs.AttrsInstance]", kind)))
    return tuple((field.name, _writer(field.type)) for field in fields)


def _writer(kind: object) -> Callable[[object], object]:
    if kind is object or kind == Mapping[str, object]:
        return write_untyped
    return write_measure if kind == MEASURE else to_plain


MEASURE: Final = Decimal | str | None
"""A cell of a size chart."""
