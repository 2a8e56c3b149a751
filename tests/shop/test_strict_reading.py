"""What a reader would have to guess is refused by line, or is a problem of its order: our own format, and all tables."""

from __future__ import annotations

import io
import json
import re

import pytest
from support.shop_files import (
    ADDRESS,
    EBAY,
    OWN,
    OWN_ORDER,
    SHOPIFY,
    TIKTOK,
    TIKTOK_ORDER,
    WOO,
    WOO_ADVANCED,
    L,
    M,
    items,
    notes,
    only,
    problems,
    read,
    table,
)

from kakaclo_async import InvalidRequest
from kakaclo_async.shop import read_orders

HEADER = ",".join(OWN)


def row(name, **changed):
    values = {"custom_order_id": name, **OWN_ORDER, **changed}
    return ",".join(values.get(column, "") for column in OWN)


def lines(*texts):
    return "\n".join(texts) + "\n"


def refusal(text):
    with pytest.raises(InvalidRequest) as caught:
        read(text)
    assert "Shall-See" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("column", ["city", "remark"])
def test_an_open_quote_is_refused_with_the_line_where_it_opens(column):
    text = lines(HEADER, row("A", remark='"two\nlines"'), row("B", **{column: '"open'}), row("C"))
    assert f"line 4, column {column}: the quote that opens here is not closed" in refusal(text)


def test_rows_inside_a_note_are_refused_though_its_quote_is_closed():
    text = lines(HEADER, row("A", remark='"gift'), row("B"), row("C", remark='"'))
    assert "line 2, column remark: it looks like rows of the file" in refusal(text)


def test_a_row_cut_in_two_by_a_quote_in_the_middle_is_refused():
    header = ",".join(["custom_order_id", "remark", *OWN[1:-1]])
    rest = ",".join(OWN_ORDER.get(column, "") for column in OWN[1:-1])
    text = lines(header, f'A,"gift for Mum,{rest}', f'B,birthday",{rest}')
    assert "it looks like rows" in refusal(text)


def test_a_remark_may_have_lines_commas_and_quotes():
    found = read(lines(HEADER, row("A", remark='"Dear ""Mum"",\nall the best, and love,\r\nus"')))
    assert only(found).remark == 'Dear "Mum",\nall the best, and love,\r\nus'


@pytest.mark.parametrize("column", [name for name in OWN if name not in {"remark", "quantity"}])
def test_a_line_break_in_any_other_cell_is_refused(column):
    cell = {"custom_order_id": "A", "street2": "x", **OWN_ORDER}[column]
    assert "line 2, " in refusal(lines(HEADER, row("A", **{column: f'"{cell}\nmore"'})))


@pytest.mark.parametrize("cell", ['"Orlando" FL', 'Orlando "FL"', ' "Orlando"', '12" wide', '"Orlando""'])
def test_a_misplaced_quote_is_refused(cell):
    assert "line 3, column city: " in refusal(lines(HEADER, row("A"), row("B", city=cell)))


@pytest.mark.parametrize("second", ["quantity", "Quantity", " quantity ", "QUANTITY"])
def test_a_doubled_column_is_refused(second):
    assert "is there twice, as number 3 and 13" in refusal(lines(f"{HEADER},{second}", row("A") + ",9"))


@pytest.mark.parametrize(
    ("cells", "than"),
    [(lambda text: text + ",", "more"), (lambda text: text.rpartition(",")[0], "fewer")],
    ids=["more", "fewer"],
)
def test_a_row_with_more_or_fewer_cells_than_the_header_is_a_problem(cells, than):
    found = read(lines(HEADER, row("A"), cells(row("B")), row("C")))
    assert list(items(found)) == ["A", "C"]
    assert problems(found) == [(3, "items[0]", f"its row has {than} cells than columns")]


def test_a_row_whose_cells_are_moved_holds_the_order_that_one_of_them_names():
    found = read(lines(HEADER, row("A"), "," + row("A", sku=L), row("C")))
    assert list(items(found)) == ["C"]


