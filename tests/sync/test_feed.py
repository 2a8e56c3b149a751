"""The event feed for blocking callers."""

import signal
import threading
from datetime import UTC, datetime

import pytest
from support.receiver import Receiver
from support.shop import ADDRESS, orderable

from kakaclo_sync import ConfigurationError, InvalidRequest, Item, Journal, NewOrder
from kakaclo_sync.feed import Feed, OrderPaid, OrderShipped, Webhook

HOUR = 3600


@pytest.fixture
def journal(kk, sandbox, tmp_path):
    journal = Journal(f"sqlite:///{tmp_path}/orders.db", now=sandbox.now)
    sku, _ = orderable(kk)
    kk.orders.submit(NewOrder(address=ADDRESS, items=[Item(sku, 1)], custom_order_id="C-1"), journal=journal)
    return journal


@pytest.fixture
def receiver(sandbox):
    receiver = Receiver(lambda: datetime.now(UTC), tolerance=1e9)
    run = sandbox._thread.run
    run(receiver.__aenter__)
    yield receiver
    run(receiver.__aexit__)


def test_events_are_read_acknowledged_posted_and_pruned(kk, sandbox, journal, receiver):
    feed = Feed(journal, shop="acme", now=sandbox.now)
    sandbox.skip(7 * HOUR)
    assert feed.turn(kk).events == 2

    paid, shipped = feed.events()
    assert (type(paid), type(shipped), paid.shop) == (OrderPaid, OrderShipped, "acme")
    assert feed.acknowledge("reader", paid.seq) == feed.cursor("reader") == paid.seq
    assert feed.read("reader") == (shipped,)
    assert feed.deliver(receiver.webhook()).posted == 2
    assert receiver.events == [paid, shipped]
    sandbox.skip(48 * HOUR)
    assert feed.prune(days=1) == 1
    assert list(feed.events()) == [shipped]
    feed.forget("reader")
    assert feed.prune(days=1) == 1
    assert "orders.db" in repr(feed)


def test_following_ends_when_it_is_stopped_from_another_thread(kk, sandbox, journal, receiver):
    feed = Feed(journal, now=sandbox.now)
    webhook = receiver.webhook()

    def fails(_event):
        feed.stop()

    receiver.fails = fails
    feed.follow(kk, 1.0, webhooks=[webhook], keep_days=30)
    assert len(receiver.posts) == 1


def test_sigterm_stops_following(kk, sandbox, journal, receiver):
    feed = Feed(journal, now=sandbox.now)
    main = threading.main_thread()
    receiver.fails = lambda _event: signal.pthread_kill(main.ident, signal.SIGTERM)
    feed.follow(kk, 1.0, webhooks=[receiver.webhook()], stop_on_signals=True)
    assert len(receiver.posts) == 1


def test_what_cannot_work_is_refused_at_once(journal):
    with pytest.raises(InvalidRequest, match="balance_below"):
        Feed(journal, balance_below=0.5)
    with pytest.raises(ConfigurationError, match="HTTPS"):
        Webhook("http://shop.example/hook", "a-secret-that-is-long")


@pytest.mark.process
def test_without_the_extra_a_receiver_can_check_signatures_and_the_rest_says_what_to_install(script):
    assert script("""
        import sys
        sys.modules["sqlalchemy"] = None
        from kakaclo_async.feed import Feed, Webhook, read_event, verify_signature
        body = b'{"type":"OrderCompleted","seq":1,"id":"evt_1","at":"2026-11-01T00:00:00Z"}'
        headers = Webhook("https://shop.example/hook", "a-secret-that-is-long").headers(body, 1000)
        print(verify_signature(body, headers["Kakaclo-Signature"], "a-secret-that-is-long", now=1000))
        print(read_event(body).type)
        for attempt in (lambda: Feed(None), lambda: __import__("kakaclo_sync.feed")):
            try:
                attempt()
            except ImportError as error:
                print("pip install 'kakaclo[catalog]'" in str(error))
    """) == ["True", "OrderCompleted", "True", "True"]
