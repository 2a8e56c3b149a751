"""The blocking client is watched as well, from the thread that calls; and a missing extra is told."""

from __future__ import annotations

import importlib
import sys
import threading

import pytest
from opentelemetry.trace import SpanKind

from kakaclo_async import ConfigurationError, MissingExtra
from kakaclo_sync.telemetry import instrument

pytestmark = pytest.mark.kakaclo_sandbox(products=10, index_lag=0)


@pytest.fixture
def end(kakaclo_sync_client, telemetry):
    return instrument(kakaclo_sync_client, **telemetry.providers)


def test_the_span_where_a_blocking_call_is_made_is_its_parent(kakaclo_sync_client, telemetry, end):
    tracer = telemetry.tracers.get_tracer("program")

    def work(name):
        with tracer.start_as_current_span(name):
            kakaclo_sync_client.payment.balance()

    threads = [threading.Thread(target=work, args=(f"thread {number}",)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    own = {span.context.span_id: span for span in telemetry.spans if span.name.startswith("thread")}
    calls = [span for span in telemetry.named("GET /v1/payment/balance") if span.kind is SpanKind.INTERNAL]
    assert {span.parent.span_id for span in calls} == set(own)
    assert len(calls) == 3


def test_its_metrics_are_read_from_any_thread(kakaclo_sync_client, telemetry, end):
    kakaclo_sync_client.warehouses.all()
    kakaclo_sync_client.warehouses.all()
    assert telemetry.metric("kakaclo.cache.hits") == 1
    assert {"kakaclo.permit.level", "kakaclo.permit.queue"} <= {name for name, _ in telemetry.points()}
    assert telemetry.metric("kakaclo.call.duration") >= telemetry.metric("http.client.request.duration")


def test_it_is_instrumented_once_at_a_time_and_its_views_with_it(kakaclo_sync_client, telemetry, end):
    with pytest.raises(ConfigurationError, match="already"):
        instrument(kakaclo_sync_client.bulk(), **telemetry.providers)
    kakaclo_sync_client.bulk().payment.balance()
    assert {span.attributes["kakaclo.lane"] for span in telemetry.spans} == {"bulk"}
    end()
    kakaclo_sync_client.payment.balance()
    assert len(telemetry.spans) == 2


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"attributes": 5}, "attributes must be texts by their names"),
        ({"attributes": {"shop": object()}}, "attributes must be texts by their names"),
        ({"attributes": {5: "north"}}, "attributes must be texts by their names"),
        ({"tracer_provider": 5}, "tracer_provider must be a TracerProvider, not int"),
        ({"meter_provider": []}, "meter_provider must be a MeterProvider, not list"),
    ],
)
def test_an_argument_that_will_not_do_is_refused_and_leaves_the_client_as_it_was(
    kakaclo_sync_client, telemetry, wrong, why
):
    with pytest.raises(ConfigurationError, match=why):
        instrument(kakaclo_sync_client, **telemetry.providers | wrong)
    end = instrument(kakaclo_sync_client, **telemetry.providers)
    kakaclo_sync_client.payment.balance()
    assert telemetry.spans
    end()


@pytest.mark.parametrize("face", ["kakaclo_async", "kakaclo_sync"])
def test_without_the_extra_the_error_says_what_to_install(face, monkeypatch):
    for name in [
        name for name in sys.modules if name.startswith((f"{face}.telemetry", "kakaclo_async.telemetry"))
    ]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    with pytest.raises(MissingExtra, match=r"pip install 'kakaclo\[otel\]'"):
        importlib.import_module(f"{face}.telemetry")


@pytest.mark.process
def test_nothing_but_telemetry_loads_opentelemetry():
    import subprocess

    program = "import sys, kakaclo_async.catalog, kakaclo_sync as k; k.KakaClo('t'); print('opentelemetry' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert done.stdout == "False\n"


@pytest.mark.process
def test_a_provider_that_is_set_later_hears_of_clients_that_were_instrumented_before_and_after(
    kakaclo_sync_sandbox,
):
    import subprocess

    program = f"""
from opentelemetry import metrics
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from kakaclo_sync import KakaClo
from kakaclo_sync.telemetry import instrument

clients = [KakaClo({kakaclo_sync_sandbox.token!r}, base_url={kakaclo_sync_sandbox.url!r}) for _ in "abc"]
instrument(clients[0], attributes={{"shop": "a"}})
reader = InMemoryMetricReader()
metrics.set_meter_provider(MeterProvider([reader]))
instrument(clients[1], attributes={{"shop": "b"}})
instrument(clients[2], attributes={{"shop": "c"}}, meter_provider=metrics.get_meter_provider())
for kk in clients:
    kk.payment.balance()
found = {{}}
for scope in reader.get_metrics_data().resource_metrics[0].scope_metrics:
    for metric in scope.metrics:
        found[metric.name] = "".join(sorted({{point.attributes["shop"] for point in metric.data.data_points}}))
print(found["kakaclo.permit.level"], found["kakaclo.call.duration"])
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], check=True, capture_output=True, text=True
    )
    assert (done.stdout, done.stderr) == ("abc abc\n", "")
