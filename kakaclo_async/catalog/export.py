"""Write the tables of a mirror to files: CSV for people, JSON lines for programs, Parquet for analysts."""

from __future__ import annotations

import csv
import io
import os
import re
from contextlib import aclosing, contextmanager
from enum import StrEnum
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final, Literal, TypeAlias, TypeVar
from uuid import uuid4

import msgspec
from sqlalchemy import Boolean, Integer, String, select

from kakaclo_async.catalog import schema
from kakaclo_async.catalog.database import MirrorDatabase
from kakaclo_async.catalog.held import as_held
from kakaclo_async.catalog.rows import AnyCode, ExactDecimal, UtcTime, as_utc
from kakaclo_async.database import in_thread
from kakaclo_async.database.lock import is_file_of
from kakaclo_async.database.url import DatabaseUrl
from kakaclo_async.errors import ConfigurationError, InvalidRequest, MissingExtra

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from sqlalchemy import Column, Table


T = TypeVar("T")

EXPORTED: Final = {table.name: table for table in (schema.product, schema.sku, schema.stock, schema.change)}
"""The tables that can be exported, by their names."""

_BATCH = 2000
"""Rows in memory at a time."""

_ROW_GROUP = 10
"""Batches in a row group of Parquet: small ones make large, slow files."""

_FORMULA: Final = re.compile(r"[\t\r\n]|[\s\0\u200b\ufeff]*[=+\-@\uff1d\uff0b\uff0d\uff20]")
"""What a spreadsheet takes for the start of a formula, also behind blanks and in full width."""
_MAY_RUN: Final = re.compile(r"[\s\0\u200b\ufeff=+\-@\uff1d\uff0b\uff0d\uff20]")
"""How such a text begins."""


class ExportFormat(StrEnum):
    """A kind of file."""

    CSV = "csv"
    JSONL = "jsonl"
    PARQUET = "parquet"


_Make: TypeAlias = "Callable[[Any], Any]"
_Write: TypeAlias = "Callable[[Sequence[Sequence[Any]]], object]"
_Writer: TypeAlias = "AbstractContextManager[_Write]"
"""Gives a function that writes rows as they are held; at its end all of them are in the file, which stays open."""


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
            found = select(*as_held(schema.columns(source, version))).order_by(*source.primary_key)
            async with aclosing(connection.batches(found, _BATCH)) as batches:
                async for batch in batches:
                    await in_thread(write, batch)
                    count += len(batch)
        finally:
            await in_thread(writer.__exit__, None, None, None)
    return count


@contextmanager
def _csv(file: BinaryIO, table: Table) -> Generator[_Write]:
    text = io.TextIOWrapper(file, encoding="utf-8", newline="")
    writer = csv.writer(text)
    writer.writerow(column.name for column in table.c)
    makers = [_made(column, _CELLS) for column in table.c]
    try:
        lines = _ArrowLines(makers)
    except ImportError:
        yield lambda rows: writer.writerows(zip(*_columns(rows, makers), strict=True))
    else:
        text.flush()
        yield lambda rows: file.write(lines(rows))
    text.detach()  # and flush


class _ArrowLines:
    """Writes CSV as Python's own writer does, a column at a time, in a quarter of its time."""

    def __init__(self, makers: Sequence[_Make | None]) -> None:
        self._makers, self._early = makers, [None if make in {not_run, str} else make for make in makers]
        self._arrow: Any = import_module("pyarrow")
        self._compute: Any = import_module("pyarrow.compute")

    def __call__(self, rows: Sequence[Sequence[Any]]) -> Any:
        columns = map(self._column, _columns(rows, self._early), self._makers)
        join: Any = self._compute.binary_join_element_wise
        lines = join(join(*columns, ",", null_handling="replace"), "", "\r\n")
        return lines.buffers()[2]

    def _column(self, values: Sequence[Any], make: _Make | None) -> Any:
        arrow, string = self._arrow, self._arrow.string()
        if make is str:
            return arrow.array(values, arrow.int64()).cast(string)
        cells = arrow.array(values, string)
        if make is not not_run:
            return cells
        found = cells.dictionary_encode()  # for many columns repeat a few texts
        texts = made = found.dictionary
        firsts = self._compute.unique(self._compute.utf8_slice_codeunits(texts, 0, 1))
        if any(map(_MAY_RUN.match, firsts.to_pylist())):
            made = arrow.array(map(not_run, texts.to_pylist()), string)
        made = self._quoted(made)
        return cells if made is texts else made.take(found.indices)

    def _quoted(self, texts: Any) -> Any:
        compute, data = self._compute, texts.buffers()[2]
        held = b"" if data is None else data.to_pybytes()
        if not any(mark in held for mark in (b'"', b",", b"\r", b"\n")):
            return texts
        doubled = compute.replace_substring(texts, '"', '""')
        quoted = compute.binary_join_element_wise('"', doubled, '"', "")
        return compute.if_else(compute.match_substring_regex(texts, '[",\r\n]'), quoted, texts)


