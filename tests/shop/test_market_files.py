"""Amazon, eBay, Etsy and TikTok Shop: what their files hold beyond the usual."""

from __future__ import annotations

import pytest
from support.shop_files import (
    ADDRESS,
    AMAZON,
    AMAZON_ORDER,
    EBAY,
    EBAY_ADDRESS,
    EBAY_ITEM,
    ETSY,
    ETSY_ORDER,
    TIKTOK,
    TIKTOK_ORDER,
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

from kakaclo_async import InvalidRequest


def amazon(*rows, header=AMAZON, separator="\t"):
    numbered = [{"order-item-id": str(number), **AMAZON_ORDER, **row} for number, row in enumerate(rows)]
    return read(table(header, *numbered, separator=separator, end="\r\n"))


def test_amazons_rows_far_apart_are_one_order():
    found = amazon({"order-id": "1"}, {"order-id": "2"}, {"order-id": "1", "sku": L})
    assert items(found) == {"1": {M: 1, L: 1}, "2": {M: 1}}


def test_amazons_row_that_is_there_twice_is_held():
    found = amazon({"order-id": "1", "order-item-id": "7"}, {"order-id": "1", "order-item-id": "7"})
    assert found.orders == ()
    assert "in the file twice" in problems(found)[0][2]


def test_amazon_without_a_column_of_what_is_left_sends_what_was_bought():
    header = [name for name in AMAZON if not name.startswith(("quantity-to", "quantity-sh"))]
    row = {name: value for name, value in AMAZON_ORDER.items() if name in header}
    text = table(
        header, {"order-id": "1", "order-item-id": "7", **row, "quantity-purchased": "3"}, separator="\t"
    )
    assert items(read(text)) == {"1": {M: 3}}


def test_amazon_with_what_was_shipped_must_say_what_is_left():
    header = [name for name in AMAZON if name != "quantity-to-ship"]
    with pytest.raises(InvalidRequest, match="lacks the columns 'quantity-to-ship'"):
        read("\t".join(header) + "\n")


def test_amazons_blank_cell_of_what_is_left_is_not_filled_from_what_was_bought():
    found = amazon({"order-id": "1", "quantity-to-ship": "", "quantity-purchased": "3"})
    assert found.orders == ()
    assert problems(found)[0][1] == "items[0].quantity"


def test_amazons_quotes_are_characters():
    text = table(
        AMAZON, {"order-id": "1", "order-item-id": "7", **AMAZON_ORDER, "product-name": "@"}, separator="\t"
    )
    for name in ('12" Vinyl', '"Best" Thing', 'Thing "new"'):
        assert items(read(text.replace("@", name))) == {"1": {M: 1}}
    with pytest.raises(InvalidRequest, match="line 2, column product-name: the quote that opens here"):
        read(text.replace("@", '"Thing'))


def test_amazon_holds_what_the_buyer_asks_to_cancel():
    header = [*AMAZON, "is-buyer-requested-cancellation"]
    rows = [{"order-id": str(number), "order-item-id": str(number), **AMAZON_ORDER,
             "is-buyer-requested-cancellation": value} for number, value in enumerate(["true", "false", ""])]  # fmt: skip
    found = read(table(header, *rows, separator="\t"))
    assert list(items(found)) == ["1", "2"]
    assert "asks to cancel" in reasons(found)[2]


def test_amazons_ioss_number_goes_with_the_order():
    header = [*AMAZON, "ioss-number"]
    german = {
        "ship-country": "DE",
        "ship-postal-code": "01067",
        "ship-state": "",
        "ioss-number": "IM2760000742",
    }
    row = {"order-id": "1", "order-item-id": "7", **AMAZON_ORDER, **german}
    order = only(read(table(header, row, separator="\t"), ioss="IM0000000000"))
    assert order.address.ioss == "IM2760000742"


def ebay(*rows, footers=("2,record(s) downloaded,from ,Jan-01-24,to ,Jan-02-24", "Seller ID : somebody")):
    text = table(EBAY, *rows).splitlines()
    blank = "," * (len(EBAY) - 1)
    return read("\n".join([blank, text[0], blank, *text[1:], "", *footers]) + "\n")


EBAY_ORDER = {"Sales Record Number": "9", "Order Number": "12-3", "Paid On Date": "Jan-01-24", **EBAY_ADDRESS}


def test_ebay_frames_its_rows_in_blank_lines_and_footers():
    found = ebay(EBAY_ORDER | EBAY_ITEM)
    assert items(found) == {"12-3": {M: 1}}
    assert only(found).address.country == "US"
    assert found.dialect == "ebay"


def test_ebays_summary_row_has_the_address_and_item_rows_the_items():
    summary = EBAY_ORDER | {"Quantity": "3"}
    first = {"Sales Record Number": "10", "Order Number": "12-3", **EBAY_ITEM, "Transaction ID": "1"}
    second = first | {"Custom Label": L, "Quantity": "2", "Transaction ID": "2"}
    assert items(ebay(summary, first, second)) == {"12-3": {M: 1, L: 2}}
    shipped = {"Shipped On Date": "Jan-02-24"}
    assert items(ebay(summary, first | shipped, second)) == {"12-3": {L: 2}}
    assert items(ebay(summary | shipped, first, second)) == {}
    assert reasons(ebay(summary | shipped, first, second)) == {5: "shipped", 6: "shipped"}


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"Paid On Date": ""}, "not paid yet"),
        ({"Shipped On Date": "Jan-02-24"}, "shipped"),
        ({"Order Number": ""}, "it has no order number"),
    ],
)
def test_ebay_leaves_out_what_is_not_due(changed, reason):
    found = ebay(EBAY_ORDER | EBAY_ITEM | changed)
    assert (found.orders, found.problems) == ((), ())
    assert reasons(found) == {4: reason}


