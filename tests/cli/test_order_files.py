"""Order files are read strictly: what a reader would have to guess is refused, by line, with nothing sent."""

from __future__ import annotations

import csv
import io
import json

import pytest
from hypothesis import given, strategies as st

from kakaclo_async import InvalidRequest
from kakaclo_async.cli.command import read_items
from kakaclo_async.cli.orders_file import read_orders

COLUMNS = [
    "custom_order_id",
    "sku",
    "quantity",
    "country",
    "recipient",
    "phone",
    "province",
    "city",
    "remark",
]
HEADER = ",".join(COLUMNS)


def row(name, *, quantity="1", city="Orlando", remark="", sku="AMN1"):
    return f"{name},{sku},{quantity},US,Nobody Shall-See,555 0100 999,Florida,{city},{remark}"


def lines(*texts):
    return "\n".join(texts) + "\n"


@pytest.fixture
def read(tmp_path):
    """Read a file; return its orders, or the sentences that refuse it."""

    def read(text, name="orders.csv"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass"))
        try:
            found = read_orders(path)
        except InvalidRequest as error:
            return [str(error)]
        problems = [order.describe(problem) for order in found for problem in order.problems]
        return problems or [order.order for order in found]

    return read


def said(outcome):
    """The sentences, which say nothing of an address."""
    assert all(isinstance(sentence, str) for sentence in outcome), outcome
    text = "\n".join(outcome)
    assert "Shall-See" not in text
    assert "555" not in text
    return text


def test_an_open_quote_does_not_take_in_the_next_customers_order(kakaclo, hosted, tmp_path, sku):
    path = tmp_path / "orders.csv"
    path.write_text(
        lines(
            HEADER,
            row("A", remark='"gift', sku=sku),
            row("B", sku=sku),
            row("C", remark='"for Mum"', sku=sku),
            row("D", remark='"', sku=sku),
        )
    )

    outcome = kakaclo("orders", "submit", path)

    assert outcome.code == 2
    assert "line 2, column remark: the quote that opens here" in outcome.err
    assert "Shall-See" not in outcome.err
    assert hosted.call(hosted.sandbox.requests.total) == 0


@pytest.mark.parametrize("end", ["", "\n"])
def test_an_open_quote_is_named_by_the_line_where_it_opens(read, end):
    first = row("A", remark='"two\nlines"')
    text = "\n".join([HEADER, first, row("B", city='"Orlando'), row("C")]) + end
    assert "line 4, column city: the quote that opens here is not closed" in said(read(text))


def test_rows_inside_a_remark_are_refused_though_its_quote_is_closed(read):
    text = lines(HEADER, row("A", remark='"gift'), row("B"), row("C", remark='"'))
    assert "line 2, order 'A': items[0]: remark looks like rows of the file" in said(read(text))


def test_a_row_cut_in_two_by_a_quote_in_the_middle_is_refused(read):
    """The remark stands in the middle: its open quote ends in the next row's, and the next row's items follow."""
    header = "custom_order_id,remark,sku,quantity,country,recipient,phone,province"
    rest = "AMN1,1,US,Nobody Shall-See,555 0100 999,Florida"
    text = lines(header, f'A,"gift for Mum,{rest}', f'B,birthday",{rest}')
    assert "remark looks like rows" in said(read(text))


def test_a_remark_may_have_lines_commas_and_quotes(read):
    [order] = read(lines(HEADER, row("A", remark='"Dear ""Mum"",\nall the best, and love,\r\nus"')))
    assert order.remark == 'Dear "Mum",\nall the best, and love,\r\nus'


@pytest.mark.parametrize("column", [name for name in COLUMNS if name not in {"remark", "quantity"}])
def test_a_line_break_in_any_other_cell_is_refused(read, column):
    cells = dict(zip(COLUMNS, row("A").split(","), strict=True))
    cells[column] = f'"{cells[column]}\nmore"'
    problems = read(lines(HEADER, ",".join(cells.values())))
    assert "line break" in said(problems)
    assert problems[0].startswith("line 2, ")


@pytest.mark.parametrize(
    ("cell", "trouble"),
    [
        ('"Orlando" FL', "the quote that opens here is closed before the end of a cell"),
        ('Orlando "FL"', "a quote in a cell"),
        (' "Orlando"', "a quote in a cell"),
        ('12" wide', "a quote in a cell"),
        ('"Orlando""', "the quote that opens here is not closed"),
    ],
)
def test_a_misplaced_quote_is_refused(read, cell, trouble):
    assert f"line 3, column city: {trouble}" in said(read(lines(HEADER, row("A"), row("B", city=cell))))


@pytest.mark.parametrize("second", ["quantity", "Quantity", " quantity ", "QUANTITY"])
def test_a_doubled_column_is_refused(kakaclo, hosted, tmp_path, sku, second):
    path = tmp_path / "orders.csv"
    path.write_text(lines(f"{HEADER},{second}", row("A", sku=sku) + ",9"))

    outcome = kakaclo("orders", "submit", path)

    assert outcome.code == 2
    assert "line 1: the columns 3 and 10 are both" in outcome.err
    assert hosted.call(hosted.sandbox.requests.total) == 0


@pytest.mark.parametrize(
    ("cells", "than"),
    [(lambda text: text + ",", "more"), (lambda text: text.rpartition(",")[0], "fewer")],
    ids=["more", "fewer"],
)
def test_a_row_with_more_or_fewer_cells_than_the_header_is_refused(read, cells, than):
    problems = read(lines(HEADER, row("A"), cells(row("B")), row("C")))
    assert problems == [f"line 3, order 'B': items[0]: its row has {than} cells than columns"]


@pytest.mark.parametrize("quantity", ["1.0", "1e2", "０", "１", "+1", "-1", " 1", "1 ", "1_000", "1,5", "0x1", "", "٣", "²", "9" * 17, "9" * 5000])  # fmt: skip
def test_a_quantity_is_digits_and_nothing_else(read, quantity):
    cell = f'"{quantity}"' if "," in quantity else quantity
    assert "items[0].quantity: " in said(read(lines(HEADER, row("A", quantity=cell))))


@pytest.mark.parametrize(("quantity", "pieces"), [("1", 1), ("12", 12), ("007", 7)])
def test_digits_are_a_quantity(read, quantity, pieces):
    [order] = read(lines(HEADER, row("A", quantity=quantity)))
    assert order.items[0].quantity == pieces


def test_a_sku_of_digits_stays_a_text(read):
    [order] = read(lines(HEADER, row("A", sku="00123")))
    assert order.items[0].sku == "00123"


@pytest.mark.parametrize("text", ["X:１", "X:+1", "X: 1", "X:1_0", "X:", "X:²"])
def test_an_option_takes_the_same_quantities(text):
    with pytest.raises(InvalidRequest, match="is not SKU:QTY"):
        read_items([text])


@pytest.mark.parametrize(
    ("data", "place"),
    [
        (lines(HEADER, row("A"), row("B", city="Orl\0ando")).encode(), "line 3, byte"),
        (lines(HEADER, row("A", city="Zürich")).encode("latin-1"), "line 2, byte"),
        (lines(HEADER, row("A")).encode("utf-16"), "line 1, byte 1 is not UTF-8"),
        (lines(HEADER, row("A")).encode("utf-16-le"), "line 1, byte 2 is a NUL"),
    ],
)
def test_bytes_that_are_no_text_are_named_by_their_place(read, data, place):
    assert place in said(read(data))
    assert place in said(read(data, name="orders.jsonl"))


def test_control_characters_are_refused(read):
    assert "items[0].sku: it holds a control character" in said(read(lines(HEADER, row("A", sku="AM\x1bN"))))
    assert "remark: it holds a control character" in said(read(lines(HEADER, row("A", remark="\x07"))))


def test_a_file_without_a_header_is_refused(read):
    assert "it has no header" in said(read(""))
    assert "it has no header" in said(read("\n\n"))
    assert "it has no header" in said(read(lines(row("A"))))
    assert "line 1: unknown column 'colour'" in said(read(lines(HEADER + ",colour")))


def test_blank_lines_are_skipped_and_lines_are_counted(read):
    text = "\ufeff" + lines("", HEADER, "", row("A"), "  ", row("A"), row("B", quantity="x"))
    assert said(read(text)).startswith("line 7, order 'B': items[0].quantity")


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_every_line_end_of_csv_is_taken(read, end):
    text = end.join([HEADER, row("A"), row("B")])
    assert [order.custom_order_id for order in read(text)] == ["A", "B"]
    assert [order.custom_order_id for order in read(text + end)] == ["A", "B"]


def test_problems_name_the_line_where_a_row_begins(read):
    text = lines(HEADER, row("A", remark='"two\nlines"'), row("B", quantity="x", remark='"two\nlines"'))
    assert said(read(text)).startswith("line 4, order 'B': items[0].quantity")


CELLS = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\u2028\u2029")).map(
    lambda text: f"x{text}x"
)


