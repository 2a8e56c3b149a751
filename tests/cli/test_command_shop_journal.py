"""What a journal does not know of is asked for, whatever became of the journal that does."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from contextlib import closing

import pytest
from support.shop_files import SHOPIFY, SHOPIFY_ORDER, table
from support.terminal import TOKEN, Hosted

from kakaclo_async import KakaClo
from kakaclo_async.cli.shop.journal import journal_url
from kakaclo_async.ordering import Journal
from kakaclo_async.sandbox import Fault
from kakaclo_async.transport.endpoint import environment_name

LIST = {"path": "/v2/order/orders", "method": "GET"}


@pytest.fixture
def hosted():
    hosted = Hosted(products=300)
    yield hosted
    hosted.close()


@pytest.fixture
def export(tmp_path):
    def write(*names, **cells):
        path = tmp_path / "orders.csv"
        path.write_text(table(SHOPIFY, *({**SHOPIFY_ORDER, "Name": name, **cells} for name in names)))
        return path

    return write


@pytest.fixture
def submit(kakaclo, hosted):
    """Submit long after whatever came before, so that KakaClo's list shows it."""

    def run(file, *more):
        hosted.skip(400)
        return kakaclo("orders", "submit", file, *more)

    return run


def placed(hosted):
    return hosted.call(lambda: sorted(placed.custom_order_id for placed in hosted.sandbox.journal))


def rows(path):
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute("SELECT kind, key, state FROM kakaclo_write ORDER BY key").fetchall()


def test_a_journal_that_was_deleted_is_made_anew_from_what_kakaclo_has(
    submit, export, hosted, journal_file, monkeypatch
):
    submit(export("#1", "#2"))
    before = rows(journal_file())
    journal_file().unlink()
    monkeypatch.setattr("kakaclo_async.ordering.database._files", {})  # as in a program that is started anew

    outcome = submit(export("#1", "#2"))

    assert outcome.code == 0
    assert placed(hosted) == ["#1", "#2"]
    assert "new journal in " in outcome.err
    assert rows(journal_file()) == before


def test_a_relative_journal_in_another_folder_is_told_and_sends_nothing_again(
    submit, export, hosted, settings, tmp_path
):
    file = export("#1", "#2")
    submit(file, "--journal", "my.db")
    (tmp_path / "elsewhere").mkdir()
    settings.chdir(tmp_path / "elsewhere")

    outcome = submit(file, "--journal", "my.db")

    assert f"new journal in {tmp_path / 'elsewhere' / 'my.db'}: " in outcome.err
    assert placed(hosted) == ["#1", "#2"]


def test_a_journal_is_the_same_under_its_link(submit, export, hosted, tmp_path):
    submit(export("#1"), "--journal", "my.db")
    (tmp_path / "link.db").symlink_to("my.db")

    assert "new journal" not in submit(export("#1", "#2"), "--journal", "link.db").err
    assert [key for _, key, _ in rows(tmp_path / "my.db")] == placed(hosted) == ["#1", "#2"]


def test_a_journal_that_knows_a_refund_alone_asks_for_orders(submit, export, hosted):
    submit(export("#1", "#2"), "--journal", "one.db")
    hosted.skip(400)
    [number, _] = hosted.call(lambda: list(hosted.sandbox.ledger.orders))

    async def refund():
        async with KakaClo() as kk:
            await kk.refunds.request(number, journal=Journal(journal_url("two.db")))

    asyncio.run(refund())

    assert submit(export("#1", "#2"), "--journal", "two.db").code == 0
    assert placed(hosted) == ["#1", "#2"]


def test_what_another_journal_goes_on_placing_is_not_sent_again(submit, export, hosted):
    submit(export("#1"), "--journal", "one.db")
    submit(export("#1", "#2"), "--journal", "two.db")
    submit(export("#3"), "--journal", "one.db")

    outcome = submit(export("#2", "#3", "#4"), "--journal", "two.db")

    assert outcome.code == 0
    assert "1 of the file's orders were placed without this journal" in outcome.err
    assert placed(hosted) == ["#1", "#2", "#3", "#4"]


