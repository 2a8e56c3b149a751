"""A real worker, a real Redis and a local KakaClo: run `pytest` in this folder, on a machine with `redis-server`."""

from __future__ import annotations

import gc
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

import pytest
import redis
from redis.backoff import ConstantBackoff
from redis.retry import Retry

import kakaclo_async
import kakaclo_sync
from kakaclo_async import CreatedOrder, FreightQuote, KakaCloError, OutcomeUnknown, Rejected
from kakaclo_async.sandbox import Fault

ORDERS = "/v2/order/orders"

# What died holds its order for 2 seconds in place of 60, and what is in doubt is looked at twice a second.
QUICK = """
import os, pathlib, tasks
from celery.signals import worker_process_init
from kakaclo_sync import Journal

@worker_process_init.connect
def tell(**_):
    pathlib.Path("process").write_text(str(os.getpid()))

tasks.PATIENCE = tasks.place.default_retry_delay = 0.5
tasks.journal = lambda: Journal(os.environ["SHOP_JOURNAL"], lease=2)
tasks.app.conf.worker_lost_wait = 0.2
app = tasks.app
"""


@pytest.fixture(scope="module")
def sandbox():
    with kakaclo_sync.Sandbox(products=30, index_lag=0) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def broker(tmp_path_factory):
    program = shutil.which("redis-server") or pytest.skip("redis-server is not installed")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
    server = subprocess.Popen(command, cwd=tmp_path_factory.mktemp("redis"), stdout=subprocess.DEVNULL)
    url = f"redis://127.0.0.1:{port}/0"
    with redis.Redis.from_url(url, retry=Retry(ConstantBackoff(0.1), 100)) as client:
        client.ping()
    yield url
    server.terminate()
    server.wait()


