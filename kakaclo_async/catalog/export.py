"""Write the tables of a mirror to files: CSV for people, JSON lines for programs, Parquet for analysts."""

from __future__ import annotations

import asyncio
import csv
import os
from datetime import UTC, datetime
from enum import StrEnum
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

import msgspec
from sqlalchemy import BigInteger, Boolean, Integer, select

from kakaclo_async.catalog import schema
from kakaclo_async.catalog.database import Database
from kakaclo_async.catalog.types import ExactDecimal, UtcTime
from kakaclo_async.errors import ConfigurationError, InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy import Column, Table

    from kakaclo_async.catalog.rows import Row

__all__ = ["EXPORTED", "ExportFormat", "export"]

EXPORTED: Final = {table.name: table for table in (schema.product, schema.sku, schema.stock, schema.change)}
"""The tables that can be exported, by their names."""

_BATCH = 1000

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes for the start of a formula."""

_DECIMAL_DIGITS: Final = (38, 10)


class ExportFormat(StrEnum):
    """A kind of file."""

    CSV = "csv"
    JSONL = "jsonl"
    PARQUET = "parquet"


class _Writer(Protocol):
    def write(self, rows: Sequence[Row]) -> None: ...

    def close(self) -> None: ...


async def export(
    url: str,
    table: str,
    path: str | Path,
    *,
    format: ExportFormat | str | None = None,  # noqa: A002 - its name on the command line
) -> int:
    """Write one table of a mirror to a file, row by row; the file appears when it is whole.

    Args:
        url: the mirror's database; it may be written to meanwhile.
        table: product, sku, stock or change.
        path: the file; one that exists is replaced.
        format: csv, jsonl or parquet (`pip install kakaclo[export]`); None: by the file's ending.

    Returns:
        The rows written.

    Raises:
        InvalidRequest: no such table or format.
        ConfigurationError: there is no mirror, or the file cannot be written.
    """
    if table not in EXPORTED:
        raise InvalidRequest(f"table must be one of {', '.join(EXPORTED)}, not {table!r}")
    path = Path(path)
    kind = format or path.suffix.removeprefix(".")
    if kind not in set(ExportFormat):
        raise InvalidRequest(f"format must be one of {', '.join(ExportFormat)}, not {kind!r}")
    source = EXPORTED[table]
    partial = path.with_name(f"{path.name}.part")
    count = 0
    try:
        writer = await asyncio.to_thread(_WRITERS[ExportFormat(kind)], partial, source)
        try:
            async with Database(url).reading() as connection:
                found = await connection.stream(select(source).order_by(*source.primary_key))
                async for batch in found.mappings().partitions(_BATCH):
                    await asyncio.to_thread(writer.write, [dict(row) for row in batch])
                    count += len(batch)
        finally:
            await asyncio.to_thread(writer.close)
        await asyncio.to_thread(os.replace, partial, path)
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be written: {error.strerror or error}") from error
    finally:
        await asyncio.to_thread(partial.unlink, missing_ok=True)
    return count


class _Csv:
    def __init__(self, path: Path, table: Table) -> None:
        self._file = path.open("w", newline="", encoding="utf-8")
        self._writer = csv.DictWriter(self._file, [column.name for column in table.c])
        self._writer.writeheader()

    def write(self, rows: Sequence[Row]) -> None:
        self._writer.writerows({name: _cell(value) for name, value in row.items()} for row in rows)

    def close(self) -> None:
        self._file.close()


def _cell(value: object) -> object:
    if isinstance(value, datetime):
        return _iso(value)
    # A quote in front makes text of it; figures are never text here, so a minus sign stays one.
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


class _JsonLines:
    def __init__(self, path: Path, _: Table) -> None:
        self._file = path.open("wb")
        self._encode = msgspec.json.Encoder(decimal_format="number").encode_lines

    def write(self, rows: Sequence[Row]) -> None:
        self._file.write(self._encode(rows))

    def close(self) -> None:
        self._file.close()


class _Parquet:
    def __init__(self, path: Path, table: Table) -> None:
        try:
            # An extra that the other formats do without, and that publishes no types.
            arrow: Any = import_module("pyarrow")
            parquet: Any = import_module("pyarrow.parquet")
        except ImportError:
            raise ConfigurationError("Parquet needs pyarrow: pip install kakaclo[export]") from None
        self._make = arrow.RecordBatch.from_pylist
        self._schema = arrow.schema([(column.name, _arrow_type(column, arrow)) for column in table.c])
        self._writer = parquet.ParquetWriter(path, self._schema)

    def write(self, rows: Sequence[Row]) -> None:
        self._writer.write_batch(self._make(rows, schema=self._schema))

    def close(self) -> None:
        self._writer.close()


def _arrow_type(column: Column[Any], arrow: Any) -> object:
    if isinstance(column.type, ExactDecimal):
        return arrow.decimal128(*_DECIMAL_DIGITS)
    if isinstance(column.type, UtcTime):
        return arrow.timestamp("s", tz="UTC")
    if isinstance(column.type, Boolean):
        return arrow.bool_()
    return arrow.int64() if isinstance(column.type, (Integer, BigInteger)) else arrow.string()


def _iso(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


_WRITERS: Final[dict[ExportFormat, Callable[[Path, Table], _Writer]]] = {
    ExportFormat.CSV: _Csv,
    ExportFormat.JSONL: _JsonLines,
    ExportFormat.PARQUET: _Parquet,
}
