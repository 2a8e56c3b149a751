"""`kakaclo orders feed`: each event is a line, once, and a post."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from support.receiver import SECRET, Receiver

from kakaclo_async.feed import OrderShipped, read_event

HOUR = 3600


@pytest.fixture
def place(kakaclo, tmp_path, sku):
    def submit(*numbers):
        path = tmp_path / "orders.csv"
        rows = [
            f"{number},{sku},1,US,Nobody Shall-See,555 0100 999,Florida,Orlando,1 Secret St,32801"
            for number in numbers
        ]
        path.write_text(
            "\n".join(
                ["custom_order_id,sku,quantity,country,recipient,phone,province,city,street1,zip", *rows]
            )
        )
        assert kakaclo("orders", "submit", path).code == 0

    return submit


@pytest.fixture
def receiver(hosted):
    receiver = Receiver(lambda: datetime.now(UTC))
    run = hosted.sandbox._thread.run
    run(receiver.__aenter__)
    yield receiver
    run(receiver.__aexit__)


def test_each_event_is_printed_once_and_all_again_after_0(kakaclo, place, hosted):
    place("SHOP-1", "SHOP-2")
    hosted.skip(600)
    first = kakaclo("orders", "feed")
    again = kakaclo("orders", "feed")
    everything = kakaclo("orders", "feed", "--after", "0", "--json")
    other = kakaclo("orders", "feed", "--consumer", "other")

    assert [run.code for run in (first, again, everything, other)] == [0] * 4
    assert [line.split()[3] for line in first.out.splitlines()] == ["OrderPaid"] * 2
    assert "SHOP-1 (" in first.out
    assert again.out == ""
    assert {read_event(line).custom_order_id for line in everything.out.splitlines()} == {"SHOP-1", "SHOP-2"}
    assert other.out == first.out
    assert "Secret" not in first.out + everything.out


def test_events_are_posted_to_webhooks_and_what_waits_is_an_error(kakaclo, place, hosted, receiver, settings):
    settings.setenv("KAKACLO_WEBHOOK_SECRET", SECRET)
    place("SHOP-1")
    hosted.skip(600)
    receiver.fails = lambda _: 503
    failed = kakaclo("orders", "feed", "--webhook", receiver.url)
    receiver.fails = lambda _: None

    assert failed.code == 1
    assert "1 events wait for 127.0.0.1:" in failed.err
    assert "HTTP 503" in failed.err
    assert "hidden-in-the-url" not in failed.err + failed.out
    assert [event.type for event, _ in receiver.posts] == ["OrderPaid"]


def test_a_webhook_needs_its_secret(kakaclo, place, settings):
    settings.delenv("KAKACLO_WEBHOOK_SECRET", raising=False)
    refused = kakaclo("orders", "feed", "--webhook", "https://shop.example/hook")
    assert refused.code == 2
    assert "set KAKACLO_WEBHOOK_SECRET" in refused.err


@pytest.mark.parametrize("amount", ["much", "NaN", ""])
def test_a_limit_of_the_balance_is_an_amount(kakaclo, amount):
    assert kakaclo("orders", "feed", "--balance-below", amount).code == 2


def test_a_low_balance_is_told(kakaclo, place):
    place("SHOP-1")
    told = kakaclo("orders", "feed", "--balance-below", "99999")
    assert "BalanceLow" in told.out
    assert "below=99999" in told.out


def test_without_a_journal_nothing_is_made(kakaclo, tmp_path):
    refused = kakaclo("orders", "feed", "--journal", tmp_path / "none.db")
    assert refused.code == 2
    assert not (tmp_path / "none.db").exists()


def test_shipped_orders_name_their_packages(kakaclo, place, hosted):
    place("SHOP-1")
    hosted.skip(7 * HOUR)
    lines = kakaclo("orders", "feed", "--json").out.splitlines()
    [shipped] = [event for event in map(read_event, lines) if isinstance(event, OrderShipped)]
    assert shipped.tracking_code
