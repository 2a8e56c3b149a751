"""Files of tracking numbers, as each shop reads them."""

from __future__ import annotations

import csv
import io
import json
from datetime import datetime
from pathlib import Path

import attrs
import pytest
from support.parcels import order, package
from support.whole import a_line, an_order

from kakaclo_async import (
    Fulfillment,
    InvalidRequest,
    Item,
    KakaClo,
    PackageStatus,
    TrackingInfo,
)
from kakaclo_async.ordering import Journal
from kakaclo_async.shop import tell_tracking
from kakaclo_async.shop.outgoing import tracking_told
from kakaclo_async.shop.outgoing.tracking import TRACKING_TARGETS, Tracked, tracking_rows, write_tracking
from kakaclo_async.shop.outgoing.tracking_lines import shipped
from kakaclo_async.shop.outgoing.tracking_map import ShopLine

FILES = Path(__file__).parent / "files_out"


def samples():
    """The orders of the sample, as models."""
    found = []
    for document in json.loads((FILES / "orders_in.json").read_text()):
        for each in document["fulfillments"]:
            moment = each["delivery_time"]
            each["status"] = PackageStatus(each["status"])
            each["delivery_time"] = moment and datetime.fromisoformat(moment)
            each["items"] = tuple(a_line(**item) for item in each["items"])
        document["order_items"] = tuple(a_line(**item) for item in document["order_items"])
        document["fulfillments"] = tuple(Fulfillment(**each) for each in document["fulfillments"])
        found.append(an_order(**document))
    return found


def test_matrixifys_file_is_the_expected_one_cell_for_cell():
    with (FILES / "Orders_matrixify.expected.csv").open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        expected = list(reader)

    rows = tracking_rows(shipped(samples()[:2]).rows, "matrixify").rows

    assert list(rows[0]) == reader.fieldnames
    assert list(rows) == expected


async def test_the_file_that_is_told_once_is_the_expected_one_too(monkeypatch, tmp_path):
    async def tracked(*_, **__):
        return Tracked(tuple(samples()[:2]))

    monkeypatch.setattr(tracking_told, "tracking", tracked)
    journal = Journal(f"sqlite:///{tmp_path}/told.db")

    reports = [
        await tell_tracking(KakaClo("t"), journal, tmp_path / "Orders.csv", target="matrixify")
        for _ in range(2)
    ]

    expected = (FILES / "Orders_matrixify.expected.csv").read_text(encoding="utf-8")
    assert (tmp_path / "Orders.csv").read_text(encoding="utf-8") == expected
    assert [len(report.rows) for report in reports] == [1, 0]


def test_amazon_gets_its_item_ids_back_and_its_own_names_of_carriers():
    lines = {"111-0000001-0000001": [("SHOP-M", "11111111111111", 1, [Item("AMN09001_GR_M", 1)])]}
    lines = {number: [ShopLine(*line) for line in found] for number, found in lines.items()}

    found = tracking_rows(shipped(samples()[2:], shop_lines=lines).rows, "amazon")

    assert found.problems == ()
    assert found.rows == (
        {
            "order-id": "111-0000001-0000001",
            "order-item-id": "11111111111111",
            "quantity": "1",
            "ship-date": "2026-11-26",
            "carrier-code": "USPS",
            "carrier-name": "",
            "tracking-number": "KK3US",
            "ship-method": "",
        },
    )


def test_woocommerce_is_told_2_until_the_whole_family_is_shipped_and_then_1():
    partly = tracking_rows(shipped(samples()[:2]).rows, "woo-ast").rows
    first, second = samples()[:2]
    now = [
        attrs.evolve(second.fulfillments[0], status=PackageStatus.SHIPPED, tracking_code="KK2", carrier="UPS")
    ]
    wholly = tracking_rows(
        shipped([first, attrs.evolve(second, fulfillments=tuple(now))]).rows, "woo-ast"
    ).rows

    assert partly == (
        {
            "order_id": "2003",
            "tracking_provider": "YunExpress",
            "tracking_number": "KK1CN",
            "date_shipped": "26-11-2026",
            "status_shipped": "2",
            "sku": "AMN09001_GR_M",
            "qty": "2",
        },
    )
    assert [(row["tracking_number"], row["status_shipped"]) for row in wholly] == [
        ("KK2", "1"),
        ("KK1CN", "1"),
    ]


def test_the_general_file_has_every_field():
    leg = TrackingInfo(carrier="USPS", tracking_code="LAST")
    [row] = tracking_rows(
        shipped([order("1", "S-1", [("A", 1)], package("P", ("A", 1), tracking_infos=(leg,)))]).rows, "csv"
    ).rows

    assert row == {
        "custom_order_id": "S-1",
        "order_id": "1",
        "package": "P",
        "shop_sku": "A",
        "quantity": "1",
        "order_item_id": "",
        "carrier": "YunExpress",
        "tracking_codes": "T-P",
        "other_tracking_codes": "LAST",
        "tracking_urls": "https://t.example/P",
        "shipped_at": "2026-11-26T12:00:00Z",
        "family_shipped": "true",
    }


def test_amazon_without_item_ids_takes_an_order_as_a_whole_or_not_at_all():
    whole = shipped([order("1", "S", [("A", 1), ("B", 1)], package("P", ("A", 1), ("B", 1)))])
    partly = shipped([order("1", "S", [("A", 1), ("B", 1)], package("P", ("A", 1)))])

    rows = tracking_rows(whole.rows, "amazon").rows
    assert [
        (row["order-item-id"], row["quantity"], row["carrier-code"], row["carrier-name"]) for row in rows
    ] == [("", "", "Other", "YunExpress")]
    found = tracking_rows(partly.rows, "amazon")
    assert (found.rows, found.keys) == ((), frozenset())  # it may be told once all of it is under way
    assert "order S: Amazon needs the order-item-id of A" in found.problems[0]


def test_amazon_is_told_of_a_whole_order_once():
    content = [("A", 1), ("B", 1)]
    found = shipped([order("1", "S", content, package("P", *content))]).rows
    told = tracking_rows(found, "amazon").keys

    assert len(told) == 2
    for seen in (told, sorted(told)[:1]):  # a row for the whole order was told with either
        again = tracking_rows(found, "amazon", seen=seen)
        assert (again.rows, again.problems) == ((), ())


@pytest.mark.parametrize("target", TRACKING_TARGETS)
async def test_a_file_is_written_whole_and_read_back(target, tmp_path):
    path = tmp_path / "Orders.csv"
    path.write_text("before")
    found = shipped([order("1", "=1+1", [("A", 1)], package("P", ("A", 1)))])

    written = await write_tracking(found.rows, path, target=target)
    stream = io.BytesIO()
    await write_tracking(found.rows, stream, target=target, for_spreadsheet=True)

    with path.open(newline="", encoding="utf-8") as file:
        assert tuple(csv.DictReader(file, delimiter=TRACKING_TARGETS[target].delimiter)) == written.rows
    assert stream.getvalue().startswith(b"\xef\xbb\xbf")
    assert "'=1+1" in stream.getvalue().decode()
    assert [each.name for each in tmp_path.iterdir()] == ["Orders.csv"]


async def test_a_target_or_a_name_that_a_shop_does_not_know_is_refused(tmp_path):
    with pytest.raises(
        InvalidRequest, match="target must be one of matrixify, amazon, woo-ast, csv, not 'ebay'"
    ):
        tracking_rows([], "ebay")
    with pytest.raises(InvalidRequest, match="must have 'Orders' in its name"):
        await write_tracking([], tmp_path / "out.csv", target="matrixify")
