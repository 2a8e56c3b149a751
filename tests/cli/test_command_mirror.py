from __future__ import annotations

import json
import os
import signal
import sqlite3
import threading
from contextlib import closing
from datetime import UTC, datetime

import attrs
import pytest
from support.terminal import Hosted

from kakaclo_async.catalog import Gap, Mirror, MirrorReport, database
from kakaclo_async.models.pull import Window
from kakaclo_async.sandbox.world.view import View


def count(table):
    with closing(sqlite3.connect("catalog.db")) as connection:
        return connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608 - a name of our own


def test_the_catalog_lands_in_the_default_database(kakaclo, hosted):
    outcome = kakaclo("mirror")
    assert outcome.code == 0
    truth = hosted.sandbox.catalog
    assert count("product") == hosted.call(lambda: len(list(truth.spus()))) == 120
    assert count("sku") == hosted.call(lambda: len(list(truth.skus())))
    assert count("stock") == hosted.call(lambda: len(list(truth.stock_rows())))
    assert outcome.out.split()[:2] == ["products", "120"]


def test_progress_goes_to_stderr_and_json_to_stdout(kakaclo):
    outcome = kakaclo("mirror", "--db", "sqlite:///other.db", "--json")
    report = json.loads(outcome.out)
    assert (report["products"], report["finished"], report["gaps"]) == (120, True, [])
    assert outcome.err.startswith("products: 30 of ")
    assert "stock: " in outcome.err
    assert "\x1b" not in outcome.err


def test_since_leaves_out_what_is_older(kakaclo, hosted):
    moment = hosted.sandbox.now().replace(microsecond=0)
    since = moment.replace(year=moment.year - 1, day=1)
    documents = hosted.call(lambda: list(hosted.sandbox.catalog.products()))
    newer = sum(datetime.fromisoformat(row["updateTime"]) >= since for row in documents)
    assert json.loads(kakaclo("mirror", "--since", since.isoformat(), "--json").out)["products"] == newer
    assert 0 < newer < 120


@pytest.mark.parametrize(
    "arguments",
    [
        ("--since", "yesterday"),
        ("--since", "2024-01-01T00:00:00"),
        ("--since", "2999-01-01T00:00:00Z"),
        ("--follow", "--every", "0.5"),
        ("--verify", "--follow"),
        ("--verify", "--since", "2024-01-01T00:00:00Z"),
        ("--db", "mysql://user:secret-word@host/name"),
        ("--db", "no url at all"),
        ("--db", "sqlite:////no/such/folder/x.db"),
    ],
    ids=" ".join,
)
def test_bad_input_is_one_line_before_any_request(kakaclo, sandbox, arguments):
    outcome = kakaclo("mirror", *arguments)
    assert outcome.code == 2
    assert outcome.err.count("\n") == 1
    assert "secret-word" not in outcome.err
    assert sandbox.requests.total() == 0


def test_a_database_that_is_away_is_no_wrong_usage_for_a_retry_may_work(kakaclo, sandbox):
    away = "postgresql://user:secret-word@127.0.0.1:1/name"
    outcomes = [
        kakaclo(*command, option, away)
        for command, option in (
            (("mirror",), "--db"), (("export",), "--db"), (("changes",), "--db"), (("orders", "pending"), "--journal"),
        )
    ]  # fmt: skip
    assert [(outcome.code, outcome.err.count("\n")) for outcome in outcomes] == [(6, 1)] * 4
    assert "secret-word" not in "".join(outcome.err for outcome in outcomes)
    assert sandbox.requests.total() == 0


def test_gaps_are_named_and_are_no_success(kakaclo, settings):
    hole = Window(datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 2, tzinfo=UTC))
    run = Mirror.run

    async def run_with_a_gap(mirror, **arguments) -> MirrorReport:
        return attrs.evolve(await run(mirror, **arguments), gaps=(Gap("stock", hole),))

    settings.setattr(Mirror, "run", run_with_a_gap)
    outcome = kakaclo("mirror")
    assert outcome.code == 1
    assert outcome.err.splitlines()[-1] == f"error: stock {hole} may lack rows: run it again"


def test_a_database_that_fills_up_midway_is_one_line_and_done_in_part(kakaclo, settings, hosted):
    full = (*database._WRITER_PRAGMAS, "max_page_count = 80")
    with settings.context() as patch:
        patch.setattr(database, "_WRITER_PRAGMAS", full)
        outcome = kakaclo("mirror")
    assert outcome.code == 1
    assert outcome.err.splitlines()[-1] == (
        "error: the database sqlite:///catalog.db refused: database or disk is full;"
        " what was stored stays: run it again to continue"
    )
    assert 0 < count("product") <= 120
    assert kakaclo("mirror").code == 0
    assert count("stock") == hosted.call(lambda: len(list(hosted.sandbox.catalog.stock_rows())))


def test_rows_that_nobody_can_read_are_counted_and_told(kakaclo, settings):
    document = View.document
    settings.setattr(View, "document", lambda view, row: {**document(view, row), "price": "cheap"})
    outcome = kakaclo("mirror", "--json")
    assert outcome.code == 0
    assert json.loads(outcome.out)["undecodable"] == count("mirror_undecodable") == 120
    assert outcome.err.splitlines()[-1] == (
        "warning: 120 rows could not be decoded; the table mirror_undecodable has their texts"
    )
    assert json.loads(kakaclo("status", "--json").out)["undecodable"] == 120


def test_verify_reads_all_again_and_repairs(kakaclo):
    kakaclo("mirror")
    with closing(sqlite3.connect("catalog.db")) as connection:
        connection.execute("UPDATE sku SET price = '1.00'")
        connection.commit()
    report = json.loads(kakaclo("mirror", "--verify", "--json").out)
    assert report["products"] == 120
    assert report["changes"] == count("sku")
    with closing(sqlite3.connect("catalog.db")) as connection:
        assert connection.execute("SELECT count(*) FROM sku WHERE price = '1.00'").fetchone() == (0,)


@pytest.fixture
def generous():
    """A sandbox of many small pages, and no rate limit to speak of."""
    hosted = Hosted(products=120, page_size=10, capacity=10_000)
    yield hosted
    hosted.close()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stopped_mirror_goes_on_where_it_stopped(kakaclo, generous, settings, number, code):
    settings.setenv("KAKACLO_BASE_URL", generous.sandbox.url)
    stock = "/v1/product/stocks"

    def watch():
        while generous.sandbox.requests[stock] < 3:
            threading.Event().wait(0.001)
        os.kill(os.getpid(), number)

    threading.Thread(target=watch, daemon=True).start()
    outcome = kakaclo("mirror", "--rate", 1000)
    assert outcome.code == code
    assert outcome.err.splitlines()[-1] == "error: stopped; run it again to continue from here"
    assert kakaclo("mirror", "--rate", 1000).code == 0
    assert count("stock") == generous.call(lambda: len(list(generous.sandbox.catalog.stock_rows())))
