"""Whatever is asked over HTTP, the sandbox answers as the document says."""

from __future__ import annotations

import os

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings, strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from support.contract import ENDPOINTS

import kakaclo_sync
from kakaclo_async.contract import DOCUMENT
from kakaclo_async.sandbox import Fault

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
IS_FUZZ = os.environ.get("HYPOTHESIS_PROFILE") == "fuzz"
EXAMPLES = settings().max_examples // 10 if IS_FUZZ else 12

pytestmark = [pytest.mark.process, pytest.mark.long]


@pytest.fixture(scope="module")
def server():
    with kakaclo_sync.Sandbox(products=40, index_lag=0, capacity=10**9, per_second=10**9) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def operations():
    schema = schemathesis.openapi.from_path(DOCUMENT)
    return {operation.label: operation for operation in (found.ok() for found in schema.get_all_operations())}


def test_schemathesis_sees_every_endpoint(operations):
    assert operations.keys() == {" ".join(endpoint) for endpoint in ENDPOINTS}


def test_a_server_that_breaks_the_contract_is_found(operations, server):
    """The checks below can fail."""
    for fault in ("server_error", "wrong_content_type", "truncated_json"):
        server.faults.add(Fault(fault, path="/v1/payment/balance"))
        with pytest.raises(FailureGroup):
            check(operations["GET /v1/payment/balance"].Case(), server)
    check(operations["GET /v1/payment/balance"].Case(), server)


def check(case, server):
    headers = {"Authorization": f"Bearer {server.token}"}
    case.call_and_validate(base_url=server.url, headers=headers, checks=CHECKS)


@pytest.mark.parametrize("mode", GenerationMode, ids=lambda mode: mode.value)
@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=" ".join)
def test_an_endpoint_answers_as_documented(endpoint, mode, operations, server):
    operation = operations[" ".join(endpoint)]

    @settings(
        max_examples=EXAMPLES,
        phases=[Phase.explicit, Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
        database=None,
    )
    @given(data=st.data())
    def ask(data):
        check(data.draw(operation.as_strategy(generation_mode=mode)), server)

    ask()