@pytest.mark.parametrize("quantity", ["1.5", "1.0.0", "1e2", "０", "１", "+1", "-1", " 1", "1 ", "1_000", "1;5", "0x1", "", "٣", "²", "0", "9" * 17, "9" * 5000])  # fmt: skip
def test_a_quantity_of_our_own_format_is_digits_and_nothing_else(quantity):
    found = read(lines(HEADER, row("A", quantity=quantity), row("B")))
    assert list(items(found)) == ["B"]
    assert [(line, field) for line, field, _ in problems(found)] == [(2, "items[0].quantity")]


def test_a_quantity_that_a_spreadsheet_wrote_with_its_point_is_read_in_our_own_format_too():
    found = read(lines(HEADER, row("A", quantity="2.0")))
    assert items(found) == {"A": {M: 2}}
    assert (2, "items[0].quantity") in notes(found)


def test_a_sku_that_is_missing_where_nothing_else_names_the_goods_asks_for_no_row_of_a_map():
    assert problems(read(lines(HEADER, row("A", sku="")))) == [(2, "items[0].sku", "it is missing")]


@pytest.mark.parametrize("column", ["country", "recipient", "phone", "province", "city", "zip", "remark"])
def test_rows_of_one_order_must_agree(column):
    other = {"country": "CA", "zip": "32802"}.get(column, "Other 12345")
    found = read(lines(HEADER, row("A"), row("A", **{column: other}), row("B")))
    assert list(items(found)) == ["B"]
    assert "differs from line 2" in problems(found)[0][2]


def test_rows_of_one_order_may_repeat_its_address_or_not():
    bare = dict.fromkeys(ADDRESS, "")
    assert items(read(lines(HEADER, row("A"), row("A", sku=L), row("A", **bare)))) == {"A": {M: 2, L: 1}}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "it has no header"),
        ("\n\n,,\n", "it has no header"),
        (row("A") + "\n", "it has no header"),
        (HEADER + ",colour,size\n", "unknown columns 'colour', 'size'"),
        (HEADER.replace("sku,", "") + "\n", "lacks the columns 'sku'"),
        ("Foo,Name,Financial Status,Bar\n", "nearest is Shopify's.*'Lineitem sku'.*unknown columns 'Foo', 'Bar'"),
        ("Handle,Title,Vendor\n", "no order file that is known; the nearest is.*unknown columns 'Handle', 'Title', 'Vendor'"),
        (HEADER.replace("country", "contry") + "\n", "lacks the columns 'country'; has the unknown column 'contry'"),
        ("sku,quantity\n", "nearest is KakaClo's own format.*'custom_order_id'"),
    ],
)  # fmt: skip
def test_an_unknown_header_is_refused_with_the_nearest_kind_and_all_columns(text, said):
    with pytest.raises(InvalidRequest, match=said):
        read(text)


@pytest.mark.parametrize(
    ("header", "column", "misspelt"),
    [
        (WOO_ADVANCED, "Quantity (- Refund)", "Quantit]y (- Refund)"),
        (WOO_ADVANCED, "Order Refund Amount", "Order Refund Amounts"),
        (TIKTOK, "Sku Quantity of return", "Sku Quantity of retur"),
        (TIKTOK, "Cancelation/Return Type", "Cancelation/Return Typ"),
        (SHOPIFY, "Fulfillment Status", "Fulfilment_Status"),
        (WOO, "refunds", "refund"),
    ],
)
def test_a_column_that_decides_what_is_due_is_not_missed_where_it_is_misspelt(header, column, misspelt):
    read(table([*header, "Other"]))
    with pytest.raises(
        InvalidRequest, match=f"is nearly {re.escape(repr(column))}, which decides what is due"
    ):
        read(table([misspelt if name == column else name for name in header]))
    read(table([*header, misspelt]))
    if column != "Fulfillment Status":
        read(table([name for name in header if name != column]))


def test_a_control_character_is_a_problem():
    found = read(lines(HEADER, row("A", sku="AM\x1bN"), row("B", remark="\x07"), row("C")))
    assert list(items(found)) == ["C"]
    assert [field for _, field, _ in problems(found)] == ["items[0].sku", "remark"]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_every_line_end_is_taken_and_lines_are_counted(end):
    text = "\ufeff" + end.join(["", HEADER, "", row("A"), "  ", row("B", quantity="x"), ",,,"])
    found = read(text)
    assert [entry.line for entry in found.orders] == [4]
    assert [line for line, _, _ in problems(found)] == [6]


