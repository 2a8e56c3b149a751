from __future__ import annotations

import asyncio
import json

import aiohttp
import pytest

from kakaclo_async.sandbox import Fault, FaultKind

ORDERS = "/v2/order/orders"


@pytest.fixture
def place(http, order_body):
    """Place an order of one piece."""
    sku = next(http.sandbox.catalog.selling())

    async def go(timeout=None):
        headers = {"Authorization": f"Bearer {http.sandbox.token}"}
        async with http.session.post(
            http.sandbox.url + ORDERS,
            json=order_body((sku, 1)),
            headers=headers,
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(timeout),
        ) as answer:
            return answer.status, await answer.text(), answer.headers

    return go


def placed(http):
    return len(http.sandbox.journal)


@pytest.mark.parametrize(("kind", "orders"), [(FaultKind.RESET_BEFORE, 0), (FaultKind.RESET_AFTER, 1)])
async def test_a_reset_breaks_the_connection_before_or_after_the_effect(http, place, kind, orders):
    http.sandbox.faults.add(Fault(kind))
    with pytest.raises(aiohttp.ClientConnectionError):
        await place()
    assert placed(http) == orders
    assert http.sandbox.log[-1].status is None
    assert http.sandbox.log[-1].fault == kind.value
    assert (await place())[0] == 200


async def test_a_delay_comes_after_the_effect(http, place):
    http.sandbox.faults.add(Fault("delay", seconds=0.05))
    waiting = asyncio.create_task(place())
    while not placed(http):
        await asyncio.sleep(0)
    assert not waiting.done()
    assert (await waiting)[0] == 200


async def test_a_delayed_request_can_take_effect_at_the_end(http, place):
    http.sandbox.faults.add(Fault("delay", seconds=0.01, takes_effect=False))
    assert (await place())[0] == 200
    assert placed(http) == 1


async def test_silence_never_answers_although_the_request_took_effect(http, place):
    http.sandbox.faults.add(Fault("silence"))
    with pytest.raises(TimeoutError):
        await place(timeout=0.05)
    assert placed(http) == 1


async def test_a_truncated_body_is_shorter_than_promised(http, place):
    http.sandbox.faults.add(Fault("truncated_body"))
    with pytest.raises(aiohttp.ClientPayloadError):
        await place()
    assert placed(http) == 1


@pytest.mark.parametrize(
    ("fault", "status", "kind", "orders"),
    [
        (Fault("truncated_json"), 200, "application/json", 1),
        (Fault("empty_body"), 200, "application/json", 1),
        (Fault("wrong_content_type"), 200, "text/html", 1),
        (Fault("server_error", message="oops"), 500, "application/json", 1),
        (Fault("server_error", takes_effect=False), 500, "application/json", 0),
        (Fault("bad_gateway"), 502, "text/html", 0),
        (Fault("bad_gateway", takes_effect=True), 502, "text/html", 1),
        (Fault("throttled", retry_after="7"), 429, "application/json", 0),
        (Fault("rejected", code=30001, message="not today"), 200, "application/json", 0),
        (Fault("redirect", location="https://other.example/"), 302, "", 0),
    ],
    ids=lambda value: value.kind.value if isinstance(value, Fault) else None,
)
async def test_wrong_answers_are_wrong_in_the_way_asked_for(http, place, fault, status, kind, orders):
    http.sandbox.faults.add(fault)
    seen, text, headers = await place()
    assert (seen, headers.get("Content-Type", "").split(";")[0]) == (status, kind)
    assert placed(http) == orders
    if fault.kind is FaultKind.REJECTED:
        assert json.loads(text) == {"code": 30001, "message": "not today"}
    elif fault.kind is FaultKind.TRUNCATED_JSON:
        assert text.startswith('{"code":10000')
        assert not text.endswith("}")
    elif fault.kind is FaultKind.WRONG_CONTENT_TYPE:
        assert json.loads(text)["code"] == 10000
    elif fault.kind is FaultKind.THROTTLED:
        assert headers["Retry-After"] == "7"
    elif fault.kind is FaultKind.REDIRECT:
        assert headers["Location"] == "https://other.example/"
    elif fault.kind is FaultKind.EMPTY_BODY:
        assert text == ""
    assert http.sandbox.log[-1].status == status


async def test_a_fault_meets_only_its_path_and_method_and_as_often_as_told(http):
    faults = http.sandbox.faults
    faults.add(Fault("bad_gateway", path="/v1/payment/*", method="GET", times=2, skip=1))
    statuses = [(await http.call("GET", "/v1/payment/balance"))[0] for _ in range(5)]
    assert statuses == [200, 502, 502, 200, 200]
    assert faults.active == ()
    faults.add(Fault("bad_gateway", path="/v1/payment/*", method="POST", times=None))
    assert (await http.call("GET", "/v1/payment/balance"))[0] == 200
    assert (await http.call("POST", "/v1/payment/balance"))[0] == 502
    assert (await http.call("POST", "/v1/payment/balance"))[0] == 502
    faults.clear()
    assert (await http.call("POST", "/v1/payment/balance"))[0] == 404


async def test_the_first_fault_that_fits_happens_and_the_next_one_later(http):
    http.sandbox.faults.add(Fault("bad_gateway"))
    http.sandbox.faults.add(Fault("server_error"))
    assert [(await http.call("GET", "/v1/payment/balance"))[0] for _ in range(3)] == [502, 500, 200]


async def test_a_fault_can_be_a_matter_of_chance(http):
    http.sandbox.faults.add(Fault("bad_gateway", times=None, probability=0.5))
    statuses = {(await http.call("GET", "/v1/payment/balance"))[0] for _ in range(40)}
    assert statuses == {200, 502}


async def test_token_and_bucket_come_before_faults(opened):
    http = await opened(capacity=2)
    http.sandbox.faults.add(Fault("bad_gateway", times=None))
    assert (await http.call("GET", "/v1/payment/balance", token="wrong"))[0] == 401
    statuses = [(await http.call("GET", "/v1/payment/balance"))[0] for _ in range(3)]
    assert statuses == [502, 502, 429]


def test_an_unknown_kind_or_chance_is_refused():
    with pytest.raises(ValueError, match="earthquake"):
        Fault("earthquake")
    with pytest.raises(ValueError, match="probability"):
        Fault("delay", probability=2.0)
