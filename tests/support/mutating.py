"""An endless row of cases, each made by its seed and number alone: any of them can be made again."""

from __future__ import annotations

import json
import re
from random import Random
from typing import Final

import attrs

from support.damage import STATUSES, damaged, headers, inside_a_value
from support.documents import Maker
from support.fuzzing import CORPUS, SECRET, Case, by_name, keeps_rows, request_of, rows_of, sound_reading
from support.places import RETYPED, Place, double, double_after, places, remove, rename, replace, unquoted

BLOCK: Final = 20_000
"""Cases that share a stock of sound documents."""

_MADE: Final = 12
_VALUES: Final = [*RETYPED.values(), f'"{SECRET}"', "1e400", "-0", "0.10", '"2024-01-01T00:00:00Z"', "1712475208144",
                  '"2024-01-01T00:00:00"', '"{\\"name\\":7}"', '"[[]]"', "9223372036854775808", '"\\u0000"', '{"id":""}',
                  '{"":null}', '[{"x":[]}]', '"１２"', '" 12 "', '"+1"', '"1e2"', '"\ufffd"', "12.0"]  # fmt: skip


@attrs.frozen
class Sound:
    """A sound answer, and where its values stand.

    Attributes:
        endpoint: its name.
        body: the answer.
        text: the same, if it is ASCII, so that places in both are the same.
        places: all values but the document.
        in_rows: those inside of rows, by row; the row itself first.
    """

    endpoint: str
    body: bytes
    text: str
    places: tuple[Place, ...]
    in_rows: tuple[tuple[Place, ...], ...]

    @classmethod
    def of(cls, endpoint: str, body: bytes) -> Sound:
        text = escaped(body)
        found = places(text)
        root: tuple[str | int, ...] = ("data",)
        rows = [place for place in found if _is_row(place.path, root)]
        if not rows:
            root = ("data", "list")
            rows = [place for place in found if _is_row(place.path, root)]
        depth = len(root) + 1
        in_rows = tuple(tuple(place for place in found if place.path[:depth] == row.path) for row in rows)
        return cls(endpoint, text.encode(), text, found[1:], in_rows)


def _is_row(path: tuple[str | int, ...], root: tuple[str | int, ...]) -> bool:
    return len(path) == len(root) + 1 and path[:-1] == root and isinstance(path[-1], int)


def escaped(body: bytes) -> str:
    """Return JSON in ASCII, so that its places are the same in bytes."""
    return re.sub("[^\\x00-\\x7f]", lambda found: json.dumps(found[0])[1:-1], body.decode())


