"""Values that nobody expects are stored all the same, in either database."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from kakaclo_async.catalog import export
from kakaclo_async.sandbox.world.view import View

decode = msgspec.json.Decoder(float_hook=Decimal).decode


@pytest.fixture
def with_fields(monkeypatch):
    """Makes the sandbox send other values in every product."""
    document = View.document

    def change(**fields):
        monkeypatch.setattr(View, "document", lambda view, row: {**document(view, row), **fields})

    return change


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        ({"salesVolume": 3_000_000_000}, {"sales_volume": 3_000_000_000}),
        ({"categoryId": 2**63 - 1}, {"category_id": 2**63 - 1}),
        ({"spuStatus": 7_000_000_000}, {"spu_status": 7_000_000_000, "retired": False}),
        ({"price": "0.12345678901234567890"}, {"price": Decimal("0.12345678901234567890")}),
        ({"supplierLevel": "Z", "brandNew": True}, {"supplier_level": "Z"}),
        ({"attributesJson": "no JSON at all"}, {"attributes_json": "no JSON at all"}),
        ({"createTime": "0001-01-01T00:00:00Z"}, {"create_time": "0001-01-01T00:00:00Z"}),
        (
            {"description": "\U0001f455 \u4e49\u4e4c" * 5000},
            {"description": "\U0001f455 \u4e49\u4e4c" * 5000},
        ),
    ],
    ids=lambda value: next(iter(value)),
)
async def test_what_is_sent_is_what_is_stored(sent, stored, url, with_fields, shop, mirror_of, tmp_path):
    sandbox, kk = shop
    with_fields(**sent)

    report = await mirror_of(sandbox, kk, url).run()
    await export(url, "product", tmp_path / "products.jsonl")

    assert (report.products, report.undecodable, report.complete) == (60, 0, True)
    for line in (tmp_path / "products.jsonl").read_bytes().splitlines():
        row = decode(line)
        assert {name: row[name] for name in stored} == stored
        assert all(str(row[name]) == str(value) for name, value in stored.items())


async def test_a_nul_in_a_text_is_kept_where_there_is_room_for_it(
    url, with_fields, shop, mirror_of, tmp_path
):
    sandbox, kk = shop
    with_fields(productName="T-shirt\0 with NUL")

    await mirror_of(sandbox, kk, url).run()
    await export(url, "product", tmp_path / "products.jsonl")

    names = {decode(line)["product_name"] for line in (tmp_path / "products.jsonl").read_bytes().splitlines()}
    nul = "\0" if url.startswith("sqlite") else "\ufffd"
    assert names == {f"T-shirt{nul} with NUL"}


async def test_codes_with_a_nul_are_the_same_products_in_every_reading(url, monkeypatch, shop, mirror_of):
    sandbox, kk = shop
    document = View.document

    def changed(view, row):
        found = document(view, row)
        skus = [{**sku, "sku": sku["sku"] + "\0"} for sku in found["skuDetails"]]
        odd = {"price": "cheap"} if found["spu"].endswith("3") else {}
        return {**found, "spu": found["spu"] + "\0", "productName": "A\0", "skuDetails": skus, **odd}

    monkeypatch.setattr(View, "document", changed)
    mirror = mirror_of(sandbox, kk, url)
    first = await mirror.run()

    verified = [await mirror.verify() for _ in range(2)]

    assert [(report.changes, report.missing, report.gone) for report in verified] == [(0, 0, 0)] * 2
    assert {report.products for report in (first, *verified)} == {first.products}
    assert (await mirror.status()).undecodable == first.undecodable > 0
