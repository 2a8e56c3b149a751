"""Orders that wait, for blocking callers."""

from __future__ import annotations

import threading

import pytest
from support.ordering import RICH
from support.shop import ADDRESS, UNLIMITED

from kakaclo_sync import Item, Journal, KakaClo, NewOrder, RedisServer
from kakaclo_sync.ordering import Drained, WriteStatus

pytestmark = pytest.mark.kakaclo_sandbox(**RICH)


@pytest.fixture
def kk(sandbox):
    with KakaClo(sandbox.token, base_url=sandbox.url, rate_limit=UNLIMITED) as kk:
        yield kk


def test_orders_are_added_withdrawn_and_drained(sandbox, kk, tmp_path):
    sku = next(iter(sandbox.catalog.selling(pieces=5)))
    journal = Journal(f"sqlite:///{tmp_path}/orders.db")

    def order(key):
        return NewOrder(address=ADDRESS, items=[Item(sku, 1)], custom_order_id=key)

    assert journal.drain(kk) == Drained()
    assert journal.add(order("SHOP-1")).status is WriteStatus.WAITING
    assert journal.add(order("SHOP-2").to_dict()).status is WriteStatus.WAITING
    assert journal.withdraw("SHOP-1").key == "SHOP-1"
    done = journal.drain(kk, at_once=2, seconds=5.0)
    [placed] = sandbox.journal
    assert done.placed == {"SHOP-2": placed.orders[0]}
    assert journal.pending() == ()


def test_threads_that_drain_one_journal_place_each_order_once(sandbox, kk, tmp_path):
    sku = next(iter(sandbox.catalog.selling(pieces=20)))
    journal = Journal(f"sqlite:///{tmp_path}/orders.db")
    for number in range(12):
        journal.add(NewOrder(address=ADDRESS, items=[Item(sku, 1)], custom_order_id=f"SHOP-{number}"))
    done = []
    threads = [
        threading.Thread(target=lambda: done.append(journal.drain(kk, at_once=2, seconds=30)))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(key for one in done for key in one.placed) == sorted(f"SHOP-{n}" for n in range(12))
    assert len(sandbox.journal) == 12


def test_the_server_of_shared_connections_has_the_same_name():
    assert repr(RedisServer("redis://127.0.0.1")) == "<RedisServer 0 buckets in use>"
