"""docs/reference/endpoints.md: which methods ask which endpoint, as each call is seen to do."""

from __future__ import annotations

import re
from collections import Counter
from importlib import import_module
from pathlib import Path

import pytest
from support.calls import BY_ENDPOINT, CALLS, OF_CLIENT, made
from support.contract import template
from support.shop import OpenShop

from kakaclo_async.ordering import Journal

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "endpoints.md").read_text()
ROWS = [row.split("|")[1:-1] for row in re.findall(r"^\| `(?:GET|POST) .*\|$", PAGE, re.MULTILINE)]
TABLE = {row[0].strip(" `"): [re.findall(r"`kk\.([\w.]+)`", cell) for cell in row[2:]] for row in ROWS}
METHODS = {method for closest, more in TABLE.values() for method in (*closest, *more)}
CALLS_OF_A_METHOD = Counter(name.partition(" ")[0] for name in OF_CLIENT)
IN_DOUBT = {
    "orders.submit": {"GET /v2/order/orders"},
    "refunds.request": {"GET /v2/order/orders/refund/{id}"},
}
"""What a method asks only when the outcome of a write is unknown, which is for other tests to bring about."""


def test_the_table_has_every_endpoint_and_beside_it_the_method_that_is_closest():
    assert TABLE.keys() == BY_ENDPOINT.keys()
    for endpoint, call in BY_ENDPOINT.items():
        assert call.name.partition(" ")[0] in TABLE[endpoint][0]


def test_the_table_has_every_method_of_the_client_that_asks_something_and_nothing_else():
    assert CALLS_OF_A_METHOD.keys() == METHODS


@pytest.mark.parametrize("face", ["kakaclo_async", "kakaclo_sync"])
def test_each_method_of_the_table_is_there_on_both_faces(face):
    for method in METHODS:
        *outdated, area, name = method.split(".")
        owner = area.capitalize() + "V1" * len(outdated)
        module = f"{face}.resources" + (".v1" if outdated and face == "kakaclo_async" else "")
        assert callable(getattr(getattr(import_module(module), owner), name))


@pytest.mark.stepped
@pytest.mark.parametrize("name", OF_CLIENT)
async def test_a_method_asks_the_endpoints_that_the_table_names(name, kk, sandbox, tmp_path):
    journal = Journal(f"sqlite:///{tmp_path}/journal.db", now=sandbox.now)
    call, shop = CALLS[name], OpenShop(sandbox, own=900.0, journal=journal)
    assert shop.paid
    await made(call.send(kk, shop))
    sent = {" ".join(template(served.method, served.path)) for served in sandbox.log}
    method = name.partition(" ")[0]
    named = {endpoint for endpoint, (closest, more) in TABLE.items() if method in (*closest, *more)}
    assert sent <= named
    if CALLS_OF_A_METHOD[method] == 1:
        assert named - sent == IN_DOUBT.get(method, set())
