"""Where a file comes from, how it is written, and what the user asks for beside it."""

from __future__ import annotations

import io
import sys
from datetime import UTC, datetime, timedelta

import pytest
from support.shop_files import (
    AMAZON,
    AMAZON_ORDER,
    ETSY,
    ETSY_ORDER,
    FILES,
    OWN,
    OWN_ORDER,
    SHOPIFY,
    SHOPIFY_ORDER,
    L,
    M,
    items,
    only,
    read,
    reasons,
    table,
)

from kakaclo_async import InvalidRequest
from kakaclo_async.shop import guess_map, read_map, read_orders, write_map

TEXT = table(OWN, {"custom_order_id": "K1", **OWN_ORDER, "city": "Zürich"})
NOW = datetime(2025, 12, 7, 12, tzinfo=UTC)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_a_file_is_read_in_the_encodings_of_spreadsheets(tmp_path, encoding):
    path = tmp_path / "orders.txt"
    path.write_bytes(TEXT.encode(encoding))
    found = read_orders(path)
    assert only(found).address.city == "Zürich"
    assert [each.field for each in found.notes] == (["file"] if encoding == "cp1252" else [])


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"PK\x03\x04 and so on", "is a workbook or an archive"),
        (TEXT.encode("utf-16-le"), "line 1, byte 2 is a NUL"),
        (TEXT.replace("Florida", "Flo\0rida").encode(), "line 2, byte"),
        (TEXT.encode() + b"\x81\n", "line 3, byte 1 is neither UTF-8 nor Windows-1252"),
        (b"\xff\xfe\x00", "is not UTF-8"),
    ],
)
def test_bytes_that_are_no_text_are_refused_by_their_place(tmp_path, data, said):
    path = tmp_path / "orders.csv"
    path.write_bytes(data)
    with pytest.raises(InvalidRequest, match=said):
        read_orders(path)


def test_a_file_that_is_not_there_is_refused(tmp_path):
    for path in (tmp_path / "none.csv", tmp_path):
        with pytest.raises(InvalidRequest, match="cannot be read"):
            read_orders(path)


def test_standard_input_is_read(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(TEXT.encode())))
    assert items(read_orders("-")) == {"K1": {M: 1}}


def test_a_prefix_keeps_shops_apart():
    found = read(TEXT, prefix="SHOP2-")
    assert items(found) == {"SHOP2-K1": {M: 1}}
    assert found.rows[0].order == "SHOP2-K1"
    assert read(TEXT, prefix="S" * 63).problems[0].field == "custom_order_id"


def dated(header, order, columns, dates):
    rows = [{columns[0]: str(number), columns[1]: str(number), **order, columns[2]: date}
            for number, date in enumerate(dates)]  # fmt: skip
    separator = "\t" if header is AMAZON else ","
    return read(
        table(header, *rows, separator=separator),
        older_than=timedelta(hours=24),
        phone="12345",
        now=lambda: NOW,
    )


@pytest.mark.parametrize(
    ("header", "order", "columns", "old", "new"),
    [
        (SHOPIFY, SHOPIFY_ORDER, ("Name", "Id", "Created at"), "2025-12-06 11:39:58 +0000", "2025-12-06 12:30:00 +0000"),
        (SHOPIFY, SHOPIFY_ORDER, ("Name", "Id", "Created at"), "2025-12-06 06:39:58 -0500", "2025-12-06 11:39:58 -0500"),
        (SHOPIFY, SHOPIFY_ORDER, ("Name", "Id", "Created at"), "11/20/2025 11:39", "12/6/2025 20:00"),
        (AMAZON, AMAZON_ORDER, ("order-id", "order-item-id", "purchase-date"), "2025-12-06T08:34:47+00:00", "2025-12-07T08:34:47+00:00"),
        (AMAZON, AMAZON_ORDER, ("order-id", "order-item-id", "purchase-date"), "2025-12-05", "2025-12-06"),
        (ETSY, ETSY_ORDER, ("Order ID", "Transaction ID", "Sale Date"), "12/05/25", "12/06/25"),
        (ETSY, ETSY_ORDER, ("Order ID", "Transaction ID", "Sale Date"), "12/05/2025", "12/07/2025"),
    ],
)  # fmt: skip
def test_young_orders_wait(header, order, columns, old, new):
    found = dated(header, order, columns, [old, new])
    assert list(items(found)) == ["0"]
    assert reasons(found) == {3: "too new"}
    assert found.problems == ()


@pytest.mark.parametrize(
    "date",
    [
        "8/20/24 12:50 PDT",
        "8/20/24 11:50:00 PST",
        "20.08.2024 15:50 -0400",
        "Aug 20, 2024 9:50 PM +02:00",
        "8/20/24 19:50 UTC",
    ],
)
def test_a_date_with_its_zone_is_counted_in_it(date):
    text = table(SHOPIFY, {"Name": "#1", **SHOPIFY_ORDER, "Created at": date})
    for hour, is_old in ((20, False), (21, True)):
        found = read_orders(
            io.StringIO(text),
            older_than=timedelta(minutes=15),
            now=lambda hour=hour: datetime(2024, 8, 20, hour, tzinfo=UTC),
        )
        assert bool(found.orders) == is_old


@pytest.mark.parametrize("date", ["20-11-2025", "11-20-2025", "Nov-20-2025", "20-Nov-2025"])
def test_a_year_after_a_dash_is_no_zone(date):
    found = dated(SHOPIFY, SHOPIFY_ORDER, ("Name", "Id", "Created at"), [date])
    assert list(items(found)) == ["0"]


