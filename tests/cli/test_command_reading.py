from __future__ import annotations

import json
from decimal import Decimal

import pytest

from kakaclo_async import Balance
from kakaclo_async.resources.reference import Payment


def test_the_balance_is_shown_exactly(kakaclo):
    outcome = kakaclo("balance")
    assert outcome.code == 0
    assert outcome.out == " Balance  Currency\n10000.00  USD\n"


def test_json_keeps_money_as_exact_text(kakaclo):
    assert json.loads(kakaclo("balance", "--json").out)["amount"] == "10000.00"


def test_a_balance_of_another_shape_is_shown_as_it_came(kakaclo, settings):
    async def strange(_payment):
        return Balance(None, raw={"points": 17})

    settings.setattr(Payment, "balance", strange)
    assert '{"points": 17}' in kakaclo("balance").out
    assert json.loads(kakaclo("balance", "--json").out) == {"amount": None, "raw": {"points": 17}}


def test_stock_is_shown_per_warehouse_and_in_total(kakaclo, hosted, sku):
    qty = hosted.call(hosted.sandbox.catalog.qty, sku)
    outcome = kakaclo("stock", sku)
    assert outcome.code == 0
    heading, *rows = outcome.out.splitlines()
    assert heading.split() == ["SKU", "Warehouse", "Country", "Qty"]
    assert rows[-1].split() == [sku, "total", "-", str(qty)]
    assert sum(int(row.split()[-1]) for row in rows[:-1]) == qty


def test_stock_as_json_has_the_sum_and_the_warehouses(kakaclo, hosted, sku):
    [level] = json.loads(kakaclo("stock", sku, "--json").out)
    assert level["sku"] == sku
    assert level["qty"] == hosted.call(hosted.sandbox.catalog.qty, sku)
    assert {"warehouse_code", "country_code", "qty"} == level["warehouses"][0].keys()


def test_stock_of_one_warehouse_leaves_the_others_out(kakaclo, hosted, sku):
    rows = hosted.call(lambda: list(hosted.sandbox.catalog.stock_rows()))
    warehouse = next(warehouse for code, warehouse, _ in rows if code == sku)
    [level] = json.loads(kakaclo("stock", sku, "--warehouse", warehouse, "--json").out)
    assert [row["warehouse_code"] for row in level["warehouses"]] == [warehouse]


def test_codes_that_are_unknown_do_not_hide_those_that_are_found(kakaclo, sku):
    outcome = kakaclo("stock", sku, "NOPE", "NEITHER", "--json")
    assert outcome.code == 3
    assert [level["sku"] for level in json.loads(outcome.out)] == [sku]
    assert outcome.err.splitlines() == [
        "error: no stock is known for the SKU 'NOPE'",
        "error: no stock is known for the SKU 'NEITHER'",
    ]


def test_nothing_found_prints_no_table(kakaclo):
    outcome = kakaclo("stock", "NOPE")
    assert (outcome.code, outcome.out) == (3, "")


def test_a_product_is_shown_with_its_skus(kakaclo, hosted, sku):
    spu = sku.partition("_")[0]
    product = hosted.call(hosted.sandbox.catalog.product, spu)
    outcome = kakaclo("product", spu)
    assert outcome.code == 0
    assert outcome.out.split()[:2] == ["SPU", spu]
    assert product["productName"] in outcome.out
    assert all(row["sku"] in outcome.out for row in product["skuDetails"])
    labels = [line.split("  ")[0] for line in outcome.out.splitlines()[:9]]
    assert labels == [
        "SPU",
        "Name",
        "Status",
        "Category",
        "Price from",
        "Stock",
        "Sold",
        "Supplier level",
        "Updated",
    ]


def test_a_product_as_json_has_the_documented_names(kakaclo, hosted, sku):
    spu = sku.partition("_")[0]
    truth = hosted.call(hosted.sandbox.catalog.product, spu)
    [product] = json.loads(kakaclo("product", spu, "--json").out)
    assert product["product_name"] == truth["productName"]
    assert product["sku_details"][0]["price"] == str(truth["skuDetails"][0]["price"])
    assert product["sku_details"][0]["option1"].keys() == {"name", "value"}
    assert product["update_time"] == truth["updateTime"]
    assert "extra" not in product


