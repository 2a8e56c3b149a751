"""`kakaclo export --for` and `kakaclo changes --listed`: what a shop lists, from the database alone."""

from __future__ import annotations

import asyncio
import csv
import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from support.sample_mirror import FILES, RULE, add_sample, empty_mirror

from kakaclo_async.cli.shop.listings import SHOPS_FILES
from kakaclo_async.shop import PriceRule, listed, listing_rows
from kakaclo_async.shop.outgoing.targets import TARGETS

LINK = ("--link", "https://shop.example/products/{handle}")
IN_THE_MIRROR = {"catalog.db", "catalog.db.lock"}


@pytest.fixture
def sample(kakaclo, settings, hosted):
    """A mirror of the sample product in catalog.db; nobody is asked for anything."""
    settings.delenv("KAKACLO_TOKEN")
    add_sample(asyncio.run(empty_mirror(Path.cwd() / "catalog.db")))
    yield
    assert hosted.sandbox.requests.total() == 0


def read(path, delimiter=","):
    with Path(path).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file, delimiter=delimiter))


def files():
    return {path.name for path in Path().iterdir()} - IN_THE_MIRROR


def test_shopifys_products_are_the_expected_ones_cell_for_cell(sample, kakaclo):
    outcome = kakaclo("export", "--for", "shopify", "--price", RULE, "--buffer", 2)

    assert (outcome.code, outcome.err) == (0, "")
    document = json.loads((FILES / "catalog_in.json").read_text())
    skus = sorted(document["skus"], key=lambda sku: sku["sku"])  # a mirror keeps SKUs by their codes
    found = listed(document["product"], skus, rule=PriceRule.parse(RULE), buffer=2)
    assert read("shopify_products.csv") == listing_rows([found.goods])
    assert list(read("shopify_products.csv")[0]) == list(read(FILES / "shopify_products.expected.csv")[0])
    facts = dict(line.rsplit(None, 1) for line in outcome.out.splitlines())
    assert facts == {
        "products": "1", "SKUs": "2", "rows": "2", "left out: discontinued": "1", "left out: gone": "1",
        "codes that the mirror does not know": "0", "written to": "shopify_products.csv",
    }  # fmt: skip


def test_every_shop_that_is_known_has_a_file_of_its_own_name():
    assert SHOPS_FILES.keys() == TARGETS.keys()
    assert len(set(SHOPS_FILES.values())) == len(TARGETS)


@pytest.mark.parametrize("target", TARGETS)
def test_json_tells_what_each_file_holds(target, sample, kakaclo):
    report = json.loads(kakaclo("export", "--for", target, "--json", *LINK).out)

    assert report["file"] == SHOPS_FILES[target]
    assert report["rows"] == len(read(report["file"], TARGETS[target].delimiter)) > 0
    assert report["unknown"] == []


def test_one_countrys_stock_is_promised_and_dead_skus_stay_with_0(sample, kakaclo):
    assert kakaclo(
        "export", "--for", "shopify-inventory", "--country", "us", "--location", "Berlin", "--out", "i.csv"
    ).code == 0  # fmt: skip

    rows = {row["SKU"]: (row["Location"], row["On hand (new)"]) for row in read("i.csv")}
    assert rows.pop("AMN09001_GR_M") == ("Berlin", "4")
    assert set(rows.values()) == {("Berlin", "0")}


def test_explain_tells_on_stderr_how_each_price_is_made_exactly(sample, kakaclo):
    rule = Path("prices.csv")
    rule.write_text("from,to,factor,plus,min_margin,ending\n0,5,9,,,\n5,,2.5,3,,.99\n")

    outcome = kakaclo("export", "--for", "woocommerce", "--price", rule, "--explain", "--out", "-")

    assert "AMN09001_GR_M: 5.98 x 2.5 + 3 = 17.95 -> 17.99\n" in outcome.err
    assert "AMN09001_B_L: left out: gone\n" in outcome.err
    assert "left out: gone" in outcome.err.splitlines()[-3]
    rows = {row["SKU"]: row["Regular price"] for row in csv.DictReader(outcome.out.splitlines())}
    assert rows["AMN09001_GR_M"] == "17.99"
    assert files() == {"prices.csv"}


def test_codes_that_the_mirror_does_not_know_are_told(sample, kakaclo):
    Path("listed.csv").write_text("Title;SKU\nA;AMN09001_GR_L\nB;AMN404\n")  # as a spreadsheet saves it

    outcome = kakaclo("export", "--for", "shopify", "--only", "listed.csv", "--vendor", "Ours")

    assert outcome.code == 1
    assert outcome.err == "error: 1 of the codes of --only are not in the mirror: AMN404\n"
    assert [row["SKU"] for row in read("shopify_products.csv") if row["SKU"]] == ["AMN09001_GR_L"]
    assert read("shopify_products.csv")[0]["Vendor"] == "Ours"


