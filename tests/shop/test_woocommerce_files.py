"""WooCommerce's export, with the items in one cell or in rows of their own, and the Advanced Order Export."""

from __future__ import annotations

import pytest
from support.shop_files import (
    ADDRESS,
    WOO,
    WOO_ADVANCED,
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

SHIPPING = {
    "shipping_first_name": "Nobody",
    "shipping_last_name": "Shall-See",
    "shipping_address_1": ADDRESS["street1"],
    "shipping_city": ADDRESS["city"],
    "shipping_state": ADDRESS["province"],
    "shipping_postcode": ADDRESS["zip"],
    "shipping_country": ADDRESS["country"],
}
ORDER = {"order_number": "501", "status": "processing", "billing_phone": ADDRESS["phone"], **SHIPPING}


def entry(sku, quantity="1", name="Thing", refunded="0.00"):
    return (
        f"id:1|name:{name}|product_id:15|sku:{sku}|quantity:{quantity}|subtotal:20.00|total:20.00|tax:0.00"
        f"|refunded:{refunded}|meta:size=M, for; him"
    )


def listed(*entries, **changed):
    return read(table(WOO, ORDER | {"line_items": ";".join(entries)} | changed))


@pytest.mark.parametrize("name", ["Thing", "Thing; red", "Thing, red: size", "1 | 2"])
def test_items_of_one_cell_are_told_apart_whatever_they_are_called(name):
    assert items(listed(entry(M, "2", name), entry(L))) == {"501": {M: 2, L: 1}}


@pytest.mark.parametrize(
    "text", [f"name:Thing|sku:{M}", f"sku:{M}|quantity:1|sku:{L}", "Thing x 2", "id:1|quantity:"]
)
def test_items_that_cannot_be_told_are_a_problem(text):
    found = listed(text)
    assert found.orders == ()
    assert {line for line, _, _ in problems(found)} == {2}


@pytest.mark.parametrize(
    ("changed", "text"),
    [({"refunds": "id:9|amount:5.00"}, entry(M)), ({}, entry(M, refunded="5.00"))],
)
def test_a_partial_refund_is_held_for_a_person(changed, text):
    found = listed(text, entry(L), **changed)
    assert (found.orders, found.problems) == ((), ())
    assert "a person decides" in reasons(found)[2]


@pytest.mark.parametrize("status", ["wc-processing", "Processing", "processing"])
def test_processing_is_due(status):
    assert items(listed(entry(M), status=status)) == {"501": {M: 1}}


@pytest.mark.parametrize("status", ["pending", "refunded", "in-arbeit", "cancelled", ""])
def test_every_other_status_is_left_out(status):
    found = listed(entry(M), status=status)
    assert (found.orders, found.problems) == ((), ())
    assert reasons(found)[2]


def test_what_is_picked_up_is_left_out():
    found = listed(entry(M), shipping_method="Local pickup")
    assert (found.orders, found.problems) == ((), ())
    assert reasons(found) == {2: "it is picked up"}


def test_an_order_that_is_in_the_file_twice_is_held():
    found = read(table(WOO, *[ORDER | {"line_items": entry(M)}] * 2))
    assert found.orders == ()
    assert "in the file twice" in problems(found)[0][2]


def test_apostrophes_against_formulas_are_taken_away_and_told():
    found = listed(entry(M), billing_phone="'+1 555 0100 999", shipping_first_name="'t")
    assert only(found).address.phone == "+1 555 0100 999"
    assert only(found).address.recipient == "'t Shall-See"
    assert (2, "address.phone") in notes(found)


def test_an_empty_shipping_address_means_the_billing_address_when_that_is_whole():
    billing = {name.replace("shipping", "billing"): value for name, value in SHIPPING.items()}
    header = list(dict.fromkeys([*WOO, *billing]))
    row = ORDER | dict.fromkeys(SHIPPING, "") | billing | {"line_items": entry(M)}
    found = read(table(header, row))
    assert only(found).address.city == ADDRESS["city"]
    assert (2, "address") in notes(found)
    assert read(table(header, row | {"billing_city": ""})).orders == ()


def test_a_row_for_each_item_less_what_is_refunded():
    header = [name for name in WOO if name != "line_items"] + [
        "item_name", "item_sku", "item_quantity", "item_refunded_qty",
    ]  # fmt: skip
    rows = [
        ORDER | {"item_name": "Thing", "item_sku": sku, "item_quantity": "3", "item_refunded_qty": back}
        for sku, back in ((M, "-1"), (L, ""), ("OTHER", "3"))
    ]
    found = read(table(header, *rows))
    assert items(found) == {"501": {M: 2, L: 3}}
    assert reasons(found) == {4: "nothing to ship: its quantity is 0"}


ADVANCED = {
    "Order Number": "77",
    "Order Status": "Processing",
    "First Name (Shipping)": "Nobody",
    "Last Name (Shipping)": "Shall-See",
    "Address 1&2 (Shipping)": ADDRESS["street1"],
    "City (Shipping)": ADDRESS["city"],
    "State Code (Shipping)": "FL",
    "Postcode (Shipping)": ADDRESS["zip"],
    "Country Code (Shipping)": "US",
    "Phone (Billing)": ADDRESS["phone"],
    "SKU": M,
    "Item #": "1",
    "Item Name": "Thing",
    "Quantity (- Refund)": "2",
    "Quantity": "3",
}


def test_the_advanced_export_sends_less_what_is_refunded():
    found = read(table(WOO_ADVANCED, ADVANCED, ADVANCED | {"SKU": L, "Item #": "2"}))
    assert found.dialect == "woocommerce-advanced"
    assert items(found) == {"77": {M: 2, L: 2}}
    assert only(found).address.recipient == "Nobody Shall-See"


def test_the_advanced_export_without_that_column_holds_what_is_refunded():
    header = [name for name in WOO_ADVANCED if name != "Quantity (- Refund)"]
    row = {name: value for name, value in ADVANCED.items() if name in header}
    assert items(read(table(header, row | {"Order Refund Amount": "0"}))) == {"77": {M: 3}}
    found = read(table(header, row | {"Order Refund Amount": "5.00"}))
    assert (found.orders, found.problems) == ((), ())


@pytest.mark.parametrize("status", ["Completed", "On hold", "In Bearbeitung"])
def test_the_advanced_export_leaves_out_every_other_status(status):
    found = read(table(WOO_ADVANCED, ADVANCED | {"Order Status": status}))
    assert (found.orders, found.problems) == ((), ())
    assert reasons(found)[2]


def test_a_row_without_a_number_may_belong_to_the_order_above_which_is_held():
    """Some set the export to fill in what an order has in common once."""
    rest = {"SKU": L, "Item #": "2", "Item Name": "Thing", "Quantity (- Refund)": "1"}
    found = read(table(WOO_ADVANCED, ADVANCED, rest, ADVANCED | {"Order Number": "78"}))
    assert list(items(found)) == ["78"]
    assert [(each.order, each.line) for each in found.problems] == [("77", 3)]
    assert reasons(found) == {3: "its Order Status is blank"}


def test_an_order_goes_by_its_number_alone():
    """Its id would be another number in the next export, and so another order."""
    found = read(table(WOO, ORDER | {"order_id": "9981", "order_number": "", "line_items": entry(M)}))
    assert found.orders == ()
    assert [field for _, field, _ in problems(found)] == ["custom_order_id"]


PICKED_UP = [
    "Local pickup",
    "local_pickup:3",
    "Local Pickup (Main store)",
    "Abholung vor Ort",
    "Click & Collect",
]


@pytest.mark.parametrize("method", PICKED_UP)
def test_what_is_picked_up_is_not_sent_to_the_billing_address(method):
    billing = {name.replace("shipping", "billing"): value for name, value in SHIPPING.items()}
    row = {"order_number": "501", "status": "processing", "billing_phone": ADDRESS["phone"], **billing}
    header = [*dict.fromkeys([*WOO, *billing])]
    row |= {"line_items": entry(M)}
    assert items(read(table(header, row | {"shipping_method": "Flat rate"}))) == {"501": {M: 1}}
    found = read(table(header, row | {"shipping_method": method}))
    assert (found.orders, list(reasons(found).values())) == ((), ["it is picked up"])
    advanced = {
        "Order Number": "1",
        "Order Status": "Processing",
        "First Name (Billing)": "Nobody",
        "Address 1&2 (Billing)": ADDRESS["street1"],
        "City (Billing)": ADDRESS["city"],
        "State Code (Billing)": "FL",
        "Postcode (Billing)": ADDRESS["zip"],
        "Country Code (Billing)": "US",
        "Phone (Billing)": ADDRESS["phone"],
        "SKU": M,
        "Quantity (- Refund)": "1",
    }
    assert items(read(table(WOO_ADVANCED, advanced))) == {"1": {M: 1}}
    found = read(table(WOO_ADVANCED, advanced | {"Shipping Method Title": method}))
    assert (found.orders, list(reasons(found).values())) == ((), ["it is picked up"])


@pytest.mark.parametrize("column", ["refunded_total", "item_refunded"])
def test_a_refund_without_its_pieces_waits_for_a_person(column):
    header = ["item_sku", "item_quantity", *(name for name in WOO if name != "line_items"), column]
    rows = [ORDER | {"order_number": str(number), "item_sku": M, "item_quantity": "2", column: amount}
            for number, amount in enumerate(["0.00", "-5.00"])]  # fmt: skip
    found = read(table(header, *rows))
    assert list(items(found)) == ["0"]
    assert "a person decides" in reasons(found)[3]
