"""`kakaclo export`, `kakaclo changes` and `kakaclo status`: from the database alone, without a token."""

from __future__ import annotations

import csv
import json
import sqlite3
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

NOWHERE = ("sqlite:///nowhere.db", "there is no mirror in ")


@pytest.fixture
def mirrored(kakaclo, hosted, settings):
    """A mirror of the sandbox in catalog.db; nobody can ask the sandbox any more."""
    assert kakaclo("mirror").code == 0
    settings.delenv("KAKACLO_TOKEN")
    settings.delenv("KAKACLO_BASE_URL")
    hosted.sandbox.requests.clear()
    yield
    assert hosted.sandbox.requests.total() == 0


def count(table):
    with closing(sqlite3.connect("catalog.db")) as connection:
        return connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608 - a name of our own


def lines(path):
    return Path(path).read_text().splitlines()


def test_without_options_products_skus_and_stock_become_csv_files(mirrored, kakaclo):
    outcome = kakaclo("export")

    assert outcome.code == 0
    rows = dict(line.split() for line in outcome.out.splitlines()[1:])
    assert rows == {
        f"{what}.csv": str(count(table))
        for what, table in (("products", "product"), ("skus", "sku"), ("stock", "stock"))
    }
    with open("skus.csv", newline="", encoding="utf-8") as file:  # noqa: PTH123 - as people do
        assert len(list(csv.DictReader(file))) == count("sku")


def test_each_format_is_written_and_json_tells_the_rows(mirrored, kakaclo):
    for kind in ("csv", "jsonl", "parquet"):
        outcome = kakaclo("export", "--format", kind, "--what", "skus", "--json")
        assert json.loads(outcome.out) == {f"skus.{kind}": count("sku")}
        assert Path(f"skus.{kind}").stat().st_size > 1000


def test_the_ending_of_a_file_tells_the_format(mirrored, kakaclo):
    assert kakaclo("export", "--what", "stock", "--out", "here.jsonl").code == 0
    assert json.loads(lines("here.jsonl")[0]).keys() >= {"sku", "warehouse_code", "qty"}


def test_a_folder_takes_all_files(mirrored, kakaclo):
    Path("files").mkdir()
    outcome = kakaclo(
        "export", "--out", "files", "--what", "products", "--what", "changes", "--format", "jsonl"
    )
    assert outcome.code == 0
    assert sorted(path.name for path in Path("files").iterdir()) == ["changes.jsonl", "products.jsonl"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--out", "-"), "--out - takes one --what, as csv or jsonl"),
        (("--out", "-", "--what", "skus", "--format", "parquet"), "--out - takes one --what"),
        (("--out", "one.csv"), "is not a folder: give one --what"),
        (("--out", "one.xls", "--what", "skus"), "does not say which format: give --format"),
        (("--out", "nowhere/one.csv", "--what", "skus"), "nowhere/one.csv cannot be written"),
        (("--format", "xls"), "xls"),
        (("--what", "orders"), "orders"),
        (("--db", NOWHERE[0]), NOWHERE[1]),
    ],
    ids=str,
)
def test_what_cannot_be_exported_is_one_line_and_no_file(mirrored, kakaclo, arguments, sentence):
    outcome = kakaclo("export", *arguments)
    assert outcome.code == 2
    assert sentence in outcome.err
    assert outcome.err.count("\n") == 1
    assert "secret-word" not in outcome.err
    assert sorted(path.suffix for path in Path().iterdir()) == [".db", ".lock"]


def test_parquet_without_its_extra_names_it(mirrored, kakaclo, settings):
    settings.setitem(sys.modules, "pyarrow", None)
    outcome = kakaclo("export", "--format", "parquet")
    assert outcome.code == 2
    assert outcome.err == "error: Parquet needs pyarrow: pip install 'kakaclo[export]'\n"
    assert sorted(path.suffix for path in Path().iterdir()) == [".db", ".lock"]


def test_changes_are_one_json_document_a_line_in_order(mirrored, kakaclo):
    changes = [json.loads(line) for line in kakaclo("changes", "--json").out.splitlines()]
    assert [change["id"] for change in changes] == list(range(1, 121))
    assert {change["kind"] for change in changes} == {"product_added"}
    assert changes[0].keys() == {"id", "at", "kind", "spu", "sku", "old", "new", "country"}
    assert datetime.fromisoformat(changes[0]["at"]).tzinfo is not None


def test_after_leaves_out_what_was_handled(mirrored, kakaclo):
    [change] = kakaclo("changes", "--after", 119).out.splitlines()
    assert change.split()[0] == "120"
    assert kakaclo("changes", "--after", 120).out == ""


def test_a_change_for_people_shows_old_and_new(mirrored, kakaclo):
    with closing(sqlite3.connect("catalog.db")) as connection:
        connection.execute(
            "INSERT INTO change (at, kind, spu, sku, old, new)"
            " VALUES ('2024-05-01 00:00:00', 'price_changed', 'A', 'A_1', '6.1600', '7')"
        )
        connection.commit()
    [line] = kakaclo("changes", "--after", 120).out.splitlines()
    assert line.split() == ["121", "2024-05-01", "00:00:00Z", "price_changed", "A_1", "6.1600", "->", "7"]


@pytest.mark.parametrize("command", [("changes",), ("changes", "--follow"), ("status",)], ids=" ".join)
def test_without_a_mirror_there_is_one_line(settings, kakaclo, command):
    outcome = kakaclo(*command, "--db", NOWHERE[0])
    assert outcome.code == 2
    assert NOWHERE[1] in outcome.err
    assert outcome.err.count("\n") == 1


@pytest.mark.parametrize("after", [-1, 2**63, "soon"])
def test_a_cursor_that_cannot_be_is_wrong_usage(mirrored, kakaclo, after):
    outcome = kakaclo("changes", "--after", after)
    assert (outcome.code, outcome.err.count("\n")) == (2, 1)


def test_the_database_may_come_from_the_environment(mirrored, kakaclo, settings, tmp_path):
    settings.setenv("KAKACLO_DB", f"sqlite:///{tmp_path}/catalog.db")
    (tmp_path / "elsewhere").mkdir()
    settings.chdir(tmp_path / "elsewhere")
    assert json.loads(kakaclo("status", "--json").out)["products"] == 120


def test_status_tells_what_is_there_and_up_to_when(mirrored, kakaclo, hosted):
    outcome = kakaclo("status")
    facts = dict(line.rsplit("  ", 1) for line in outcome.out.splitlines())
    assert {name.strip(): value.strip() for name, value in facts.items()}["last change"] == "120"

    status = json.loads(kakaclo("status", "--json").out)
    assert (status["products"], status["skus"], status["gaps"]) == (120, count("sku"), [])
    behind = datetime.now(UTC) - datetime.fromisoformat(status["products_until"])
    assert timedelta(minutes=9) < behind < timedelta(minutes=20)


def test_status_names_the_gaps(mirrored, kakaclo):
    with closing(sqlite3.connect("catalog.db")) as connection:
        connection.execute("UPDATE mirror_done SET end = '2019-12-31 23:59:59' WHERE endpoint = 'stock'")
        connection.execute(
            "INSERT INTO mirror_done SELECT endpoint, '2020-02-01 00:00:00', '2024-01-01 00:00:00'"
            " FROM mirror_done WHERE endpoint = 'stock'"
        )
        connection.commit()
    outcome = kakaclo("status")
    assert "2020-01-01T00:00:00Z..2020-01-31T23:59:59Z" in outcome.out
    assert "stock until" in outcome.out
    assert "2019-12-31 23:59:59Z" in outcome.out
