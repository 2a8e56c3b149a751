"""From plain data to models: a cattrs converter of its own, made when it is first used, that finds every problem."""

from __future__ import annotations

import types
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from functools import cache
from typing import Any, Final, Literal, TypeAlias, Union, cast, get_args, get_origin

import attrs
from cattrs import Converter

from kakaclo_async.travel import (
    MEASURE,
    READ_AS,
    Path,
    Travels,
    Unreadable,
    as_number,
    fields_of,
    is_bounded,
    model,
    read_measure,
    read_plain,
    read_untyped,
)

Hook: TypeAlias = Callable[[object, object], object]

_KINDS: Final[dict[type, str]] = {
    bool: "true or false",
    bytes: "a text",
    float: "a number",
    int: "a whole number",
    str: "a text",
}


def read_all(kind: object, document: object) -> tuple[object, tuple[tuple[str, str], ...]]:
    """Read plain data as a type; return what it is, or None and all its problems: path and sentence."""
    found, problems = problems_of(kind, document)
    return found, tuple((_written(path), text) for path, text in problems)


def problems_of(kind: object, document: object) -> tuple[object, tuple[tuple[Path, str], ...]]:
    """Do the same, with the parts of the paths."""
    try:
        return hook_of(kind)(document, kind), ()
    except Unreadable as error:
        return None, error.problems
    except RecursionError:
        return None, (((), "it is nested too deeply"),)


def _origin(kind: object) -> object:
    """Return `tuple` of `tuple[str, ...]`, and None of what has no parameters."""
    return cast("object", get_origin(cast("Any", kind)))


def _written(path: Path) -> str:
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return "".join(parts).removeprefix(".")


def read_fields(kind: object, document: object) -> object:
    """Read an attrs class, each field for itself: by its type, then by its converter and its validator."""
    make = cast("type[attrs.AttrsInstance]", _origin(kind) or kind)
    if isinstance(document, make):
        return document
    if (given := fields_of(document)) is None:
        raise Unreadable.expected(f"the fields of {make.__name__}", document)
    fields = types_of(kind)
    problems: list[tuple[Path, str]] = [
        ((str(name),), f"there is no such field: use one of {', '.join(fields)}")
        for name in given
        if name not in fields
    ]
    values: dict[str, object] = {}
    for name, (field, wanted) in fields.items():
        if name in given:
            try:
                values[field.alias or name] = _read_field(make, field, wanted, given[name])
            except Unreadable as error:
                problems += error.below(name)
        elif field.default is attrs.NOTHING:
            problems.append(((name,), "it is missing"))
    if problems:
        raise Unreadable(*problems)
    try:
        return make(**values)
    except ValueError as error:  # a limit that is about several fields
        told = _told(error, make)
    raise Unreadable(((), told))


@cache
def types_of(kind: Any) -> Mapping[str, tuple[attrs.Attribute[Any], object]]:
    """Return the fields of an attrs class with their types, its type parameters filled in."""
    make = cast("type[attrs.AttrsInstance]", _origin(kind) or kind)
    parameters = getattr(make, "__parameters__", ())
    given = dict(zip(parameters, get_args(kind) or [object] * len(parameters), strict=True))
    return {
        field.name: (field, _filled(field.metadata.get(READ_AS, field.type), given))
        for field in attrs.fields(attrs.resolve_types(make))
        if field.init
    }


def _filled(kind: Any, given: Mapping[Any, object]) -> object:
    wanted = getattr(kind, "__parameters__", ())
    return kind[tuple(given[one] for one in wanted)] if wanted else kind


def _read_field(
    make: type[attrs.AttrsInstance], field: attrs.Attribute[Any], kind: object, value: object
) -> object:
    convert = cast("Callable[[object], object] | None", field.converter)  # pyright: ignore[reportUnknownMemberType] - attrs types it by what it takes
    judged = field.validator is not None or convert is not None
    # Who has rules of its own for a text or a number says best what is wrong with it.
    as_it_is = judged and _is_simple(kind) and not _is_number(value)
    found = value if as_it_is else hook_of(kind)(value, kind)
    if not judged:
        return found
    try:
        converted = found if convert is None else convert(found)
        if field.validator is not None:
            cast("Callable[..., object]", field.validator)(object.__new__(make), field, converted)
    except (ValueError, TypeError) as error:
        told = _without_name(_told(error, make), f"{make.__name__}.{field.name} ")
    else:
        return found
    raise Unreadable(((), told))


def _is_simple(kind: object) -> bool:
    parts = set(get_args(kind)) - {type(None)} if is_union(kind) else {kind}
    return parts <= {str, int}


def _told(error: Exception, kind: type) -> str:
    """Return what an error of this package says; others may repeat the value."""
    return str(error) if isinstance(error, Travels) else f"this is nothing that {kind.__name__} can hold"


def _without_name(told: str, name: str) -> str:
    """Return what is wrong with a field, without its name: the path says it."""
    rest = told.removeprefix(name)
    return rest if rest == told or rest.startswith(("'", '"')) else f"it {rest}"


def hook_of(kind: object) -> Hook:
    """Find the function that reads values of a type."""
    return cast("Hook", _converter().get_structure_hook(cast("Any", kind)))


def is_union(kind: object) -> bool:
    """Tell `X | Y`, however it is written."""
    return _origin(kind) in cast("tuple[object, ...]", (Union, types.UnionType))


