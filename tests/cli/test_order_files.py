"""What a reader of orders would have to guess is refused by the commands, by line, with nothing sent."""

from __future__ import annotations

import csv
import io
import json

import pytest
from hypothesis import given, strategies as st
from support.shop_files import ADDRESS, OWN, OWN_ORDER, read, table

from kakaclo_async import InvalidRequest
from kakaclo_async.cli.values import read_items
from kakaclo_async.shop import read_orders


def own(*orders):
    return table(OWN, *({**OWN_ORDER, **order} for order in orders))


@pytest.fixture
def refused(kakaclo, hosted, tmp_path):
    """Give a file to every command that takes one; return what each says, which is nothing of an address."""

    def run(text, name="orders.csv"):
        (tmp_path / name).write_bytes(text.encode())
        said = []
        for command in (
            ("submit", name),
            ("submit", name, "--dry-run", "--json"),
            ("check", name),
            ("map", name),
        ):
            outcome = kakaclo("orders", *command)
            assert (outcome.code, outcome.out) == (2, ""), command
            assert not any(part in outcome.err for part in ADDRESS.values() if part != "US")
            said.append(outcome.err)
        assert hosted.call(hosted.sandbox.requests.total) == 0
        assert [path.name for path in tmp_path.iterdir()] == [name]
        return said

    return run


def test_an_open_quote_does_not_take_in_the_next_customers_order(refused):
    lines = own({"custom_order_id": "A"}, {"custom_order_id": "B"}, {"custom_order_id": "C"}).splitlines()
    lines[1] = lines[1].removesuffix(",") + ',"gift'
    lines[3] = lines[3].removesuffix(",") + ',"for Mum"'
    for said in refused("\n".join(lines)):
        assert "line 2, column remark: the quote that opens here" in said


@pytest.mark.parametrize("second", ["quantity", "Quantity", " quantity ", "QUANTITY"])
def test_a_doubled_column_is_refused(refused, second):
    for said in refused(table([*OWN, second], {"custom_order_id": "A", **OWN_ORDER, second: "9"})):
        assert f"line 1: the column '{second.strip()}' is there twice, as number " in said


@pytest.mark.parametrize(
    ("text", "name", "sentence"),
    [
        ("", "orders.csv", "it has no header"),
        ("A,AMN1,1,US,Nobody Shall-See,555 0100 999\n", "orders.csv", "it has no header"),
        (own({"custom_order_id": "A"}) + "\0", "orders.csv", "is a NUL, which no text has"),
        ("Handle,Title,Vendor\n", "products.csv", "unknown columns 'Handle', 'Title', 'Vendor'"),
        ("PK\x03\x04", "orders.xlsx", "is a workbook or an archive"),
    ],
)
def test_a_file_that_holds_no_orders_is_refused_by_every_command(refused, text, name, sentence):
    for said in refused(text, name):
        assert sentence in said


@pytest.mark.parametrize("text", ["X:１", "X:+1", "X: 1", "X:1_0", "X:", "X:²"])
def test_an_option_takes_the_same_quantities_as_a_file(text):
    with pytest.raises(InvalidRequest, match="is not SKU:QTY"):
        read_items([text])


CELLS = st.text(st.characters(exclude_categories=["Cs", "Cc", "Cf"], exclude_characters="\u2028\u2029&")).map(
    lambda text: f"x{text}x"
)


@given(st.lists(st.tuples(CELLS, st.integers(1, 99)), min_size=1, max_size=5))
def test_what_the_csv_module_writes_is_read_back(written):
    text = own(
        *(
            {"custom_order_id": f"A{number}", "remark": remark, "quantity": str(quantity)}
            for number, (remark, quantity) in enumerate(written)
        )
    )
    found = read_orders(io.StringIO(text))
    assert [(each.order.remark, each.order.items[0].quantity) for each in found.orders] == written


@given(st.text(st.sampled_from('",\nab')))
def test_a_quote_is_read_as_the_strict_csv_module_reads_it_or_refused(remark):
    text = own({"custom_order_id": "A", "remark": "HERE"}, {"custom_order_id": "B"}).replace("HERE", remark)
    try:
        found = read(text)
    except InvalidRequest:
        return
    if found.problems:
        return
    rows = [row for row in csv.DictReader(io.StringIO(text), strict=True) if any(row.values())]
    assert [entry.order.remark or "" for entry in found.orders] == [row["remark"].strip() for row in rows]
    assert [entry.custom_order_id for entry in found.orders] == ["A", "B"]


ORDER = {
    "custom_order_id": "A",
    "address": {name: value for name, value in ADDRESS.items() if name in {"country", "recipient", "phone", "province"}},
    "items": [{"sku": "AMN1", "quantity": 1}],
}  # fmt: skip
TEXT = json.dumps(ORDER)


@pytest.mark.parametrize(
    "text",
    [
        TEXT.replace('"quantity": 1', '"quantity": 1, "quantity": 9'),
        TEXT.replace('"country"', '"country": "FR", "country"'),
        TEXT.replace('"quantity": 1', '"quantity": NaN'),
        TEXT.replace('"quantity": 1', '"quantity": 1.0'),
        TEXT.replace('"quantity": 1', '"quantity": "1"'),
        TEXT.replace('"quantity": 1', f'"quantity": {"9" * 5000}'),
        TEXT.replace("Florida", "Flo\\u0000rida"),
        TEXT.replace("Florida", "\\ud83d"),
        TEXT[:-5],
        TEXT + TEXT,
        "[" * 100_000,
        "[]",
        "null",
    ],
    ids=range(13),
)
def test_one_order_in_json_is_read_as_strictly(kakaclo, hosted, tmp_path, text):
    (tmp_path / "order.json").write_text(text)
    outcome = kakaclo("orders", "create", "--file", "order.json", "--yes")
    assert outcome.code == 2
    assert outcome.err.count("\n") == 1
    assert "report" not in outcome.err
    assert not any(part in outcome.err for part in ("Shall-See", "555"))
    assert hosted.call(hosted.sandbox.requests.total) == 0
