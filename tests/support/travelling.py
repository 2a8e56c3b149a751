"""Models and errors of every public kind, with values of every kind in them: what must survive a journey."""

from __future__ import annotations

import json
import types
import typing
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum

import attrs
from hypothesis import strategies as st

import kakaclo_async
import kakaclo_sync
from kakaclo_async import KakaCloError, catalog, ordering, public
from kakaclo_async.models import common, freight
from kakaclo_async.models.common import Attributes, FrozenMapping, Number, OpenIntEnum, OpenStrEnum
from kakaclo_async.travel import MEASURE, READ_AS, to_plain

# What is public and attrs made, or is a value of the models: nothing of it is left out by hand.
VALUES = {Number, FrozenMapping, Attributes, freight.FreightMatrix}


def public_models():
    """Return the classes of all values that either face makes public, clients and the like apart."""
    found = [getattr(public, name) for name in public.NAMES]
    found += [getattr(package, name) for package in (catalog, ordering) for name in package.__all__]
    found += [getattr(face, name) for face in (kakaclo_async, kakaclo_sync) for name in face.__all__]
    values = {
        kind
        for kind in found
        if isinstance(kind, type) and not issubclass(kind, Enum) and (attrs.has(kind) or is_value(kind))
        if not hasattr(kind, "close")  # a sandbox is no value
    }
    return sorted(values, key=lambda kind: kind.__name__)


def is_value(kind):
    """Tell the values of the modules of models that attrs did not make."""
    return kind.__module__.startswith("kakaclo_async.models.") and kind.__name__[0] != "_"


def public_errors():
    """Return every class of error."""
    found = [getattr(public, name) for name in public.NAMES]
    return [one for one in found if isinstance(one, type) and issubclass(one, KakaCloError)]


def fail(document):
    """Raise an error that came as JSON; in a module that other processes can import."""
    raise KakaCloError.from_dict(json.loads(document))


def whole(value):
    """Return all that a result says, exactly: its repr is cut."""
    return str(to_plain(value))


words = st.text(alphabet="ABCxyz019", min_size=1, max_size=6)
texts = st.text(max_size=8)
amounts = st.decimals(allow_nan=False, allow_infinity=False, places=4, min_value=-(10**6), max_value=10**6)
moments = st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - bounds
untyped = st.recursive(
    st.none() | st.booleans() | st.integers() | texts | amounts,
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(texts | st.sampled_from(["$decimal", "$object"]), inner, max_size=2)
    ),
    max_leaves=4,
)
numbers = st.lists(words, min_size=1, max_size=3).map(lambda found: Number(*found))
LEAVES = {
    str: texts | numbers,
    int: st.integers(-(2**63), 2**63 - 1),
    float: st.floats(allow_nan=False, allow_infinity=False),
    bool: st.booleans(),
    bytes: texts.map(str.encode),
    Decimal: amounts,
    datetime: moments,
    object: untyped,
    FrozenMapping[object]: st.dictionaries(texts, untyped, max_size=2).map(FrozenMapping),
}


def values_of(kind):
    """Make a strategy for a type."""
    made = MAKERS.get(kind)
    if made is not None:
        return made()
    if kind in LEAVES:
        return LEAVES[kind]
    origin, parts = typing.get_origin(kind), typing.get_args(kind)
    if kind == MEASURE:
        return st.one_of(st.none(), amounts, texts, st.sampled_from(["5", "1e3", " 7", "NaN"]))
    if origin in {typing.Union, types.UnionType}:
        return st.one_of(*(st.none() if part is type(None) else values_of(part) for part in parts))
    if origin is tuple:
        return st.lists(st.deferred(lambda: values_of(parts[0])), max_size=2).map(tuple)
    if origin is typing.Literal:
        return st.sampled_from(parts)
    if origin is Mapping or (isinstance(origin, type) and issubclass(origin, Mapping)):
        return st.dictionaries(values_of(parts[0]), values_of(parts[1]), max_size=2)
    if isinstance(kind, type) and issubclass(kind, Enum):
        unknown = texts if issubclass(kind, OpenStrEnum) else st.integers(100, 10**6)
        known = st.sampled_from(list(kind))
        return known | unknown.map(kind) if issubclass(kind, (OpenStrEnum, OpenIntEnum)) else known
    if issubclass(kind, KakaCloError):
        return st.builds(kakaclo_async.Rejected, texts, status=st.just(400))
    return models_of(kind)


def models_of(kind):
    """Make a strategy for an attrs class: each field by its type, or as its validators want it."""
    parameters = dict.fromkeys(getattr(kind, "__parameters__", ()), kakaclo_async.Product)
    fields = {}
    for field in attrs.fields(attrs.resolve_types(kind)):
        wanted = field.metadata.get(READ_AS, field.type)
        if getattr(wanted, "__parameters__", ()):
            wanted = wanted[tuple(parameters.values())]
        fields[field.alias] = judged(field, wanted) if field.validator else values_of(wanted)
    return st.builds(kind, **fields)


def judged(field, kind):
    if field.name == "country":
        return st.sampled_from(["US", "CN_S"])
    if field.name == "options":
        return st.lists(values_of(kakaclo_async.FreightOption), min_size=1, max_size=2)
    if field.name == "items":
        return st.lists(values_of(kakaclo_async.Item), min_size=1, max_size=2)
    parts = set(typing.get_args(kind)) | {kind}
    simple = words if str in parts else st.integers(1, 10**6) if int in parts else values_of(kind)
    return st.none() | simple if type(None) in parts else simple


def matrices():
    """Make a strategy for a matrix in which some quotes failed."""
    cart = st.lists(values_of(kakaclo_async.Item), min_size=1, max_size=2).map(tuple)
    cell = values_of(kakaclo_async.FreightQuote) | values_of(kakaclo_async.Rejected)
    keys = st.tuples(cart, st.sampled_from(["US", "DE"]))
    return st.dictionaries(keys, cell, max_size=3).map(kakaclo_async.FreightMatrix)


def settings(kind, *made):
    return lambda: st.sampled_from([kind(**fields) for fields in made])


def trees():
    category = kakaclo_async.Category
    leaf = st.builds(category, category_id=st.integers(0, 9), name=st.none() | texts)
    return st.recursive(
        leaf, lambda inner: st.builds(category, child=st.lists(inner, max_size=2).map(tuple)), max_leaves=3
    )


MAKERS = {
    kakaclo_async.Category: trees,
    Number: lambda: numbers,
    FrozenMapping: lambda: LEAVES[FrozenMapping[object]],
    Attributes: lambda: st.builds(Attributes, st.dictionaries(texts, texts, max_size=2), texts),
    freight.FreightMatrix: matrices,
    common.Option: lambda: st.builds(common.Option, st.none() | texts, st.none() | texts, texts),
    public.Caching: settings(public.Caching, {}, {"freight": 0.0, "reference": 60.5, "size": 1}),
    public.RateLimit: settings(public.RateLimit, {}, {"capacity": 5, "per_second": 0.5, "margin": 1}),
    public.Guards: settings(
        public.Guards, {}, {"max_order_amount": Decimal("9.90"), "environments": frozenset({"test", "local"})}
    ),
}