def test_ebays_report_in_british_words_is_read():
    words = {"Ship To Zip": "Post To Postcode", "Ship To State": "Post To County", "Shipped On Date": "Dispatched on date",
             "Shipping Service": "Delivery service"}  # fmt: skip
    header = [words.get(name, name.replace("Ship To", "Post to")) for name in EBAY]
    row = EBAY_ORDER | EBAY_ITEM | {"Ship To Country": "United Kingdom", "Ship To Zip": "SW1A 1AA"}
    rows = [dict(zip(header, (each.get(name, "") for name in EBAY), strict=True))
            for each in (row, row | {"Order Number": "12-4", "Shipped On Date": "Jan-02-24"})]  # fmt: skip
    found = read(table(header, *rows))
    assert items(found) == {"12-3": {M: 1}}
    assert only(found).address.zip == "SW1A 1AA"


def test_ebays_reference_is_an_ioss_number_only_where_it_says_so():
    german = {"Ship To Country": "Germany", "Ship To Zip": "01067", "eBay Reference Value": "IM2760000742"}
    for name, number in (("IOSS", "IM2760000742"), ("VAT", None)):
        found = ebay(EBAY_ORDER | EBAY_ITEM | german | {"eBay Reference Name": name})
        assert only(found).address.ioss == number


def test_etsys_orders_file_is_refused_by_its_name():
    header = "Sale Date,Order ID,Buyer User ID,Full Name,First Name,Last Name,Number of Items,Date Shipped,Street 1"
    with pytest.raises(InvalidRequest, match='Etsy\'s orders file.*no items; download "Order Items"'):
        read(header + "\n")


def test_etsys_file_that_a_spreadsheet_saved_is_read():
    row = {"Order ID": "315", "Transaction ID": "1", **ETSY_ORDER, "Ship Country": "United States",
           "Ship State": "MA", "Ship Zipcode": "2155"}  # fmt: skip
    found = read(table(ETSY, row, separator="\t"), phone="+1 555 0100")
    assert only(found).address.zip == "02155"
    assert (2, "address.zip") in notes(found)


