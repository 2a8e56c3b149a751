"""The OpenAPI document for tests: its endpoints, its fields, and what it allows, as it stands and to the letter."""

from __future__ import annotations

import json
import re
from copy import deepcopy
from functools import cache
from pathlib import Path
from urllib.parse import unquote

import yaml
from jsonschema import Draft202012Validator, FormatChecker, ValidationError
from jsonschema.validators import extend
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from kakaclo_async.contract import DOCUMENT

_NAME = "urn:kakaclo"
SAMPLES = Path(__file__).parents[1] / "samples"


@cache
def document():
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return yaml.load(DOCUMENT.read_text(encoding="utf-8"), Loader=loader)  # noqa: S506 - a safe one


def endpoints():
    """Yield the method, the path and the operation of each endpoint."""
    for path, operations in document()["paths"].items():
        for method, operation in operations.items():
            yield method.upper(), path, operation


ENDPOINTS = {(method, path): operation for method, path, operation in endpoints()}


def template(method, path):
    """Return the endpoint that a request goes to, with its parameters by their names."""
    [found] = [
        (method, known)
        for verb, known in ENDPOINTS
        if verb == method and re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", known), path)
    ]
    return found


def resolved(part):
    """Follow a reference to a component."""
    while "$ref" in part:
        found = document()
        for step in part["$ref"].removeprefix("#/").split("/"):
            found = found[step]
        part = {**found, **{name: held for name, held in part.items() if name != "$ref"}}
    return part


def parameters(operation, place):
    """Return the parameters of an endpoint in the query or the path, by name."""
    found = map(resolved, operation.get("parameters", ()))
    return {parameter["name"]: parameter for parameter in found if parameter["in"] == place}


def body_schema(operation):
    return operation["requestBody"]["content"]["application/json"]["schema"]


def data_schema(operation):
    """Return the schema of `data` in an answer that is a success."""
    success, _ = operation["responses"]["200"]["content"]["application/json"]["schema"]["oneOf"]
    return success["allOf"][1]["properties"]["data"]


def answer_schema(operation, status):
    return resolved(operation["responses"][str(status)])["content"]["application/json"]["schema"]


def _to_the_letter(part):
    """Close what is open for servers that say more: enumerations, and objects whose fields are listed."""
    if isinstance(part, list):
        return [_to_the_letter(held) for held in part]
    if not isinstance(part, dict):
        return part
    closed = {name: _to_the_letter(held) for name, held in part.items()}
    if "x-extensible-enum" in part:
        closed["enum"] = [*part["x-extensible-enum"], *([None] if "null" in part["type"] else [])]
    kinds = part.get("type", ())
    if "properties" in part and "object" in ([kinds] if isinstance(kinds, str) else kinds):
        closed.setdefault("additionalProperties", False)
    return closed


@cache
def _registry(*, strict):
    whole = deepcopy(document())
    if strict:
        whole["components"]["schemas"] = _to_the_letter(whole["components"]["schemas"])
    return Registry().with_resource(_NAME, Resource(contents=_absolute(whole), specification=DRAFT202012))


def _absolute(part):
    """Let references lead into the document from wherever they stand."""
    if isinstance(part, list):
        return [_absolute(held) for held in part]
    if not isinstance(part, dict):
        return part
    return {name: _NAME + held if name == "$ref" else _absolute(held) for name, held in part.items()}


def _content_schema(validator, schema, instance, _):
    """Look into JSON that travels inside strings, which validators leave alone by default."""
    if isinstance(instance, str) and instance:
        try:
            held = json.loads(instance)
        except ValueError:
            yield ValidationError("holds no JSON")
        else:
            yield from validator.descend(held, schema)
    elif isinstance(instance, dict | list):
        yield from validator.descend(instance, schema)


_Validator = extend(Draft202012Validator, {"contentSchema": _content_schema})


def problems(value, schema, *, strict=False):
    """Return what is wrong with a value; strict: to the letter, no field and no status beyond the document."""
    validator = _Validator(
        _absolute(schema), registry=_registry(strict=strict), format_checker=FormatChecker()
    )
    return [f"{error.json_path}: {error.message[:200]}" for error in validator.iter_errors(value)]


def answer_problems(method, path, status, body, *, strict=True):
    """Return what is wrong with an answer of an endpoint."""
    operation = ENDPOINTS[template(method, path)]
    if str(status) not in operation["responses"]:
        return [f"HTTP {status} is not in the document"]
    return problems(json.loads(body), answer_schema(operation, status), strict=strict)


def query_problems(method, path, query):
    """Return what is wrong with the query string of a request."""
    known = parameters(ENDPOINTS[template(method, path)], "query")
    found = [f"{name} is not in the document" for name, _ in query if name not in known]
    for name, text in query:
        if name in known:
            schema = resolved(known[name]["schema"])
            value = {"integer": int, "array": lambda held: held.split(",")}.get(schema["type"], str)(
                unquote(text)
            )
            found += problems(value, schema)
    return found


def fields(schema, inside=()):
    """Return the fields that a schema describes, each with its own; a field of a record inside itself ends there."""
    found = {}
    for part in parts(schema):
        if "properties" in part:
            for name, held in part["properties"].items():
                found[name] = {} if held in inside else fields(held, (*inside, held))
        for keyword in ("items", "contentSchema"):
            if keyword in part and part[keyword] not in inside:
                found |= fields(part[keyword], (*inside, part[keyword]))
    return found


def parts(schema):
    """Yield a schema and all that it refers to, alternatives included."""
    schema = resolved(schema)
    yield schema
    for keyword in ("allOf", "anyOf", "oneOf"):
        for part in schema.get(keyword, ()):
            yield from parts(part)


def flat(tree):
    """Yield the path of each field in a tree of them."""
    for name, held in tree.items():
        yield name
        yield from (f"{name}.{below}" for below in flat(held))


def names_in(value):
    """Yield the path of each field that a document holds."""
    for row in value if isinstance(value, list) else [value]:
        for name, held in row.items() if isinstance(row, dict) else ():
            yield name
            yield from (f"{name}.{below}" for below in names_in(held))
