"""An example of each kind of order file, as bytes, and what may happen to one on its way through spreadsheets."""

from __future__ import annotations

import csv
import io
import json

from support.damage import damaged
from support.shop_files import (
    ADDRESS,
    EBAY,
    EBAY_ADDRESS,
    EBAY_ITEM,
    FILES,
    TIKTOK,
    TIKTOK_ORDER,
    WOO,
    WOO_ADVANCED,
    L,
    M,
    address_cells,
    table,
)

WOO_ADDRESS = address_cells(
    recipient="shipping_last_name",
    phone="billing_phone",
    street1="shipping_address_1",
    city="shipping_city",
    province="shipping_state",
    zip="shipping_postcode",
    country="shipping_country",
)
ADVANCED_ADDRESS = address_cells(
    recipient="Last Name (Shipping)",
    phone="Phone (Billing)",
    street1="Address 1&2 (Shipping)",
    city="City (Shipping)",
    province="State Code (Shipping)",
    zip="Postcode (Shipping)",
    country="Country Code (Shipping)",
)

MAPS = {name: (FILES / name).read_bytes() for name in ("own_sku.map.csv", "sku_map.csv")}
EXAMPLES = {path.name: path.read_bytes() for path in sorted(FILES.iterdir()) if path.name not in MAPS}
EXAMPLES["ebay.csv"] = table(
    EBAY,
    {"Order Number": "1", "Paid On Date": "Jan-01-24", **EBAY_ADDRESS, "Quantity": "2"},
    {"Order Number": "1", **EBAY_ITEM},
    {
        "Order Number": "2",
        "Shipped On Date": "Jan-01-24",
        "Paid On Date": "Jan-01-24",
        **EBAY_ADDRESS,
        **EBAY_ITEM,
    },
    {"Order Number": "3", **EBAY_ADDRESS, **EBAY_ITEM},
).encode()
EXAMPLES["tiktok.csv"] = table(
    TIKTOK,
    dict.fromkeys(TIKTOK, "Words.") | {"Order ID": "Platform unique order ID."},
    {"Order ID": "1\t", **TIKTOK_ORDER},
    {"Order ID": "2\t", **TIKTOK_ORDER, "Order Substatus": "Delivered"},
).encode()
EXAMPLES["woo_rows.csv"] = table(
    [
        *(name for name in WOO if name != "line_items"),
        "item_name",
        "item_sku",
        "item_quantity",
        "item_refunded_qty",
    ],
    *(
        {"order_number": number, "status": status, "item_name": "Thing", **WOO_ADDRESS, **item}
        for number, status, item in (
            ("701", "processing", {"item_sku": M, "item_quantity": "3", "item_refunded_qty": "1"}),
            ("701", "processing", {"item_sku": L, "item_quantity": "1", "item_refunded_qty": "1"}),
            ("702", "completed", {"item_sku": M, "item_quantity": "1"}),
        )
    ),
).encode()
EXAMPLES["woo_advanced.csv"] = table(
    WOO_ADVANCED,
    *(
        {
            "Order Number": number,
            "Order Status": status,
            "SKU": M,
            "Item Name": "Thing",
            **ADVANCED_ADDRESS,
            **item,
        }
        for number, status, item in (
            ("801", "Processing", {"Quantity": "3", "Quantity (- Refund)": "2"}),
            ("802", "Completed", {"Quantity": "1", "Quantity (- Refund)": "1"}),
        )
    ),
).encode()
EXAMPLES["tiktok-back.csv"] = table(
    TIKTOK,
    {"Order ID": "5", **TIKTOK_ORDER, "Quantity": "3", "Sku Quantity of return": "1"},
    {"Order ID": "6", **TIKTOK_ORDER, "Cancelation/Return Type": "Cancel"},
).encode()
ORDER = {
    "custom_order_id": "J1",
    "address": {**ADDRESS, "recipient": "Jan\u00e9"},
    "items": [{"sku": M, "quantity": 2}, {"sku": L, "quantity": 1}],
    "channel_type": "Express",
    "remark": "two\nlines",
}
EXAMPLES["own.jsonl"] = "\n".join(
    [json.dumps(ORDER), "", json.dumps({**ORDER, "custom_order_id": "J2"}, ensure_ascii=False), ""]
).encode()
CELLS = ["", " ", "0", "1", "2", "2.0", "-1", "x", "T***", "1E+5", "5.76400E+17", "a\nb", '"', "'", ",", ";", "\t", "paid", "PAID",
         "Paid", "refunded", "partially_refunded", "fulfilled", "pending", "processing", "wc-processing", "completed", "true",
         "FALSE", "Awaiting shipment", "Delivered", "null", "N/A", "=1+1", "'02155", '="02155"', "&amp;", "\u200b", "\u00a0", "\ufeff",
         "2024-01-01", "\u0661", "\uff11", M, L, "0.00", "$0.00", "-5.00", "1 of 2", "yes", "sep=;"]  # fmt: skip