ORDER = {"custom_order_id": "A", "address": ADDRESS, "items": [{"sku": M, "quantity": 2}]}
TEXT = json.dumps(ORDER)


def jsonl(*texts):
    found = read_orders(io.StringIO("\n".join(texts)))
    assert found.unaccounted() == []
    return found


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (TEXT.replace('"quantity": 2', '"quantity": 1, "quantity": 9'), "the name 'quantity' stands twice"),
        (TEXT.replace('"quantity": 2', '"quantity": NaN'), "NaN is no number"),
        (TEXT.replace('"quantity": 2', '"quantity": 1.0'), "must be a whole number"),
        (TEXT.replace('"quantity": 2', '"quantity": true'), "must be a whole number"),
        (TEXT.replace("Florida", "Flo\\nrida"), "address.province: it holds a line break"),
        (TEXT.replace("Florida", "\\ud83d"), "address.province: it holds a control character or half"),
        (TEXT.replace('"zip"', '"post"'), "there is no such field"),
        (TEXT.replace('"US"', "7"), "address.country"),
        (TEXT.replace('"US"', '"United States"'), "it must be a code of two letters: write US"),
        (TEXT.replace('"32801"', '"SW1A 1AA"'), "address.zip: it is no postal code of US"),
        (TEXT.replace('"A"', '""'), "custom_order_id: missing"),
        (TEXT[:-5], "not JSON"),
        (TEXT + TEXT, "not JSON: Extra data"),
        ("{" + "[" * 100_000, "not JSON"),
        ("[]", "JSON object"),
    ],
)  # fmt: skip
def test_json_lines_are_read_strictly_too(text, sentence):
    found = jsonl(TEXT.replace('"A"', '"B"'), text)
    assert list(items(found)) == ["B"]
    said = "\n".join(map(str, found.problems))
    assert sentence in said
    assert "Shall-See" not in said
    assert said.startswith("line 2, ")


def test_json_lines_with_one_number_are_both_held():
    found = jsonl(TEXT, TEXT.replace('"A"', '"B"'), TEXT)
    assert items(found) == {"B": {M: 2}}
    assert [line for line, _, _ in problems(found)] == [1, 3]


def test_json_lines_go_through_the_map_of_skus():
    table_of_skus = io.StringIO(f"shop_sku,sku,pieces\n{M},{L},3\n")
    found = read_orders(io.StringIO(TEXT), sku_map=table_of_skus, prefix="EU-")
    assert items(found) == {"EU-A": {L: 6}}


def test_a_remark_of_json_may_hold_any_line_separator():
    found = jsonl("\ufeff" + json.dumps(ORDER | {"remark": "two\u2028lines\nthree"}, ensure_ascii=False))
    assert only(found).remark == "two\u2028lines\nthree"


def test_a_table_of_our_own_may_stand_in_any_separator():
    for separator in (",", ";", "\t"):
        text = table(OWN, {"custom_order_id": "A", **OWN_ORDER}, separator=separator)
        assert items(read(text)) == {"A": {M: 1}}
        assert items(read(f"sep={separator}\r\n{text}")) == {"A": {M: 1}}
        assert [entry.line for entry in read(f'"sep={separator}"\n{text}').orders] == [3]


def test_tiktoks_time_of_cancelling_may_be_written_in_american():
    header = [name.replace("Cancelled", "Canceled") for name in TIKTOK]
    rows = [
        {"Order ID": each, **TIKTOK_ORDER, "Canceled Time": time}
        for each, time in (("1", ""), ("2", "08/20/2024"))
    ]
    assert list(items(read(table(header, *rows)))) == ["1"]


def test_the_nearest_kind_of_an_unknown_file_is_the_one_that_knows_most_of_its_columns():
    with pytest.raises(InvalidRequest, match="the nearest is eBay's orders report"):
        read(table([{"Order Number": "Order ID"}.get(name, name) for name in EBAY]))
