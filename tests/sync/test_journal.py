"""Orders exactly once, from blocking callers."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from support.shop import ADDRESS, orderable

from kakaclo_async.sandbox import Fault, FaultKind
from kakaclo_sync import ConfigurationError, Item, Journal, NewOrder


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path}/orders.db"


@pytest.fixture
def order(kk):
    sku, _ = orderable(kk)
    return NewOrder(address=ADDRESS, items=[Item(sku, 1)], custom_order_id="C-1")


def test_threads_that_submit_the_same_order_place_it_once(kk, sandbox, url, order):
    journal = Journal(url)
    with ThreadPoolExecutor(8) as pool:
        placed = set(pool.map(lambda _: kk.orders.submit(order, journal=journal).id, range(8)))
    assert len(placed) == len(sandbox.journal) == 1
    assert journal.find("C-1").outcome in placed
    assert journal.pending() == ()
    assert journal.settle(kk) == journal.finish(kk) == ()
    sandbox.skip(3600)
    assert kk.orders.family("C-1", journal=journal).asked == order.items
    assert "orders.db" in repr(journal)


def test_what_cannot_be_a_journal_is_refused_at_once():
    with pytest.raises(ConfigurationError):
        Journal("mysql://host/name")


def test_an_order_interrupted_by_ctrl_c_is_found_again_and_not_placed_twice(
    client_script, kk, sandbox, url, order
):
    sandbox.faults.add(Fault(FaultKind.SILENCE, path="/v2/order/orders", method="POST"))
    code = f"""
        order = NewOrder(address=ADDRESS, items=[Item({order.items[0].sku!r}, 1)], custom_order_id="C-1")
        try:
            kk.orders.submit(order, journal=Journal({url!r}))
        except (OutcomeUnknown, KeyboardInterrupt):
            print(len(Journal({url!r}).pending()))
    """
    assert client_script(code, interrupt_when=lambda: sandbox.journal) == ["1"]
    created = kk.orders.submit(order, journal=Journal(url))
    assert [placed.orders for placed in sandbox.journal] == [(created.id,)]
    assert Journal(url).pending() == ()


def test_a_forked_child_uses_the_journal_of_its_parent(client_script, url, order):
    code = f"""
        import os, sys, warnings
        warnings.filterwarnings("ignore", message=".*multi-threaded.*fork")
        journal = Journal({url!r})
        order = NewOrder(address=ADDRESS, items=[Item({order.items[0].sku!r}, 1)], custom_order_id="C-1")
        placed = kk.orders.submit(order, journal=journal)
        assert journal.find("C-1").outcome == placed.id
        pid = os.fork()
        if pid == 0:
            print(kk.orders.submit(order, journal=journal) == placed, len(journal.pending()))
            sys.exit()
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), kk.orders.submit(order, journal=journal) == placed)
    """
    assert client_script(code) == ["True", "0", "0", "True"]
