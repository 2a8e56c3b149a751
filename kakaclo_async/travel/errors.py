"""Errors that travel: pickled, and as plain data, with their class and all their facts."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Hashable, Mapping
from datetime import datetime
from functools import cache
from typing import Any, Final, TypeVar, cast, get_type_hints

from kakaclo_async.travel import Path, Travels, Unreadable, model, read_plain, to_plain

T = TypeVar("T")


class TravellingError(Travels):
    """An error that travels: as plain data, and pickled, with all its facts."""

    def to_dict(self) -> dict[str, object]:
        """Return the name of its class as `error`, what it says as `text`, and its attributes under their names."""
        facts = dict(vars(self))
        notes = cast("list[str]", facts.pop("__notes__", []))
        written = {name: to_plain(held) for name, held in facts.items()}
        return {"error": type(self).__name__, "text": str(self), **written} | (
            {"notes": list(notes)} if notes else {}
        )

    @classmethod
    def from_plain(cls, value: object, kind: object) -> object:
        """Make an error of the class that it names."""
        del kind
        return read_error(cls, value)

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        # Subclasses take keyword-only facts; the default protocol would call them without.
        return rebuild, (type(self), cast("Exception", self).args, dict(vars(self)))


def rebuild(kind: type[T], args: tuple[object, ...], facts: Mapping[str, object]) -> T:
    """Make an error without calling it."""
    # Through `object`, typeshed's narrow signatures of BaseException.__new__ do not matter.
    error = cast("Callable[..., T]", kind.__new__)(kind)
    cast("Exception", error).args = args
    vars(error).update(facts)
    return error


def read_error(base: type[TravellingError], value: object) -> TravellingError:
    """Read an error, with its class and all its facts, from what `to_dict` gave."""
    if isinstance(value, base):
        return value
    if not isinstance(value, Mapping):
        raise Unreadable.expected("the fields of an error", value)
    given = cast("Mapping[str, object]", value)
    kind = _error_class(base, given.get("error"))
    known, facts = _facts(cast("Hashable", kind)), dict[str, Any]()
    problems: list[tuple[Path, str]] = []
    for name in {**known, **{name: None for name in given if name in known or _may_be_fact(kind, name)}}:
        parameter = known.get(name)
        if name in given:
            wanted = _WORDS.get(name) or (_type_of(kind, name) if parameter is None else parameter.annotation)
            try:
                facts[name] = read_plain(wanted, given[name])
            except Unreadable as error:
                problems += error.below(name)
        elif parameter is not None and parameter.default is parameter.empty:
            problems.append(((name,), "it is missing"))
        elif parameter is not None:
            facts[name] = parameter.default
    if problems:
        raise Unreadable(*problems)
    _, text, notes = (facts.pop(name, None) for name in ("error", "text", "notes"))
    return rebuild(kind, (text,) if text else (), facts | ({"__notes__": list(notes)} if notes else {}))


_WORDS: Final[dict[str, object]] = {"text": str | None, "notes": tuple[str, ...] | None}


def _may_be_fact(kind: type[TravellingError], name: object) -> bool:
    """Tell what would hide a method, or what Python keeps of an error, from a fact that is set later or unknown."""
    if not isinstance(name, str) or name.startswith("__"):
        return False
    return not hasattr(kind, name) or isinstance(getattr(kind, name), bool)


def _type_of(kind: type[TravellingError], name: str) -> object:
    return bool if hasattr(kind, name) else object


def _error_class(base: type[TravellingError], name: object) -> type[TravellingError]:
    todo = [base]
    while todo:
        kind = todo.pop()
        if kind.__name__ == name:
            return kind
        todo += kind.__subclasses__()
    raise Unreadable((("error",), f"there is no such kind of {base.__name__}"))


@cache
def _facts(error: Hashable) -> Mapping[str, inspect.Parameter]:
    """Return what makes an error of this kind, its text aside, with the types."""
    kind = cast("type[TravellingError]", error)
    if not inspect.isfunction(kind.__init__):  # it has no facts, and Python's own
        return {}
    hints = get_type_hints(kind.__init__, localns={"Certificate": model("Certificate"), "datetime": datetime})
    own = inspect.signature(kind.__init__).parameters.values()
    return {
        one.name: one.replace(annotation=hints.get(one.name, object))
        for place, one in enumerate(own)
        if place and not (place == 1 and one.name in {"text", "message"})
    }
