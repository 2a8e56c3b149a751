"""The contract, machine-readable: what real answers look like, recorded without a value, and where they drift from it.

`openapi.yaml` beside this file is `docs/openapi.yaml`. Whatever a server sends, a recording holds names that are made
of the words of that document and of `field_words.txt`, and nothing else.
"""

from __future__ import annotations

import json
import logging
import os
import re
from collections import Counter
from functools import cache, lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, Self, cast

import attrs
import msgspec

from kakaclo_async.errors import InvalidRequest, MissingExtra
from kakaclo_async.protocol import SUCCESS, Answer, Request
from kakaclo_async.travel.shown import Shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

_log = logging.getLogger("kakaclo")

DOCUMENT: Final = Path(__file__).with_name("openapi.yaml")
"""The OpenAPI document of the KakaClo Open API."""

_MOST: Final = 20_000  # entries: a server that invents fields must not fill the memory
_DEEPEST: Final = 16  # levels: categories hold categories
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z_]{0,38}[0-9]?")
_PARTS: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_TYPES: Final[dict[type, str]] = {
    dict: "object",
    list: "array",
    bool: "boolean",
    int: "integer",
    type(None): "null",
}
_TEXTS: Final = {  # the kinds of strings, each with one to try a pattern on
    "empty string": (re.compile(r"\s*"), ""),
    "numeric string": (re.compile(r"[+-]?[0-9]+(\.[0-9]+)?"), "1"),
    "time string": (re.compile(r"[0-9]{4}(-[0-9]{2}){2}[T ][0-9:]{8}\S*"), "2022-01-07T03:29:18Z"),
    "string": (re.compile(r"(?s).*"), "?"),
    "no JSON": (re.compile(r"(?!)"), "<html>"),  # of a whole answer
}


@attrs.frozen(order=True)
class Drift(Shown):
    """One way in which real answers differ from the document.

    Attributes:
        endpoint: method, path and HTTP status; "refused" for a code other than 10000 under HTTP 200.
        field: where in the answer: `data.list[].spu`; `*` stands for a name that is not recorded.
        kind: "never seen" is a documented field that no answer held, and no drift by itself.
        seen: the JSON type, or the value of an enumeration; empty for what was never seen.
        count: how often.
    """

    endpoint: str
    field: str
    kind: Literal["unknown answer", "unknown field", "wrong type", "unknown value", "never seen"]
    seen: str = ""
    count: int = 0


class _Field:
    """What the document says of a field, in all schemas that describe it."""

    def __init__(self, schemas: Iterable[dict[str, Any]]) -> None:
        self._schemas = list(schemas)
        types = [[kinds] if isinstance(kinds, str) else kinds for kinds in self.all("type")]
        self._types = {kind for kinds in types for kind in kinds}
        self.values = {str(value) for values in self.all("x-extensible-enum") for value in values}
        self.is_common = not (self.all("x-unpublished") or self.all("deprecated"))

    def all(self, keyword: str) -> list[Any]:
        return [schema[keyword] for schema in self._schemas if keyword in schema]

    def allows(self, seen: str) -> bool:
        """Return whether a value of this type may stand here."""
        text = _TEXTS[seen][1] if seen in _TEXTS else None
        kinds = {"string"} if text is not None else {seen, "number"} if seen == "integer" else {seen}
        fits = not self._types or not self._types.isdisjoint(kinds)
        return fits and (text is None or all(re.search(pattern, text) for pattern in self.all("pattern")))


