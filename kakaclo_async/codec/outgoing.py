"""From any model to plain JSON data."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from typing import cast

import attrs


def to_json(value: object) -> object:
    """Turn a model, or a collection of models, into plain JSON data under the models' own field names.

    Decimals become strings, so that money stays exact to the digit in every reader; times are ISO 8601 in UTC and
    end in "Z". `extra` appears only where there is any. `raw`, the text that a value was parsed from, appears only
    where it could not be parsed.
    """
    match value:
        case Enum():
            return cast("object", value.value)
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
