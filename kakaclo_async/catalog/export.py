"""Write the tables of a mirror to files: CSV for people, JSON lines for programs, Parquet for analysts."""

from __future__ import annotations

import csv
import io
import os
import re
from contextlib import aclosing, contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final, Literal, TypeAlias, TypeVar
from uuid import uuid4

import msgspec
from sqlalchemy import BigInteger, Boolean, Integer, select

from kakaclo_async.catalog import schema
from kakaclo_async.catalog.database import MirrorDatabase
from kakaclo_async.catalog.rows import ExactDecimal, UtcTime
from kakaclo_async.database import in_thread
from kakaclo_async.database.lock import is_file_of
from kakaclo_async.database.url import DatabaseUrl
from kakaclo_async.errors import ConfigurationError, InvalidRequest, MissingExtra

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator, Sequence
    from contextlib import AbstractContextManager

    from sqlalchemy import Column, Table

    from kakaclo_async.catalog.rows import Row


T = TypeVar("T")

EXPORTED: Final = {table.name: table for table in (schema.product, schema.sku, schema.stock, schema.change)}
"""The tables that can be exported, by their names."""

_BATCH = 1000
"""Rows in memory at a time."""

_ROW_GROUP = 20
"""Batches in a row group of Parquet: small ones make large, slow files."""

_FORMULA: Final = re.compile(r"[\t\r\n]|[\s\0\u200b\ufeff]*[=+\-@\uff1d\uff0b\uff0d\uff20]")
"""What a spreadsheet takes for the start of a formula, also behind blanks and in full width."""

_DECIMAL_DIGITS: Final = (38, 10)


class ExportFormat(StrEnum):
    """A kind of file."""

    CSV = "csv"
    JSONL = "jsonl"
    PARQUET = "parquet"


_Writer: TypeAlias = "AbstractContextManager[Callable[[Sequence[Row]], object]]"
"""Gives a function that writes rows; at its end all of them are in the file, which stays open."""


async def export(
    url: str,
    table: str,
    path: str | Path | BinaryIO,
    *,
    format: ExportFormat | str | None = None,  # noqa: A002 - its name on the command line
) -> int:
    """Write one table of a mirror to a file, row by row; the file appears when it is whole.

    Args:
        url: the mirror's database; it may be written to meanwhile.
        table: product, sku, stock or change.
        path: the file, one that exists is replaced; or a binary stream, which stays open.
        format: csv, jsonl or parquet (`pip install 'kakaclo[export]'`); None: by the file's ending.

    Returns:
        The rows written.

    Raises:
        InvalidRequest: no such table or format, or the file is the mirror's own.
        ConfigurationError: there is no mirror, or the file cannot be written.
    """
    if table not in EXPORTED:
        raise InvalidRequest(f"table must be one of {', '.join(EXPORTED)}, not {table!r}")
    kind = format or (Path(path).suffix.removeprefix(".").lower() if isinstance(path, (str, Path)) else "")
    if kind not in set(ExportFormat):
        raise InvalidRequest(f"format must be one of {', '.join(ExportFormat)}, not {kind!r}")
    make = _WRITERS[ExportFormat(kind)]
    return await into_file(path, lambda file: _copy(url, EXPORTED[table], file, make), mirror=url)


async def into_file(
    path: str | Path | BinaryIO, copy: Callable[[BinaryIO], Awaitable[T]], *, mirror: str | None = None
) -> T:
    """Let `copy` write a file that appears, or replaces the one that exists, when it is whole.

    Args:
        path: the file; a pipe or a device is written to as it is, a binary stream too, and stays open.
        copy: writes the bytes.
        mirror: the URL of a mirror whose own files are refused.

    Returns:
        What `copy` returns.

    Raises:
        InvalidRequest: the file is the mirror's own.
        ConfigurationError: the file cannot be written.
    """
    if not isinstance(path, (str, Path)):
        return await copy(path)
    target = Path(path)
    try:
        file, replaces = await in_thread(_place, target, mirror)
        if not replaces:
            return await _fill(file, "wb", copy)
        partial = file.with_name(f".{file.name}.{uuid4().hex}.part")
        try:
            written = await _fill(partial, "xb", copy)
            await in_thread(partial.replace, file)
        finally:
            await in_thread(partial.unlink, True)  # missing is fine
    except OSError as error:
        raise ConfigurationError(f"{target} cannot be written: {error.strerror or error}") from error
    return written


