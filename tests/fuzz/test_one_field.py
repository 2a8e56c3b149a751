"""Every published answer with every one of its values changed in every way: nothing else in it changes.

Exhaustive: all answers, all values in them, all changes. What the API may send is read; what it may not send costs the row
that it stands in, which says so, and no other row.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any, get_args, get_origin

import attrs
import pytest
from support.calls import BY_ENDPOINT
from support.documents import is_code, is_required
from support.endpoints import published
from support.fuzzing import Case, check, keeps_rows, request_of
from support.mutating import escaped
from support.places import RETYPED, Place, one_change, places

from kakaclo_async import DecodeError, KakaCloError, Rejected
from kakaclo_async.codec import Undecodable
from kakaclo_async.codec.converter import WireField, row_type, type_of, wire_fields
from kakaclo_async.codec.embedded import LooseText, LooseTime
from kakaclo_async.models.common import Attributes, OpenIntEnum, OpenStrEnum, Option, Page, Record
from kakaclo_async.models.product import SizeContent
from kakaclo_async.protocol import Answer, read_answer

ANSWERS = [(name, title) for name in BY_ENDPOINT for title in published(name)]
LEAST_CASES = 23_000

ALWAYS = {"doubled", *(f"doubled after {value}" for value in ("null", "text", "list", "number"))}
ABSENT = {"retyped to null", "removed", "renamed"}
NUMBERS = {f"retyped to {name}" for name in ("zero", "number", "negative", "text of a number")} | {
    "number and text swapped"
}
NOTHING = {"retyped to empty text", "retyped to text NULL"}
TEXTS = {f"retyped to {name}" for name in ("empty text", "text", "text NULL")}
ANY_NUMBER = {f"retyped to {name}" for name in ("fraction", "large", "huge")}
ANYTHING = {f"retyped to {name}" for name in RETYPED} | NUMBERS
LISTS = {"retyped to empty text", "retyped to list", "retyped to list of null"}

# What a field takes, besides being absent: the contract's numbers as texts, texts as numbers, empty texts and new statuses.
TAKEN: dict[type, set[str]] = {
    OpenStrEnum: TEXTS | NUMBERS | ANY_NUMBER,
    OpenIntEnum: NUMBERS | NOTHING,
    Option: ANYTHING,
    Attributes: ANYTHING,
    SizeContent: ANYTHING,
    LooseText: ANYTHING,
    LooseTime: ANYTHING,
    datetime: NOTHING | {f"retyped to {name}" for name in ("zero", "number", "negative")},
    Decimal: NUMBERS | NOTHING | {"retyped to fraction", "retyped to large"},
    int: NUMBERS | NOTHING,
    str: TEXTS | NUMBERS | ANY_NUMBER,
    tuple: LISTS,
    Record: {"retyped to empty text"},
    object: ANYTHING,
}


def taken(kind: object) -> set[str]:
    return next(changes for base, changes in TAKEN.items() if issubclass(type_of(kind), base))


@attrs.frozen
class Spot:
    """Where a value of the document is in what was read.

    Attributes:
        field: None for a field that no record has.
        path: attributes and numbers; of an element, those of its list.
        is_element: whether it is an element of a list.
    """

    field: WireField | None
    path: tuple[str | int, ...]
    is_element: bool


def spot_of(kind: object, path: tuple[str | int, ...]) -> Spot:
    """Find the spot of a value below the data."""
    spot = Spot(None, (), False)
    for step in path:
        kind = row_type(kind)
        if isinstance(step, int):
            if issubclass(type_of(kind), Page):
                kind = next(field.kind for field in wire_fields(kind) if field.name == "list")
            elif get_origin(kind) is not tuple:
                return spot  # inside of JSON that no record has
            kind = get_args(kind)[0]
            spot = Spot(spot.field, (*spot.path, step), True)
            continue
        if not issubclass(type_of(kind), Record):
            return spot
        field = next((field for field in wire_fields(kind) if step in field.wire_names), None)
        if field is None:
            return Spot(None, (*spot.path, step), False)
        spot, kind = Spot(field, (*spot.path, field.name), False), field.kind
    return spot


def leaves(value: Any, path: tuple[str | int, ...] = ()) -> dict[tuple[str | int, ...], Any]:
    """Return all that was read, by its path; what no record has apart."""
    if isinstance(value, Record):
        parts = [
            (field.name, getattr(value, field.name))
            for field in attrs.fields(type(value))
            if field.name != "extra"
        ]
    elif isinstance(value, tuple):
        parts = list(enumerate(value))
    else:
        return {path: value}
    found: dict[tuple[str | int, ...], Any] = {(*path, "count"): len(parts)}
    for step, part in parts:
        found |= leaves(part, (*path, step))
    return found


def read(name: str, body: bytes, *, tolerant: bool) -> Any:
    try:
        return read_answer(request_of(name, tolerant), Answer(200, {}, body))
    except KakaCloError as error:
        return error


class Published:
    """A published answer, and what one change of it must lead to."""

    def __init__(self, name: str, title: str) -> None:
        self.name = name
        self.text = escaped(published(name)[title])
        self.kind = request_of(name, False).result
        self.sound = self.leaves_of(read(name, self.text.encode(), tolerant=True))

    @staticmethod
    def leaves_of(value: Any) -> dict[tuple[str | int, ...], Any]:
        return leaves(value)

    def row(self, place: Place) -> int | None:
        """Return the row that a value stands in, if any."""
        rest = place.path[1:]
        if rest[:1] == ("list",):
            rest = rest[1:]
        return rest[0] if len(rest) > 1 and isinstance(rest[0], int) else None

    def must_hold(self, place: Place, change: str, text: str) -> None:
        row = self.row(place)
        for tolerant in (False, True):
            case = Case(
                self.name,
                tolerant,
                text.encode(),
                sound=None if row is None else self.text.encode(),
                row=row or 0,
            )
            check(case, thorough=False)
        if place.path[:1] == ("data",) and place.path != ("data",):
            self.data_must_hold(place, change, text, row)
        elif place.path == ("message",):
            assert self.leaves_of(read(self.name, text.encode(), tolerant=False)) == self.sound
        elif place.path == ("code",) and change not in ALWAYS | {"number and text swapped"}:
            assert isinstance(read(self.name, text.encode(), tolerant=False), Rejected | DecodeError)

    def data_must_hold(self, place: Place, change: str, text: str, row: int | None) -> None:
        spot = spot_of(self.kind, place.path[1:])
        found = read(self.name, text.encode(), tolerant=False)
        if change in self.harmless(spot):
            assert not isinstance(found, KakaCloError), found
        if change in self.harmful(spot):
            assert isinstance(found, DecodeError), found
        if isinstance(found, KakaCloError):
            found = read(self.name, text.encode(), tolerant=True)
        if isinstance(found, KakaCloError):
            assert isinstance(found, DecodeError)
            assert row is None or not keeps_rows(request_of(self.name, True).result)
            return
        self.nothing_else_changed(found, spot, row)

    def harmless(self, spot: Spot) -> set[str]:
        if spot.is_element:
            return {"retyped to null", "removed", "doubled"}
        if spot.field is None:
            return ANYTHING | ABSENT | ALWAYS
        if is_code(spot.field):
            return ALWAYS | {"number and text swapped", "retyped to number"}
        if is_required(spot.field):
            return ALWAYS | (taken(spot.field.kind) - NOTHING)
        return ALWAYS | ABSENT | taken(spot.field.kind)

    def harmful(self, spot: Spot) -> set[str]:
        """Return what no record survives."""
        must = spot.field is not None and not spot.is_element and is_required(spot.field)
        return ABSENT | (set() if must and is_code(spot.field) else NOTHING) if must else set()

    def nothing_else_changed(self, found: Any, spot: Spot, row: int | None) -> None:
        changed = spot.path[:-1] if spot.is_element else spot.path
        unread: tuple[str | int, ...] | None = None
        if row is not None and isinstance(found, Page) and isinstance(found[row], Undecodable):
            unread = ("list", row)

        def others(held: dict[tuple[str | int, ...], Any]) -> dict[tuple[str | int, ...], Any]:
            return {
                path: value
                for path, value in held.items()
                if path[: len(changed)] != changed and (unread is None or path[:2] != unread)
            }

        assert others(self.leaves_of(found)) == others(self.sound)


CASES = {
    (name, title): [
        (place, change, text)
        for document in [escaped(published(name)[title])]
        for place in places(document)
        for change, text in one_change(document, place).items()
    ]
    for name, title in ANSWERS
}


@pytest.mark.parametrize(("name", "title"), ANSWERS, ids=[title for _, title in ANSWERS])
def test_one_value_changed_in_any_way_changes_nothing_else(name, title):
    answer = Published(name, title)
    for place, change, text in CASES[name, title]:
        try:
            answer.must_hold(place, change, text)
        except AssertionError as problem:
            raise AssertionError(f"{title}: {place.path} {change}: {problem}") from problem


def test_no_answer_no_value_and_no_change_is_left_out():
    assert sum(map(len, CASES.values())) >= LEAST_CASES
