"""From requests to bytes, and from anything to plain JSON data for people and their programs."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from typing import cast

import attrs

from kakaclo_async.codec.converter import converter
from kakaclo_async.codec.scalars import write_json
from kakaclo_async.models.common import Option, Record
from kakaclo_async.models.size import SizeContent


def encode(request: object) -> bytes:
    """Write the JSON body of a request.

    Args:
        request: a request model, whose None and empty fields stay out, or plain JSON data.
    """
    return write_json(converter.unstructure(request))


def to_json(value: object) -> object:
    """Turn a model, or a collection of them, into plain JSON data with the models' own field names.

    Decimals become texts, because a JSON number loses its last digits in most readers; times become ISO 8601
    in UTC; `extra` appears only where there is any, and the raw text of JSON inside a string only where it could
    not be read.
    """
    match value:
        case Enum():
            return cast("object", value.value)
        case Decimal():
            return str(value)
        case datetime():
            return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case Option(name=None, value=None):
            return {"raw": value.raw}
        case Option():
            return {"name": value.name, "value": value.value}
        case SizeContent():
            return [to_json(sheet) for sheet in value] or value.raw
        case Mapping():
            items = cast("Mapping[object, object]", value).items()
            return {str(key): to_json(held) for key, held in items}
        case list() | tuple():
            return [to_json(element) for element in cast("list[object]", value)]
        case _ if attrs.has(type(value)):
            return _fields_to_json(cast("attrs.AttrsInstance", value))
        case _:
            return value


def _fields_to_json(value: attrs.AttrsInstance) -> dict[str, object]:
    fields = {field.name: cast("object", getattr(value, field.name)) for field in attrs.fields(type(value))}
    if isinstance(value, Record):
        extra = fields.pop("extra")
        fields |= {"extra": extra} if extra else {}
    return {name: to_json(held) for name, held in fields.items()}
