from __future__ import annotations

import asyncio
import gc
import re
import weakref

import pytest
from opentelemetry import trace
from opentelemetry.trace import SpanKind, StatusCode
from support.calls import CALLS, OF_CLIENT, made
from support.contract import template
from support.shop import UNLIMITED, OpenShop

from kakaclo_async import ConfigurationError, KakaClo, Lane, RateLimit, Rejected
from kakaclo_async.ordering import Journal
from kakaclo_async.sandbox import Fault
from kakaclo_async.telemetry import instrument

pytestmark = [pytest.mark.stepped, pytest.mark.kakaclo_sandbox(products=40, index_lag=0)]
BALANCE = "GET /v1/payment/balance"
FEW_VALUES = {
    key: re.compile(values)
    for key, values in {
        "error.type": "[A-Z][A-Za-z]+",
        "http.request.method": "GET|POST",
        "kakaclo.code": "10000",
        "kakaclo.lane": "interactive|bulk",
        "kakaclo.rows.kind": "products|stock",
        "server.address": r"127\.0\.0\.1",
        "url.scheme": "http",
        "url.template": "(/[A-Za-z]+[12]?|/{})+",
    }.items()
}
"""Attributes that are texts, and all that they may be in a sandbox."""


@pytest.fixture
def end(kk, telemetry):
    return instrument(kk, **telemetry.providers)


async def test_a_call_has_a_span_with_a_span_for_each_request_below_it(kk, sandbox, telemetry, end):
    sandbox.faults.add(Fault("bad_gateway", path="/v1/payment/balance"))
    await kk.payment.balance()
    first, second, call = telemetry.named(BALANCE)
    assert [span.kind for span in (first, second, call)] == [
        SpanKind.CLIENT,
        SpanKind.CLIENT,
        SpanKind.INTERNAL,
    ]
    assert first.parent.span_id == second.parent.span_id == call.context.span_id
    assert (first.status.status_code, call.status.status_code) == (StatusCode.ERROR, StatusCode.UNSET)
    assert [span.attributes["http.response.status_code"] for span in (first, second)] == [502, 200]
    assert (first.attributes["error.type"], second.attributes["kakaclo.code"]) == ("ServerError", "10000")
    assert second.attributes["http.request.resend_count"] == 1
    assert call.attributes["kakaclo.attempts"] == 2
    assert [event.name for event in call.events] == ["kakaclo.retry"]


async def test_the_programs_span_is_the_parent_of_a_call_and_current_again_after_it(kk, telemetry, end):
    with telemetry.tracers.get_tracer("program").start_as_current_span("checkout") as own:
        await kk.payment.balance()
        assert trace.get_current_span() is own
    *_, call, _ = telemetry.spans
    assert call.parent.span_id == own.get_span_context().span_id


async def test_calls_that_run_at_once_have_spans_of_their_own(kk, sandbox, telemetry, end):
    orders = asyncio.gather(*(kk.refunds.of(str(number)) for number in range(3)), return_exceptions=True)
    await orders
    calls = [span for span in telemetry.spans if span.kind is SpanKind.INTERNAL]
    requests = [span for span in telemetry.spans if span.kind is SpanKind.CLIENT]
    assert len(calls) == 3
    assert {span.parent.span_id for span in requests} == {span.context.span_id for span in calls}


async def test_a_call_that_fails_says_with_which_class_and_which_code(kk, sandbox, telemetry, end):
    sandbox.faults.add(Fault("rejected", path="/v1/payment/balance"))
    with pytest.raises(Rejected) as error:
        await kk.payment.balance()
    request, call = telemetry.named(BALANCE)
    for span in (request, call):
        assert span.status.status_code is StatusCode.ERROR
        assert span.attributes["error.type"] == "Rejected"
        assert span.attributes["kakaclo.code"] == str(error.value.code)
    assert telemetry.metric("http.client.request.duration", error__type="Rejected") >= 0


async def test_a_cancelled_call_ends_its_span(kk, sandbox, telemetry, end):
    sandbox.faults.add(Fault("silence", path="/v1/payment/balance"))
    call = asyncio.create_task(kk.payment.balance())
    while not sandbox.requests.total():
        await asyncio.sleep(0.1)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    *_, span = telemetry.named(BALANCE)
    assert span.attributes["error.type"] == "CancelledError"


async def test_metrics_tell_the_queue_from_the_network(sandbox, telemetry):
    """One request a second, and answers that come at once: all of the time is spent in the queue."""
    async with KakaClo(sandbox.token, base_url=sandbox.url, rate_limit=RateLimit(1, 1), max_wait=None) as kk:
        instrument(kk, **telemetry.providers)
        started = asyncio.get_running_loop().time()
        await asyncio.gather(*(kk.payment.balance() for _ in range(4)))
        took = asyncio.get_running_loop().time() - started
        waited = telemetry.metric("kakaclo.permit.wait.duration", kakaclo__lane="interactive")
        assert waited == pytest.approx(1 + 2 + 3, rel=0.1)
        assert telemetry.metric("http.client.request.duration") < took / 4
        assert telemetry.metric("kakaclo.call.duration") >= waited
        spans = [span for span in telemetry.named(BALANCE) if span.kind is SpanKind.INTERNAL]
        assert sum(span.attributes["kakaclo.permit.wait"] for span in spans) == pytest.approx(waited)


