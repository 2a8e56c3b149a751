"""Files made of a mirror: whole or not there, exact, and harmless in a spreadsheet."""

from __future__ import annotations

import asyncio
import csv
import errno
import io
import sys
from contextlib import closing
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from sqlite3 import Row, connect

import msgspec
import pyarrow.parquet as pq
import pytest
from support.postgresql import needs_postgresql

from kakaclo_async import ConfigurationError, InvalidRequest
from kakaclo_async.catalog import ExportFormat, export
from kakaclo_async.catalog.export import not_run


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


FORMULAS = [
    *("=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "\tx"),
    *("  =1", "\u00a0=1", "\ufeff=1", "\uff1d1", " \u200b-1"),
]
TEXTS = ["plain", "a=b", "1-2", "\u4e49\u4e4c =", 'quoted, "well"', "two\nlines", "'=1"]


async def test_no_cell_that_a_spreadsheet_would_run_is_left_and_others_stay_as_they_are(mirrored, tmp_path):
    with closing(connect(mirrored.path)) as connection:
        spus = [spu for (spu,) in connection.execute("SELECT spu FROM product ORDER BY spu")]
        names = dict(zip(spus, [*FORMULAS, *TEXTS], strict=False))
        connection.executemany(
            "UPDATE product SET product_name = ? WHERE spu = ?", [(name, spu) for spu, name in names.items()]
        )
        connection.commit()

    await export(mirrored.url, "product", tmp_path / "product.csv")

    with (tmp_path / "product.csv").open(newline="", encoding="utf-8") as file:
        exported = {row["spu"]: row["product_name"] for row in csv.DictReader(file)}
    assert [exported[spu] for spu in names] == [*(f"'{text}" for text in FORMULAS), *TEXTS]


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


async def test_a_price_that_parquet_cannot_hold_exactly_is_one_error_and_no_file(mirrored, tmp_path):
    with closing(connect(mirrored.path)) as connection:
        connection.execute("UPDATE sku SET price = '0.123456789012345'")
        connection.commit()

    with pytest.raises(
        ConfigurationError, match="a row of sku does not fit into Parquet, CSV and JSON lines hold"
    ):
        await export(mirrored.url, "sku", tmp_path / "sku.parquet")
    await export(mirrored.url, "sku", tmp_path / "sku.csv")

    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".csv", ".db", ".lock"]
    assert "0.123456789012345" in (tmp_path / "sku.csv").read_text()


async def test_a_stream_is_written_and_stays_open(mirrored):
    stream = io.BytesIO()

    count = await export(mirrored.url, "stock", stream, format="csv")

    assert len(stream.getvalue().splitlines()) == count + 1


@pytest.fixture(params=["with pyarrow", "without"])
def maybe_arrow(request, monkeypatch):
    """CSV is written by one of two writers."""
    if request.param == "without":
        monkeypatch.setitem(sys.modules, "pyarrow", None)


@pytest.fixture
def files_write(monkeypatch):
    """Lets something happen before each write to a new file."""
    opened = Path.open

    class Watched(io.FileIO):
        def write(self, data):
            self.before()
            return super().write(data)

    def watch(before):
        Watched.before = staticmethod(before)
        monkeypatch.setattr(
            Path,
            "open",
            lambda path, mode="r", **how: (
                io.BufferedWriter(Watched(path, mode)) if mode == "xb" else opened(path, mode, **how)
            ),
        )

    return watch


async def test_a_full_disk_is_the_files_fault_and_leaves_nothing(
    maybe_arrow, mirrored, tmp_path, files_write
):
    def full():
        raise OSError(errno.ENOSPC, "No space left on device")

    (tmp_path / "sku.csv").write_text("before")
    files_write(full)

    with pytest.raises(ConfigurationError, match=r"sku\.csv cannot be written: No space left on device"):
        await export(mirrored.url, "sku", tmp_path / "sku.csv")

    assert (tmp_path / "sku.csv").read_bytes() == b"before"
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".csv", ".db", ".lock"]


async def test_a_cancelled_export_leaves_nothing(maybe_arrow, mirrored, tmp_path, files_write):
    loop = asyncio.get_running_loop()
    files_write(lambda: loop.call_soon_threadsafe(task.cancel))
    task = asyncio.create_task(export(mirrored.url, "sku", tmp_path / "sku.csv"))

    with pytest.raises(asyncio.CancelledError):
        await task

    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".db", ".lock"]


TEXT_COLUMNS = ["sku", "spu", "sku_name", "main_img", "option1", "option2", "option3", "material"]
ODD = [*FORMULAS, *TEXTS, "", None, '"', '""', ",", "a\0b", "\0=1", "\x0b@", "\u3000+", "\x85=", "a\rb", "-"]