@given(st.lists(st.tuples(CELLS, st.integers(1, 99)), min_size=1, max_size=5))
def test_what_the_csv_module_writes_is_read_back(tmp_path_factory, written):
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    for number, (remark, quantity) in enumerate(written):
        writer.writerow([f"A{number}", "AMN1", quantity, "US", 'R, "Q"', "1", "P", "", remark])
    path = tmp_path_factory.getbasetemp() / "written.csv"
    path.write_bytes(text.getvalue().encode())

    orders = [entry.order for entry in read_orders(path)]

    assert [(order.remark, order.items[0].quantity) for order in orders] == written
    assert {order.address.recipient for order in orders} == {'R, "Q"'}


@given(st.text(st.sampled_from('",\nab')))
def test_a_quote_is_read_as_the_strict_csv_module_reads_it_or_refused(tmp_path_factory, remark):
    path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_text(lines(HEADER, row("A", remark=remark), row("B")))
    try:
        found = read_orders(path)
        if any(entry.problems for entry in found):
            return
    except InvalidRequest:
        return
    rows = list(csv.DictReader(io.StringIO(path.read_text()), strict=True))
    assert [entry.order.remark or "" for entry in found] == [each["remark"] for each in rows]
    assert [entry.custom_order_id for entry in found] == ["A", "B"]


