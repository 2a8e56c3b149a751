"""The OpenAPI document is one, its examples are KakaClo's own, and it knows the endpoints that the package knows."""

from __future__ import annotations

import ast
import inspect
import json
import re
from importlib import import_module

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator
from support.contract import (
    ENDPOINTS,
    SAMPLES,
    answer_schema,
    body_schema,
    document,
    endpoints,
    parameters,
    problems,
    resolved,
)
from support.source import ROOT, modules, tree

from kakaclo_async.contract import DOCUMENT
from kakaclo_async.ratelimit.bucket import RateLimit
from kakaclo_async.transport.endpoint import ENVIRONMENTS

EXAMPLES = document()["components"]["examples"]


def test_it_is_valid_openapi():
    assert [str(error) for error in OpenAPIV31SpecValidator(document()).iter_errors()] == []


def test_the_packages_file_is_the_one_of_the_documentation():
    assert DOCUMENT.read_bytes() == (ROOT / "docs" / "openapi.yaml").read_bytes()


def test_it_names_the_packages_servers_and_rate():
    assert {server["url"] for server in document()["servers"]} == set(ENVIRONMENTS.values())
    rate, stated = RateLimit(), document()["x-rate-limit"]
    assert (stated["capacity"], stated["leaks-per-second"]) == (rate.capacity, rate.per_second)


def test_its_examples_are_the_published_documents_all_of_them():
    published = {
        path.name.removesuffix(".json"): json.loads(path.read_text()) for path in SAMPLES.glob("*.json")
    }
    assert {name: example["value"] for name, example in EXAMPLES.items()} == published


def test_every_example_keeps_the_digits_of_its_money():
    text = DOCUMENT.read_text(encoding="utf-8")
    digits = re.compile(r":\s*(-?[0-9]+\.[0-9]+)")
    for path in SAMPLES.glob("*.json"):
        name = path.name.removesuffix(".json")
        [example] = re.findall(rf"^    {re.escape(name)}:\n((?:      .*\n)+)", text, re.MULTILINE)
        assert digits.findall(example) == digits.findall(path.read_text()), name


def used():
    """Yield each use of an example: its name, and the schema that it must fit."""
    for method, path, operation in endpoints():
        if "requestBody" in operation:
            media = operation["requestBody"]["content"]["application/json"]
            yield from ((name, body_schema(operation)) for name in media.get("examples", ()))
        for status, response in operation["responses"].items():
            media = resolved(response)["content"]["application/json"]
            assert status in {"200", "400"} or "example" in media, (method, path, status)
            yield from ((name, answer_schema(operation, status)) for name in media.get("examples", ()))


BEYOND = {"v2_order_create.request", "v1_order_create.request"}  # their salePlatform is none of those listed
USED = list({(name, str(schema)): (name, schema) for name, schema in used()}.values())


def test_every_example_is_used():
    assert {name for name, _ in USED} == EXAMPLES.keys()


@pytest.mark.parametrize(("name", "schema"), USED, ids=lambda part: part if isinstance(part, str) else "")
def test_every_published_document_fits_the_schema_of_its_endpoint(name, schema):
    assert problems(EXAMPLES[name]["value"], schema) == []
    assert problems(EXAMPLES[name]["value"], schema, strict=name not in BEYOND) == []


def test_every_other_example_fits_its_schema():
    shown = 0
    for _, _, operation in endpoints():
        for place in ("query", "path"):
            for parameter in parameters(operation, place).values():
                if "example" in parameter:
                    assert problems(parameter["example"], parameter["schema"]) == [], parameter["name"]
                    shown += 1
        for status, response in operation["responses"].items():
            media = resolved(response)["content"]["application/json"]
            if "example" in media:
                assert problems(media["example"], answer_schema(operation, status)) == []
                shown += 1
    assert shown > 42


def test_a_document_that_breaks_the_schema_is_refused():
    """The checks above can fail."""
    product = json.loads((SAMPLES / "v1_product_products.json").read_text())
    schema = answer_schema(ENDPOINTS["GET", "/v1/product/products"], 200)
    row = product["data"]["list"][0]
    for name, value in (("price", "cheap"), ("spu", None), ("skuDetails", {}), ("updateTime", "yesterday")):
        spoilt = {**product, "data": {**product["data"], "list": [{**row, name: value}]}}
        assert problems(spoilt, schema) != [], name
    for name, value in (("spuStatus", 9), ("score", 1)):
        other = {**product, "data": {**product["data"], "list": [{**row, name: value}]}}
        assert problems(other, schema) == []
        assert problems(other, schema, strict=True) != [], name


def test_every_field_parameter_and_answer_is_described():
    def undescribed(part, where):
        if isinstance(part, dict):
            for name, held in part.get("properties", {}).items():
                inner = resolved(held)
                if not inner.get("description") and not held.get("x-unpublished"):
                    yield f"{where}.{name}"
            for name, held in part.items():
                yield from undescribed(held, f"{where}.{name}")
        elif isinstance(part, list):
            for held in part:
                yield from undescribed(held, where)

    assert list(undescribed(document()["components"]["schemas"], "")) == []
    for method, path, operation in endpoints():
        assert operation["summary"], (method, path)
        for parameter in operation.get("parameters", ()):
            assert resolved(parameter)["description"]
        for response in operation["responses"].values():
            assert resolved(response)["description"]


def paths_in_the_client():
    """Return the paths that stand in the modules of the areas, their parameters left blank."""
    found = set()
    for module in modules():
        if module.startswith("kakaclo_async.resources"):
            for node in ast.walk(tree(module)):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    found.update(re.findall(r"^/v\d/[\w/{}]+$", node.value))
    return {re.sub(r"\{\w*\}", "{}", path) for path in found}


def test_the_client_has_the_paths_of_the_document_and_no_other():
    assert paths_in_the_client() == {re.sub(r"\{\w+\}", "{}", path) for path in document()["paths"]}


def test_the_docstrings_of_the_client_name_the_endpoints_of_the_document_and_no_other():
    named = set()
    for module in modules():
        if module.startswith("kakaclo_async.resources"):
            source = inspect.getsource(import_module(module))
            named.update(re.findall(r"`(GET|POST) (/v\d/[\w/{}]+)", source))
    assert named == set(ENDPOINTS)


async def test_the_sandbox_serves_the_endpoints_of_the_document_and_no_other(sandbox):
    routes = [route for route, _ in sandbox._state.first.router._routes]
    assert {(route.method, route.path) for route in routes} == set(ENDPOINTS)


def test_the_document_is_told_of_in_the_reference():
    assert "(../openapi.yaml)" in (ROOT / "docs" / "reference" / "client.md").read_text()
