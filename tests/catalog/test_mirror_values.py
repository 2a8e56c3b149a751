"""Values that nobody expects are stored all the same, in either database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial

import attrs
import msgspec
import pytest
from sqlalchemy import select

from kakaclo_async.catalog import export, schema
from kakaclo_async.catalog.database import MirrorDatabase
from kakaclo_async.catalog.rows import Newer
from kakaclo_async.catalog.store import put_products
from kakaclo_async.models.common import Option
from kakaclo_async.models.product import Product, ProductStatus, Sku, SupplierLevel
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


START = datetime(2026, 1, 1, tzinfo=UTC)
FULL = Sku(
    sku="A_1",
    sku_name='it is \\u0000 "one"',
    main_img="https://img.example/1.jpg",
    package_length=Decimal(32),
    package_width=Decimal("22.50"),
    package_height=Decimal("3.0"),
    package_weight=Decimal("256.000"),
    cost=Decimal("4.6000"),
    price=Decimal("0.0000001"),
    stock=7,
    option1=Option("color", "Black", '{"name":"color","value":"Black"}'),
    option2=Option("size", "M", '{"name":"size"}'),
    option3=Option("print", "Cat", '{"name":"print"}'),
    material="100% Cotton",
    sku_status=ProductStatus.DISCONTINUED,
)
PRODUCT = Product(
    spu="A",
    kk_product_id=2**53,
    product_name="\U0001f455 \u4e49",
    description="two\nlines",
    size_image_path="https://img.example/size.jpg",
    spu_status=ProductStatus.CLEARANCE,
    category_id=3658,
    full_category_name="Women/Bottoms",
    sales_volume=12,
    price=Decimal("5.9800"),
    stock=9,
    supplier_level=SupplierLevel.B,
    create_time=START - timedelta(days=2),
    update_time=START - timedelta(days=1),
    # More than one statement's rows, and not a multiple of them.
    sku_details=(FULL, *(Sku(sku=f"A_{number}", price=Decimal(number)) for number in range(2, 40))),
)


async def stored(database, product, seen_at):
    """Store a product; return the changes, and its row and its SKUs' as their columns' types give them."""
    changes = await database.write(
        partial(put_products, products=[product], seen_at=seen_at, newer=Newer(now=seen_at))
    )
    async with database.reading() as connection:
        [of_product] = (await connection.execute(select(schema.product))).mappings().all()
        of_skus = (await connection.execute(select(schema.sku))).mappings().all()
    return changes, of_product, {row["sku"]: row for row in of_skus}


@pytest.fixture
async def database(url):
    opened = MirrorDatabase(url)
    await opened.open()
    yield opened
    await opened.close()


def held(value):
    return getattr(value, "raw", value)


async def test_each_field_is_in_the_column_of_its_name(database):
    _, of_product, of_skus = await stored(database, PRODUCT, START)

    for model, row, summed in ((PRODUCT, of_product, {"stock"}), (FULL, of_skus["A_1"], set())):
        fields = {field.name for field in attrs.fields(type(model))} & row.keys() - summed
        assert len(fields) > 10
        for name in fields - {"sku_img_url", "attributes_json"}:
            value = held(getattr(model, name))
            assert str(row[name]) == str(value) or row[name] == value, name
            assert value is not None, name
    assert (of_product["stock"], of_product["retired"], of_skus["A_1"]["retired"]) == (7, False, True)
    assert (of_product["seen_at"], of_product["gone_since"], of_skus["A_1"]["spu"]) == (START, None, "A")
    assert {code: row["price"] for code, row in of_skus.items()} == {
        sku.sku: sku.price for sku in PRODUCT.sku_details
    }


async def test_what_says_the_same_is_not_written_again_and_what_does_not_is_even_by_a_zero(database):
    later = START + timedelta(hours=1)
    await stored(database, PRODUCT, START)

    changes, same, _ = await stored(database, PRODUCT, later)
    zeros = attrs.evolve(PRODUCT, price=Decimal("5.98"))
    more, written, _ = await stored(database, zeros, later)

    assert (changes, same["seen_at"], str(same["price"])) == (0, START, "5.9800")
    assert (more, written["seen_at"], str(written["price"])) == (0, later, "5.98")