def test_a_file_of_nothing_is_no_success(sample, kakaclo):
    outcome = kakaclo("export", "--for", "shopify", "--category", "Woman")

    assert outcome.code == 1
    assert "nothing is listed: look at --only and --category" in outcome.err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--price", RULE, "--buffer", 2), "--price, --buffer needs --for"),
        (("--explain",), "--explain needs --for"),
        (("--for", "shopify", "--what", "skus"), "leave out --what and --format"),
        (("--for", "shopify", "--format", "csv"), "leave out --what and --format"),
        (("--for", "shopify", "--out", "-", "--json"), "give --out a file"),
        (("--for", "ebay"), "--for must be one of shopify, shopify-inventory, woocommerce, google, not 'ebay'"),
        (("--for", "google"), "google needs the address of a product as its link"),
        (("--for", "google", "--link", "https://shop.example/thing"), "needs the address of a product"),
        (("--for", "shopify", "--price", "twice"), "cannot be read from 'twice' on"),
        (("--for", "shopify", "--price", "no.csv"), "the price rules no.csv cannot be read"),
        (("--for", "shopify", "--country", "USA"), "country"),
        (("--for", "shopify", "--buffer", "-1"), "buffer"),
        (("--for", "shopify", "--only", "no.txt"), "the codes in no.txt cannot be read"),
        (("--for", "shopify", "--out", "catalog.db"), "catalog.db belongs to a database"),
        (("--for", "shopify", "--out", "catalog.db-wal"), "catalog.db-wal belongs to"),
        (("--for", "shopify", "--out", "nowhere/one.csv"), "nowhere/one.csv cannot be written"),
        (("--for", "shopify", "--db", "sqlite:///nowhere.db"), "there is no mirror in"),
    ],
    ids=str,
)  # fmt: skip
def test_what_makes_no_sense_is_one_line_and_no_file(arguments, sentence, sample, kakaclo):
    outcome = kakaclo("export", *arguments)

    assert outcome.code == 2
    assert sentence in outcome.err
    assert outcome.err.count("\n") == 1
    assert files() == set()


def test_a_file_that_is_read_for_it_is_not_written_over(sample, kakaclo):
    Path("listed.csv").write_text("AMN09001\n")

    outcome = kakaclo("export", "--for", "shopify", "--only", "listed.csv", "--out", "listed.csv")

    assert (outcome.code, Path("listed.csv").read_text()) == (2, "AMN09001\n")
    assert "is a file that is read for it" in outcome.err


def note(*changes):
    """Write changes into the mirror."""
    with closing(sqlite3.connect("catalog.db")) as connection, connection:
        connection.executemany(
            "INSERT INTO change (at, kind, spu, sku, old, new, country)"
            " VALUES ('2026-11-01 00:00:00', ?, ?, ?, ?, ?, ?)",
            changes,
        )


def test_changes_are_those_of_listed_codes_and_of_one_countrys_stock(sample, kakaclo):
    note(
        ("price_changed", "AMN09001", "AMN09001_GR_M", "5.98", "6.48", None),
        ("price_changed", "AMN09002", "AMN09002_GR_M", "5.98", "6.48", None),
        ("sold_out", "AMN09001", "AMN09001_GR_M", "4", "0", "US"),
        ("sold_out", "AMN09001", "AMN09001_GR_M", "16", "0", "CN"),
        ("gone", "AMN09001", None, None, None, None),
    )
    Path("listed.txt").write_text("AMN09001\n")

    told = kakaclo("changes", "--listed", "listed.txt", "--country", "us", "--json").out.splitlines()
    people = kakaclo("changes", "--listed", "listed.txt", "--country", "us").out

    assert [(change["id"], change["country"]) for change in map(json.loads, told)] == [
        (1, None), (3, "US"), (5, None),
    ]  # fmt: skip
    assert "4 -> 0  in US\n" in people


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--listed", "no.txt"), "no.txt cannot be read"),
        (("--country", "USA"), "country"),
        (("--country", "UK"), "write 'GB'"),
    ],
    ids=str,
)
def test_changes_of_what_cannot_be_are_one_line(arguments, sentence, sample, kakaclo):
    outcome = kakaclo("changes", *arguments)

    assert (outcome.code, outcome.err.count("\n")) == (2, 1)
    assert sentence in outcome.err