def test_an_earlier_versions_journal_in_another_folder_is_made_up_for(
    submit, export, hosted, settings, tmp_path
):
    file = export("#1", "#2")
    submit(file, "--journal", "orders.db")
    assert submit(file).code == 2, "here it is found"
    (tmp_path / "elsewhere").mkdir()
    settings.chdir(tmp_path / "elsewhere")

    assert submit(file).code == 0
    assert placed(hosted) == ["#1", "#2"]


def test_a_dry_run_asks_for_what_the_journal_does_not_know(submit, kakaclo, export, hosted):
    submit(export("#1"), "--journal", "one.db")
    submit(export("#2"), "--journal", "two.db")
    hosted.skip(400)

    outcome = kakaclo("orders", "check", export("#1", "#2"), "--journal", "two.db")

    assert outcome.code == 0
    assert outcome.out.count("already placed as ") == 2


def test_ids_that_differ_in_capitals_alone_are_two_orders(submit, export, hosted):
    submit(export("a1", "A1", "#3"), "--journal", "one.db")
    submit(export("a1", "A1", "#3"), "--journal", "two.db")
    assert placed(hosted) == ["#3", "A1", "a1"]


@pytest.mark.parametrize("kind", ["rejected", "bad_gateway"])
def test_nothing_unknown_is_sent_when_kakaclo_cannot_be_asked(submit, kakaclo, export, hosted, kind):
    submit(export("#1"), "--journal", "one.db")
    submit(export("#2"), "--journal", "two.db")
    hosted.call(hosted.sandbox.faults.add, Fault(kind, times=None, **LIST))

    assert submit(export("#1"), "--journal", "two.db", "--timeout", "1").code in {5, 6}
    assert submit(export("#2"), "--journal", "two.db", "--timeout", "1").code == 0
    assert placed(hosted) == ["#1", "#2"]


def test_an_order_whose_id_is_damaged_stops_a_new_journal_that_may_mean_it(submit, export, hosted, damage):
    submit(export("#1"), "--journal", "one.db")
    damage(lambda body: body.replace(b'"#1"', b'"#\xff"'))

    established = submit(export("#2"), "--journal", "one.db")
    new = submit(export("#1"), "--journal", "two.db")

    assert established.code == 0
    assert "could not all be compared with the file's" in established.err
    assert new.code != 0
    assert "its custom order id is damaged" in new.err
    assert submit(export("A"), "--journal", "three.db").code == 0
    assert placed(hosted) == ["#1", "#2", "A"]


def test_an_order_is_known_by_its_id_whatever_else_cannot_be_read(submit, export, hosted, damage):
    submit(export("#1"), "--journal", "one.db")
    damage(lambda body: body.replace(b'"finalAmount":', b'"finalAmount":"much","was":'))

    assert submit(export("#1", "#2"), "--journal", "two.db").code == 0
    assert placed(hosted) == ["#1", "#2"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_folder_that_cannot_be_written_sends_nothing(submit, export, hosted, journal_file):
    submit(export("#1"))
    journal_file().parent.chmod(0o500)
    try:
        assert submit(export("#2")).code == 2
    finally:
        journal_file().parent.chmod(0o700)
    assert placed(hosted) == ["#1"]


def test_an_order_of_another_journal_that_the_shop_cancelled_since_is_told(submit, export, hosted):
    submit(export("#1"), "--journal", "one.db")
    submit(export("#1", "#2"), "--journal", "two.db")
    gone = {"Financial Status": "refunded", "Cancelled at": "2026-01-01"}

    outcome = submit(export("#1", **gone), "--journal", "two.db")

    assert outcome.code == 1
    assert "kakaclo orders refund " in outcome.err


@pytest.mark.parametrize(
    "url",
    [
        "https://DEVELOPER.kakaclo.com/openapi/",
        "https://developer.kakaclo.com:443/openapi",
        "HTTPS://developer.kakaclo.com/openapi",
    ],
)
def test_an_environment_has_one_journal_however_its_address_is_written(url):
    assert environment_name(KakaClo(TOKEN, base_url=url)._base_url) == "production"
