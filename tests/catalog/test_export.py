"""Files made of a mirror: whole or not there, exact, and harmless in a spreadsheet."""

from __future__ import annotations

import csv
import sys
from contextlib import closing
from decimal import Decimal
from sqlite3 import connect

import msgspec
import pyarrow.parquet as pq
import pytest

from kakaclo_async import ConfigurationError, InvalidRequest
from kakaclo_async.catalog import ExportFormat, export


@pytest.fixture
async def mirrored(shop, db, mirror_of):
    """A mirror in which one SKU has a telling price and one product a dangerous name."""
    sandbox, kk = shop
    await mirror_of(sandbox, kk).run()
    with closing(connect(db.path)) as connection:
        connection.execute("UPDATE sku SET price = '6.1600'")
        connection.execute(
            "UPDATE product SET product_name = '=HYPERLINK(\"http://x\")', description = '-1+1'"
        )
        connection.commit()
    return db


async def test_csv_holds_every_row_and_runs_no_formula(mirrored, tmp_path):
    count = await export(mirrored.url, "product", tmp_path / "product.csv")

    with (tmp_path / "product.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert count == len(rows) == 60
    assert {row["product_name"] for row in rows} == {'\'=HYPERLINK("http://x")'}
    assert {row["description"] for row in rows} == {"'-1+1"}
    assert all(row["update_time"].endswith("Z") for row in rows)
    assert [row["spu"] for row in rows] == sorted(row["spu"] for row in rows)


async def test_money_keeps_its_digits_in_csv_and_json(mirrored, tmp_path):
    await export(mirrored.url, "sku", tmp_path / "sku.csv")
    await export(mirrored.url, "sku", tmp_path / "sku.jsonl")

    with (tmp_path / "sku.csv").open(newline="", encoding="utf-8") as file:
        assert {row["price"] for row in csv.DictReader(file)} == {"6.1600"}
    lines = (tmp_path / "sku.jsonl").read_bytes().splitlines()
    decoded = [msgspec.json.Decoder(float_hook=Decimal).decode(line) for line in lines]
    assert {str(row["price"]) for row in decoded} == {"6.1600"}
    assert len(decoded) == mirrored.one("SELECT count(*) FROM sku")


async def test_parquet_has_typed_columns_and_exact_decimals(mirrored, tmp_path):
    count = await export(mirrored.url, "sku", tmp_path / "sku.parquet")

    table = pq.read_table(tmp_path / "sku.parquet")
    assert table.num_rows == count
    assert set(table.column("price").to_pylist()) == {Decimal("6.16")}
    products = await export(mirrored.url, "product", tmp_path / "p", format=ExportFormat.PARQUET)
    table = pq.read_table(tmp_path / "p")
    assert (table.num_rows, str(table.schema.field("update_time").type)) == (
        products,
        "timestamp[ms, tz=UTC]",
    )
    assert str(table.schema.field("retired").type) == "bool"


async def test_many_rows_come_in_batches(mirrored, tmp_path, monkeypatch):
    from kakaclo_async.catalog import export as function

    monkeypatch.setattr(sys.modules[function.__module__], "_BATCH", 7)

    assert await export(mirrored.url, "stock", tmp_path / "stock.jsonl") == mirrored.one(
        "SELECT count(*) FROM stock"
    )


@pytest.mark.parametrize(
    ("table", "name", "sentence"),
    [
        ("invoice", "a.csv", "table must be one of product, sku, stock, change"),
        ("sku", "a.xls", "format must be one of csv, jsonl, parquet, not 'xls'"),
    ],
)
async def test_an_unknown_table_or_format_is_refused(table, name, sentence, mirrored, tmp_path):
    with pytest.raises(InvalidRequest, match=sentence):
        await export(mirrored.url, table, tmp_path / name)


async def test_a_file_that_cannot_be_written_is_one_error(mirrored, tmp_path):
    with pytest.raises(ConfigurationError, match=r"nowhere/sku\.csv cannot be written"):
        await export(mirrored.url, "sku", tmp_path / "nowhere" / "sku.csv")


async def test_without_a_mirror_no_file_appears(tmp_path):
    with pytest.raises(ConfigurationError, match="there is no mirror"):
        await export(f"sqlite:///{tmp_path}/none.db", "sku", tmp_path / "sku.csv")

    assert list(tmp_path.iterdir()) == []


async def test_parquet_without_pyarrow_says_what_to_install(mirrored, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)

    with pytest.raises(ConfigurationError, match=r"pip install 'kakaclo\[export\]'"):
        await export(mirrored.url, "sku", tmp_path / "sku.parquet")
