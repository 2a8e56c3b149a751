"""Shopify's export, as it comes, out of other apps, and saved again in a spreadsheet."""

from __future__ import annotations

import pytest
from support.shop_files import (
    SHIPPING,
    SHOPIFY,
    SHOPIFY_LINE,
    SHOPIFY_ORDER,
    L,
    M,
    items,
    notes,
    only,
    problems,
    read,
    reasons,
    table,
)

LINE_L = SHOPIFY_LINE | {"Name": "#1", "Lineitem sku": L}


def one(**cells):
    """Read a file of one order of one row; blanks stand for underscores."""
    changed = {name.replace("_", " "): value for name, value in cells.items()}
    return read(table(SHOPIFY, {"Name": "#1", **SHOPIFY_ORDER, **changed}))


@pytest.mark.parametrize("status", ["paid", "PAID", "Paid", " paid "])
def test_paid_is_due_in_any_letters(status):
    assert items(one(Financial_Status=status)) == {"#1": {M: 1}}


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("Financial Status", "PARTIALLY_REFUNDED", "partially refunded: the file"),
        ("Financial Status", "partially_paid", "not paid yet"),
        ("Financial Status", "authorized", "not paid yet"),
        ("Financial Status", "voided", "voided"),
        ("Financial Status", "bezahlt", "its Financial Status 'bezahlt' is not known"),
        ("Financial Status", "", "its Financial Status is blank"),
        ("Cancelled at", "2025-12-06 11:39:58 +0000", "cancelled"),
        ("Refunded Amount", "5.00", "partially refunded"),
        ("Fulfillment Status", "fulfilled", "fulfilled"),
        ("Fulfillment Status", "ausgeführt", "is not known"),
        ("Lineitem fulfillment status", "fulfilled", "fulfilled"),
        ("Lineitem fulfillment status", "partial", "so a person decides"),
        ("Lineitem fulfillment status", "restocked", "restocked"),
        ("Lineitem requires shipping", "FALSE", "it needs no shipping"),
        ("Lineitem quantity", "0", "nothing to ship"),
    ],
)
def test_what_is_not_due_is_left_out_and_told(column, value, reason):
    found = read(table(SHOPIFY, {"Name": "#1", **SHOPIFY_ORDER, column: value}))
    assert (found.orders, found.problems) == ((), ())
    assert reason in reasons(found)[2]


@pytest.mark.parametrize("amount", ["0.00", "0", "", "$0.00", "0,00"])
def test_an_amount_of_nothing_is_no_refund(amount):
    assert items(one(Refunded_Amount=amount)) == {"#1": {M: 1}}


@pytest.mark.parametrize("column", ["Financial Status", "Cancelled at"])
def test_a_later_row_that_is_not_due_stops_the_whole_order(column):
    value = {"Financial Status": "refunded", "Cancelled at": "2025-12-06"}[column]
    found = read(table(SHOPIFY, {"Name": "#1", **SHOPIFY_ORDER}, LINE_L | {column: value}))
    assert found.orders == ()


def test_gift_cards_and_tips_are_left_out_of_an_order_that_is_sent():
    tip = {"Name": "#1", "Lineitem name": "Tip", "Lineitem quantity": "1", "Lineitem requires shipping": "false",
           "Lineitem fulfillment status": "fulfilled"}  # fmt: skip
    found = read(table(SHOPIFY, {"Name": "#1", **SHOPIFY_ORDER}, tip))
    assert items(found) == {"#1": {M: 1}}
    assert reasons(found) == {3: "fulfilled; it needs no shipping"}


def test_export_apps_begin_with_a_row_of_the_address_and_repeat_facts():
    facts = {"Name": "#1", "Financial Status": "PAID", "Fulfillment Status": "UNFULFILLED"}
    names = SHIPPING | {"Shipping Country": "United States", "Shipping Province": "Florida"}
    note = {"Name": "#1", "Note Attributes": "gift: yes"}
    upper = {"Lineitem requires shipping": "TRUE", "Lineitem fulfillment status": "PENDING"}
    found = read(
        table(SHOPIFY, facts | names, facts | SHOPIFY_LINE | upper, note, facts | LINE_L | upper),
    )
    assert items(found) == {"#1": {M: 1, L: 1}}
    assert only(found).address.province == "Florida"
    assert found.orders[0].lines == (2, 3, 4, 5)


def test_a_missing_sku_is_never_a_random_variant():
    found = one(Lineitem_sku="")
    assert [(line, field) for line, field, _ in problems(found)] == [(2, "items[0].sku")]


def test_a_sku_that_a_spreadsheet_cut_may_be_several():
    assert [field for _, field, _ in problems(one(Lineitem_sku="5.76400E+17"))] == ["items[0].sku"]


