"""What the shop's functions return is plain data for JSON, all of it."""

from __future__ import annotations

import inspect
import io
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from kakaclo_async import shop
from kakaclo_async.shop import ListingReport, OrderFile, TrackingReport, read_orders

NOW = datetime(2024, 1, 7, 3, 29, 18, tzinfo=UTC)
ROW = {"order": "A", "tracking": "LX1"}
FILE = io.BytesIO(
    b"custom_order_id,sku,quantity,country,recipient,phone,province\n"
    b"A,SKU-1,1,US,Zo\xc3\xab Example,5551234567,Florida\nB,SKU-1,x,US,Ann,5551234567,Florida\n"
)
MADE = {
    OrderFile: lambda: read_orders(FILE),
    ListingReport: lambda: ListingReport(rows=2, skus=1, left_out={"sold out": 1}, unknown=("B",)),
    TrackingReport: lambda: TrackingReport(file=Path("a.csv"), rows=(ROW,), since=NOW, notes=("look",)),
}


def test_every_report_is_here():
    public = {getattr(shop, name) for name in shop.__all__}
    assert {
        kind for kind in public if inspect.isclass(kind) and kind.__name__.endswith(("Report", "File"))
    } == set(MADE)


@pytest.mark.parametrize("kind", MADE, ids=lambda kind: kind.__name__)
def test_a_report_becomes_json_and_says_the_same(kind):
    made = MADE[kind]()
    assert type(made) is kind
    assert json.loads(made.to_json()) == made.to_dict()


def test_a_report_says_all_that_it_holds():
    report = MADE[ListingReport]()
    assert ListingReport.from_dict(json.loads(report.to_json())) == report
    assert MADE[TrackingReport]().to_dict() == {
        "file": "a.csv", "rows": [ROW], "since": "2024-01-07T03:29:18Z", "problems": [], "notes": ["look"],
    }  # fmt: skip