def test_signs_that_etsy_writes_for_the_web_are_written_out():
    row = {"Order ID": "315", "Transaction ID": "1", **ETSY_ORDER, "Ship Name": "Nobody O&#39;Test &amp; Son"}
    found = read(table(ETSY, row), phone="12345")
    assert only(found).address.recipient == "Nobody O'Test & Son"
    assert (2, "address.recipient") in notes(found)


def test_etsys_line_that_is_shipped_does_not_stop_the_others():
    first = {"Order ID": "315", "Transaction ID": "1", **ETSY_ORDER, "Date Shipped": "01/04/2024"}
    found = read(
        table(ETSY, first, first | {"Transaction ID": "2", "SKU": L, "Date Shipped": ""}), phone="12345"
    )
    assert items(found) == {"315": {L: 1}}
    assert reasons(found) == {2: "shipped"}


DESCRIBED = dict.fromkeys(TIKTOK, "Words on the column.") | {"Order ID": "Platform unique order ID."}


def tiktok(*rows):
    marked = [
        {name: f"{value}\t" if name == "Order ID" else value for name, value in row.items()} for row in rows
    ]
    return read("\ufeff" + table(TIKTOK, DESCRIBED, *marked))


def test_tiktok_describes_its_columns_and_ends_ids_in_a_tab():
    found = tiktok({"Order ID": "576461413038785752", **TIKTOK_ORDER})
    assert items(found) == {"576461413038785752": {M: 1}}
    assert found.dialect == "tiktok"


def test_a_file_that_was_pasted_twice_doubles_no_pieces():
    rows = [{"Order ID": "1", **TIKTOK_ORDER}, {"Order ID": "2", **TIKTOK_ORDER}]
    found = tiktok(*rows, *rows)
    assert found.orders == ()
    assert {each.order for each in found.problems} == {"1", "2"}


def test_tiktok_sends_less_what_comes_back():
    rows = [{"Order ID": str(number), **TIKTOK_ORDER, "Quantity": "3", "Sku Quantity of return": back}
            for number, back in enumerate(["1", "3", ""])]  # fmt: skip
    found = tiktok(*rows)
    assert items(found) == {"0": {M: 2}, "2": {M: 3}}
    assert reasons(found) == {4: "nothing to ship: its quantity is 0"}


@pytest.mark.parametrize("status", ["Awaiting collection", "Delivered", "Menunggu pengiriman", ""])
def test_tiktok_leaves_out_every_other_status(status):
    found = tiktok({"Order ID": "1", **TIKTOK_ORDER, "Order Substatus": status})
    assert (found.orders, found.problems) == ((), ())
    assert 3 in reasons(found)


def test_tiktok_holds_a_refund_that_no_returned_piece_explains():
    header = [*TIKTOK, "Order Refund Amount"]
    rows = [
        {"Order ID": "1", **TIKTOK_ORDER, "Order Refund Amount": "5.00"},
        {"Order ID": "2", **TIKTOK_ORDER, "Order Refund Amount": "0.00"},
        {
            "Order ID": "3",
            **TIKTOK_ORDER,
            "Order Refund Amount": "5.00",
            "Quantity": "2",
            "Sku Quantity of return": "1",
        },
    ]
    found = read(table(header, *rows))
    assert items(found) == {"2": {M: 1}, "3": {M: 1}}
    assert "a person decides" in reasons(found)[2]


def test_tiktok_holds_what_the_buyer_asks_to_cancel():
    rows = [{"Order ID": str(number), **TIKTOK_ORDER, "Cancelation/Return Type": kind}
            for number, kind in enumerate(["Cancel", "Return/Refund", "", "Stornieren"])]  # fmt: skip
    found = tiktok(*rows)
    assert list(items(found)) == ["1", "2"]
    assert "asks to cancel" in reasons(found)[3]
    assert reasons(found)[6] == "its Cancelation/Return Type 'Stornieren' is not known"