def test_one_bad_line_holds_its_order_and_no_other():
    found = read(
        table(
            SHOPIFY,
            {"Name": "#1", **SHOPIFY_ORDER},
            LINE_L | {"Lineitem sku": ""},
            {"Name": "#2", **SHOPIFY_ORDER},
        )
    )
    assert items(found) == {"#2": {M: 1}}
    assert {each.order for each in found.problems} == {"#1"}


def test_an_order_that_is_picked_up_has_no_address_and_is_left_out():
    blank = dict.fromkeys(SHIPPING, "")
    found = read(table(SHOPIFY, {"Name": "#1", **SHOPIFY_ORDER, **blank, "Shipping Method": "Store"}))
    assert (found.orders, found.problems) == ((), ())
    assert "picked up" in reasons(found)[2]


def test_equal_skus_of_one_order_are_one_item():
    found = read(table(SHOPIFY, {"Name": "#1", **SHOPIFY_ORDER}, LINE_L | {"Lineitem sku": M}))
    assert items(found) == {"#1": {M: 2}}


def test_an_order_that_is_in_the_file_twice_is_held():
    """As when two exports are put together: its pieces must not be doubled."""
    first = {"Name": "#1", **SHOPIFY_ORDER}
    for rows in ([first, {"Name": "#2", **SHOPIFY_ORDER}, first], [first, first]):
        found = read(table(SHOPIFY, *rows))
        assert "#1" not in items(found)
        assert any("in the file twice" in problem for _, _, problem in problems(found))


def test_items_far_from_their_order_belong_to_it():
    found = read(table(SHOPIFY, {"Name": "#1", **SHOPIFY_ORDER}, {"Name": "#2", **SHOPIFY_ORDER}, LINE_L))
    assert items(found) == {"#1": {M: 1, L: 1}, "#2": {M: 1}}


@pytest.mark.parametrize(("separator", "end"), [(",", "\r\n"), (";", "\r\n"), ("\t", "\r\n"), (",", "\r")])
def test_a_file_that_a_spreadsheet_saved_is_read(separator, end):
    changed = {"Shipping Zip": "2155", "Shipping Province": "MA", "Created at": "12/6/2025 11:39",
               "Lineitem requires shipping": "TRUE", "Lineitem quantity": "2.0"}  # fmt: skip
    found = read(table(SHOPIFY, {"Name": "#1", **SHOPIFY_ORDER, **changed}, separator=separator, end=end))
    assert items(found) == {"#1": {M: 2}}
    assert only(found).address.zip == "02155"
    assert notes(found) == [(2, "items[0].quantity"), (2, "address.zip")]


@pytest.mark.parametrize("quantity", ["1,000", "1.000", "2.5", "-1", "two", "1e3", "1 000"])
def test_a_quantity_that_may_be_another_is_a_problem(quantity):
    assert [field for _, field, _ in problems(one(Lineitem_quantity=quantity))] == ["items[0].quantity"]


def test_columns_may_be_moved_added_and_written_otherwise():
    header = ["Order Tag", *reversed(SHOPIFY)]
    text = table(header, {"Name": "#1", **SHOPIFY_ORDER}).replace("Financial Status", " financial  STATUS ")
    assert items(read(text)) == {"#1": {M: 1}}


def test_every_cell_may_stand_in_quotes():
    rows = table(SHOPIFY, {"Name": "#1", **SHOPIFY_ORDER}).splitlines()
    quoted = "\n".join(",".join(f'"{cell}"' for cell in row.split(",")) for row in rows)
    assert items(read(quoted)) == {"#1": {M: 1}}


def test_a_file_without_needed_columns_is_refused_with_all_of_them():
    header = [name for name in SHOPIFY if name not in {"Cancelled at", "Lineitem quantity", "Shipping Zip"}]
    with pytest.raises(Exception, match=r"Shopify.*'Lineitem quantity', 'Shipping Zip', 'Cancelled at'"):
        read(",".join(header) + "\n")


def test_a_company_is_written_into_the_street():
    found = one(Shipping_Company="Test Ltd")
    assert only(found).address.street2 == "Test Ltd"
    assert (2, "address.street2") in notes(found)


@pytest.mark.parametrize(
    ("service", "told"), [("Express", True), ("Standard Shipping", False), ("2-Day Air", True), ("", False)]
)
def test_a_faster_service_is_told_where_it_is_not_mapped(service, told):
    found = one(Shipping_Method=service)
    assert only(found).channel_type == "Standard"
    assert ((2, "channel_type") in notes(found)) is told


@pytest.mark.parametrize(
    ("yes", "no"), [("WAHR", "FALSCH"), ("VRAI", "FAUX"), ("VERDADERO", "FALSO"), ("WAAR", "ONWAAR")]
)
def test_a_spreadsheet_may_write_yes_and_no_in_its_own_language(yes, no):
    rows = [{**SHOPIFY_ORDER, "Name": each, "Lineitem requires shipping": each} for each in (yes, no)]
    found = read(table(SHOPIFY, *rows))
    assert list(items(found)) == [yes]
    assert reasons(found) == {3: "it needs no shipping"}
