"""Files of products made of a mirror: whole or not there, streamed, and of the SKUs that were asked for."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import tracemalloc
from pathlib import Path

import pytest
from support.sample_mirror import FILES, RULE, add, add_sample, empty_mirror, fill

from kakaclo_async import ConfigurationError, InvalidRequest
from kakaclo_async.shop.outgoing.listings import export_listings, listing_rows
from kakaclo_async.shop.outgoing.listings_goods import listed
from kakaclo_async.shop.outgoing.listings_text import read_codes
from kakaclo_async.shop.outgoing.prices import PriceRule
from kakaclo_async.shop.outgoing.targets import TARGETS
from kakaclo_async.shop.outgoing.targets_columns import Settings

LINK = Settings(link="https://shop.example/products/{handle}?sku={sku}")


@pytest.fixture
async def mirror(tmp_path):
    """The path of a mirror's database without rows."""
    return await empty_mirror(tmp_path / "catalog.db")


@pytest.fixture
def catalog(mirror):
    """A mirror of the sample product."""
    add_sample(mirror)
    return mirror


def url(path):
    return f"sqlite:///{path}"


def read(path, **settings):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file, **settings))


async def test_a_mirrors_products_for_shopify_are_those_of_the_sample(catalog, tmp_path):
    told = []

    report = await export_listings(
        url(catalog), tmp_path / "products.csv", price=RULE, buffer=2, explain=told.append
    )

    document = json.loads((FILES / "catalog_in.json").read_text())
    skus = sorted(document["skus"], key=lambda sku: sku["sku"])  # a mirror keeps SKUs by their codes
    found = listed(document["product"], skus, rule=PriceRule.parse(RULE), buffer=2)
    assert read(tmp_path / "products.csv") == listing_rows([found.goods])
    expected = (FILES / "shopify_products.expected.csv").read_text().splitlines()
    assert (tmp_path / "products.csv").read_text().splitlines()[0] == expected[0]
    assert (report.rows, report.products, report.skus) == (2, 1, 2)
    assert report.left_out == {"discontinued": 1, "gone": 1}
    assert told[0] == "AMN09001_B_L: left out: gone"
    assert "AMN09001_GR_M: 5.98 x 2.5 + 3 = 17.95 -> 17.99" in told


@pytest.mark.parametrize(
    ("country", "stock"), [("US", "2"), (" us", "2"), ("CN", "14"), ("DE", "0"), (None, "18")]
)
async def test_stock_is_that_of_one_countrys_warehouses(country, stock, catalog, tmp_path):
    await export_listings(
        url(catalog), tmp_path / "stock.csv", target="shopify-inventory", country=country, buffer=2
    )

    rows = {row["SKU"]: row["On hand (new)"] for row in read(tmp_path / "stock.csv")}
    assert rows == {"AMN09001_GR_M": stock, "AMN09001_GR_L": "0", "AMN09001_B_M": "0", "AMN09001_B_L": "0"}


@pytest.mark.parametrize("target", TARGETS)
async def test_every_target_is_written_and_the_file_is_replaced_as_a_whole(target, catalog, tmp_path):
    path = tmp_path / "out.csv"
    path.write_text("before")

    report = await export_listings(url(catalog), path, target=target, price=RULE, settings=LINK)

    rows = read(path, delimiter=TARGETS[target].delimiter)
    assert len(rows) == report.rows > 0
    assert {path.name for path in tmp_path.iterdir()} == {"out.csv", "catalog.db", "catalog.db.lock"}


async def test_google_gets_the_link_of_each_sku(catalog):
    stream = io.BytesIO()

    await export_listings(url(catalog), stream, target="google", price=RULE, settings=LINK)

    rows = list(csv.DictReader(stream.getvalue().decode().splitlines(), delimiter="\t"))
    assert rows[0]["link"] == "https://shop.example/products/amn09001?sku=AMN09001_GR_L"


async def test_only_some_codes_are_listed_and_unknown_ones_are_named(catalog, tmp_path):
    codes = tmp_path / "listed.csv"
    codes.write_text("\ufeffTitle,SKU\nA,AMN09001_GR_L\n\nB,AMN404\n", encoding="utf-8")

    report = await export_listings(url(catalog), tmp_path / "out.csv", only=codes)

    assert {row["SKU"] for row in read(tmp_path / "out.csv")} == {
        "AMN09001_GR_L",
        "",
    }  # and a row for its picture
    assert report.unknown == ("AMN404",)
    assert report.left_out == {}
    whole = await export_listings(url(catalog), tmp_path / "out.csv", only=["AMN09001"])
    assert (whole.skus, whole.unknown) == (2, ())


@pytest.mark.parametrize(
    ("category", "products"),
    [
        ("Women", 1),
        ("women/bottoms", 1),
        ("Women/Bottoms/Cropped Pants/", 1),
        ("Wom", 0),
        ("Bottoms", 0),
        ("%", 0),
    ],
)
async def test_a_category_holds_what_is_below_it(category, products, catalog, tmp_path):
    report = await export_listings(url(catalog), tmp_path / "out.csv", category=category)

    assert report.products == products


