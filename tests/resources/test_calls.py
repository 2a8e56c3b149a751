"""The table of calls has every public method and every endpoint, and each of its calls does what its row says."""

from __future__ import annotations

import ast
import re

import pytest
from support.calls import BY_ENDPOINT, CALLS, OF_CLIENT, made, public_calls
from support.contract import ENDPOINTS, template
from support.endpoints import answers, published
from support.shop import OpenShop
from support.source import modules, tree

from kakaclo_async.ordering import Journal

NO_ENDPOINT = {"error_400_invalid_request"}
"""Published answers that any endpoint may give."""


def test_every_public_method_that_sends_something_has_a_row():
    assert {name.partition(" ")[0] for name in CALLS} == public_calls()
    assert len(public_calls()) > 45


def documented():
    """The endpoints that docstrings of the areas' methods name."""
    found = set()
    for module in modules():
        if module.startswith("kakaclo_async.resources"):
            functions = (
                node
                for node in ast.walk(tree(module))
                if isinstance(node, ast.AsyncFunctionDef | ast.FunctionDef)
            )
            for function in functions:
                found |= set(re.findall(r"`((?:GET|POST) /v\d/[^`?]+)", ast.get_docstring(function) or ""))
    return found


@pytest.mark.kakaclo_sandbox(products=1)
async def test_every_documented_endpoint_and_every_route_of_the_sandbox_has_a_row(sandbox):
    routes = {f"{route.method} {route.path}" for route, _ in sandbox._state.first.router._routes}
    assert documented() == routes == BY_ENDPOINT.keys() == {" ".join(endpoint) for endpoint in ENDPOINTS}
    assert len(BY_ENDPOINT) == len([call for call in CALLS.values() if call.endpoint])


def test_every_published_answer_belongs_to_one_endpoint():
    belonging = [title for name in BY_ENDPOINT for title in published(name) if title != "none"]
    assert sorted(belonging) == sorted(answers() - NO_ENDPOINT)


def test_every_write_says_how_to_see_what_it_has_done():
    for call in CALLS.values():
        assert (call.done is not None) == (call.kind in {"write", "journal"}), call.name
        assert (call.key is not None) == (call.kind == "journal"), call.name


@pytest.mark.stepped
@pytest.mark.parametrize("name", OF_CLIENT)
async def test_a_call_sends_its_endpoint_and_is_answered_by_the_sandbox(name, kk, sandbox, tmp_path):
    journal = Journal(f"sqlite:///{tmp_path}/journal.db", now=sandbox.now)
    call, shop = CALLS[name], OpenShop(sandbox, own=900.0, journal=journal)
    assert shop.paid
    assert await made(call.send(kk, shop)) is not None
    sent = {" ".join(template(served.method, served.path)) for served in sandbox.log}
    assert sent
    if call.endpoint:
        assert call.endpoint in sent
        assert call.reads_first or sent == {call.endpoint}
    if call.done:
        assert len(await call.done(kk, shop)) == 1
