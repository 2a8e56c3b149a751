"""The package's models read with `json` and a plain cattrs converter, as one writes it first."""

from __future__ import annotations

import json
from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import TYPE_CHECKING, Any

import attrs
from cattrs import Converter
from cattrs.gen import make_dict_structure_fn, override

from kakaclo_async.models.common import Attributes, Option, Page, wire_names
from kakaclo_async.models.order import Order
from kakaclo_async.models.product import Product, StockLevel

if TYPE_CHECKING:
    from collections.abc import Callable


def number(value: Any, _: object) -> Decimal:
    return value if isinstance(value, Decimal) else Decimal(value)


def status(value: Any, kind: type[Enum]) -> Enum | None:
    return None if value == "NULL" else kind(value)


def embedded(value: str, kind: type[Any]) -> Any:
    found = json.loads(value)
    return (
        Option(found.get("name"), found.get("value"), value) if kind is Option else Attributes(found, value)
    )


def converter() -> Converter:
    made = Converter(detailed_validation=False)

    def record(kind: Any) -> Callable[[Any, Any], Any]:
        attrs.resolve_types(getattr(kind, "__origin__", kind))
        names = {
            field.name: override(omit=True)
            if field.name == "extra"
            else override(rename=wire_names(field)[0])
            for field in attrs.fields(getattr(kind, "__origin__", kind))
        }
        return make_dict_structure_fn(kind, made, _cattrs_detailed_validation=False, **names)

    made.register_structure_hook_factory(lambda kind: attrs.has(getattr(kind, "__origin__", kind)), record)
    made.register_structure_hook_func(lambda kind: isinstance(kind, type) and issubclass(kind, Enum), status)
    made.register_structure_hook(Decimal, number)
    made.register_structure_hook(datetime, lambda text, _: datetime.fromisoformat(text))
    made.register_structure_hook_func(lambda kind: kind in {Option, Attributes}, embedded)
    return made


CONVERTER = converter()


def reader(kind: type[Any]) -> Callable[[bytes], object]:
    def read(body: bytes) -> object:
        answer = json.loads(body, parse_float=Decimal)
        assert answer["code"] == 10000
        return CONVERTER.structure(answer["data"], Page[kind])

    return read


READERS = {"product": reader(Product), "stock": reader(StockLevel), "order": reader(Order)}
