"""The models and the document know the same fields, each of them, both ways."""

from __future__ import annotations

import attrs
import pytest
from support.calls import BY_ENDPOINT
from support.contract import ENDPOINTS, body_schema, data_schema, fields, flat, parts
from support.contract_walk import walked

from kakaclo_async.codec.converter import row_type, type_of, wire_fields
from kakaclo_async.codec.embedded import _BALANCE_NAMES
from kakaclo_async.codec.scalars import OrderNumber, RefundNumber
from kakaclo_async.models.common import OpenIntEnum, OpenStrEnum, Option, Record, wire_names
from kakaclo_async.models.order import Balance
from kakaclo_async.models.product import SizeContent, SizeSheet

ORDERS = [("GET", "/v1/order/orders"), ("GET", "/v2/order/orders")]
NOT_MODELLED = {
    **{
        (endpoint, name): "null in every sample, and nothing is said of it"
        for endpoint in ORDERS
        for name in ("vo", "totalPageNumber", "modifyDate", "nextId")
    },
    (
        ("GET", "/v1/payment/balance"),
        "currency",
    ): "all money of the API is in US dollars; `Balance.raw` keeps it",
}
"""Documented, and deliberately in no model: `extra` keeps them."""

BODIES = {tuple(name.split(" ")): call.body for name, call in BY_ENDPOINT.items() if call.body}
"""The models of the requests; `dict` for one that is made without a model: the walk compares what is sent."""


def results():
    """Return what the client reads each endpoint's data as."""
    taken, _ = walked()
    return {exchange.endpoint: exchange.request.result for exchange in taken}


def read(kind, inside=()):
    """Return the wire fields that a type is read from, each with its own."""
    kind = row_type(kind)
    if type_of(kind) in {tuple, list}:
        return read(kind.__args__[0], inside)
    match kind:
        case type() if kind is Balance:
            return {name: {} for name in _BALANCE_NAMES}
        case type() if issubclass(kind, (OrderNumber, RefundNumber)):
            return {name: {} for name in kind.names}
        case type() if kind is Option:
            return {"name": {}, "value": {}}
        case type() if kind is SizeContent:
            return plain(SizeSheet)
        case _ if issubclass(type_of(kind), Record):
            return {
                name: {} if field.kind in inside else read(field.kind, (*inside, field.kind))
                for field in wire_fields(kind)
                for name in field.wire_names
            }
        case _:
            return {}


def plain(kind):
    """Return the fields of what travels inside a string, whose names are its own on the wire."""
    found = {}
    for field in attrs.fields(attrs.resolve_types(kind)):
        rows = [part for part in getattr(field.type, "__args__", ()) if attrs.has(part)]
        found[field.name] = plain(rows[0]) if rows else {}
    return found


def written(kind):
    """Return the wire fields that a request is written as, each with its own."""
    found = {}
    for field in attrs.fields(attrs.resolve_types(kind)):
        rows = [part for part in (field.type, *getattr(field.type, "__args__", ())) if attrs.has(part)]
        found[wire_names(field)[0]] = written(rows[0]) if rows else {}
    return found


def folded(names):
    return {name.casefold() for name in names}


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=" ".join)
def test_the_document_has_every_field_that_a_model_reads(endpoint):
    documented, known = (
        set(flat(fields(data_schema(ENDPOINTS[endpoint])))),
        set(flat(read(results()[endpoint]))),
    )
    if issubclass(type_of(results()[endpoint]), (OrderNumber, RefundNumber)):  # read in any case
        documented, known = folded(documented), folded(known)
    assert known - documented == set()


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=" ".join)
def test_a_model_reads_every_field_of_the_document(endpoint):
    documented, known = (
        set(flat(fields(data_schema(ENDPOINTS[endpoint])))),
        set(flat(read(results()[endpoint]))),
    )
    if issubclass(type_of(results()[endpoint]), (OrderNumber, RefundNumber)):
        documented, known = folded(documented), folded(known)
    left_out = {name for where, name in NOT_MODELLED if where == endpoint}
    assert documented - known == left_out


def test_the_walk_reads_many_fields():
    """The comparisons above compare something."""
    sizes = {endpoint: len(list(flat(read(result)))) for endpoint, result in results().items()}
    assert sizes["GET", "/v2/order/orders"] > 100
    assert sizes["GET", "/v1/product/products"] > 35
    assert sizes["GET", "/v1/product/custom/designModel/detail/{id}"] > 18


def test_every_body_is_compared():
    with_body = {endpoint for endpoint, operation in ENDPOINTS.items() if "requestBody" in operation}
    assert BODIES.keys() == with_body


@pytest.mark.parametrize("endpoint", [key for key, body in BODIES.items() if body is not dict], ids=" ".join)
def test_a_request_has_the_fields_of_the_document_and_no_other(endpoint):
    assert set(flat(written(BODIES[endpoint]))) == set(flat(fields(body_schema(ENDPOINTS[endpoint]))))


def enumerations(kind, inside=()):
    """Yield the path of each enumeration in a type, with its members."""
    kind = row_type(kind)
    if type_of(kind) in {tuple, list}:
        yield from enumerations(kind.__args__[0], inside)
    elif issubclass(type_of(kind), Record):
        for field in wire_fields(kind):
            inner = row_type(field.kind)
            if isinstance(inner, type) and issubclass(inner, (OpenStrEnum, OpenIntEnum)):
                yield from ((name, {member.value for member in inner}) for name in field.wire_names)
            elif field.kind not in inside:
                for path, members in enumerations(field.kind, (*inside, field.kind)):
                    yield from ((f"{name}.{path}", members) for name in field.wire_names)


def documented_enumerations(schema, inside=()):
    for part in parts(schema):
        if "properties" in part:
            for name, held in part["properties"].items():
                values = [value for inner in parts(held) for value in inner.get("x-extensible-enum", ())]
                if values:
                    yield name, set(values) - {"NULL"}
                elif held not in inside:
                    for path, found in documented_enumerations(held, (*inside, held)):
                        yield f"{name}.{path}", found
        if "items" in part and part["items"] not in inside:
            yield from documented_enumerations(part["items"], (*inside, part["items"]))


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=" ".join)
def test_statuses_have_the_values_of_the_document_and_no_other(endpoint):
    documented = dict(documented_enumerations(data_schema(ENDPOINTS[endpoint])))
    known = dict(enumerations(results()[endpoint]))
    assert known.keys() == documented.keys()
    for path, values in known.items():
        more = documented[path] - values
        older = (
            endpoint == ("GET", "/v2/order/orders") and path == "list.status"
        )  # it may come with its V1 status
        assert values <= documented[path], path
        assert bool(more) == older, path