async def test_either_writer_of_csv_writes_what_pythons_own_does_of_each_value(
    maybe_arrow, mirrored, tmp_path
):
    with closing(connect(mirrored.path)) as connection:
        skus = [sku for (sku,) in connection.execute("SELECT sku FROM sku ORDER BY sku")]
        values = list(zip(skus, ODD, ["-1.50", None, "0.0000"] * len(ODD), strict=False))
        connection.executemany(
            "UPDATE sku SET sku_name = ?2, price = ?3, stock = length(?3), gone_since = ?4 WHERE sku = ?1",
            [(*row, "0001-01-01 00:00:00" if row[2] else None) for row in values],
        )
        connection.execute("UPDATE sku SET retired = 1 WHERE stock = 5")
        connection.commit()
        connection.row_factory = Row
        rows = [dict(row) for row in connection.execute("SELECT * FROM sku ORDER BY sku")]

    await export(mirrored.url, "sku", tmp_path / "sku.csv")

    wanted = io.StringIO(newline="")
    writer = csv.DictWriter(wanted, rows[0])
    writer.writeheader()
    for row in rows:
        texts = {name: not_run(row[name]) for name in TEXT_COLUMNS if row[name] is not None}
        gone = row["gone_since"] and f"{datetime(1, 1, 1, tzinfo=UTC):%Y-%m-%dT%H:%M:%SZ}"
        writer.writerow(row | texts | {"retired": ["false", "true"][row["retired"]], "gone_since": gone})
    assert len(values) == len(ODD)
    assert (tmp_path / "sku.csv").read_bytes() == wanted.getvalue().encode()


async def test_a_folder_is_no_file(mirrored, tmp_path):
    (tmp_path / "sku.csv").mkdir()

    with pytest.raises(ConfigurationError, match="is a folder, not a file"):
        await export(mirrored.url, "sku", tmp_path / "sku.csv")


@needs_postgresql()
async def test_an_export_of_postgresql_is_that_of_sqlite(shop, mirror_of, db, pg, tmp_path):
    sandbox, kk = shop
    for number, url in enumerate((db.url, pg.url)):
        await mirror_of(sandbox, kk, url).run()
        for table in ("sku", "stock"):
            await export(url, table, tmp_path / f"{table}{number}.csv")

    def lines(name):  # each database has its own alphabet
        return sorted((tmp_path / name).read_text().splitlines())

    assert lines("sku0.csv") == lines("sku1.csv")
    without_time = [[line.rpartition(",")[0] for line in lines(f"stock{number}.csv")] for number in (0, 1)]
    assert without_time[0] == without_time[1]


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


FILL = """
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
    INSERT INTO sku (sku, spu, sku_name, main_img, price, cost, stock, option1, option2, sku_status)
    SELECT 'SKU' || i, 'P', 'A name of some length, as they have', 'https://img.example/' || i || '.jpg',
        '6.1600', '4.2500', i % 50, '{"name":"color","value":"Black"}', '{"name":"size","value":"XL"}', 1
    FROM n
"""
EXPORT = """
import asyncio, re, sys
from pathlib import Path
from kakaclo_async.catalog import export
count = asyncio.run(export(sys.argv[1], "sku", sys.argv[2]))
# Not ru_maxrss, which a process inherits from the one that started it.
print(count, re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
"""


async def peak_of_an_export(mirror_of, shop, tmp_path, ending, rows):
    sandbox, kk = shop
    path = tmp_path / f"{rows}.db"
    async with mirror_of(sandbox, kk, f"sqlite:///{path}"):
        pass
    with closing(connect(path)) as connection:
        connection.execute("INSERT INTO product (spu, seen_at) VALUES ('P', '2024-01-01 00:00:00')")
        connection.execute(FILL, [rows])
        connection.commit()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", EXPORT, f"sqlite:///{path}", str(tmp_path / f"{rows}.{ending}"),
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    written, kilobytes = map(int, (await process.communicate())[0].split())
    assert written == rows
    return kilobytes / 1024


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="no /proc")
@pytest.mark.parametrize(("ending", "megabytes"), [("csv", 15), ("jsonl", 15), ("parquet", 60)])
async def test_an_export_of_100_000_skus_takes_little_more_memory_than_one_of_1_000(
    ending, megabytes, mirror_of, shop, tmp_path
):
    small = await peak_of_an_export(mirror_of, shop, tmp_path, ending, 1_000)
    large = await peak_of_an_export(mirror_of, shop, tmp_path, ending, 100_000)

    assert large - small < megabytes, f"{small:.0f} MB for 1,000 rows, {large:.0f} MB for 100,000"
