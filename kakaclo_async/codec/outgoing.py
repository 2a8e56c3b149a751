"""From models to what others read: plain JSON data, pictures in other sizes; and what others must not read."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from html import escape
from typing import Final, SupportsIndex, TypeVar, cast, get_args, get_origin, overload
from urllib.parse import quote

import attrs

from kakaclo_async.errors import InvalidRequest
from kakaclo_async.models._checks import each_of
from kakaclo_async.models.common import Number
from kakaclo_async.travel import Travels, to_plain
from kakaclo_async.travel.shown import sized

T = TypeVar("T")


def to_json(value: object) -> object:
    """Turn a model, or a collection of models, into plain JSON data under the models' own field names.

    Decimals become strings, so that money stays exact to the digit in every reader; times are ISO 8601 in UTC and
    end in "Z". `extra` appears only where there is any. `raw`, the text that a value was parsed from, appears only
    where it could not be parsed.
    """
    match value:
        case Enum():
            return cast("object", value.value)
        case Number():  # a text for `json`, and for other writers a type that they do not know
            return str(value)
        case Decimal():
            return format(value, "f")
        case datetime():
            return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case Mapping():
            items = cast("Mapping[object, object]", value).items()
            return {str(key): to_json(held) for key, held in items}
        case list() | tuple():
            return [to_json(element) for element in cast("list[object]", value)]
        case _ if attrs.has(type(value)):
            return _fields_to_json(cast("attrs.AttrsInstance", value))
        case _:
            return value


def _fields_to_json(model: attrs.AttrsInstance) -> dict[str, object]:
    fields = {field.name: cast("object", getattr(model, field.name)) for field in attrs.fields(type(model))}
    raw = fields.pop("raw", None)
    if raw and all(held is None or held == () for held in fields.values()):
        fields["raw"] = raw
    if not fields.get("extra", True):
        del fields["extra"]
    return {name: to_json(held) for name, held in fields.items()}


def table(rows: Iterable[Travels]) -> list[dict[str, object]]:
    """Flatten models to rows of plain values, for pandas, polars or Arrow.

    A model inside of a model becomes columns (`option1_value`, `shipping_address_city`). A list, and what has no fixed
    fields, becomes one column of JSON: a row stays one row. To have a row for each SKU, pass the SKUs. Amounts stay
    Decimals and times datetimes; an enumeration is its value. All rows have the same columns.

    Args:
        rows: models, of one kind as a rule: a page, a list, a quote's `options`.

    Raises:
        InvalidRequest: something else than models of fields: one alone goes in a list.
    """
    found = [_columns(type(row), row) for row in each_of("models", rows)]
    names = dict.fromkeys(name for row in found for name in row)
    return [{name: row.get(name) for name in names} for row in found]


def _columns(kind: type, model: object, prefix: str = "") -> dict[str, object]:
    from kakaclo_async.travel.reading import types_of  # noqa: PLC0415 - few programs make tables

    if not attrs.has(kind):
        raise InvalidRequest(f"a table is made of models, not of {kind.__name__}")
    columns: dict[str, object] = {}
    for name, (_, wanted) in types_of(kind).items():
        held = cast("object", getattr(model, name, None))
        parts = cast("tuple[object, ...]", get_args(wanted) or (wanted,))
        inner = next((part for part in parts if isinstance(part, type) and attrs.has(part)), None)
        if inner is not None and get_origin(wanted) is not tuple:
            columns |= _columns(inner, held, f"{prefix}{name}_")
        elif name not in {"raw", "extra"} or (name == "extra" and held):
            columns[prefix + name] = _cell(held)
    return columns


def _cell(value: object) -> object:
    if value is None or isinstance(value, (Decimal, datetime, bool)):
        return value
    plain = to_plain(value)
    return json.dumps(plain, ensure_ascii=False) if isinstance(plain, (list, dict)) else plain


_LONGEST_SIDE: Final = 4096


def resized_image(url: str, width: int, height: int, format: str = "webp") -> str:  # noqa: A002 # the API's word
    """Return the address of a picture in another size, which KakaClo's image server fills, cutting what is too much.

    Args:
        url: of any picture of a product or SKU: `main_img`, `size_image_path`, an `img_url`. What its query asks for
            besides the size is kept.
        width: pixels, 1 to 4096.
        height: the same.
        format: of the picture that comes back: "webp", "jpg", "png".

    Raises:
        InvalidRequest: no address, a side out of bounds, a format that is no word.
    """
    given, kind = cast("object", url), cast("object", format)
    if not isinstance(given, str) or not re.match(r"(?:https?:)?//\S", given.strip(), re.IGNORECASE):
        raise InvalidRequest(f"url must be the address of a picture, not {_shown(given)}")
    for name, side in (("width", width), ("height", height)):
        wanted = cast("object", side)
        if not isinstance(wanted, int) or isinstance(wanted, bool) or not 1 <= wanted <= _LONGEST_SIDE:
            raise InvalidRequest(
                f"{name} must be a whole number of 1 to {_LONGEST_SIDE} pixels, not {_shown(wanted)}"
            )
    if not isinstance(kind, str) or not re.fullmatch(r"[a-z0-9]{1,8}", kind):
        raise InvalidRequest(f"format must be a word such as 'webp', not {_shown(kind)}")
    return sized(url, width, height, format)


def _shown(value: object) -> str:
    return f"{value!r:.40}" if isinstance(value, (str, int, float)) else type(value).__name__


class Secret(str):
    """A text that no repr shows: no traceback with locals, no task's result."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"

    def __getitem__(self, key: SupportsIndex | slice) -> Secret:
        return Secret(super().__getitem__(key))  # rich shows the head of a long local


class SecretBytes(bytes):
    """The same for bytes: a body with an address."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<{len(self)} bytes>"

    @overload
    def __getitem__(self, key: SupportsIndex) -> int: ...
    @overload
    def __getitem__(self, key: slice) -> SecretBytes: ...

    def __getitem__(self, key: SupportsIndex | slice) -> int | SecretBytes:
        found = super().__getitem__(key)
        return SecretBytes(found) if isinstance(found, bytes) else found


def sealed(source: T) -> T | Secret:
    """Return a text as a `Secret`, anything else as it is."""
    return Secret(source) if isinstance(source, str) else source


def spellings(secret: str) -> str:
    """Return a pattern for a secret as it is, and as URLs, JSON or HTML have it, with any blanks between its words."""
    return r"(?:\s+|\+|%20)".join("".join(map(_spelling, word)) for word in secret.split())


def _spelling(character: str) -> str:
    if character.isascii() and character.isalnum():
        return character
    # Backslashes are few, or a text full of them would take quadratic time.
    forms = [r"\\{0,4}" + re.escape(character), re.escape(quote(character, safe="", errors="replace"))]
    if not character.isascii():
        forms += (r"\\{1,4}" + re.escape(text(character)[2:-1]) for text in (json.dumps, ascii))
    forms += (f"&#0*{ord(character)};", f"&#x0*{ord(character):x};", re.escape(escape(character)))
    return f"(?:{'|'.join(forms)})"
