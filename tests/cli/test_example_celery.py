"""The Celery example with its own settings, which are Redis for everything, and machines that die."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest
from support.children import import_path
from support.ports import free_port
from support.redis_server import running
from support.shop import ADDRESS
from support.source import ROOT
from support.terminal import TOKEN, Hosted

from kakaclo_async.sandbox import Fault

pytestmark = pytest.mark.process

ORDERS = "/v2/order/orders"
# What was not acknowledged is given out again after a second, not an hour; a dead worker's lease ends as soon.
QUICK = """
import tasks
from kakaclo_sync import Journal
tasks.app.conf.broker_transport_options = {"visibility_timeout": 1}
tasks.journal = lambda: Journal("sqlite:///orders.db", lease=1)
app = tasks.app
"""
ASK = "import json, sys, quick; result = quick.tasks.place.delay(json.load(sys.stdin)); print(result.id)"
READ = "import json, sys, quick; print(json.dumps(quick.app.AsyncResult(sys.argv[1]).get(timeout=60)))"


@pytest.fixture
def fresh():
    hosted = Hosted(products=30, index_lag=0)
    yield hosted
    hosted.close()


@pytest.fixture
def shop(fresh, tmp_path):
    """A folder with its environment."""
    for needed in ("celery", "redis"):
        pytest.importorskip(needed)
    (tmp_path / "quick.py").write_text(QUICK)
    port = free_port()
    with running(port):
        # Unmeasured: coverage has locks of its own, which a worker that forks may inherit.
        kept = {
            key: value for key, value in os.environ.items() if not key.startswith(("KAKACLO_", "COVERAGE_"))
        }
        path = import_path(tmp_path, ROOT / "examples" / "celery_orders")
        yield {"cwd": tmp_path, "env": kept | {
            "CELERY_BROKER_URL": f"redis://127.0.0.1:{port}/0",
            "KAKACLO_BASE_URL": fresh.sandbox.url,
            "KAKACLO_TOKEN": TOKEN,
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONPATH": path,
        }}  # fmt: skip


@contextmanager
def machine(shop):
    """A worker with its processes, which all die at once in the end."""
    command = [sys.executable, "-m", "celery", "-A", "quick", "worker", "--concurrency", "2"]
    with (shop["cwd"] / "worker.log").open("ab") as log:
        worker = subprocess.Popen(command, **shop, stdout=log, stderr=log, start_new_session=True)
    try:
        yield worker
    finally:
        os.killpg(worker.pid, signal.SIGKILL)
        worker.wait()


def said(shop, program, *arguments, given=""):
    command = [sys.executable, "-c", program, *arguments]
    return subprocess.run(
        command, **shop, input=given, stdout=subprocess.PIPE, text=True, check=True, timeout=90
    ).stdout.strip()


def test_a_machine_that_dies_while_it_sends_leaves_one_order_and_another_machine_tells_its_number(
    shop, fresh
):
    fresh.sandbox.faults.add(Fault("silence", path=ORDERS, method="POST"))
    sku = next(fresh.sandbox.catalog.selling(pieces=5))
    order = {"custom_order_id": "A-1", "address": ADDRESS.to_dict(), "items": [{"sku": sku, "quantity": 1}]}
    with machine(shop) as worker:
        task = said(shop, ASK, given=json.dumps(order))
        while not fresh.sandbox.journal:  # placed, and the worker waits for the answer
            assert worker.poll() is None
            time.sleep(0.01)
    with machine(shop):
        created = json.loads(said(shop, READ, task))
    assert [created["id"]] == list(fresh.sandbox.ledger.orders)
    assert len(fresh.sandbox.journal) == 1
    assert ADDRESS.recipient not in (shop["cwd"] / "worker.log").read_text()