def test_a_date_that_cannot_be_read_holds_its_order():
    found = dated(
        SHOPIFY, SHOPIFY_ORDER, ("Name", "Id", "Created at"), ["", "soon", "2025-12-06 11:39:58 +0000"]
    )
    assert list(items(found)) == ["2"]
    assert {(each.order, each.field) for each in found.problems} == {("0", "date"), ("1", "date")}


def test_a_date_that_can_be_read_in_two_ways_is_taken_as_the_younger():
    found = dated(
        SHOPIFY, SHOPIFY_ORDER, ("Name", "Id", "Created at"), ["07/12/2025 11:39", "05/12/2025 11:39"]
    )
    assert list(items(found)) == ["1"]


@pytest.mark.parametrize(
    "text",
    [TEXT, table([name for name in SHOPIFY if name != "Created at"], {"Name": "#1", **SHOPIFY_ORDER}), '{"items": 1}'],
)  # fmt: skip
def test_a_file_without_dates_has_no_young_orders(text):
    with pytest.raises(InvalidRequest, match="has no dates"):
        read(text, older_than=timedelta(hours=1))


def test_services_are_mapped_to_channels_in_any_letters():
    rows = [{"Name": f"#{n}", **SHOPIFY_ORDER, "Shipping Method": service}
            for n, service in enumerate(["DHL Express", "dhl express ", "Standard"])]  # fmt: skip
    found = read(table(SHOPIFY, *rows), channels={"DHL Express": "Express"})
    assert [str(entry.order.channel_type) for entry in found.orders] == ["Express", "Express", "Standard"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("shop_sku,pieces\nA,1\n", "missing: sku"),
        ("shop_sku,sku,colour\nA,B,red\n", "unknown: 'colour'"),
        ("shop_sku,sku,pieces\nA,B,0\n", "line 2: pieces must be a whole number above 0"),
        ("shop_sku,sku,pieces\nA,B,x\n", "line 2: pieces"),
        ("shop_sku,sku,pieces\n,B,1\n", "line 2: shop_sku is empty"),
        ("shop_sku,sku,pieces\nA,B,1\nA,B,2\n", "line 3: 'A' says something else than line 2"),
        ("shop_sku,sku,pieces\nA,,\nA,B,2\n", "line 3: 'A' says something else"),
        ("shop_sku,sku,pieces\nA,B\n", "line 2: it has 2 cells"),
        ('shop_sku,sku,pieces\nA,"B,1\n', "the quote that opens here is not closed"),
        ("shop_sku,sku,sku\nA,B,C\n", "is there twice"),
        ("", "no header"),
    ],
)
def test_a_map_that_says_two_things_is_refused(text, said):
    with pytest.raises(InvalidRequest, match=said):
        read_map(io.StringIO(text))


def test_a_map_that_nobody_has_filled_in_is_refused_for_it_would_leave_out_every_order():
    with pytest.raises(InvalidRequest, match="no row has a sku"):
        read_map(io.StringIO("shop_sku,sku,pieces\nMUG-1,,\nTEE-1,,\n"))
    assert read_map(io.StringIO(f"shop_sku,sku,pieces\nMUG-1,,\nTEE-1,{M},1\n")).parts["MUG-1"] == ()


def test_goods_without_a_sku_and_without_a_row_in_the_map_are_named_as_the_map_would_name_them():
    found = read_orders(FILES / "etsy_sold_order_items.csv", phone="+1 555 0100")
    told = next(problem for problem in found.problems if problem.order == "3150000004")
    key = next(row.shop_sku for row in guess_map(found, ()) if "Red" in row.shop_sku)
    assert repr(key) in told.problem


def test_goods_without_a_sku_are_found_by_title_alone_only_where_they_have_no_variant():
    skus = read_map(io.StringIO(f"shop_sku,sku\nThing,{M}\nThing / L,{L}\nA-1,{M}\na 1,{L}\n"))
    assert [part.sku for part in skus.find("", "thing", "") or ()] == [M]
    assert [part.sku for part in skus.find("", "Thing", "L") or ()] == [L]
    assert skus.find("", "Thing", "S") is None
    assert skus.find("Thing / L ", "Thing", "L") is None
    assert skus.find("", "A 1", "") is None  # two rows say two things of it


def test_a_guessed_map_can_be_read_and_guesses_nothing_that_is_not_the_same(tmp_path):
    found = read_orders(FILES / "etsy_sold_order_items.csv")
    rows = guess_map(found, [M.replace("_", "-").lower(), L, "OTHER"])
    assert [(row.shop_sku, row.sku, row.count) for row in rows] == [
        (M, M.replace("_", "-").lower(), 4),
        (L, L, 1),
        ("thing / Size:M,Color:Red", "", 1),
    ]
    text = io.StringIO()
    write_map(rows, text)
    assert text.getvalue().splitlines()[0] == "shop_sku,sku,pieces,title"
    skus = read_map(io.StringIO(text.getvalue()))
    assert skus.find("", "thing", "Size:M,Color:Red") == ()
    assert [part.sku for part in skus.find(L, "", "") or ()] == [L]
    write_map(rows, tmp_path / "map.csv")
    assert (tmp_path / "map.csv").read_text() == text.getvalue()
    lines = read(table(ETSY, {"Order ID": "1", **ETSY_ORDER, "SKU": "", "Variations": "Text:a\nb"}))
    [row] = guess_map(lines, [])
    assert row.shop_sku == "thing / Text:a b"  # a table of SKUs has no line breaks
    two = guess_map(found, [M.lower(), M.replace("_", "")])
    assert two[0].sku == ""  # two are as near
