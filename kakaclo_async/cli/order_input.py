"""The order that a command line or a file describes, by the names of `NewOrder`, `Address` and `Item`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, TypeVar, cast

import attrs

from kakaclo_async.errors import InvalidRequest
from kakaclo_async.models.freight import Item
from kakaclo_async.models.order import Address, NewOrder

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path


T = TypeVar("T")


def read_document(path: Path) -> object:
    """Read a JSON file.

    Raises:
        InvalidRequest: no such file, or no JSON.
    """
    try:
        return cast("object", json.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise InvalidRequest(f"{path} cannot be read: {error.strerror}") from None
    except ValueError as error:  # not UTF-8, or not JSON
        raise InvalidRequest(f"{path} is no JSON: {error}") from None


def new_order(document: object) -> NewOrder:
    """Build an order from plain data.

    Raises:
        InvalidRequest: a name that is unknown or missing, or a limit that is broken.
    """
    order = _named(document, NewOrder, "the order")
    address = _named(order["address"], Address, "address")
    items = order["items"]
    if not isinstance(items, list):
        raise InvalidRequest("items must be a list of objects with sku and quantity")
    lines = [_named(line, Item, f"items[{place}]") for place, line in enumerate(cast("list[object]", items))]
    whole = {**order, "address": _built(Address, address), "items": [_built(Item, line) for line in lines]}
    return _built(NewOrder, whole)


def _built(kind: Callable[..., T], values: Mapping[str, object]) -> T:
    return kind(**values)  # the class checks what it is given


def _named(value: object, kind: type[attrs.AttrsInstance], where: str) -> dict[str, object]:
    if not isinstance(value, dict):
        raise InvalidRequest(f"{where} must be an object")
    fields = attrs.fields_dict(kind)
    found = {str(name): part for name, part in cast("dict[object, object]", value).items()}
    if unknown := [name for name in found if name not in fields]:
        raise InvalidRequest(f"{where} has no {unknown[0]!r}: it takes {', '.join(fields)}")
    required = [name for name, field in fields.items() if field.default is attrs.NOTHING]
    if missing := [name for name in required if found.get(name) is None]:
        raise InvalidRequest(f"{where} lacks {missing[0]}")
    return found
