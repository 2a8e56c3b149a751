"""`kakaclo orders check` and `submit` on the files that shops export: what is due is placed, all else is told."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from support.shop_files import FILES, SHOPIFY, SHOPIFY_ORDER, L, M, table as rows_of
from support.terminal import Hosted

from kakaclo_async.sandbox import Fault

PHONE = ("--phone", "+1 555 0100")
OWN_GOODS = ("--map", FILES / "own_sku.map.csv")
RIGHT = {
    "shopify_status.csv": (OWN_GOODS, {"#1001": {M: 2, L: 1}, "#1006": {L: 1}}, 1),
    "shopify_cells.csv": (OWN_GOODS, {f"#200{number}": {M: 1} for number in range(1, 6)}, 0),
    "amazon_unshipped.txt": (
        (),
        {
            "111-0000001-0000001": {M: 2, L: 1},
            "111-0000002-0000002": {M: 1},
            "111-0000004-0000004": {M: 1},
        },
        1,
    ),
    "etsy_sold_order_items.csv": (
        PHONE,
        {"3150000001": {M: 1, L: 2}, "3150000003": {M: 1}, "3150000005": {M: 1}},
        1,
    ),
    "woo_default_line_items.csv": (OWN_GOODS, {"501": {M: 2}}, 1),
    "kk_lower_country.csv": ((), {"K1": {M: 1}}, 0),
    "kk_sku_blanks.csv": ((), {"K1": {M: 1}}, 1),
    "kk_blank_rows.csv": ((), {"K1": {M: 1}}, 0),
    "excel_semicolon_cp1252.csv": ((), {"K1": {M: 1}}, 0),
    "orders_for_sku_map.csv": (
        ("--map", FILES / "sku_map.csv"),
        {"K1": {M: 1}, "K2": {M: 6}, "K3": {M: 1, L: 1}},
        1,
    ),
}
"""By file: the options, the orders that are due, and the exit code of the check."""


@pytest.fixture
def hosted():
    hosted = Hosted(products=300)
    yield hosted
    hosted.close()


@pytest.fixture
def checked(kakaclo):
    """Check a file; return the exit code and the document, which stands alone on stdout."""

    def run(*arguments, command=("orders", "check")):
        outcome = kakaclo(*command, *arguments, "--json")
        return outcome.code, json.loads(outcome.out)

    return run


def due(found):
    return {
        order["custom_order_id"]: {item["sku"]: item["quantity"] for item in order["items"]}
        for order in found["orders"]
    }


def placed(hosted):
    """What KakaClo has, by custom order id."""

    def look():
        held = {}
        for order in hosted.sandbox.ledger.orders.values():
            for item in order.items:
                pieces = held.setdefault(order.custom_order_id, Counter())
                pieces[item.sku] += sum(item.taken.values())
        return held

    return hosted.call(look)


@pytest.mark.parametrize("name", RIGHT)
def test_what_is_due_is_told_priced_and_then_placed(checked, kakaclo, hosted, tmp_path, name):
    options, orders, code = RIGHT[name]
    shutil.copy(FILES / name, tmp_path / name)
    found_code, found = checked(name, *options)
    assert (found_code, due(found)) == (code, orders)
    assert checked("orders", "submit", name, *options, "--dry-run", command=()) == (found_code, found)
    assert placed(hosted) == {}
    assert isinstance(found["total"], str)
    assert isinstance(found["balance"], str)

    outcome = kakaclo("orders", "submit", name, *options)

    refused = found["dialect"] == "kakaclo" and found["problems"]
    assert outcome.code == (2 if refused else code)
    assert placed(hosted) == ({} if refused else orders)
    if not refused:
        assert kakaclo("orders", "submit", name, *options).code == code
        assert placed(hosted) == orders


def test_two_columns_of_one_name_are_refused(kakaclo, hosted):
    outcome = kakaclo("orders", "check", FILES / "kk_two_sku_columns.csv", "--json")
    assert (outcome.code, outcome.out) == (2, "")
    assert "the column 'sku' is there twice" in outcome.err
    assert hosted.call(hosted.sandbox.requests.total) == 0


@pytest.fixture
def shopify(tmp_path):
    """Write an export of Shopify with these orders."""

    def write(*rows, name="orders.csv"):
        path = tmp_path / name
        path.write_text(rows_of(SHOPIFY, *({**SHOPIFY_ORDER, **row} for row in rows)))
        return path

    return write


def test_what_kakaclos_data_shows_is_a_problem_of_its_order_and_line(checked, hosted, shopify):
    have = hosted.call(lambda: hosted.sandbox.catalog.qty(M))
    path = shopify(
        {"Name": "#1", "Lineitem sku": "NO-SUCH"},
        {"Name": "#2", "Lineitem quantity": str(have)},
        {"Name": "#3", "Lineitem quantity": "1"},
        {"Name": "#4", "Lineitem quantity": str(have + 1)},
        {"Name": "#5", "Shipping Country": "AQ", "Shipping Zip": ""},
    )
    hosted.call(setattr, hosted.sandbox.ledger, "_balance", hosted.sandbox.ledger._balance * 0 + 1)

    code, found = checked(path)

    told = {(each["order"], each["line"], each["field"]) for each in found["problems"]}
    assert code == 1
    assert {
        ("#1", 2, "items[0].sku"),
        ("#2", 3, "balance"),
        ("#3", 4, "items[0].quantity"),
        ("#4", 5, "items[0].quantity"),
    } <= told
    assert any(order == "#5" for order, _, _ in told)


def test_what_is_placed_counts_no_more(checked, kakaclo, hosted, shopify):
    kakaclo("orders", "submit", shopify({"Name": "#1"}))
    [number] = hosted.call(lambda: list(hosted.sandbox.ledger.orders))
    path = shopify({"Name": "#1"}, {"Name": "#2"})

    code, found = checked(path)

    assert (code, list(due(found))) == (0, ["#2"])
    paid = hosted.call(lambda: [entry.paid for entry in hosted.sandbox.journal])
    assert [Decimal(found["total"])] == paid
    [left] = found["left_out"]
    assert (left["order"], left["line"], left["reason"]) == ("#1", 2, f"already placed as {number}")


def test_a_new_journal_asks_kakaclo_before_anything_is_sent(checked, kakaclo, hosted, shopify):
    path = shopify({"Name": "#1"}, {"Name": "#2", "Lineitem sku": L})
    kakaclo("orders", "submit", path, "--journal", "one.db")
    before = placed(hosted)
    hosted.skip(400)
    path = shopify(
        {"Name": "#1"}, {"Name": "#2", "Lineitem sku": L, "Lineitem quantity": "2"}, {"Name": "#3"}
    )

    code, found = checked(path, "--journal", "two.db")
    outcome = kakaclo("orders", "submit", path, "--journal", "two.db")
    again = kakaclo("orders", "submit", path, "--journal", "two.db")

    assert (code, list(due(found))) == (1, ["#3"])
    assert (outcome.code, again.code) == (1, 1)
    assert "new journal in " in outcome.err
    assert "new journal in " not in again.err
    assert placed(hosted) == {**before, "#3": {M: 1}}
    for told in (outcome.err, again.err):
        assert "'#2'" in told
        assert f"1 {L}" in told
        assert f"2 {L}" in told


def test_a_new_journal_sends_nothing_when_kakaclo_cannot_be_asked(kakaclo, hosted, shopify, tmp_path):
    fault = Fault("rejected", path="/v2/order/orders", method="GET", times=None)
    hosted.call(hosted.sandbox.faults.add, fault)
    outcome = kakaclo("orders", "submit", shopify({"Name": "#1"}))
    assert outcome.code == 5
    assert placed(hosted) == {}
    assert list(tmp_path.glob("*results*")) == []


def test_a_conflict_tells_the_number_and_what_differs(kakaclo, hosted, shopify):
    kakaclo("orders", "submit", shopify({"Name": "#1"}))
    [number] = hosted.call(lambda: list(hosted.sandbox.ledger.orders))
    path = shopify({"Name": "#1", "Lineitem quantity": "3", "Shipping City": "Shall-See City"})

    outcome = kakaclo("orders", "submit", path)

    assert outcome.code == 1
    assert f"as order {number}" in outcome.err
    assert f"address.city, items (1 {M} there, 3 {M} here)" in outcome.err
    assert "Shall-See" not in outcome.err
    assert "an id of its own" not in outcome.err
    assert kakaclo("orders", "submit", path, "--prefix", "B-").code == 0
    assert placed(hosted) == {"#1": {M: 1}, "B-#1": {M: 3}}


def test_an_order_that_the_shop_took_back_is_told_with_the_command_that_refunds_it(
    checked, kakaclo, hosted, shopify
):
    kakaclo("orders", "submit", shopify({"Name": "#1"}))
    hosted.skip(400)
    [number] = hosted.call(lambda: list(hosted.sandbox.ledger.orders))
    path = shopify({"Name": "#1", "Financial Status": "refunded", "Cancelled at": "2026-01-01"})

    code, found = checked(path)
    outcome = kakaclo("orders", "submit", path)

    assert (code, outcome.code) == (1, 1)
    assert f"kakaclo orders refund {number}" in found["problems"][0]["problem"]
    assert f"kakaclo orders refund {number}" in outcome.err
    assert kakaclo("orders", "refund", number).code == 0
    hosted.skip(400)
    assert kakaclo("orders", "submit", path).code == 0


def test_nothing_due_is_said_and_no_error(kakaclo, hosted, shopify):
    outcome = kakaclo("orders", "submit", shopify({"Name": "#1", "Financial Status": "pending"}))
    assert outcome.code == 0
    assert "nothing is due" in outcome.err
    assert "not paid yet" in outcome.out
    assert placed(hosted) == {}


@pytest.mark.parametrize(
    "option",
    [
        ("--older-than", "soon"),
        ("--older-than", "15"),
        ("--channel", "Expedited"),
        ("--channel", "A=Teleport"),
        ("--channel", "A=Express", "--channel", " a =Standard"),
        ("--phone", "none"),
        ("--phone", "5" * 65),
        ("--ioss", "IM 372"),
        ("--ioss", "1" * 33),
        ("--prefix", "A,"),
        ("--prefix", " A"),
        ("--prefix", "A" * 64),
        ("--map", "nosuch.csv"),
        ("--map", "orders.csv"),
    ],
)
def test_an_option_that_says_nothing_is_refused(kakaclo, hosted, shopify, option):
    path = shopify({"Name": "#1"})
    for command in (("check",), ("submit",), ("submit", "--dry-run", "--json")):
        outcome = kakaclo("orders", *command, path, *option)
        assert (outcome.code, outcome.out) == (2, "")
        assert outcome.err.count("\n") == 1
    assert hosted.call(hosted.sandbox.requests.total) == 0
    assert [each.name for each in path.parent.iterdir()] == ["orders.csv"]


def test_the_document_is_the_one_that_programs_rely_on(checked, shopify):
    path = shopify(
        {"Name": "#1"},
        {"Name": "#2", "Financial Status": "pending"},
        {"Name": "#3", "Shipping Zip": "1.5E+4"},
        {"Name": "#4", "Lineitem sku": "NOSUCH", "Shipping Country": "United States"},
    )
    code, found = checked(path, "--prefix", "S1-")
    assert code == 1
    assert list(found) == ["dialect", "orders", "left_out", "problems", "notes", "total", "balance"]
    assert [list(order) for order in found["orders"]] == [
        ["custom_order_id", "channel_type", "items", "address", "line"]
    ] * 2
    assert found["orders"][0]["items"] == [{"sku": M, "quantity": 1}]
    assert [list(entry) for entry in found["left_out"]] == [["order", "line", "sku", "reason"]]
    assert [list(entry) for entry in found["problems"]] == [["order", "line", "field", "problem"]] * 2
    assert [list(entry) for entry in found["notes"]] == [["order", "line", "field", "note"]]
    told = [*found["left_out"], *found["problems"], *found["notes"]]
    assert [(entry["order"], entry["line"]) for entry in told] == [
        ("S1-#2", 3),
        ("S1-#3", 4),
        ("S1-#4", 5),
        ("S1-#4", 5),
    ]
    assert (found["dialect"], found["balance"]) == ("shopify", "10000.00")


def test_a_check_of_our_own_format_says_that_submit_will_place_none(kakaclo, hosted):
    checked, submitted = (
        kakaclo("orders", each, FILES / "kk_sku_blanks.csv") for each in ("check", "submit")
    )
    assert (checked.code, submitted.code) == (1, 2)
    assert "submit places none of these orders before the problems of the file are put right" in checked.err
    for outcome in (checked, submitted):
        assert "line 3, order 'K2': address.country: " in outcome.err
    assert placed(hosted) == {}


def test_young_orders_wait_until_they_are_old_enough(checked, shopify):
    now = datetime.now(UTC)
    rows = [
        {"Name": f"#{hours}", "Created at": f"{now - timedelta(hours=hours):%Y-%m-%d %H:%M:%S} +0000"}
        for hours in (1, 5)
    ]
    for age, young in {"30s": [], "90m": ["#1"], "4h": ["#1"], "1d": ["#1", "#5"]}.items():
        code, found = checked(shopify(*rows), "--older-than", age)
        assert code == 0
        assert [(each["order"], each["reason"]) for each in found["left_out"]] == [
            (number, "too new") for number in young
        ]
    assert checked(shopify(*rows))[1]["left_out"] == []


def test_an_ioss_number_is_sent_into_the_eu_alone(checked, shopify):
    france = {
        "Shipping Country": "FR",
        "Shipping Zip": "75001",
        "Shipping Province": "",
        "Shipping City": "Paris",
    }
    path = shopify({"Name": "#1"}, {"Name": "#2", **france})
    _, found = checked(path, "--ioss", " IM3720000224 ")
    assert [order["address"]["ioss"] for order in found["orders"]] == [None, "IM3720000224"]


def test_a_shipping_service_goes_by_the_channel_that_it_is_mapped_to(checked):
    _, found = checked(FILES / "amazon_unshipped.txt", "--channel", "expedited=expedited")
    assert [order["channel_type"] for order in found["orders"]] == ["Standard", "Standard", "Expedited"]
