"""What is due in a file of orders, told a second time and more simply: an oracle for `read_orders`.

It shares no code with the package. It is lenient: it looks at letters and digits alone, so that it may call due what a
careful reader holds; but what it does not call due must never be sent.
"""

from __future__ import annotations

import csv
import html
import io
import json
import re
import unicodedata
from collections import Counter

OPEN = {"", "pending", "unfulfilled", "null"}
RETURNS = {"return", "refund", "returnrefund"}
CODE = re.compile(r"[^A-Za-z0-9_]+")


def plain(cell):
    """Return the letters and digits of a cell."""
    return "".join(filter(str.isalnum, html.unescape(cell))).casefold()


def code(cell):
    return CODE.sub("", html.unescape(cell))


def number(cell):
    found = re.fullmatch(r"\D*(\d+)(?:[.,]0{1,2})?\D*", cell)
    return int(found[1]) if found else 0


def decoded(data):
    """Return a file as text, without what nobody sees."""
    if data[:2] in {b"\xff\xfe", b"\xfe\xff"}:
        text = data.decode("utf-16")
    else:
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = data.decode("cp1252")
    return "".join(sign for sign in text if unicodedata.category(sign) != "Cf")


def tables(data):
    """Yield the rows of a file as dicts by column in small letters, for each separator that it may have."""
    text = decoded(data)
    for separator in ",;\t":
        for quoting in (csv.QUOTE_MINIMAL, csv.QUOTE_NONE):
            reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, quoting=quoting)
            rows = [row for row in reader if any(map(str.strip, row))]
            while rows and (len(rows[0]) < 3 or not any(map(str.isalnum, "".join(rows[0])))):
                del rows[0]
            if rows:
                header = [plain(name) for name in rows[0]]
                yield [dict(zip(header, row, strict=False)) for row in rows[1:]]


def first(row, *names):
    return next((row[plain(name)] for name in names if row.get(plain(name), "").strip()), "")


def all_of(rows, column):
    """Return what the rows of an order say in a column."""
    return {plain(row.get(plain(column), "")) for row in rows} - {""}


def shopify(rows):
    if all_of(rows, "Financial Status") != {"paid"} or all_of(rows, "Cancelled at"):
        return
    for row in rows:
        if (
            plain(row.get("lineitemfulfillmentstatus", "")) in OPEN
            and plain(row.get("lineitemrequiresshipping", "")) in {"true", "yes", "1"}
        ):  # fmt: skip
            yield row.get("lineitemsku", ""), number(row.get("lineitemquantity", ""))


def amazon(rows):
    for row in rows:
        column = "quantitytoship" if "quantitytoship" in row else "quantitypurchased"
        if plain(row.get("isbuyerrequestedcancellation", "")) != "true":
            yield row.get("sku", ""), number(row.get(column, ""))


def ebay(rows):
    if any(row.get("paidondate", "").strip() for row in rows):
        for row in rows:
            if not plain(row.get("shippedondate", "")):
                yield row.get("customlabel", ""), number(row.get("quantity", ""))


def etsy(rows):
    for row in rows:
        if not plain(row.get("dateshipped", "")):
            yield row.get("sku", ""), number(row.get("quantity", ""))


def tiktok(rows):
    for row in rows:
        back = number(row.get("skuquantityofreturn", ""))
        kind = plain(row.get("cancelationreturntype", ""))
        if plain(row.get("ordersubstatus", "")) == "awaitingshipment" and kind in {*RETURNS, ""}:
            yield row.get("sellersku", ""), number(row.get("quantity", "")) - back


def woocommerce(rows):
    if all_of(rows, "status") <= {"processing", "wcprocessing"} and all_of(rows, "status"):
        for row in rows:
            if "itemsku" in row:
                yield row["itemsku"], number(row.get("itemquantity", ""))
            for item in re.split(r";(?=\s*id:)", row.get("lineitems", "")):
                sku, pieces = (
                    re.search(r"\|sku:(.*?)(?:\|[a-z_]+:|$)", f"|{item}"),
                    re.search(r"quantity:\s*(\d+)", item),
                )
                if sku and pieces:
                    yield sku[1], int(pieces[1])


def advanced(rows):
    if all_of(rows, "Order Status") <= {"processing", "wcprocessing"} and all_of(rows, "Order Status"):
        for row in rows:
            yield row.get("sku", ""), number(first(row, "Quantity (- Refund)", "Quantity"))


def own(rows):
    for row in rows:
        yield row.get("sku", ""), number(row.get("quantity", ""))


DUE = {
    "shopify": (shopify, "Name"),
    "amazon": (amazon, "order-id"),
    "ebay": (ebay, "Order Number"),
    "etsy": (etsy, "Order ID"),
    "tiktok": (tiktok, "Order ID"),
    "woocommerce": (woocommerce, "order_number"),
    "woocommerce-advanced": (advanced, "Order Number"),
    "kakaclo": (own, "custom_order_id"),
}
"""By dialect: what is due of the rows of an order, and the column of its number."""


def due_in(dialect, data):
    """Yield readings of a file: each time the pieces that are due, by order and SKU."""
    judge, column = DUE[dialect]
    for rows in tables(data):
        orders = {}
        for row in rows:
            orders.setdefault(plain(row.get(plain(column), "")), []).append(row)
        yield {key: counted(judge(rows)) for key, rows in orders.items()}


def counted(pairs):
    found = Counter()
    for sku, pieces in pairs:
        if pieces > 0:
            found[code(sku)] += pieces
    return found


def due_in_lines(data):
    """Return the same of JSON lines."""
    found = {}
    for line in re.split(r"\r\n|\n|\r", decoded(data)):
        if line.strip():
            try:
                order = json.loads(line)
                pieces = counted((item["sku"], item["quantity"]) for item in order["items"])
                found[plain(order["custom_order_id"])] = pieces
            except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
                continue
    return found


def is_due(order, readings):
    """Whether some reading has all that an order sends, of the order of its number."""
    key = plain(order.custom_order_id)
    sent = counted((item.sku, item.quantity) for item in order.order.items)
    return any(sent <= reading.get(key, Counter()) for reading in readings)
