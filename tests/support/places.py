"""Every value in a JSON text by its place, and what one thing may do to one of them: cut, null, another type, twice.

Texts are spliced, not data changed: a name that stands twice, or a number of 400 digits, is no Python object.
"""

from __future__ import annotations

import re
from typing import Final

import attrs

_TOKEN: Final = re.compile(r'\s*("(?:[^"\\]|\\.)*"|[^\s",:\[\]{}]+|[\[\]{},:])')
_KINDS: Final = {'"': "text", "{": "object", "[": "list", "t": "literal", "f": "literal", "n": "null"}


@attrs.frozen
class Place:
    """A value in a JSON text.

    Attributes:
        path: names and numbers from the top.
        kind: "text", "number", "literal", "null", "object" or "list".
        start: where the value begins.
        end: where it ends.
        name: where its name begins; its own start in a list.
        cut: what to take out to remove it, its comma included.
    """

    path: tuple[str | int, ...]
    kind: str
    start: int
    end: int
    name: int
    cut: tuple[int, int]

    @property
    def is_member(self) -> bool:
        """Whether it has a name."""
        return self.name < self.start


def places(text: str) -> tuple[Place, ...]:
    """List the values in a JSON text, the whole document first."""
    found: list[Place] = []
    _scan(text, 0, (), None, found)
    return tuple(sorted(found, key=lambda place: place.start))


def _scan(text: str, at: int, path: tuple[str | int, ...], name: int | None, found: list[Place]) -> int:
    token = _TOKEN.match(text, at)
    assert token is not None
    start, end = token.span(1)
    kind = _KINDS.get(text[start], "number")
    if kind in {"object", "list"}:
        end = _scan_inside(text, end, path, found, is_object=kind == "object")
    found.append(Place(path, kind, start, end, start if name is None else name, (start, end)))
    return end


def _scan_inside(
    text: str, at: int, path: tuple[str | int, ...], found: list[Place], *, is_object: bool
) -> int:
    count, comma = 0, -1
    while True:
        token = _TOKEN.match(text, at)
        assert token is not None
        if token[1] in "]}":
            return token.end()
        if token[1] == ",":
            comma, at = token.start(1), token.end()
            continue
        name, key = None, count
        if is_object:
            name, key = token.start(1), text[token.start(1) + 1 : token.end(1) - 1]
            colon = _TOKEN.match(text, token.end())
            assert colon is not None
            at = colon.end()
        at = _scan(text, at, (*path, key), name, found)
        place = found.pop()
        after = _TOKEN.match(text, at)
        assert after is not None
        last = after.end() if after[1] == "," else at
        cut = (place.name, last) if comma < 0 else (comma, at)
        found.append(attrs.evolve(place, cut=cut))
        count += 1


RETYPED: Final = {
    "null": "null",
    "true": "true",
    "false": "false",
    "zero": "0",
    "number": "7",
    "negative": "-7",
    "fraction": "7.5",
    "large": "1e30",
    "huge": "9" * 400,
    "empty text": '""',
    "text": '"some text"',
    "text NULL": '"NULL"',
    "text of a number": '"12"',
    "list": "[]",
    "list of a number": "[7]",
    "list of null": "[null]",
    "object": "{}",
    "object of a number": '{"some_name":7}',
}


def remove(text: str, place: Place) -> str:
    """Take a value out, with its name."""
    return text[: place.cut[0]] + text[place.cut[1] :]


def replace(text: str, place: Place, value: str) -> str:
    """Put other JSON in the place of a value."""
    return text[: place.start] + value + text[place.end :]


def double(text: str, place: Place) -> str:
    """Let a value stand twice, with its name if it has one."""
    return f"{text[: place.end]},{text[place.name : place.end]}{text[place.end :]}"


def double_after(text: str, place: Place, value: str) -> str:
    """Let a name stand twice, first with another value."""
    head = text[place.name : place.start]
    return f"{text[: place.name]}{head}{value},{text[place.name :]}"


def rename(text: str, place: Place, name: str) -> str:
    """Give a value another name."""
    return f'{text[: place.name]}"{name}":{text[place.start :]}'


def unquoted(text: str, place: Place) -> str | None:
    """Return the text of a number as a number, and a number as its text; None for what is neither."""
    value = text[place.start : place.end]
    if place.kind == "number":
        return replace(text, place, f'"{value}"')
    if place.kind == "text" and re.fullmatch(r"-?(0|[1-9][0-9]{0,15})(\.[0-9]{1,4})?", value[1:-1]):
        return replace(text, place, value[1:-1])
    return None


def one_change(text: str, place: Place) -> dict[str, str]:
    """Return the text with each one thing done to one value, by what was done."""
    found = {f"retyped to {name}": replace(text, place, value) for name, value in RETYPED.items()}
    if (swapped := unquoted(text, place)) is not None:
        found["number and text swapped"] = swapped
    if place.path:
        found |= {"removed": remove(text, place), "doubled": double(text, place)}
    if place.is_member:
        found["renamed"] = rename(text, place, "some_other_name")
        for name in ("null", "text", "list", "number"):
            found[f"doubled after {name}"] = double_after(text, place, RETYPED[name])
    return found