def _columns(rows: Sequence[Sequence[Any]], makers: Sequence[_Make | None]) -> list[Sequence[Any]]:
    """Turn rows into columns, whose values are made anew where something makes them."""
    pairs = zip(zip(*rows, strict=True), makers, strict=True)
    return [
        values if make is None else [None if value is None else make(value) for value in values]
        for values, make in pairs
    ]


def _made(column: Column[Any], by_type: Mapping[type, T]) -> T | None:
    """Return what belongs to a column's type."""
    return next((found for kind, found in by_type.items() if isinstance(column.type, kind)), None)


@lru_cache(maxsize=1024)
def _time_cell(held: object) -> str:
    return f"{as_utc(held):%Y-%m-%dT%H:%M:%SZ}"


def not_run(text: str) -> str:
    """Return a text that a spreadsheet takes for text: a quote in front keeps it from running a formula."""
    return f"'{text}" if _FORMULA.match(text) else text


@contextmanager
def _json_lines(file: BinaryIO, table: Table) -> Generator[_Write]:
    names = [column.name for column in table.c]
    makers = [_made(column, _JSON) for column in table.c]
    encode = msgspec.json.Encoder().encode_lines

    def write(rows: Sequence[Sequence[Any]]) -> None:
        made = zip(*_columns(rows, makers), strict=True)
        file.write(encode([dict(zip(names, row, strict=True)) for row in made]))

    yield write
    file.flush()


@contextmanager
def _parquet(file: BinaryIO, table: Table) -> Generator[_Write]:
    try:
        # An extra that the other formats do without, and that publishes no types.
        arrow: Any = import_module("pyarrow")
        parquet: Any = import_module("pyarrow.parquet")
    except ImportError:
        raise MissingExtra("Parquet needs pyarrow: pip install 'kakaclo[export]'") from None
    kinds: dict[type, Any] = {
        ExactDecimal: arrow.decimal128(38, 10),
        UtcTime: arrow.timestamp("s", tz="UTC"),
        Boolean: arrow.bool_(),
        Integer: arrow.int64(),
    }
    columns = arrow.schema([(column.name, _made(column, kinds) or arrow.string()) for column in table.c])
    makers = [_made(column, _TYPED) for column in table.c]
    waiting: list[object] = []

    def array(values: Sequence[Any], kind: Any) -> Any:
        if not arrow.types.is_decimal(kind):
            return arrow.array(values, kind)
        found = arrow.array(
            values, arrow.string()
        ).dictionary_encode()  # to read a text as a number takes long
        return found.dictionary.cast(kind).take(found.indices)

    def write(rows: Sequence[Sequence[Any]]) -> None:
        try:
            arrays = list(map(array, _columns(rows, makers), columns.types))
            waiting.append(arrow.RecordBatch.from_arrays(arrays, schema=columns))
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


_CELLS: Final[dict[type, _Make]] = {
    String: not_run,  # figures are never text here, so a minus sign stays one
    AnyCode: not_run,
    UtcTime: _time_cell,
    Boolean: {False: "false", True: "true"}.__getitem__,
    Integer: str,
}
_TYPED: Final[dict[type, _Make]] = {UtcTime: as_utc, Boolean: bool}
_JSON: Final[dict[type, _Make]] = {ExactDecimal: msgspec.Raw, **_TYPED}

_WRITERS: Final[dict[ExportFormat, Callable[[BinaryIO, Table], _Writer]]] = {
    ExportFormat.CSV: _csv,
    ExportFormat.JSONL: _json_lines,
    ExportFormat.PARQUET: _parquet,
}
