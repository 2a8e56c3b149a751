from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from decimal import Decimal

import pytest

from kakaclo_async import NotFound
from kakaclo_async.cli import sandbox as demo
from kakaclo_async.resources.orders import Orders
from kakaclo_async.sandbox import Ledger


@pytest.fixture
def shown(kakaclo):
    def run_demo(*arguments):
        return kakaclo("demo", "--products", 60, "--speed", 2000, *arguments)

    return run_demo


def test_the_demo_shows_everything_and_replaces_its_own_database(shown, tmp_path):
    for _ in range(2):
        outcome = shown()
        assert outcome.code == 0
    lines = [line.split() for line in outcome.out.splitlines()]

    counts = {line[-3]: (int(line[-2]), int(line[-1])) for line in lines if line[-1:] and line[0] in ROWS}
    assert counts.keys() == {"products", "SKUs", "rows"}
    assert counts["products"] == (60, 60)
    assert all(stored == present > 0 for stored, present in counts.values())
    with closing(sqlite3.connect(tmp_path / "demo.db")) as connection:
        [stored] = connection.execute("SELECT count(*) FROM sku").fetchone()
    assert stored == counts["SKUs"][0]

    quotes = {(line[0], line[1]) for line in lines if len(line) > 2 and line[1] in CHANNELS}
    assert quotes == {(country, channel) for country in ("US", "FR", "GB") for channel in CHANNELS}

    items = [line for line in lines if len(line) == 8 and line[0].isdecimal()]
    assert {line[2] for line in items} == {"CN", "US"}
    assert "refund_successfully" in outcome.out
    assert outcome.out.endswith("\nLook at it in a browser: kakaclo board --db sqlite:///demo.db\n")

    money = {line[0]: Decimal(line[1]) for line in lines if line and line[0] in BALANCE}
    assert money["before"] + money["order"] + money["refund"] == money["after"]
    assert money["order"] < 0 < money["refund"] < -money["order"]


ROWS = {"products", "SKUs", "stock"}
CHANNELS = {"Standard", "Express", "Expedited"}
BALANCE = {"before", "order", "refund", "after"}


def test_a_file_that_no_demo_made_is_left_alone(shown, tmp_path):
    file = tmp_path / "demo.db"
    file.write_bytes(b"precious" * 20)
    outcome = shown()
    assert outcome.code == 2
    assert outcome.err == "error: demo.db was not written by a demo: choose another --db\n"
    assert file.read_bytes() == b"precious" * 20


def test_a_database_that_cannot_be_made_is_refused(shown):
    outcome = shown("--db", "no/such/folder/demo.db")
    assert outcome.code == 2
    assert outcome.err.startswith("error: no/such/folder/demo.db cannot be written: ")


def test_a_mirror_that_lacks_rows_fails_the_demo(shown, settings):
    settings.setattr("kakaclo_async.sandbox.Catalog.spus", lambda _: iter(["one"]))
    outcome = shown()
    assert outcome.code == 1
    assert "this failed: the database holds what KakaClo holds" in outcome.err
    assert re.search(r"products +60 +1\n", outcome.out)


def test_a_refund_that_is_declined_fails_the_demo(shown, settings):
    settle = Ledger.settle
    settings.setattr(Ledger, "settle", lambda ledger, number: settle(ledger, number, granted=False))
    outcome = shown()
    assert outcome.code == 1
    assert "this failed: the refund settled" in outcome.err


def test_a_catalog_without_two_countries_is_too_small(shown, settings):
    settings.setattr(demo, "_PIECES", 100_000)
    outcome = shown()
    assert outcome.code == 2
    assert "--products" in outcome.err


def test_an_order_that_never_shows_up_ends_the_demo(shown, settings):
    async def nothing(_orders, number):
        raise NotFound(f"no order has the number {number}", status=200)

    settings.setattr(demo, "_PATIENCE", 0.2)
    settings.setattr(Orders, "get", nothing)
    outcome = shown()
    assert outcome.code == 6
    assert outcome.err.splitlines()[-1].startswith("error: order ")
