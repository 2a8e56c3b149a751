"""docs/feed.md: every program runs, and its table has every event and every field."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import attrs
import pytest
from support.children import import_path
from support.receiver import SECRET
from support.shop import ADDRESS

from kakaclo_async.feed import FeedEvent
from kakaclo_async.feed.events import KINDS
from kakaclo_sync import Item, Journal, KakaClo, NewOrder, Sandbox

PAGE = (Path(__file__).parents[2] / "docs" / "feed.md").read_text()
PROGRAMS = re.findall(r"^```python[^\n]*\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def test_the_table_has_every_event_with_its_fields():
    rows = re.findall(r"^\| `(\w+)` \|.*\| (.*) ?\|$", PAGE, re.MULTILINE)
    common = {field.name for field in attrs.fields(FeedEvent)}
    assert {name: set(re.findall(r"`(\w+)`", told)) for name, told in rows} == {
        name: {field.name for field in attrs.fields(kind)} - common for name, kind in KINDS.items()
    }
    told = PAGE.split("Each has", 1)[1].split("They are", 1)[0]
    assert set(re.findall(r"`(\w+)`", told)) == common


@pytest.fixture
def environment(tmp_path):
    """A folder with the journal of a shop that has an order under way."""
    with Sandbox(products=20, index_lag=0) as sandbox, KakaClo(sandbox.token, base_url=sandbox.url) as kk:
        sku = next(iter(sandbox.catalog.selling(pieces=5)))
        journal = Journal(f"sqlite:///{tmp_path}/orders.db")
        order = NewOrder(address=ADDRESS, items=[Item(sku, 1)], custom_order_id="SHOP-1")
        kk.orders.submit(order, journal=journal)
        sandbox.skip(7 * 3600)
        yield {
            **os.environ,
            "KAKACLO_TOKEN": sandbox.token,
            "KAKACLO_BASE_URL": sandbox.url,
            "KAKACLO_WEBHOOK_SECRET": SECRET,
            "PYTHONPATH": import_path(),
        }


def run(program, environment, folder):
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", program],
        env=environment, cwd=folder, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip


@pytest.mark.process
def test_the_programs_run(environment, tmp_path):
    look_once, serve, receive, blocking = PROGRAMS
    with run(look_once, environment, tmp_path) as process:
        printed, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    assert re.match(r"1 orders, 1 requests, 2 new events\nSHOP-1 OrderPaid\nSHOP-1 \w+ KK\w+\n$", printed)

    with ExitStack() as running:
        receiver = running.enter_context(run(receive, environment, tmp_path))
        posting = environment | {"HOOK_URL": receiver.stdout.readline().strip()}
        server = running.enter_context(run(serve, posting, tmp_path))
        told = [receiver.stdout.readline() for _ in range(2)]
        server.send_signal(signal.SIGTERM)
        receiver.send_signal(signal.SIGTERM)
        assert server.wait(30) == 0
    assert told == ["OrderPaid SHOP-1\n", "OrderShipped SHOP-1\n"]

    with run(blocking, environment, tmp_path) as process:
        printed, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    assert [line.split()[1] for line in printed.splitlines()] == ["OrderPaid", "OrderShipped"]
