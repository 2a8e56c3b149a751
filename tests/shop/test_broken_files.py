"""Whatever happens to a file: an outcome or one clear refusal, no row lost, and nothing sent that was not due."""

from __future__ import annotations

import csv
import io
import json
import random

import pytest
from support.shop_examples import EXAMPLES
from support.shop_files import items

from kakaclo_async import InvalidRequest
from kakaclo_async.shop import read_orders

pytestmark = pytest.mark.long

NOT_STATUS = {
    "shopify_status.csv": ["Lineitem name", "Lineitem sku", "Shipping Zip", "Shipping Name", "Shipping Country", "Notes"],
    "shopify_cells.csv": ["Lineitem name", "Shipping Phone", "Phone", "Shipping City", "Shipping Province", "Tags"],
    "amazon_unshipped.txt": ["sku", "recipient-name", "ship-address-1", "ship-state", "product-name"],
    "etsy_sold_order_items.csv": ["SKU", "Variations", "Ship Zipcode", "Ship Country", "Item Name"],
    "woo_default_line_items.csv": ["shipping_city", "shipping_country", "billing_phone", "customer_note"],
    "ebay.csv": ["Custom Label", "Item Title", "Ship To Zip", "Buyer Note", "Ship To Country"],
    "tiktok.csv": ["Seller SKU", "Recipient", "Phone #", "Zipcode", "Buyer Message"],
}  # fmt: skip
BITS = [b'"', b",", b"\n", b"\r\n", b"\t", b";", b"'", b"\0", b"\xff", b"\xc3\xa9", b"=", b"*", b"{", b"[", b"1E+5",
        b"paid", b"\xef\xbb\xbf", b"sep=;\n", b" ", b"0", b"\xe2\x80\xa8", b"\x1b"]  # fmt: skip


def outcome(data):
    """Read bytes; a refusal is one line."""
    try:
        found = read_orders(io.TextIOWrapper(io.BytesIO(data), encoding="utf-8", errors="surrogateescape", newline=""),
                            phone="+1 555 0100")  # fmt: skip
    except InvalidRequest as error:
        return said_in_one_line(error)
    json.dumps(found.to_dict())
    assert found.unaccounted() == []
    assert not {each.order for each in found.problems} & set(items(found))
    return found


def said_in_one_line(error):
    assert "\n" not in str(error)


def mutated(data, chance):
    for _ in range(chance.randint(1, 4)):
        start = chance.randrange(len(data) + 1)
        end = min(len(data), start + chance.choice([0, 1, 1, 5, 80]))
        new = chance.choice([b"", data[start:end] * 2, chance.choice(BITS), chance.choice(BITS)])
        data = data[:start] + new + data[end:]
    return data


@pytest.mark.parametrize("name", EXAMPLES)
def test_any_change_of_bytes_gives_an_outcome_or_one_refusal(name):
    chance = random.Random(name)
    for _ in range(150):
        data = mutated(EXAMPLES[name], chance)
        found = outcome(data)
        if found is not None and b'"' not in data and found.header:
            count = sum(bool(line.strip(" \t,;")) for line in data.decode("latin-1").splitlines())
            assert len(found.rows) <= count, data


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_bytes_of_a_file_are_read_like_its_text(name, tmp_path):
    chance = random.Random(name)
    for _ in range(40):
        path = tmp_path / name
        path.write_bytes(mutated(EXAMPLES[name], chance))
        try:
            assert read_orders(path).unaccounted() == []
        except InvalidRequest as error:
            said_in_one_line(error)


def rows_of(name):
    text = EXAMPLES[name].decode("cp1252" if name.startswith("amazon") else "utf-8")
    separator = "\t" if name.startswith("amazon") else ","
    header, *rows = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    return header, rows, separator


def written(header, rows, separator):
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=separator).writerows([header, *rows])
    return text.getvalue().encode()


@pytest.mark.parametrize("name", NOT_STATUS)
def test_no_change_beside_what_is_due_sends_another_order(name):
    chance = random.Random(name)
    header, rows, separator = rows_of(name)
    usual = outcome(written(header, rows, separator))
    due = set(items(usual)) | {each.order for each in usual.problems}
    assert due
    assert {each.order for each in usual.left_out} - due  # there is something to send by mistake
    for _ in range(120):
        changed = [list(row) for row in rows]
        for _ in range(chance.randint(1, 5)):
            row, column = chance.choice(changed), header.index(chance.choice(NOT_STATUS[name]))
            row[column] = chance.choice(
                ["", "'", "x", "T***", "1E+5", "0", "a\nb", '"', ",", chance.choice(changed)[column]]
            )
        if chance.random() < 0.3 and name != "tiktok.csv":
            chance.shuffle(changed)
        found = outcome(written(header, changed, separator))
        assert found is None or set(items(found)) <= due
        assert found is None or len(found.rows) == len(rows)


@pytest.mark.parametrize("name", NOT_STATUS)
def test_no_row_is_lost_when_rows_are_cut_doubled_or_taken_out(name):
    chance = random.Random(name)
    header, rows, separator = rows_of(name)
    for _ in range(100):
        changed = [list(chance.choice(rows)) for _ in range(chance.randint(1, 8))]
        for row in changed:
            if chance.random() < 0.2:
                del row[chance.randrange(len(row)) :]
            if chance.random() < 0.1:
                row.insert(chance.randrange(len(row) + 1), "x")
        found = outcome(written(header, changed, separator))
        if found is not None:
            assert len(found.rows) == sum(any(map(str.strip, row)) for row in changed)


@pytest.mark.parametrize("name", NOT_STATUS)
def test_a_file_that_lacks_a_column_sends_nothing_that_was_not_due(name):
    header, rows, separator = rows_of(name)
    usual = outcome(written(header, rows, separator))
    due = {entry.custom_order_id: entry.order.items for entry in usual.orders}
    held = {each.order for each in usual.problems}
    for place in range(len(header)):
        without = [row[:place] + row[place + 1 :] for row in (header, *rows)]
        renamed = [*header[:place], "Other", *header[place + 1 :]]
        for first, *others in (without, [renamed, *rows]):
            found = outcome(written(first, others, separator))
            for entry in found.orders if found is not None else ():
                assert entry.order.items == due.get(entry.custom_order_id) or entry.custom_order_id in held, (
                    header[place]
                )