@pytest.fixture(scope="module")
def tasks(sandbox, broker, tmp_path_factory):
    """The module, in a shop that has a worker with one process."""
    folder = tmp_path_factory.mktemp("shop")
    (folder / "quick.py").write_text(QUICK)
    settings = {
        "KAKACLO_BASE_URL": sandbox.url,
        "KAKACLO_TOKEN": sandbox.token,
        "SHOP_JOURNAL": f"sqlite:///{folder}/orders.db",
        "CELERY_BROKER_URL": broker,
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in settings.items():
            patch.setenv(name, value)
        patch.chdir(folder)
        patch.syspath_prepend(folder)
        tasks = import_module("quick").tasks
        with working(folder, str(Path(__file__).parent)) as tasks.worker:
            yield tasks
        gc.collect()  # results take their leave of Redis, which must be there


@contextmanager
def working(folder, source):
    command = [
        sys.executable,
        "-m",
        "celery",
        "-A",
        "quick",
        "worker",
        "--concurrency",
        "1",
        "--loglevel",
        "info",
    ]
    quiet = ["--without-mingle", "--without-gossip", "--without-heartbeat"]
    path = os.pathsep.join([source, *sys.path])
    with (folder / "worker.log").open("wb") as log:
        worker = subprocess.Popen(
            [*command, *quiet], cwd=folder, env=os.environ | {"PYTHONPATH": path}, stdout=log, stderr=log
        )
    worker.log = folder / "worker.log"
    try:
        yield worker
    finally:
        worker.terminate()
        worker.wait(timeout=30)


def got(result):
    return result.get(timeout=60)


@pytest.fixture
def sku(sandbox):
    return next(sandbox.catalog.selling(pieces=5))


@pytest.fixture
def order(sku):
    address = {"country": "US", "recipient": "A. Customer", "phone": "555 0100", "province": "California"}
    address |= {"street1": "1 Main St", "city": "Los Angeles", "zip": "90001"}
    return {"custom_order_id": "A-1", "address": address, "items": [{"sku": sku, "quantity": 1}]}


def test_a_result_is_read_back_as_the_model_that_it_was(tasks, sku):
    found = FreightQuote.from_dict(got(tasks.quote.delay([{"sku": sku, "quantity": 2}], "US")))
    assert found.cheapest.estimated_freight > 0


def test_an_error_keeps_its_class_and_its_sentence(tasks):
    with pytest.raises(Rejected, match="there is no SKU 'NO-SUCH'"):
        got(tasks.quote.delay([{"sku": "NO-SUCH", "quantity": 2}], "US"))


def test_an_order_that_is_sent_often_is_placed_once(tasks, sandbox, order):
    before = len(sandbox.journal)
    created = [CreatedOrder.from_dict(got(result)) for result in [tasks.place.delay(order) for _ in range(3)]]
    assert len({one.id for one in created}) == len(sandbox.journal) - before == 1


def test_a_refusal_comes_back_with_all_its_facts_and_without_the_customer(tasks, sandbox, order):
    sandbox.faults.add(Fault("rejected", path=ORDERS, method="POST", code=40004, message="sold out"))
    told = got(tasks.place.delay(order | {"custom_order_id": "A-2"}))
    refusal = KakaCloError.from_dict(told)
    assert isinstance(refusal, Rejected)
    assert (refusal.code, refusal.message) == (40004, "sold out")
    assert "A. Customer" not in str(told)


def test_a_process_that_is_killed_while_it_sends_leaves_one_order_and_its_number(tasks, sandbox, order):
    before = len(sandbox.journal)
    sandbox.faults.add(Fault("silence", path=ORDERS, method="POST"))
    result = tasks.place.delay(order | {"custom_order_id": "A-3"})
    while len(sandbox.journal) == before:  # placed, and the worker waits for the answer
        assert tasks.worker.poll() is None
        time.sleep(0.01)
    os.kill(int(Path("process").read_text()), signal.SIGKILL)
    created = CreatedOrder.from_dict(got(result))
    assert created.id in sandbox.ledger.orders
    assert len(sandbox.journal) - before == 1
    assert "WorkerLostError" in tasks.worker.log.read_text()


def test_an_order_in_doubt_is_tried_again_until_it_is_known_and_not_placed_again(tasks, sandbox, order):
    before = len(sandbox.journal)
    sandbox.index_lag = 3600  # no search finds it
    sandbox.faults.add(Fault("reset_after", path=ORDERS, method="POST"))
    result = tasks.place.delay(order | {"custom_order_id": "A-4"})
    while (state := result.state) != "RETRY":
        assert (state, tasks.worker.poll()) == ("PENDING", None)
        time.sleep(0.01)
    sandbox.index_lag = 0
    created = CreatedOrder.from_dict(got(result))
    assert created.id in sandbox.ledger.orders
    assert len(sandbox.journal) - before == 1


ERRORS = {
    error
    for name in kakaclo_async.__all__
    if isinstance(error := getattr(kakaclo_async, name), type) and issubclass(error, KakaCloError)
}
LASTING = {
    *{"KakaCloError", "ConfigurationError", "MissingExtra", "InvalidRequest", "Conflict", "ClientClosed"},
    *{"IncompletePull", "DecodeError", "APIError", "Unauthorized", "NotFound", "Rejected", "NoFreight"},
}


@pytest.mark.parametrize("error", sorted(ERRORS, key=lambda error: error.__name__))
def test_an_order_is_tried_again_after_what_passes_and_comes_back_with_what_stays(tasks, monkeypatch, error):
    told = [error("a sentence")]

    class Client:
        orders = property(lambda self: self)

        def submit(self, order, **_):
            if told:
                raise told.pop()
            return CreatedOrder("17", order["custom_order_id"])

    monkeypatch.setattr(tasks, "client", Client)
    result = tasks.place.apply(args=[{"custom_order_id": "A-5"}])
    if error.__name__ in LASTING:
        assert type(KakaCloError.from_dict(result.get())) is error
    else:
        assert CreatedOrder.from_dict(result.get()).id == "17"


def test_an_order_without_an_id_of_its_own_is_the_same_order_each_time_its_task_runs(tasks, monkeypatch):
    seen, told = [], [OutcomeUnknown("in doubt")]

    class Client:
        orders = property(lambda self: self)

        def submit(self, order, **_):
            seen.append(order["custom_order_id"])
            if told:
                raise told.pop()
            return CreatedOrder("17")

    monkeypatch.setattr(tasks, "client", Client)
    result = tasks.place.apply(args=[{"custom_order_id": None}])
    assert seen == [result.id, result.id]


def test_no_log_shows_a_customer(tasks):
    said = tasks.worker.log.read_text()
    assert "tasks.place" in said
    assert "A. Customer" not in said