class _Contract:
    """The document, as recordings use it."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._document = document
        named = {name: part for name, part in document["components"].items() if name != "examples"}
        text = json.dumps([document["info"], document["paths"], named])  # examples hold addresses
        text += DOCUMENT.with_name("field_words.txt").read_text(encoding="utf-8")
        self._words = {word.casefold() for word in _PARTS.findall(text) if len(word) > 1}
        self._paths = [(re.compile(re.sub(r"\{\w+\}", "[^/]+", path)), path) for path in document["paths"]]
        self.fields = lru_cache(256)(self._fields)
        self.below = lru_cache(4096)(self._below_name)

    def word(self, text: str) -> str:
        """Return a name as a recording holds it: `*` if it could be anybody's data."""
        words = _PARTS.findall(text) if _NAME.fullmatch(text) else ["*"]
        return text if self._words.issuperset(word.casefold() for word in words) else "*"

    def _below_name(self, endpoint: str, path: str, name: str) -> str:
        """Return the path of a field of an object, as a recording holds it."""
        known = _NAME.fullmatch(name) and _join(path, name) in self.fields(endpoint)
        return _join(path, name if known else self.word(name))

    def status(self, endpoint: str, path: str, value: object) -> str | None:
        """Return the value of an enumeration as a recording holds it; None of any other field."""
        field = self.fields(endpoint).get(path)
        if field is None or not field.values or not isinstance(value, str | int):
            return None
        known = str(value) in field.values or (isinstance(value, int) and 0 <= value < 100)
        return str(value) if known else self.word(str(value))

    def endpoint(self, method: str, path: str) -> str:
        """Return the method and the path of a request, its parameters by their names."""
        return f"{method} {next((known for pattern, known in self._paths if pattern.fullmatch(path)), '*')}"

    def _fields(self, endpoint: str) -> dict[str, _Field]:
        """Return what the document says of an endpoint's answers, by field; nothing of an answer it does not know."""
        method, path, status, *refused = endpoint.split(" ")
        responses = self._document["paths"].get(path, {}).get(method.lower(), {}).get("responses", {})
        for answer in self._flat([responses.get(status, {})]):
            if "content" in answer:
                schema, *others = (media["schema"] for media in answer["content"].values())
                branches = schema.get("oneOf", [schema, schema])  # success and refusal
                return dict(self._below("", [branches[bool(refused)], *others], 0))
        return {}

    def _below(self, path: str, schemas: list[Any], depth: int) -> Iterator[tuple[str, _Field]]:
        field = _Field(self._flat(schemas))
        yield path, field
        below = {"[]": field.all("items"), "*": field.all("additionalProperties")}
        for properties in field.all("properties"):
            for name, schema in properties.items():
                below.setdefault(name, []).append(schema)
        for name, found in below.items():
            if found and depth < _DEEPEST:
                yield from self._below(_join(path, name), found, depth + 1)

    def _flat(self, schemas: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        for schema in schemas:
            yield schema
            yield from self._flat(part for key in ("allOf", "anyOf", "oneOf") for part in schema.get(key, ()))
            if "$ref" in schema:
                part: Any = self._document
                for step in schema["$ref"].removeprefix("#/").split("/"):
                    part = part[step]
                yield from self._flat([part])


@cache
def _contract() -> _Contract:
    try:
        import yaml  # noqa: PLC0415 - an extra
    except ImportError:
        raise MissingExtra("recordings need an extra: pip install 'kakaclo[cli]'") from None
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as quick, where it was built
    return _Contract(yaml.load(DOCUMENT.read_text(encoding="utf-8"), Loader=loader))  # noqa: S506 - a safe one


def _join(path: str, name: str) -> str:
    return path + name if name == "[]" or not path else f"{path}.{name}"


def _above(path: str) -> str:
    return path[:-2] if path.endswith("[]") else path.rpartition(".")[0]


def _type_of(value: object) -> str:
    if isinstance(value, float):
        return "integer" if value.is_integer() else "number"
    if isinstance(value, str):
        return next(kind for kind, (pattern, _) in _TEXTS.items() if pattern.fullmatch(value))
    return _TYPES[type(value)]


class Recording:
    """What real answers look like: the types of their fields, counted; never a value, and nothing personal.

    Give one to `KakaClo(record=...)`, or the path of its file. It is saved after every 100 answers and when the client
    is closed. What cannot be recorded or saved is told by one warning in the log; no call fails for it.

    Args:
        path: a JSON file that the counts are added to; None: they stay in memory.

    Raises:
        ConfigurationError: PyYAML is missing: `pip install 'kakaclo[cli]'`.
    """

    def __init__(self, path: str | os.PathLike[str] | None = None) -> None:
        self._path = None if path is None else Path(path)
        self._contract = _contract()
        self._counts, self._unsaved = Counter[str](), Counter[str]()  # by endpoint, field and what was seen
        self._is_broken = False

    @classmethod
    def read(cls, *paths: str | os.PathLike[str]) -> Self:
        """Read the files of recordings, and add them up.

        Raises:
            InvalidRequest: a file that cannot be read, or holds something else.
        """
        made = cls()
        for path in paths:
            made._counts += _load(Path(path))
        return made

    def observe(self, request: Request[object], answer: Answer) -> None:
        """Count what an answer looks like."""
        if self._is_broken:
            return
        try:
            found = Counter(self._seen(request, answer))
        except Exception as error:  # noqa: BLE001 - a bug of ours must not hurt the call
            self._is_broken = True
            _log.warning("answers are not recorded any more (%s); calls go on", type(error).__name__)
        else:
            self._counts.update(found)
            self._unsaved.update(found)

    def _seen(self, request: Request[object], answer: Answer) -> Iterator[str]:
        if len(self._counts) > _MOST:
            raise OverflowError("the answers hold too many fields")
        endpoint = f"{self._contract.endpoint(request.method, request.path)} {answer.status}"
        try:
            document: object = msgspec.json.decode(answer.body)
        except (ValueError, RecursionError):
            yield f"{endpoint} |  | no JSON"
            return
        code = cast("dict[str, object]", document).get("code") if isinstance(document, dict) else None
        if answer.status == 200 and code not in (SUCCESS, str(SUCCESS)):
            endpoint += " refused"
        waiting: list[tuple[str, object, int]] = [("", document, 0)]
        while waiting:
            path, value, depth = waiting.pop()
            yield f"{endpoint} | {path} | {_type_of(value)}"
            if (status := self._contract.status(endpoint, path, value)) is not None:
                yield f"{endpoint} | {path} | ={status}"
            if depth < _DEEPEST and isinstance(value, list):
                held = cast("list[object]", value)
                waiting += [(_join(path, "[]"), element, depth + 1) for element in held]
            elif depth < _DEEPEST and isinstance(value, dict):
                for name, element in cast("dict[str, object]", value).items():
                    waiting.append((self._contract.below(endpoint, path, name), element, depth + 1))

    @property
    def answers(self) -> int:
        """How many answers were counted."""
        return sum(count for key, count in self._counts.items() if key.split(" | ")[1] == "")

    def drift(self) -> tuple[Drift, ...]:
        """Return where the answers differ from the document, with the documented fields that no answer held."""
        seen = [key.split(" | ") for key in self._counts]
        held = {(endpoint, path) for endpoint, path, _ in seen}
        unseen = [
            Drift(endpoint, path, "never seen")
            for endpoint, above, kind in seen
            for path, field in (self._contract.fields(endpoint).items() if kind == "object" else ())
            if path and _above(path) == above and field.is_common and (endpoint, path) not in held
        ]
        compared = [self._compared(key, count) for key, count in self._counts.items()]
        return tuple(sorted([*unseen, *(difference for difference in compared if difference is not None)]))

    def _compared(self, key: str, count: int) -> Drift | None:
        endpoint, path, seen = key.split(" | ")
        fields = self._contract.fields(endpoint)
        if path and path not in fields:  # what is below it is not told of as well
            return Drift(endpoint, path, "unknown field", seen, count) if _above(path) in fields else None
        if not fields:
            return Drift(endpoint, path, "unknown answer", seen, count)
        if seen.startswith("="):
            known = seen[1:] in fields[path].values
            return None if known else Drift(endpoint, path, "unknown value", seen[1:], count)
        return None if fields[path].allows(seen) else Drift(endpoint, path, "wrong type", seen, count)

    def kinds(self, endpoint: str, field: str) -> tuple[str, ...]:
        """Return what a field was in the good answers of an endpoint, `GET /v2/order/orders`: its JSON types."""
        start = f"{endpoint} 200 | {field} | "
        return tuple(
            sorted(
                key.removeprefix(start) for key in self._counts if key.startswith(start) and "=" not in key
            )
        )

    def save(self) -> None:
        """Add what was counted since the last time to the file."""
        self.saving()()

    def saving(self) -> Callable[[], None]:
        """Return what `save` has to do, which any thread may do."""
        counts, self._unsaved = self._unsaved, Counter[str]()
        return partial(self._write, counts)

    def _write(self, counts: Counter[str]) -> None:
        try:
            if self._path is not None and counts:
                counts.update(_load(self._path) if self._path.exists() else ())
                whole = self._path.with_name(f".{self._path.name}.{os.getpid()}.new")
                whole.write_text(json.dumps(counts, indent=1, sort_keys=True), encoding="utf-8")
                whole.replace(self._path)
        except Exception as error:  # noqa: BLE001 - a full disk must not hurt the call
            self._path, path = None, self._path
            _log.warning("the recording %s cannot be saved (%s); calls go on", path, type(error).__name__)


def _load(path: Path) -> Counter[str]:
    try:
        counts = msgspec.json.decode(path.read_bytes(), type=dict[str, int])
    except OSError as error:
        raise InvalidRequest(f"{path} cannot be read: {error.strerror}") from None
    except ValueError:
        counts = {"": 0}
    if not all(re.fullmatch(r"[A-Z]+ \S+ \d+( refused)? \| [^|]* \| [^|]+", key) for key in counts):
        raise InvalidRequest(f"{path} is no recording of answers")
    return Counter(counts)