def test_an_unknown_product_is_not_found(kakaclo):
    outcome = kakaclo("product", "NOPE")
    assert (outcome.code, outcome.err) == (3, "error: no product has the SPU code 'NOPE'\n")


def test_categories_are_shown_with_their_whole_path(kakaclo):
    outcome = kakaclo("categories")
    assert outcome.code == 0
    assert any(line.endswith("Women/Tops/T-Shirts") for line in outcome.out.splitlines())


def test_categories_as_json_are_a_tree(kakaclo):
    tree = json.loads(kakaclo("categories", "--json").out)
    assert {top["name"] for top in tree} >= {"Women", "Men"}
    assert tree[0]["child"][0]["parent_id"] == tree[0]["category_id"]


def test_warehouses_are_shown_with_their_countries(kakaclo):
    outcome = kakaclo("warehouses")
    assert outcome.code == 0
    assert {tuple(line.split()[:3]) for line in outcome.out.splitlines()} >= {
        ("G007", "CN", "enabled"),
        ("G006", "CN", "disabled"),
        ("W001", "US", "enabled"),
    }


def test_freight_shows_each_channel_type_of_each_country(kakaclo, sku):
    outcome = kakaclo("freight", f"{sku}:2", "--to", "US,fr")
    assert outcome.code == 0
    rows = [line.split() for line in outcome.out.splitlines()[1:]]
    assert {(row[0], row[1]) for row in rows} == {
        (country, channel) for country in ("US", "FR") for channel in ("Standard", "Express", "Expedited")
    }
    assert sum("cheapest" in row for row in rows) == sum("fastest" in row for row in rows) == 2


def test_freight_as_json_says_which_channel_is_best(kakaclo, sku):
    [quote] = json.loads(kakaclo("freight", f"{sku}:2", "--to", "US", "--json").out)
    assert (quote["country"], quote["cheapest"], quote["fastest"]) == ("US", "Standard", "Expedited")
    freights = {option["channel_type"]: Decimal(option["estimated_freight"]) for option in quote["options"]}
    assert freights["Standard"] == min(freights.values())
    assert all(len(option["delivery_days"]) == 2 for option in quote["options"])


def test_a_country_to_which_nothing_is_offered_is_told_and_hides_no_other(kakaclo, hosted, sku, monkeypatch):
    monkeypatch.setattr(hosted.sandbox, "no_freight_to", ("FR",))
    outcome = kakaclo("freight", sku, "--to", "US,FR", "--json")
    assert outcome.code == 5
    assert [quote["country"] for quote in json.loads(outcome.out)] == ["US"]
    assert f"nothing ships SKU {sku!r} to FR" in outcome.err


def test_a_country_that_is_refused_does_not_hide_the_others(kakaclo, sku):
    outcome = kakaclo("freight", sku, "--to", "US", "--to", "XX", "--json")
    assert outcome.code == 5
    assert [quote["country"] for quote in json.loads(outcome.out)] == ["US"]
    assert outcome.err.count("\n") == 1
    assert "no freight to XX" in outcome.err


def test_no_quote_at_all_prints_no_table(kakaclo):
    outcome = kakaclo("freight", "NOPE:1", "--to", "US")
    assert (outcome.code, outcome.out) == (5, "")
    assert "NOPE" in outcome.err


@pytest.mark.parametrize("cart", ["X:0", "X:-1", "X:1.5", "X:many", ":2", "X:2:3"])
def test_a_cart_that_makes_no_sense_costs_no_request(kakaclo, sandbox, cart):
    outcome = kakaclo("freight", cart, "--to", "US")
    assert outcome.code == 2
    assert outcome.err.count("\n") == 1
    assert sandbox.requests.total() == 0


def test_freight_to_nowhere_is_wrong_usage(kakaclo):
    outcome = kakaclo("freight", "X:1", "--to", " , ")
    assert outcome.code == 2
    assert "--to" in outcome.err


def test_the_old_shape_of_freight_is_shown_by_channel_names(kakaclo, hosted, sku):
    hosted.sandbox.old_freight_shape = True
    outcome = kakaclo("freight", sku, "--to", "US")
    assert outcome.code == 0
    assert "Priority line" in outcome.out