@cache
def _converter() -> Converter:
    converter = Converter(detailed_validation=False)
    for kind in _KINDS:
        converter.register_structure_hook(kind, _read_simple)
    converter.register_structure_hook(Decimal, lambda value, _: _read_decimal(value))
    converter.register_structure_hook(datetime, lambda value, _: _read_time(value))
    converter.register_structure_hook_func(lambda kind: kind is object, lambda value, _: read_untyped(value))
    converter.register_structure_hook_func(
        lambda kind: _origin(kind) is Literal, lambda value, kind: _one_of(value, get_args(kind))
    )
    converter.register_structure_hook_factory(is_union, _union_hook)
    converter.register_structure_hook_factory(_is(tuple, list, frozenset), _list_hook)
    converter.register_structure_hook_factory(_is(Mapping), _mapping_hook)
    converter.register_structure_hook_func(
        _is(Travels),
        lambda value, kind: cast("type[Travels]", _origin(kind) or kind).from_plain(value, kind),
    )
    return converter


def _is(*bases: type) -> Callable[[object], bool]:
    def check(kind: object) -> bool:
        found = _origin(kind) or kind
        return isinstance(found, type) and issubclass(found, bases)

    return check


def _read_simple(value: object, kind: object) -> object:
    wanted = cast("type", kind)
    if issubclass(wanted, Enum):  # cattrs finds this function for all that are texts or numbers, too
        return _read_member(value, kind)
    if issubclass(wanted, Travels):
        return wanted.from_plain(value, kind)
    if wanted is str and _is_number(value):
        return read_plain(model("Number"), value)
    if wanted is bytes and isinstance(value, str):
        return value.encode()
    allowed = cast("tuple[type, ...]", (int, float) if wanted is float else (wanted,))
    if isinstance(value, allowed) and isinstance(value, bool) <= (wanted is bool):
        return value
    raise Unreadable.expected(_KINDS[wanted], value)


def _is_number(value: object) -> bool:
    """Tell whether it is a number of KakaClo's with others beside it."""
    return set(fields_of(value) or ()) == {"all"}


def _read_decimal(value: object) -> Decimal:
    if isinstance(value, Decimal) or (isinstance(value, int) and not isinstance(value, bool)):
        if is_bounded(given := Decimal(value)):
            return given
        raise Unreadable(((), "it is a number out of all bounds"))
    if isinstance(value, float):
        raise Unreadable(((), "a float has not the digits that were meant: write the number as a text"))
    number = as_number(value) if isinstance(value, str) else None
    if number is not None:
        return number
    if isinstance(value, str):
        raise Unreadable(((), "it must be a number, written as a text such as '6.16'"))
    raise Unreadable.expected("a number, written as a text", value)


def _read_time(value: object) -> datetime:
    moment: datetime | None = None
    if isinstance(value, datetime):
        moment = value
    elif isinstance(value, str):
        with suppress(ValueError):
            moment = datetime.fromisoformat(value)
    if moment is None:
        raise Unreadable.expected("a time as ISO 8601 has it, 2026-01-31T08:00:00Z", value)
    if moment.tzinfo is None:
        raise Unreadable(((), "a time without its zone is no moment: end it with Z, or with its offset"))
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise Unreadable(((), "it is no time that a calendar knows")) from None


def _read_member(value: object, kind: object) -> object:
    members = cast("type[Enum]", kind)
    try:
        return members(value)
    except ValueError:
        pass
    return _one_of(value, [cast("object", member.value) for member in members])


def _one_of(value: object, choice: Collection[object]) -> object:
    if value in choice:
        return value
    raise Unreadable(((), f"it must be one of {', '.join(map(repr, choice))}"))


def _union_hook(kind: object) -> Hook:
    if kind == MEASURE:
        return lambda value, _: read_measure(value)
    parts = [part for part in get_args(kind) if part is not type(None)]
    optional = len(parts) < len(get_args(kind))

    def read(value: object, _: object) -> object:
        if value is None and optional:
            return None
        problem: Unreadable | None = None
        for part in parts:
            try:
                return hook_of(part)(value, part)
            except Unreadable as error:
                problem = problem or error
        raise problem or Unreadable.expected("something", value)

    return read


def _list_hook(kind: object) -> Hook:
    gather = cast("Callable[[list[object]], object]", _origin(kind) or kind)
    element = (get_args(kind) or (object,))[0]

    def read(value: object, _: object) -> object:
        if isinstance(value, (str, bytes, Mapping)) or not isinstance(value, Iterable):
            raise Unreadable.expected("a list", value)  # pyright: ignore[reportUnknownArgumentType] - of whatever kind
        hook, elements, problems = hook_of(element), list[object](), list[tuple[Path, str]]()
        for place, held in enumerate(cast("Iterable[object]", value)):
            try:
                elements.append(hook(held, element))
            except Unreadable as error:
                problems += error.below(place)
        if problems:
            raise Unreadable(*problems)
        return gather(elements)

    return read


def _mapping_hook(kind: object) -> Hook:
    key, held = get_args(kind) or (str, object)

    def read(value: object, _: object) -> object:
        if (given := fields_of(value)) is None:
            raise Unreadable.expected("an object", value)
        items = given.items()
        return {hook_of(key)(name, key): hook_of(held)(part, held) for name, part in items}

    return read