async def test_texts_that_a_spreadsheet_would_run_are_made_safe_for_spreadsheets_alone(catalog, tmp_path):
    fill(catalog, "UPDATE product SET product_name = ?", [("=1+1",)])

    await export_listings(url(catalog), tmp_path / "shop.csv")
    await export_listings(url(catalog), tmp_path / "sheet.csv", for_spreadsheet=True)

    assert {row["Title"] for row in read(tmp_path / "shop.csv")} == {"=1+1"}
    assert (tmp_path / "sheet.csv").read_bytes().startswith(b"\xef\xbb\xbfTitle,")
    assert "'=1+1" in (tmp_path / "sheet.csv").read_text()


async def test_a_third_option_gets_columns_when_some_product_has_one(catalog, tmp_path):
    sku = {"sku": "B_1", "spu": "B", "price": "1", "stock": 1, "sku_status": 1}
    options = {f"option{n}": {"name": f"name{n}", "value": "v"} for n in (1, 2, 3)}
    add(catalog, {"spu": "B"}, [sku | options])

    await export_listings(url(catalog), tmp_path / "out.csv")

    rows = read(tmp_path / "out.csv")
    assert [row["Option3 value"] for row in rows] == ["", "", "v"]


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (
            {"target": "ebay"},
            "target must be one of shopify, shopify-inventory, woocommerce, google, not 'ebay'",
        ),
        ({"target": "google"}, "google needs the address of a product"),
        ({"buffer": -1}, "buffer must be 0 or more pieces, not -1"),
        ({"country": "USA"}, "country must be a two-letter code"),
        ({"country": "UK"}, "there is no country 'UK': write 'GB'"),
        ({"country": "ZZ"}, "there is no country 'ZZ'"),
        ({"price": "x0"}, "the factor 0"),
        ({"only": "AMN1"}, "only must be codes, or the Path of a file"),
        ({"only": Path("/nowhere.csv")}, "the codes in /nowhere.csv cannot be read"),
    ],
)
async def test_what_makes_no_sense_is_refused_before_a_file_is_touched(settings, sentence, catalog, tmp_path):
    with pytest.raises(InvalidRequest, match=sentence):
        await export_listings(url(catalog), tmp_path / "out.csv", **settings)

    assert not (tmp_path / "out.csv").exists()


async def test_the_mirrors_own_file_is_never_written_to(catalog):
    with pytest.raises(InvalidRequest, match="belongs to the mirror"):
        await export_listings(url(catalog), catalog)


async def test_without_a_mirror_no_file_appears(tmp_path):
    with pytest.raises(ConfigurationError, match="there is no mirror"):
        await export_listings(f"sqlite:///{tmp_path}/none.db", tmp_path / "out.csv")

    assert list(tmp_path.iterdir()) == []


def test_a_file_of_codes_is_a_list_or_has_a_column_of_them(tmp_path):
    path = tmp_path / "codes"
    path.write_text(" A1 \n\nB2,ignored\n")
    assert read_codes(path) == {"A1", "B2"}
    path.write_text("handle,spu\nx,A1\n,B2\n")
    assert read_codes(path) == {"A1", "B2"}
    path.write_text("\n")
    with pytest.raises(InvalidRequest, match="there is no code in"):
        read_codes(path)


async def peak_of(path, products):
    """The most memory that Python held at once while so many products were written."""
    text = "A description of some length. " * 40
    fill(
        path,
        "INSERT INTO product (spu, description, seen_at, full_category_name) VALUES (?, ?, '2026-11-01 00:00:00', 'W')",
        ((f"P{n:06}", text) for n in range(products)),
    )
    fill(
        path,
        "INSERT INTO sku (sku, spu, price, stock, sku_status, option1, option2) VALUES (?, ?, '5.98', 9, 1, ?, ?)",
        (
            (f"P{n:06}_{m}", f"P{n:06}", f'{{"name":"color","value":"c{m}"}}', '{"name":"size","value":"M"}')
            for n in range(products)
            for m in range(2)
        ),
    )
    tracemalloc.start()
    try:
        report = await export_listings(url(path), Path("/dev/null"), price=RULE)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert report.products == products
    return peak


async def test_many_products_take_no_more_memory_than_few(mirror):
    few = await peak_of(mirror, 500)
    fill(mirror, "DELETE FROM sku", [()])
    fill(mirror, "DELETE FROM product", [()])
    many = await peak_of(mirror, 3000)

    assert many < 1.5 * few, f"{few / 1e6:.1f} MB for 500 products, {many / 1e6:.1f} MB for 3,000"


async def test_a_cancelled_export_leaves_the_file_as_it_was(catalog, tmp_path, monkeypatch):
    path = tmp_path / "out.csv"
    path.write_text("before")
    write = csv.DictWriter.writerow
    loop = asyncio.get_running_loop()

    def cancelled(writer, row):
        loop.call_soon_threadsafe(task.cancel)
        return write(writer, row)

    monkeypatch.setattr(csv.DictWriter, "writerow", cancelled)
    task = asyncio.create_task(export_listings(url(catalog), path))
    with pytest.raises(asyncio.CancelledError):
        await task

    assert path.read_text() == "before"
    assert not list(tmp_path.glob("*.part"))
    assert not list(tmp_path.glob(".*.part"))
