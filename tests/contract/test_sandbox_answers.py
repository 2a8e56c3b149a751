"""What the sandbox answers is what the document says, to the letter; and so is what the client sends."""

from __future__ import annotations

import json
from collections import defaultdict

import pytest
from support.contract import (
    ENDPOINTS,
    answer_problems,
    body_schema,
    fields,
    flat,
    names_in,
    parameters,
    problems,
    query_problems,
)
from support.contract_walk import tapped, walked

from kakaclo_async import KakaCloError
from kakaclo_async.sandbox import Fault

SHAPES = {
    "today": {},
    "older": {
        "old_freight_shape": True,
        "old_order_shape": True,
        "old_custom_shape": True,
        "numeric_refund_numbers": True,
        "order_number_as_text": True,
        "balance_form": "text",
    },
    "lists": {"number_form": "list", "balance_form": "object", "split_orders": True},
    "objects": {"number_form": "object", "row_count_as_page_size": True, "missing_time_rate": 0.5},
}


def wrong(exchanges):
    return {
        f"{exchange.request.method} {exchange.request.path}": found
        for exchange in exchanges
        if (
            found := answer_problems(
                exchange.request.method, exchange.request.path, exchange.status, exchange.body
            )
        )
        or exchange.content_type.partition(";")[0] != "application/json"
    }


@pytest.fixture(params=SHAPES)
def exchanges(request):
    """What a walk exchanged: what was taken, and what was refused."""
    return walked(**SHAPES[request.param])


def test_the_walk_goes_to_every_endpoint_and_its_second_half_is_refused(exchanges):
    taken, refused = exchanges
    assert {exchange.endpoint for exchange in taken} == set(ENDPOINTS)
    assert {json.loads(exchange.body)["code"] for exchange in taken} == {10000}
    assert len(refused) == 8
    assert 10000 not in {json.loads(exchange.body)["code"] for exchange in refused}


def test_every_answer_is_as_documented(exchanges):
    taken, refused = exchanges
    assert wrong([*taken, *refused]) == {}


def test_every_request_is_as_documented(exchanges):
    taken, refused = exchanges
    for exchange in [*taken, *refused]:
        request, documented = exchange.request, ENDPOINTS[exchange.endpoint]
        assert query_problems(request.method, request.path, request.query) == []
        assert (request.body is not None) == ("requestBody" in documented)
        if request.body is not None:
            assert problems(exchange.sent, body_schema(documented), strict=True) == []


def test_every_documented_parameter_and_field_of_a_request_is_sent(exchanges):
    queries, bodies = defaultdict(set), defaultdict(set)
    for exchange in exchanges[0]:
        queries[exchange.endpoint].update(name for name, _ in exchange.request.query)
        bodies[exchange.endpoint].update(names_in(exchange.sent))
    for endpoint, operation in ENDPOINTS.items():
        assert queries[endpoint] == parameters(operation, "query").keys(), endpoint
        if "requestBody" in operation:
            assert bodies[endpoint] == set(flat(fields(body_schema(operation)))), endpoint


@pytest.mark.kakaclo_sandbox(products=10, index_lag=0, capacity=3, per_second=0.001)
@pytest.mark.parametrize("token", [None, "another"])
async def test_refused_tokens_and_full_buckets_are_answered_as_documented(sandbox, token):
    kk, found = tapped(sandbox, token=token, max_attempts=1)
    async with kk:
        for _ in range(4):
            try:
                await kk.payment.balance()
            except KakaCloError:
                continue
    assert {exchange.status for exchange in found} == ({401} if token else {200, 429})
    assert wrong(found) == {}


@pytest.mark.kakaclo_sandbox(products=10)
async def test_a_body_that_is_no_json_is_answered_as_documented(sandbox):
    for method, path in ENDPOINTS:
        if method == "POST":
            answer = sandbox._state.first.router.answer(method, path, {}, b"{")
            assert answer.status == 400
            assert answer_problems(method, path, answer.status, answer.body) == []


@pytest.mark.kakaclo_sandbox(products=10)
async def test_an_answer_beyond_the_document_is_told(sandbox):
    """The checks above can fail."""
    kk, found = tapped(sandbox, max_attempts=1)
    sandbox.faults.add(Fault("bad_gateway", status=404))
    async with kk:
        with pytest.raises(KakaCloError):
            await kk.payment.balance()
    assert wrong(found) == {"GET /v1/payment/balance": ["HTTP 404 is not in the document"]}