async def test_metrics_show_the_bucket_the_queues_refusals_retries_and_hits(kk, sandbox, telemetry, end):
    sandbox.faults.add(Fault("throttled", retry_after="3"))
    await kk.payment.balance()
    assert telemetry.metric("kakaclo.throttled", url__template="/v1/payment/balance") == 1
    assert telemetry.metric("kakaclo.retries", error__type="RateLimited") == 1
    for _ in range(3):
        await kk.warehouses.all()
    assert telemetry.metric("kakaclo.cache.hits") == 2
    waiting = [asyncio.create_task(kk.bulk().payment.balance()) for _ in range(200)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    stats = kk.stats()
    assert telemetry.metric("kakaclo.permit.queue", kakaclo__lane="bulk") == stats.lanes[Lane.BULK].queued > 0
    assert telemetry.metric("kakaclo.permit.level") == pytest.approx(stats.level, abs=1)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)


async def test_two_clients_are_told_apart_by_their_attributes(sandbox, telemetry):
    for shop in ("eu", "us"):
        async with KakaClo(sandbox.token, base_url=sandbox.url, rate_limit=UNLIMITED) as kk:
            instrument(kk, **telemetry.providers, attributes={"shop": shop})
            await kk.payment.balance()
            await kk.warehouses.all()
            await kk.warehouses.all()
    assert {span.attributes["shop"] for span in telemetry.spans} == {"eu", "us"}
    assert all("shop" in point.attributes for _, point in telemetry.points())
    assert telemetry.metric("kakaclo.cache.hits", shop="eu") == 1


async def test_nothing_is_told_after_the_end_but_calls_under_way_are_told_to_theirs(
    kk, sandbox, telemetry, end
):
    sandbox.faults.add(Fault("silence", path="/v1/payment/balance"))
    under_way = asyncio.create_task(kk.payment.balance())
    while not sandbox.requests.total():
        await asyncio.sleep(0.1)
    end()
    await kk.warehouses.all()
    await under_way
    assert not telemetry.named("GET /v1/product/countryAndWarehouse")
    [call] = [span for span in telemetry.spans if span.kind is SpanKind.INTERNAL]
    assert call.attributes["kakaclo.attempts"] == 2
    told = len(telemetry.spans)
    await kk.payment.balance()
    assert len(telemetry.spans) == told
    assert telemetry.metric("kakaclo.permit.level") == 0
    end()


async def test_a_client_is_instrumented_once_at_a_time(kk, telemetry, end):
    with pytest.raises(ConfigurationError, match="already"):
        instrument(kk.bulk(), **telemetry.providers)
    end()
    instrument(kk, **telemetry.providers)
    end()
    with pytest.raises(ConfigurationError, match="already"):
        instrument(kk, **telemetry.providers)
    await kk.payment.balance()
    assert len(telemetry.spans) == 2


async def test_a_client_that_is_dropped_is_not_kept_alive(sandbox, telemetry):
    kk = KakaClo(sandbox.token, base_url=sandbox.url)
    instrument(kk, **telemetry.providers)
    await kk.aclose()
    gone = weakref.ref(kk)
    del kk
    gc.collect()
    assert gone() is None
    assert telemetry.metric("kakaclo.permit.level") == 0


async def test_what_a_server_writes_in_place_of_a_code_is_not_told(kk, telemetry, end, damage):
    damage(lambda body: body.replace(b'"code":10000', b'"code":"7 Marker Street"'))
    with pytest.raises(Rejected):
        await kk.payment.balance()
    assert telemetry.spans[0].attributes["kakaclo.code"] == "*"


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("name", OF_CLIENT)
async def test_telemetry_of_any_call_has_documented_paths_and_nothing_that_was_asked_or_answered(
    name, kk, sandbox, telemetry, end, tmp_path
):
    journal = Journal(f"sqlite:///{tmp_path}/journal.db", now=sandbox.now)
    shop = OpenShop(sandbox, own=900.0, journal=journal)
    told = len(sandbox.log)
    await made(CALLS[name].send(kk, shop))
    sent = {template(served.method, served.path) for served in list(sandbox.log)[told:]}
    requests = [span for span in telemetry.spans if span.kind is SpanKind.CLIENT]
    assert {span.name for span in requests} == {
        f"{method} {re.sub(r'{.*?}', '{}', path)}" for method, path in sent
    }
    for holder in (*telemetry.spans, *(point for _, point in telemetry.points())):
        for key, value in holder.attributes.items():
            assert key in FEW_VALUES or isinstance(value, int | float), key
            assert key not in FEW_VALUES or FEW_VALUES[key].fullmatch(value), (key, value)