@pytest.mark.parametrize(("column", "field"), [("Recipient", "recipient"), ("Phone #", "phone")])
def test_tiktoks_masked_names_and_phones_are_problems(column, field):
    found = tiktok({"Order ID": "1", **TIKTOK_ORDER, column: "T***"})
    assert found.orders == ()
    assert [(line, name) for line, name, _ in problems(found)] == [(3, f"address.{field}")]


def test_tiktoks_number_that_a_spreadsheet_cut_is_a_problem():
    found = tiktok({"Order ID": "5.76400E+17", **TIKTOK_ORDER})
    assert found.orders == ()
    assert problems(found)[0][1] == "custom_order_id"


def test_tiktok_may_have_other_columns_of_the_address():
    other = {"State": "Province", "Address Line 1": "Detail Address", "City": "Regency and City"}
    header = [other.get(name, name) for name in TIKTOK if name != "Address Line 2"]
    row = {other.get(name, name): value for name, value in TIKTOK_ORDER.items()}
    assert items(read(table(header, {"Order ID": "1", **row}))) == {"1": {M: 1}}


@pytest.mark.parametrize(
    ("column", "value"),
    [("Fulfillment Type", "Fulfillment by TikTok"), ("Order Status", "Canceled"), ("Order Status", "Unpaid")],
)
def test_tiktok_sends_nothing_that_another_column_says_is_not_the_shops_to_send(column, value):
    header = dict.fromkeys([*TIKTOK, column])
    mine = {"Fulfillment Type": "Fulfillment by seller", "Order Status": "To ship"}[column]
    rows = [
        {"Order ID": str(number), **TIKTOK_ORDER, column: each} for number, each in enumerate((mine, value))
    ]
    assert list(items(read(table(header, *rows)))) == ["0"]


@pytest.mark.parametrize(
    "changed",
    [
        {"Paid On Date": "--"},
        {"Shipping Service": "Local Pickup"},
        {"Click And Collect": "Yes"},
        {"eBay Fulfillment Program": "Yes"},
    ],
)
def test_ebay_leaves_out_what_is_not_paid_picked_up_or_sent_by_ebay(changed):
    header = [*EBAY, "Click And Collect", "eBay Fulfillment Program"]
    row = EBAY_ORDER | EBAY_ITEM | {"Click And Collect": "No", "eBay Fulfillment Program": ""}
    assert items(read(table(header, row))) == {"12-3": {M: 1}}
    found = read(table(header, row | changed))
    assert (found.orders, found.problems) == ((), ())
    assert len(found.left_out) == 1


def test_ebays_default_is_no_province():
    german = {"Ship To Country": "Germany", "Ship To Zip": "01067", "Ship To State": "default"}
    assert only(ebay(EBAY_ORDER | EBAY_ITEM | german)).address.province == ADDRESS["city"]


@pytest.mark.parametrize(("column", "value"), [("Order Type", "in-person"), ("Listings Type", "digital")])
def test_etsys_goods_that_are_not_sent_do_not_hold_the_others(column, value):
    first = {"Order ID": "315", "Transaction ID": "1", **ETSY_ORDER}
    second = first | {"Transaction ID": "2", "SKU": "", column: value}
    found = read(table(dict.fromkeys([*ETSY, column]), first, second), phone="12345")
    assert items(found) == {"315": {M: 1}}
    assert list(reasons(found)) == [3]


def test_numbers_of_rows_that_a_spreadsheet_cut_do_not_make_two_rows_one():
    cut = {"Transaction ID": "1.00599E+12"}
    row = EBAY_ORDER | EBAY_ITEM | cut
    assert items(ebay(row, row | {"Order Number": "12-4"})) == {"12-3": {M: 1}, "12-4": {M: 1}}
    assert "in the file twice" in problems(ebay(row, row))[0][2]
    found = amazon(
        {"order-id": "1", "order-item-id": "1.11111E+13"}, {"order-id": "2", "order-item-id": "1.11111E+13"}
    )
    assert found.orders == ()
    assert {text for _, _, text in problems(found)} == {"a spreadsheet cut it: export the file again"}
