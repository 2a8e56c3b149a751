"""What pydantic asks of a model, and so FastAPI: how to read it, how to write it, and what its JSON looks like.

Nothing here is imported unless pydantic is there and asks. pydantic never builds a model of ours: it hands plain data
to what `from_dict` uses, and takes it from `to_dict`. For the schema alone
each model has a twin, made of pydantic's own.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from enum import Enum
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Optional, Union, cast, get_args, get_origin

import attrs
from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model
from pydantic_core import PydanticCustomError, core_schema

from kakaclo_async.travel import MEASURE, model, to_plain
from kakaclo_async.travel.reading import is_union, problems_of, types_of

if TYPE_CHECKING:
    from pydantic import GetJsonSchemaHandler
    from pydantic.json_schema import JsonSchemaValue
    from pydantic_core import CoreSchema, InitErrorDetails

_KIND: Final = "kakaclo.kind"
_NOTHING: Final = type(None)


def core_schema_of(kind: object) -> CoreSchema:
    """Return how pydantic reads and writes a model.

    Args:
        kind: its class, with its type parameters if it has any.
    """

    def validate(value: object) -> object:
        found, problems = problems_of(kind, value)
        del value
        if not problems:
            return found
        # The input is left out: it may be an address, and FastAPI would send it back.
        details: list[InitErrorDetails] = [
            {
                "type": PydanticCustomError("invalid_request", "{told}", {"told": told}),
                "loc": path,
                "input": None,
            }
            for path, told in problems
        ]
        raise ValidationError.from_exception_data(_name(kind), details)

    return core_schema.no_info_plain_validator_function(
        validate,
        serialization=core_schema.plain_serializer_function_ser_schema(to_plain),
        metadata={_KIND: kind},
    )


def json_schema_of(kind: object, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
    """Return the JSON schema of a model.

    Args:
        kind: its class.
        schema: what `core_schema_of` returned.
        handler: pydantic's.
    """
    kind = cast("dict[str, object]", schema.get("metadata", {})).get(_KIND, kind)
    made = _plain_type(kind)
    if isinstance(made, type) and issubclass(made, BaseModel):
        # Bare, the reference would be replaced by what it refers to; a category would then hold itself without end.
        return {"allOf": [handler(_by_reference(made.__pydantic_core_schema__))]}
    return {"type": "object"}


def _by_reference(schema: CoreSchema) -> CoreSchema:
    """Return the schema of a twin as one that is referred to, so that it is described once, under its name."""
    if schema["type"] != "model" or "ref" not in schema:
        return schema
    return core_schema.definitions_schema(core_schema.definition_reference_schema(schema["ref"]), [schema])


@cache
def _twin(kind: Any) -> type[BaseModel]:
    """Make the pydantic model whose JSON is that of a model of ours."""
    make = cast("type[attrs.AttrsInstance]", get_origin(kind) or kind)
    fields: dict[str, Any] = {}
    for name, (field, wanted) in types_of(kind).items():
        default = ... if field.default is attrs.NOTHING else _plain_default(field.default)
        fields[name] = (_plain_type(wanted, inside=kind), default)
    if name_of := _row(kind):
        fields["of"] = (Optional[str], Field(None, description="The kind of the rows.", examples=[name_of]))  # noqa: UP045 - made at run time
    told = (inspect.getdoc(make) or "").partition("\n")[0]
    config = ConfigDict(extra="forbid", protected_namespaces=())
    return create_model(_name(kind), __config__=config, __doc__=told, **fields)


def _plain_default(default: object) -> Any:
    return None if isinstance(default, attrs.Factory) else to_plain(default)  # type: ignore[arg-type] # a class


def _plain_type(kind: Any, *, inside: object = None) -> Any:
    """Return the type of the plain data that a type becomes.

    Args:
        kind: the type.
        inside: the class that is being looked at: a category holds categories.
    """
    if kind in _SIMPLE:
        return _SIMPLE[kind]
    origin, parts = get_origin(kind) or kind, get_args(kind)
    if is_union(kind):
        plain = [_NOTHING if part is _NOTHING else _plain_type(part, inside=inside) for part in parts]
        return Union[tuple(plain)]  # noqa: UP007 - made at run time
    if origin is Literal:
        return kind
    if not isinstance(origin, type):
        return Any
    if issubclass(origin, (tuple, frozenset)):
        return list[_plain_type(parts[0], inside=inside)]  # type: ignore[misc] # made at run time
    if issubclass(origin, Enum):
        return _member(origin)
    if attrs.has(origin):  # pyright: ignore[reportUnknownArgumentType] - of any class
        return _name(kind) if kind is inside else _twin(kind)
    return dict[str, _plain_type(parts[1], inside=inside) if origin is Mapping else Any]  # type: ignore[misc] # made at run time


def _member(kind: type[Enum]) -> Any:
    values = [cast("object", member.value) for member in kind]
    if not hasattr(kind, "is_known"):
        return Literal[tuple(values)]
    number = isinstance(values[0], int)
    return Annotated[int if number else str, Field(description="KakaClo may add others.", examples=values)]


_SIMPLE: Final[Mapping[Any, Any]] = {
    MEASURE: Union[str, None],  # noqa: UP007 - as above
    Decimal: Annotated[str, Field(description="A number with all its digits.", examples=["6.1600"])],
    datetime: datetime,
    bytes: str,
    bool: bool,
    int: int,
    float: float,
    str: str,
    object: Any,
}


def _row(kind: object) -> str | None:
    """Return the name of a page's rows; None of what is no page."""
    if (get_origin(kind) or kind) is not model("Page"):
        return None
    return next((_name(part) for part in get_args(kind)), "Product")


def _name(kind: object) -> str:
    parts = [_name(part) for part in get_args(kind)]
    return "_".join([cast("type", get_origin(kind) or kind).__name__, *parts])
