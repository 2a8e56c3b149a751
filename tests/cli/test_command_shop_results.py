"""The results of `kakaclo orders submit`: a new file beside the orders, with all of their columns, in their order."""

from __future__ import annotations

import csv
import json
import os
import resource
from pathlib import Path

import pytest
from support.shop_files import OWN, OWN_ORDER, SHOPIFY, SHOPIFY_ORDER, L, M, table
from support.terminal import Hosted

from kakaclo_async.cli.shop.results import ResultFile, ResultLine

ADDED = ["custom_order_id", "result", "order_id", "reason"]


@pytest.fixture
def hosted():
    hosted = Hosted(products=300)
    yield hosted
    hosted.close()


@pytest.fixture
def orders(kakaclo):
    """Write a file of orders of our own."""

    def write(name, *orders):
        rows = [each if isinstance(each, dict) else {"custom_order_id": each} for each in orders]
        Path(name).write_text(table(OWN, *({**OWN_ORDER, **row} for row in rows)))
        return name

    return write


def read(path):
    return list(csv.DictReader(Path(path).read_text().splitlines()))


def results(path):
    """Return custom id and result of each row."""
    added = "kakaclo_custom_order_id"
    return [(row[added if added in row else "custom_order_id"], row["result"]) for row in read(path)]


def count_placed(hosted):
    return hosted.call(lambda: len(list(hosted.sandbox.journal)))


def test_a_file_that_is_there_is_never_written_over(kakaclo, hosted, orders):
    orders("orders.csv", "A")
    before = Path(orders("others.csv", "B")).read_text()
    Path("others.2.csv").write_text("mine")
    outcome = kakaclo("orders", "submit", "orders.csv", "--results", "others.csv")
    assert outcome.code == 0
    assert "results in  others.3.csv" in outcome.out
    assert Path("others.csv").read_text() == before
    assert Path("others.2.csv").read_text() == "mine"
    assert results("others.3.csv") == [("A", "placed")]


@pytest.mark.parametrize("held", [b"notes\n", b"", b"\0\xff", b"name,resu", b"custom_order_id\n"])
def test_whatever_an_older_file_holds_it_stays(kakaclo, orders, held):
    Path("orders.results.csv").write_bytes(held)
    assert kakaclo("orders", "submit", orders("orders.csv", "A")).code == 0
    assert Path("orders.results.csv").read_bytes() == held
    assert results("orders.results.2.csv") == [("A", "placed")]


def test_each_file_of_orders_has_results_of_its_own_though_they_share_a_name(kakaclo, orders):
    assert kakaclo("orders", "submit", orders("orders.csv", "A")).code == 0
    given = {"custom_order_id": "B", "items": [{"sku": M, "quantity": 1}]}
    given["address"] = {name: OWN_ORDER[name] for name in OWN_ORDER if name not in {"sku", "quantity"}}
    Path("orders.jsonl").write_text(f"\n{json.dumps(given)}\n")
    assert kakaclo("orders", "submit", "orders.jsonl").code == 0
    assert results("orders.results.csv") == [("A", "placed")]
    assert results("orders.results.2.csv") == [("B", "placed")]
    assert read("orders.results.2.csv")[0]["line"] == "2"


def test_a_second_run_that_finds_the_very_same_keeps_the_older_file(kakaclo, orders):
    orders("orders.csv", "A", "B")
    kakaclo("orders", "submit", "orders.csv")
    before = Path("orders.results.csv").read_bytes()
    outcome = kakaclo("orders", "submit", "orders.csv")
    assert outcome.out.split()[-2:] == ["in", "orders.results.csv"]
    assert Path("orders.results.csv").read_bytes() == before
    assert list(Path().glob("*results.2*")) == []


def test_a_second_run_that_finds_more_has_a_file_with_all_of_it(kakaclo, orders):
    kakaclo("orders", "submit", orders("orders.csv", "A"))
    kakaclo("orders", "submit", orders("orders.csv", "A", "B"))
    assert results("orders.results.csv") == [("A", "placed")]
    assert results("orders.results.2.csv") == [("A", "placed"), ("B", "placed")]


def test_a_refused_second_run_leaves_the_results_of_the_first(kakaclo, orders, settings):
    kakaclo("orders", "submit", orders("orders.csv", "A"))
    before = Path("orders.results.csv").read_bytes()
    settings.setenv("KAKACLO_TOKEN", "wrong")
    assert kakaclo("orders", "submit", orders("orders.csv", "B"), "--journal", "j.db").code == 4
    assert Path("orders.results.csv").read_bytes() == before