ENCODINGS = ["utf-8", "utf-8", "utf-8", "utf-8-sig", "utf-16", "cp1252"]


def as_table(data):
    """Return the rows of an example, and their separator."""
    text = data.decode("utf-8-sig" if b"\xff" not in data and b"\xe9" not in data else "cp1252")
    separator = max("\t;,", key=text.split("\n", 1)[0].count)
    return list(csv.reader(io.StringIO(text, newline=""), delimiter=separator)), separator


def _cell(random, rows, row, column):
    other = random.choice(rows)
    if column < len(row):
        row[column] = random.choice(
            [
                *CELLS,
                *[row[column] + random.choice(CELLS)] * 8,
                *[other[column] if column < len(other) else ""] * 16,
            ]
        )


def _double(random, rows, row, column):
    rows.insert(random.randrange(1, len(rows) + 1), list(row))


def _lose(random, rows, row, column):
    if len(rows) > 2:
        rows.remove(row)


def _shuffle(random, rows, row, column):
    rest = rows[1:]
    random.shuffle(rest)
    rows[1:] = rest


def _cut(random, rows, row, column):
    del row[column + 1 :]


def _move(random, rows, row, column):
    row.insert(column, random.choice(CELLS))


def _lose_column(random, rows, row, column):
    for each in rows:
        del each[column : column + 1]


def _swap_columns(random, rows, row, column):
    other = random.randrange(len(rows[0]))
    for each in rows if random.random() < 0.7 else rows[1:]:
        if max(other, column) < len(each):
            each[other], each[column] = each[column], each[other]


def _blank(random, rows, row, column):
    rows.append([""] * len(rows[0]))


CHANGES = [*[_cell] * 7, _double, _lose, _shuffle, _cut, _move, _lose_column, _swap_columns, _blank]


def changed_rows(random, rows):
    """Do to rows what people and spreadsheets do: cells, rows and columns changed, moved, doubled, lost."""
    rows = [list(row) for row in rows]
    for _ in range(random.choice([1, 1, 1, 2, 3, 6])):
        row = random.choice(rows[1:] or rows)
        random.choice(CHANGES)(random, rows, row, random.randrange(max(map(len, rows))))
        rows = [each for each in rows if each] or [["x"]]
    return rows


def changed(random, data):
    """Return an example that was changed by a person, a spreadsheet, or a bad line."""
    way = random.random()
    if way < 0.4 or data.lstrip()[:1] == b"{":
        return damaged(random, data)
    rows, separator = as_table(data)
    separator = random.choice([separator, separator, separator, *",;\t"])
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=separator, lineterminator=random.choice(["\n", "\r\n"])).writerows(
        changed_rows(random, rows)
    )
    changed = text.getvalue().encode(random.choice(ENCODINGS), "replace")
    return damaged(random, changed) if way > 0.9 else changed
