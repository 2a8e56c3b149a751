"""The blocking face of a fleet: the same calls, and functions that are called on the thread that serves."""

from __future__ import annotations

import threading
from contextlib import closing

import pytest
from support.fleet import orders, written
from support.terminal import Hosted

from kakaclo_async.errors import ConfigurationError, InvalidRequest
from kakaclo_sync.fleet import Fleet


@pytest.fixture
def hosted():
    with closing(Hosted(products=20, index_lag=0)) as found:
        yield found


@pytest.fixture
def path(tmp_path, hosted):
    sandbox = hosted.sandbox
    return written(tmp_path, [("a", sandbox.token, {"base_url": sandbox.url})], watch_every=0.2)


def test_it_serves_until_a_function_that_it_calls_on_this_thread_says_so(path, hosted):
    heard = []
    with Fleet.open(path) as fleet:
        for order in orders(hosted.sandbox, 3):
            assert str(fleet.submit("a", order).status) == "waiting"
        assert len(fleet.pending()["a"]) == 3

        def note(event):
            heard.append((event.type, event.custom_order_id, threading.current_thread()))
            if len({key for _, key, _ in heard}) == 3:
                fleet.stop()

        fleet.serve(on_order=note)
        assert {(kind, key) for kind, key, _ in heard} >= {("OrderPaid", f"A-{n}") for n in range(3)}
        assert {thread for *_, thread in heard} == {threading.current_thread()}
        assert fleet.pending() == {}
        assert {shop.shop for shop in fleet.status().shops} == {"a", "catalog"}


def test_turns_shops_and_pauses_are_the_same_as_for_async_callers(path, hosted):
    with Fleet.open(path) as fleet:
        [order] = orders(hosted.sandbox, 1)
        fleet.submit("a", order)
        fleet.pause("a")
        fleet.turn("orders", "a")
        assert hosted.sandbox.journal == []
        fleet.resume("a")
        fleet.turn("orders", "a")
        assert len(hosted.sandbox.journal) == 1
        assert fleet.withdraw("a", "A-9") is None
        fleet.ring("a", "watch")
        assert fleet.add("b", "env:B_TOKEN", settings={"base_url": hosted.sandbox.url}).name == "b.toml"
        fleet.remove("b")
        with pytest.raises(InvalidRequest, match="no shop b"):
            fleet.pause("b")
        assert repr(fleet) == "<Fleet fleet.toml local 1 shops>"


def test_settings_with_problems_are_refused_before_anything_is_opened(path):
    path.write_text("[fleet]\nmirror = 1\n")
    with pytest.raises(ConfigurationError, match="fleet.mirror is not known"):
        Fleet.open(path)
