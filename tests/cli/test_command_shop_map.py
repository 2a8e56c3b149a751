"""`kakaclo orders map` writes a map from the shop's SKUs to KakaClo's, and `--map` reads it."""

from __future__ import annotations

import csv
import io
import json
import resource
from pathlib import Path

import pytest
from support.shop_files import ETSY, ETSY_ORDER, FILES, SHOPIFY, SHOPIFY_ORDER, L, M, table
from support.terminal import Hosted


@pytest.fixture
def hosted():
    hosted = Hosted(products=300)
    yield hosted
    hosted.close()


@pytest.fixture
def mirrored(kakaclo):
    assert kakaclo("mirror", "--rate", "200").code == 0


def rows(text):
    return [tuple(row) for row in csv.reader(io.StringIO(text))]


GOODS = {
    "shopify_status.csv": [M, "MY-MUG-1", L],
    "amazon_unshipped.txt": [M, L],
    "etsy_sold_order_items.csv": [M, L, "thing / Size:M,Color:Red"],
    "woo_default_line_items.csv": [M, "MY-MUG-1", L],
    "orders_for_sku_map.csv": ["TEE-APR-M", "TEE-SET-2", "TEE-DUO", "MY-MUG-1", "NOT-IN-MAP"],
    "excel_semicolon_cp1252.csv": [M],
}


@pytest.mark.parametrize("name", GOODS)
def test_each_of_the_shops_goods_has_a_row_and_is_guessed_where_the_mirror_knows_it(kakaclo, mirrored, name):
    outcome = kakaclo("orders", "map", FILES / name)
    head, *found = rows(Path("map.csv").read_text())
    assert outcome.code == 0
    assert head == ("shop_sku", "sku", "pieces", "title")
    assert [row[:3] for row in found] == [
        (goods, goods, "1") if goods in {M, L} else (goods, "", "") for goods in GOODS[name]
    ]
    unfilled = sum(goods not in {M, L} for goods in GOODS[name])
    assert (f"{unfilled} of {len(found)} in map.csv have no sku" in outcome.err) == bool(unfilled)
    checked = kakaclo("orders", "check", FILES / name, "--map", "map.csv", "--phone", "+1 555 0100")
    assert checked.code in ({0, 1} if unfilled < len(found) else {2})  # a map without any SKU maps nothing


@pytest.mark.parametrize("option", [(), ("--db", "sqlite:///empty.db")], ids=["none", "empty"])
def test_without_a_mirror_no_map_is_written_and_the_command_to_run_first_is_named(kakaclo, hosted, option):
    if option:
        hosted.sandbox.index_empty = True
        kakaclo("mirror", *option)
        assert Path("empty.db").exists()
    outcome = kakaclo("orders", "map", FILES / "shopify_status.csv", *option)
    assert (outcome.code, outcome.out) == (2, "")
    assert "so no map was written: run kakaclo mirror first" in outcome.err
    assert not Path("map.csv").exists()


def test_a_map_needs_no_token(kakaclo, mirrored, settings):
    settings.delenv("KAKACLO_TOKEN")
    outcome = kakaclo("orders", "map", FILES / "shopify_status.csv", "--json")
    assert outcome.code == 0
    assert json.loads(outcome.out) == {"file": "map.csv", "goods": 3, "unfilled": 1}


def test_a_mirror_that_cannot_be_read_is_no_missing_one(kakaclo, mirrored):
    Path("catalog.db").write_text("no database")
    for option in ((), ("--db", "sqlite:///catalog.db"), ("--db", "sqlite:///nosuch.db")):
        outcome = kakaclo("orders", "map", FILES / "shopify_status.csv", *option)
        assert (outcome.code, outcome.out) == (2, "")
        assert not Path("map.csv").exists()


def test_a_map_that_is_there_stays(kakaclo, mirrored):
    Path("map.csv").write_text("mine")
    outcome = kakaclo("orders", "map", FILES / "shopify_status.csv")
    assert outcome.code == 2
    assert "map.csv is there already: name another file with --out" in outcome.err
    assert Path("map.csv").read_text() == "mine"
    assert kakaclo("orders", "map", FILES / "shopify_status.csv", "--out", "other.csv").code == 0


def test_a_map_goes_to_stdout_alone(kakaclo, mirrored):
    outcome = kakaclo("orders", "map", FILES / "shopify_status.csv", "--out", "-")
    assert outcome.code == 0
    assert [row[0] for row in rows(outcome.out)] == ["shop_sku", *GOODS["shopify_status.csv"]]
    assert not Path("map.csv").exists()


def test_a_full_disk_leaves_no_half_of_a_map(kakaclo, mirrored):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20, limits[1]))
    try:
        outcome = kakaclo("orders", "map", FILES / "shopify_status.csv")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert outcome.code == 2
    assert "map.csv cannot be written: File too large" in outcome.err
    assert not Path("map.csv").exists()


def test_a_map_that_is_filled_in_is_what_is_sent(kakaclo, mirrored):
    """A SKU of the shop's, goods without one, a bundle, and goods of its own."""
    sold = {"Order ID": "1", **ETSY_ORDER, "Variations": "Size:M"}
    Path("etsy.csv").write_text(
        table(
            ETSY,
            {**sold, "Transaction ID": "1", "SKU": "TEE"},
            {**sold, "Transaction ID": "2", "SKU": ""},
            {**sold, "Transaction ID": "3", "SKU": "DUO", "Quantity": "2"},
            {**sold, "Transaction ID": "4", "SKU": "MUG"},
        )
    )
    assert kakaclo("orders", "map", "etsy.csv").code == 0
    filled = {"TEE": f"{M},1", "thing / Size:M": f"{L},2", "DUO": f"{M},1\nDUO,{L},1", "MUG": ","}
    assert [row[0] for row in rows(Path("map.csv").read_text())[1:]] == list(filled)
    lines = "".join(f"{goods},{what}\n" for goods, what in filled.items())
    Path("map.csv").write_text(f"shop_sku,sku,pieces\n{lines}")

    outcome = kakaclo("orders", "check", "etsy.csv", "--map", "map.csv", "--phone", "+1 555 0100", "--json")

    assert outcome.code == 0, outcome.err
    [order] = json.loads(outcome.out)["orders"]
    assert order["items"] == [{"sku": M, "quantity": 3}, {"sku": L, "quantity": 4}]


def test_an_sku_that_is_there_twice_but_for_its_signs_is_guessed_where_only_one_is_meant(kakaclo, mirrored):
    goods = [M.casefold(), M.replace("_", "-"), M.replace("_", " "), f"{M}x"]
    Path("orders.csv").write_text(
        table(
            SHOPIFY,
            *({**SHOPIFY_ORDER, "Name": f"#{at}", "Lineitem sku": sku} for at, sku in enumerate(goods)),
        )
    )
    outcome = kakaclo("orders", "map", "orders.csv", "--out", "-")
    assert [row[:2] for row in rows(outcome.out)[1:]] == [*((sku, M) for sku in goods[:3]), (goods[3], "")]