def _place(target: Path, mirror: str | None) -> tuple[Path, bool]:
    """Return the file to write, and whether it is replaced as a whole."""
    where = None if mirror is None else DatabaseUrl.parse(mirror, holds="mirror", example="catalog.db")
    if target.is_dir():
        raise ConfigurationError(f"{target} is a folder, not a file")
    if where is not None and where.is_sqlite and is_file_of(where.path(), target):
        raise InvalidRequest(f"{target} belongs to the mirror {where} itself: export to another file")
    if target.exists() and not target.is_file():  # a pipe or a device takes the rows, and is not replaced
        return target, False
    return target.resolve(), True  # a link stays one


async def _fill(path: Path, mode: Literal["wb", "xb"], copy: Callable[[BinaryIO], Awaitable[T]]) -> T:
    files: list[BinaryIO] = []  # known at once, should the wait for it be cancelled
    try:
        await in_thread(lambda: files.append(path.open(mode)))
        written = await copy(files[0])
        if mode == "xb":
            await in_thread(os.fsync, files[0].fileno())
    finally:
        for file in files:
            await in_thread(file.close)
    return written


async def _copy(url: str, source: Table, file: BinaryIO, make: Callable[[BinaryIO, Table], _Writer]) -> int:
    count = 0
    async with MirrorDatabase(url).reading() as connection:
        # Each step in a thread ends before a cancellation goes on: a file must not be closed under its writer.
        writer = make(file, source)
        try:
            write = await in_thread(writer.__enter__)
            version = await connection.run_sync(schema.MIGRATIONS.check_version)
            found = select(*schema.columns(source, version)).order_by(*source.primary_key)
            rows = connection.batches(found, _BATCH)
            async with aclosing(rows) as batches:
                async for batch in batches:
                    await in_thread(write, batch)
                    count += len(batch)
        finally:
            await in_thread(writer.__exit__, None, None, None)
    return count


@contextmanager
def _csv(file: BinaryIO, table: Table) -> Generator[Callable[[Sequence[Row]], object]]:
    text = io.TextIOWrapper(file, encoding="utf-8", newline="")
    writer = csv.DictWriter(text, [column.name for column in table.c])
    writer.writeheader()
    yield lambda rows: writer.writerows({name: _cell(value) for name, value in row.items()} for row in rows)
    text.detach()  # and flush


def _cell(value: object) -> object:
    match value:
        case datetime():
            return f"{value.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
        case Decimal():
            return format(value, "f")
        case bool():
            return "true" if value else "false"
        case str():  # figures are never text here, so a minus sign stays one
            return not_run(value)
        case _:
            return value


def not_run(text: str) -> str:
    """Return a text that a spreadsheet takes for text: a quote in front keeps it from running a formula."""
    return f"'{text}" if _FORMULA.match(text) else text


@contextmanager
def _json_lines(file: BinaryIO, _: Table) -> Generator[Callable[[Sequence[Row]], object]]:
    encode = msgspec.json.Encoder(decimal_format="number").encode_lines
    yield lambda rows: file.write(encode(rows))
    file.flush()


@contextmanager
def _parquet(file: BinaryIO, table: Table) -> Generator[Callable[[Sequence[Row]], object]]:
    try:
        # An extra that the other formats do without, and that publishes no types.
        arrow: Any = import_module("pyarrow")
        parquet: Any = import_module("pyarrow.parquet")
    except ImportError:
        raise MissingExtra("Parquet needs pyarrow: pip install 'kakaclo[export]'") from None
    columns = arrow.schema([(column.name, _arrow_type(column, arrow)) for column in table.c])
    waiting: list[object] = []

    def write(rows: Sequence[Row]) -> None:
        try:
            waiting.append(arrow.RecordBatch.from_pylist(rows, schema=columns))
        except arrow.ArrowException as error:
            raise ConfigurationError(
                f"a row of {table.name} does not fit into Parquet, CSV and JSON lines hold it: {error}"
            ) from None
        if len(waiting) == _ROW_GROUP:
            flush()

    def flush() -> None:
        if waiting:
            writer.write_table(arrow.Table.from_batches(waiting))
            waiting.clear()

    with parquet.ParquetWriter(file, columns) as writer:
        yield write
        flush()


def _arrow_type(column: Column[Any], arrow: Any) -> object:
    if isinstance(column.type, ExactDecimal):
        return arrow.decimal128(*_DECIMAL_DIGITS)
    if isinstance(column.type, UtcTime):
        return arrow.timestamp("s", tz="UTC")
    if isinstance(column.type, Boolean):
        return arrow.bool_()
    return arrow.int64() if isinstance(column.type, (Integer, BigInteger)) else arrow.string()


_WRITERS: Final[dict[ExportFormat, Callable[[BinaryIO, Table], _Writer]]] = {
    ExportFormat.CSV: _csv,
    ExportFormat.JSONL: _json_lines,
    ExportFormat.PARQUET: _parquet,
}