ORDER = {
    "custom_order_id": "A",
    "address": {
        "country": "US",
        "recipient": "Nobody Shall-See",
        "phone": "555 0100 999",
        "province": "Florida",
    },
    "items": [{"sku": "AMN1", "quantity": 1}],
}
TEXT = json.dumps(ORDER)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (TEXT.replace('"quantity": 1', '"quantity": 1, "quantity": 9'), "the name 'quantity' stands twice"),
        (TEXT.replace('"address"', '"items": [], "address"'), "the name 'items' stands twice"),
        (TEXT.replace('"country"', '"country": "FR", "country"'), "the name 'country' stands twice"),
        (TEXT.replace('"quantity": 1', '"quantity": NaN'), "NaN is no number"),
        (TEXT.replace('"quantity": 1', '"quantity": -Infinity'), "-Infinity is no number"),
        (TEXT.replace('"quantity": 1', '"quantity": 1.0'), "must be a whole number"),
        (TEXT.replace('"quantity": 1', '"quantity": "1"'), "must be a whole number"),
        (TEXT.replace('"quantity": 1', '"quantity": true'), "must be a whole number"),
        (TEXT.replace('"quantity": 1', f'"quantity": {"9" * 5000}'), "JSON"),
        (TEXT.replace("Florida", "Flo\\nrida"), "address.province: it holds a line break"),
        (TEXT.replace("Florida", "Flo\\u0000rida"), "address.province: it holds a control character"),
        (TEXT.replace("Florida", "\\ud83d"), "address.province: it holds a control character or half of a character"),
        (TEXT[:-5], "not JSON"),
        (TEXT + TEXT, "not JSON: Extra data"),
        ("[" * 100_000, "nested too deeply"),
        ("[]", "JSON object"),
        ("null", "JSON object"),
    ],
)  # fmt: skip
def test_json_is_read_strictly_too(kakaclo, read, tmp_path, text, sentence):
    assert sentence in said(read(lines(TEXT.replace('"A"', '"B"'), text), name="orders.jsonl"))
    assert said(read(lines("", text), name="orders.jsonl")).startswith("line 2, ")
    (tmp_path / "order.json").write_text(text)
    outcome = kakaclo("orders", "create", "--file", "order.json", "--yes")
    assert outcome.code == 2
    assert said([outcome.err]).count("\n") == 1
    assert "report" not in outcome.err


def test_json_may_begin_with_a_byte_order_mark_and_hold_any_line_separator(read):
    text = "\ufeff" + json.dumps(ORDER | {"remark": "two\u2028lines\nthree"}, ensure_ascii=False)
    [order] = read(text, name="orders.jsonl")
    assert order.remark == "two\u2028lines\nthree"
