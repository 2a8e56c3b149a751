"""`kakaclo orders feed --follow` as people run it: signals and pipes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support.shop import ADDRESS
from support.terminal import TOKEN, Hosted

from kakaclo_sync import Item, Journal, KakaClo, NewOrder

pytestmark = pytest.mark.process

KAKACLO = str(Path(sys.executable).with_name("kakaclo"))


@pytest.fixture
def follow(tmp_path):
    """Start following in a process of its own; the journal has an order."""
    hosted = Hosted(products=20, index_lag=0)
    sku = hosted.call(lambda: next(iter(hosted.sandbox.catalog.selling(pieces=5))))
    with KakaClo(TOKEN, base_url=hosted.sandbox.url) as kk:
        order = NewOrder(address=ADDRESS, items=[Item(sku, 1)], custom_order_id="SHOP-1")
        kk.orders.submit(order, journal=Journal(f"sqlite:///{tmp_path}/orders.db"))
    running = []

    def start(*options):
        process = subprocess.Popen(
            [KAKACLO, "orders", "feed", "--journal", "orders.db", "--follow", "--every", "1", "--json", *options],
            env={**os.environ, "KAKACLO_TOKEN": TOKEN, "KAKACLO_BASE_URL": hosted.sandbox.url},
            cwd=tmp_path, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        running.append(process)
        return process

    yield start
    for process in running:
        process.kill()
        process.communicate()
    hosted.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_following_with_code_0_and_the_next_run_prints_only_what_is_new(follow, number):
    first = follow()
    assert json.loads(first.stdout.readline())["type"] == "OrderPaid"
    first.send_signal(number)
    out, err = first.communicate(timeout=60)
    assert (first.returncode, out, err) == (0, "", "")
    second = follow("--balance-below", "1000000")
    assert json.loads(second.stdout.readline())["type"] == "BalanceLow"


def test_a_reader_that_has_gone_ends_following(follow):
    process = follow("--balance-below", "1000000")
    process.stdout.close()  # before there is anything to print
    process.stdout = None
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (1, "")