class Mutator:
    """Makes the cases of one seed.

    Args:
        seed: any number.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._block = -1
        self._sounds: list[Sound] = []
        self._with_rows: list[Sound] = []
        self._names = list(by_name())
        self._published = [
            Sound.of(name, body) for name in self._names for body in by_name()[name].answers.values()
        ]
        # Not what this seed found: its numbers would make other cases from then on.
        found = [path for path in sorted(CORPUS.glob("*.json")) if not path.name.startswith(f"case-{seed}-")]
        self._found = [Case.of_file(path) for path in found]

    def case(self, number: int) -> Case:
        """Make one case."""
        if number // BLOCK != self._block:
            self._stock(number // BLOCK)
        random = Random(self._seed * 10**12 + number)
        way = random.random()
        is_tolerant = random.random() < 0.7
        if way < 0.45:
            return self._one_field(random, is_tolerant)
        if way < 0.6:
            return self._one_value(random, is_tolerant)
        if way < 0.85:
            return self._bytes(random, is_tolerant)
        if way < 0.95:
            name = random.choice(self._names)
            maker = Maker(random, oddness=random.choice([0.02, 0.1, 0.5]))
            return Case(name, is_tolerant, maker.answer(request_of(name, False).result)[0])
        if way < 0.9999:
            sound = random.choice(self._sounds)
            body = damaged(random, sound.body) if random.random() < 0.5 else random.choice(_REFUSALS)
            return Case(sound.endpoint, is_tolerant, body, random.choice(STATUSES), headers(random))
        return self._large(random, is_tolerant)

    def _stock(self, block: int) -> None:
        random = Random(self._seed * 10**12 - 1 - block)
        made = [
            Sound.of(name, Maker(random).answer(request_of(name, False).result)[0])
            for name in self._names
            for _ in range(_MADE)
        ]
        self._sounds = [*self._published, *made]
        self._with_rows = [sound for sound in self._sounds if sound.in_rows]
        self._block = block

    def _one_field(self, random: Random, is_tolerant: bool) -> Case:
        if random.random() < 0.8:
            sound = random.choice(self._with_rows)
            row = random.randrange(len(sound.in_rows))
            inside = sound.in_rows[row]
            whole = keeps_rows(request_of(sound.endpoint, is_tolerant).result)
            if len(inside) > 1 or whole:
                place = random.choice(inside if whole else inside[1:])
                body = _changed(random, sound.text, place, may_remove=place is not inside[0])
                if _is_comparable(sound, is_tolerant):
                    return Case(sound.endpoint, is_tolerant, body, sound=sound.body, row=row)
        sound = random.choice(self._sounds)
        return Case(sound.endpoint, is_tolerant, _changed(random, sound.text, random.choice(sound.places)))

    def _one_value(self, random: Random, is_tolerant: bool) -> Case:
        sound = random.choice(self._with_rows)
        row = random.randrange(len(sound.in_rows))
        leaves = [place for place in sound.in_rows[row][1:] if place.kind not in {"object", "list"}]
        if not leaves or not _is_comparable(sound, is_tolerant):
            return self._bytes(random, is_tolerant)
        place = random.choice(leaves)
        start, end = place.start, place.end
        if place.is_member and random.random() < 0.3:
            start, end = place.name, sound.body.index(b'"', place.name + 1) + 1
        value = inside_a_value(random, sound.body[start:end])
        body = sound.body[:start] + value + sound.body[end:]
        return Case(sound.endpoint, is_tolerant, body, sound=sound.body, row=row)

    def _bytes(self, random: Random, is_tolerant: bool) -> Case:
        if self._found and random.random() < 0.02:
            found = random.choice(self._found)
            body = damaged(random, found.body or b"{")
            return attrs.evolve(found, body=body, sound=None, row=-1)
        sound = random.choice(self._sounds)
        return Case(sound.endpoint, is_tolerant, damaged(random, sound.body))

    def _large(self, random: Random, is_tolerant: bool) -> Case:
        sound = random.choice(self._sounds)
        piece = random.choice(_REPEATED)
        at = random.randrange(len(sound.body))
        body = sound.body[:at] + piece * (random.randrange(10_000, 300_000) // len(piece)) + sound.body[at:]
        return Case(sound.endpoint, is_tolerant, body)


_REFUSALS: Final = [
    b"", b"{}", b"[]", b"null", b"<html>502</html>", b'{"code":12345,"message":"no"}', b'{"error":"Invalid request"}',
    b'{"code":"E7"}', b'{"code":10000,"data":"7"}', b'{"error":{"a":[1]}}', b'{"code":true,"message":["\xff"]}',
    b'{"code":400,"message":"Permission denied"}', b'{"code":1e400}', b'{"message":"\\ud83d","code":7}',
    b'{"code":' + b"9" * 50 + b"}", b'{"code":7,"message":"' + b"x" * 5000 + b'"}',
]  # fmt: skip
_REPEATED: Final = [
    b'"', b"\\", b"\\u", b'\\"', b"{", b"[", b"}", b"]", b",", b":", b"0", b"9", b" ", b"\n", b"\xff", b"\x00", b"e",
    b'"":', b'{"a":', b"[1,", b"null,", b'"x",', b"\\ud83d", b"-", b".", b"\xf0\x9f\x91\x97", b'"x":1,', b"{},", b"\t",
]  # fmt: skip


def _is_comparable(sound: Sound, is_tolerant: bool) -> bool:
    # Equal rows of a list without numbers may be one, and the rows of a sound answer are all there.
    value = sound_reading(request_of(sound.endpoint, is_tolerant), sound.body)
    return len(rows_of(value)) == len(sound.in_rows)


def _changed(random: Random, text: str, place: Place, *, may_remove: bool = True) -> bytes:
    way = random.randrange(8)
    if way == 0 and may_remove:
        return remove(text, place).encode()
    if way == 1 and may_remove:
        return double(text, place).encode()
    if way == 2 and place.is_member:
        return double_after(text, place, random.choice(_VALUES)).encode()
    if way == 3 and place.is_member:
        return rename(
            text, place, random.choice(["spu", "sku", "id", "price", "list", "code", "newName", ""])
        ).encode()
    if way == 4 and (swapped := unquoted(text, place)) is not None:
        return swapped.encode()
    return replace(text, place, random.choice(_VALUES)).encode()
