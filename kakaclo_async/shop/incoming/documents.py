"""JSON read strictly: each name once in its object, numbers that are numbers, and what no label has."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final, cast

from kakaclo_async.models.freight import OrderProblem

if TYPE_CHECKING:
    from collections.abc import Iterator

WHOLE_NUMBER: Final = re.compile(r"[0-9]{1,16}")
"""A quantity: no sign, no blanks, no digits of other alphabets."""

_LINE_BREAK: Final = re.compile("[\n\v\f\r\x1c-\x1e\x85\u2028\u2029]")
_NO_TEXT: Final = re.compile("[\x00-\x08\x0e-\x1b\x1f\x7f\ud800-\udfff]")


def read_json(text: str) -> object:
    """Read a JSON document whose objects have each name once, and whose numbers are numbers.

    Raises:
        ValueError: it is not one.
    """
    try:
        return json.loads(
            text, object_pairs_hook=_object, parse_constant=_refuse_constant, parse_int=_whole_number
        )
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def read_object(text: str) -> tuple[dict[str, object], OrderProblem | None]:
    """Read a JSON object; return an empty one, and the problem, where it is none."""
    try:
        document = read_json(text)
    except json.JSONDecodeError as error:
        return {}, OrderProblem(f"column {error.colno}", f"not JSON: {error.msg}")
    except ValueError as error:
        return {}, OrderProblem("JSON", str(error))
    if not isinstance(document, dict):
        return {}, OrderProblem("column 1", "not a JSON object")
    return cast("dict[str, object]", document), None


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found: dict[str, object] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"the name {name!r} stands twice in one object")
        found[name] = value
    return found


def _whole_number(text: str) -> int:
    if not WHOLE_NUMBER.fullmatch(text.removeprefix("-")):
        raise ValueError(f"a number of {len(text)} digits is too long")
    return int(text)


def _refuse_constant(name: str) -> object:
    raise ValueError(f"{name} is no number of JSON")


def text_problems(value: object, field: str = "") -> Iterator[OrderProblem]:
    """Yield where a text holds what no label has: signs of a broken file, or of one that was read wrongly."""
    if isinstance(value, str):
        if value.isascii() and value.isprintable():
            return
        if _NO_TEXT.search(value):
            yield OrderProblem(field, "it holds a control character or half of a character")
        elif field != "remark" and _LINE_BREAK.search(value):
            yield OrderProblem(field, "it holds a line break: is a quote missing?")
    elif isinstance(value, dict):
        for name, part in cast("dict[str, object]", value).items():
            yield from text_problems(part, f"{field}.{name}" if field else name)
    elif isinstance(value, list):
        for place, part in enumerate(cast("list[object]", value)):
            yield from text_problems(part, f"{field}[{place}]")
