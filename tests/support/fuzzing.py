"""A case: one answer to one request, and all that must hold when it is read, whatever it is."""

from __future__ import annotations

import json
import pickle
import time
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, Final

import attrs
import msgspec

from kakaclo_async import codec
from kakaclo_async.codec.converter import type_of
from kakaclo_async.codec.scalars import InvalidValue, Undecodable
from kakaclo_async.errors import DecodeError, KakaCloError
from kakaclo_async.models.common import Page, Record
from kakaclo_async.protocol import Answer, Request, ServerClock, read_answer, tolerant
from support.endpoints import Endpoint, endpoints
from support.travelling import whole

CORPUS: Final = Path(__file__).parents[1] / "fuzz" / "corpus"
NOW: Final = datetime(2024, 5, 1, tzinfo=UTC)
SECRET: Final = "Nobody Shall-See"
"""A text that no error about the form of a document may repeat."""

MOST_SECONDS: Final = 0.05
MOST_SECONDS_A_BYTE: Final = 5e-6


@attrs.frozen
class Case:
    """One answer to one request.

    Attributes:
        endpoint: its name.
        is_tolerant: whether rows that cannot be read are kept; else the first of them is the error.
        body: of the answer.
        status: of the answer.
        headers: of the answer.
        sound: the same before one row of it was damaged; None when anything may be damaged.
        row: the number of the row that is.
    """

    endpoint: str
    is_tolerant: bool
    body: bytes
    status: int = 200
    headers: dict[str, str] = attrs.field(factory=dict)
    sound: bytes | None = None
    row: int = -1

    def to_json(self, what: str) -> str:
        """Write it as a file of the corpus; bytes as the characters of Latin-1."""
        held = attrs.asdict(self) | {"body": self.body.decode("latin-1"), "what": what}
        held["sound"] = None if self.sound is None else self.sound.decode("latin-1")
        return json.dumps(held, indent=1) + "\n"

    @classmethod
    def of_file(cls, path: Path) -> Case:
        held = json.loads(path.read_text())
        del held["what"]
        sound = held.pop("sound")
        held["body"] = held["body"].encode("latin-1")
        return cls(**held, sound=None if sound is None else sound.encode("latin-1"))


@cache
def by_name() -> dict[str, Endpoint]:
    return {endpoint.name: endpoint for endpoint in endpoints()}


@cache
def request_of(name: str, is_tolerant: bool) -> Request[Any]:
    """Return the request of an endpoint; only pages can be read tolerantly, and some always are."""
    request = by_name()[name].request
    is_page = issubclass(type_of(request.result), Page)
    return tolerant(request) if is_tolerant and is_page and not keeps_rows(request.result) else request


@cache
def keeps_rows(kind: object) -> bool:
    """Return whether a page keeps rows that cannot be read."""
    return "Undecodable" in repr(kind)


class Broken(AssertionError):
    """What must hold does not."""


def check(case: Case, *, thorough: bool = True) -> str:
    """Read a case; return what came of it: a type's name.

    Raises:
        Broken: what must hold does not.
    """
    request = request_of(case.endpoint, case.is_tolerant)
    started = time.thread_time()
    outcome = _outcome(request, case.body, case.status, case.headers)
    _check_time(request, case, time.thread_time() - started)
    if isinstance(outcome, KakaCloError):
        _check_error(outcome, thorough=thorough)
    elif thorough:
        _check_value(request, outcome, case.body)
    if case.sound is not None:
        _check_neighbours(request, case, outcome)
    return type(outcome).__name__


def _outcome(request: Request[Any], body: bytes, status: int, headers: dict[str, str]) -> Any:
    try:
        answer = Answer(status, headers, body)
        ServerClock().read(answer, loop_time=0.0, wall_time=0.0)
        return read_answer(request, answer, now=NOW)
    except KakaCloError as error:
        return error
    except BaseException as error:
        raise Broken(f"{type(error).__name__} came out: {error}") from error


def _check_time(request: Request[Any], case: Case, seconds: float) -> None:
    limit = MOST_SECONDS + MOST_SECONDS_A_BYTE * len(case.body)
    for _ in range(3):  # the collector of garbage, or another process
        if seconds <= limit:
            return
        started = time.thread_time()
        _outcome(request, case.body, case.status, case.headers)
        seconds = time.thread_time() - started
    if seconds > limit:
        raise Broken(f"{len(case.body)} bytes took {seconds:.2f} s of the processor")


def _check_error(error: KakaCloError, *, thorough: bool) -> None:
    text = str(error)
    if isinstance(error, DecodeError):
        if error.reason.startswith("cannot be read ("):
            raise Broken(f"a foreign error was caught at the last door: {error}")
        if SECRET in text:
            raise Broken(f"the error repeats a value: {text}")
        if error.__context__ is not None and not isinstance(error.__context__, KakaCloError):
            raise Broken(f"{error.__context__!r} hangs on the error, which may hold the answer")
    if len(text) > 3000:
        raise Broken(f"the error has {len(text)} characters: {text[:300]}")
    if thorough:
        text.encode()
        again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
        if str(again) != text:
            raise Broken(f"another error after pickling: {again}")


def _check_value(request: Request[Any], value: Any, body: bytes) -> None:
    text = whole(value)
    text.encode(errors="strict" if request.result is not object else "backslashreplace")
    msgspec.json.encode(codec.to_json(value))
    if not issubclass(type_of(request.result), Record):
        return
    try:
        data = codec.decode(codec.read_envelope(body).data, object)
        slow = codec.converter.structure(data, request.result)
    except InvalidValue as error:
        raise Broken(
            f"the forgiving reader refuses what the strict one reads: {error.where('data')}"
        ) from error
    if slow != value or whole(slow) != text:
        raise Broken(f"the two readers differ: {text[:1000]} and {whole(slow):.1000}")


def _check_neighbours(request: Request[Any], case: Case, outcome: Any) -> None:
    sound = rows_of(sound_reading(request, case.sound or b""))
    if isinstance(outcome, KakaCloError):
        if keeps_rows(request.result):
            raise Broken(f"row {case.row} costs the page: {outcome}")
        named = (f"data.list[{case.row}]", f"data[{case.row}]")
        if not (
            isinstance(outcome, DecodeError)
            and f"{outcome.where}.".startswith(tuple(f"{name}." for name in named))
        ):
            raise Broken(f"the error does not name row {case.row}: {outcome}")
        return
    rows = rows_of(outcome)
    if len(rows) != len(sound):
        raise Broken(f"{len(sound)} rows became {len(rows)}")
    for place, (row, before) in enumerate(zip(rows, sound, strict=True)):
        if place != case.row and row != before:
            raise Broken(f"row {case.row} changed row {place}: {before!r:.500} became {row!r:.500}")
    if isinstance(rows[case.row], Undecodable) and not rows[case.row].problem:
        raise Broken(f"row {case.row} cannot be read, and nothing says why")


_sound: dict[tuple[object, bytes], Any] = {}


def sound_reading(request: Request[Any], body: bytes) -> Any:
    """Return what an undamaged answer is read as; the last ones are kept."""
    key = (request.path, keeps_rows(request.result), body)
    if key not in _sound:
        if len(_sound) > 2000:
            _sound.clear()
        _sound[key] = _outcome(request, body, 200, {})
        if isinstance(_sound[key], KakaCloError):
            raise Broken(f"a sound answer is refused: {_sound[key]}")
    return _sound[key]


def rows_of(value: Any) -> tuple[Any, ...]:
    """Return the rows of a page or list."""
    return tuple(value.list) if isinstance(value, Page) else tuple(value)