def test_every_column_and_row_of_an_export_stays_in_its_place(kakaclo, hosted, tmp_path):
    """Rows of two orders in turns, an order that is not due, one with a problem, and one whose SKU KakaClo lacks."""
    rows = [
        {"Name": "#3", **SHOPIFY_ORDER, "Lineitem sku": "NOSUCH"},
        {"Name": "#1", **SHOPIFY_ORDER, "Notes": 'two\nlines, "quoted"'},
        {"Name": "#2", **SHOPIFY_ORDER, "Financial Status": "pending"},
        {"Name": "#1", **{name: SHOPIFY_ORDER[name] for name in SHOPIFY_ORDER if name.startswith("Line")}, "Lineitem sku": L},
        {"Name": "#4", **SHOPIFY_ORDER, "Shipping Zip": "1.5E+4"},
    ]  # fmt: skip
    text = table(SHOPIFY, *rows)
    (tmp_path / "orders.csv").write_text(text)

    assert kakaclo("orders", "submit", "orders.csv").code == 1

    given = list(csv.reader(text.splitlines(keepends=True)))
    with Path("orders.results.csv").open(newline="") as file:
        written = list(csv.reader(file))
    assert [row[: len(SHOPIFY)] for row in written] == given
    assert written[0][len(SHOPIFY) :] == ADDED
    told = [row[len(SHOPIFY) :] for row in written[1:]]
    [number] = hosted.call(lambda: list(hosted.sandbox.ledger.orders))
    assert [each[:3] for each in told] == [
        ["#3", "rejected", ""],
        ["#1", "placed", number],
        ["#2", "left out", ""],
        ["#1", "placed", number],
        ["#4", "problem", ""],
    ]
    assert [bool(each[3]) for each in told] == [True, False, True, False, True]


def test_all_numbers_of_a_family_are_told(kakaclo, hosted, orders, two_countries):
    one, other = two_countries
    orders("orders.csv", {"custom_order_id": "A", "sku": one}, {"custom_order_id": "A", "sku": other})
    assert kakaclo("orders", "submit", "orders.csv").code == 0
    numbers = hosted.call(lambda: sorted(hosted.sandbox.ledger.orders))
    kakaclo("orders", "submit", "orders.csv")
    [latest] = [path for path in Path().glob("*results*") if len(read(path)) == 2]
    assert [sorted(row["order_id"].split()) for row in read(latest)] == [numbers, numbers]


@pytest.mark.parametrize(
    "why", [PermissionError(13, "Permission denied"), OSError(30, "Read-only file system")]
)
def test_a_folder_that_takes_no_file_is_told_before_anything_is_sent(
    kakaclo, hosted, orders, monkeypatch, why
):
    orders("orders.csv", "A")
    plain = os.open

    def refuse(path, *arguments, **options):
        if "results" in str(path) and not str(path).startswith("/"):
            raise why
        return plain(path, *arguments, **options)

    monkeypatch.setattr(os, "open", refuse)
    outcome = kakaclo("orders", "submit", "orders.csv")
    assert outcome.code == 2
    assert (
        outcome.err
        == f"error: orders.results.csv cannot be written: {why.strerror}; name another file with --results\n"
    )
    assert count_placed(hosted) == 0
    Path("elsewhere").mkdir()
    target = Path.cwd() / "elsewhere" / "results.csv"
    assert kakaclo("orders", "submit", "orders.csv", "--results", target).code == 0
    assert results(target) == [("A", "placed")]


def test_a_result_that_is_cut_is_taken_back(tmp_path):
    path = tmp_path / "results.csv"
    rows = {2: ("A", "a street"), 3: ("B", "b street"), 4: ("C", "c street")}
    with ResultFile(path, ("name", "street"), rows) as file:
        file.write([2], ResultLine(custom_order_id="A", result="placed", order_id="1"))
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 5, limits[1]))
        try:
            file.write([3], ResultLine(custom_order_id="B", result="placed", order_id="2"))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        file.write([4], ResultLine(custom_order_id="C", result="placed", order_id="3"))
        assert file.trouble == "File too large"
    assert path.read_text().splitlines() == [
        "name,street,custom_order_id,result,order_id,reason",
        "A,a street,A,placed,1,",
    ]


@pytest.mark.parametrize("room", [0, 10])
def test_a_disk_that_is_full_for_the_first_line_of_results_stops_it(kakaclo, hosted, orders, tmp_path, room):
    path = orders("orders.csv", "A")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, limits[1]))
    try:
        outcome = kakaclo("orders", "submit", path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert outcome.code == 2
    assert "orders.results.csv cannot be written: File too large" in outcome.err
    assert hosted.call(hosted.sandbox.requests.total) == 0
    assert [each.name for each in tmp_path.iterdir()] == ["orders.csv"]


def test_a_disk_that_is_full_when_the_results_are_put_in_order_loses_none(tmp_path, monkeypatch):
    path = tmp_path / "results.csv"
    with ResultFile(path, ("name",), {2: ("A",), 3: ("B",)}) as file:
        file.write([3], ResultLine(custom_order_id="B", result="placed", order_id="2"))
        file.write([2], ResultLine(custom_order_id="A", result="placed", order_id="1"))
        monkeypatch.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left")))
    assert file.trouble == "No space left"
    assert path.read_text().splitlines()[1:] == ["B,B,placed,2,", "A,A,placed,1,"]
    assert list(tmp_path.iterdir()) == [path]
