"""What a command prints: tables for people, plain text for pipes, JSON for machines."""

from __future__ import annotations

import csv
import io
import json
import os
import sys
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from io import FileIO
from itertools import count
from typing import TYPE_CHECKING, Final, Self

import attrs
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from kakaclo_async.codec import to_json
from kakaclo_async.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path
    from typing import TextIO

    from kakaclo_async.errors import KakaCloError


def _rows(rows: Iterable[Iterable[object]]) -> tuple[tuple[object, ...], ...]:
    return tuple(tuple(row) for row in rows)


@attrs.frozen
class Table:
    """Rows under headings.

    Attributes:
        columns: the headings.
        rows: a value for each column; numbers are aligned to the right.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[object, ...], ...] = attrs.field(converter=_rows)


@attrs.frozen(kw_only=True)
class Result:
    """What a command found out.

    Attributes:
        data: what `--json` prints; models, mappings, sequences and plain values.
        tables: the same for people.
        errors: what could not be found out; the first one makes the exit code.
        done: what was changed at KakaClo, in sentences: they go to stderr when stdout takes nothing.
    """

    data: object
    tables: tuple[Table, ...]
    errors: tuple[KakaCloError, ...] = ()
    done: tuple[str, ...] = ()


def show(result: Result, *, as_json: bool) -> None:
    """Print a result to stdout."""
    if as_json:
        sys.stdout.write(json.dumps(to_json(result.data), indent=2, ensure_ascii=False) + "\n")
    else:
        print_tables(result.tables)
    sys.stdout.flush()  # raises here, where it is handled, if the reader has closed the pipe


def drop_stdout() -> None:
    """Let what is left for a stdout that cannot be written go nowhere: at its end Python would try it once more."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def print_tables(tables: Iterable[Table]) -> None:
    """Print tables to stdout, an empty line between two."""
    for place, table in enumerate(tables):
        if place:
            sys.stdout.write("\n")
        print_table(table, sys.stdout)


def print_table(table: Table, stream: TextIO) -> None:
    """Print a table: with lines and colours on a terminal, else as aligned text that is never cut."""
    if is_terminal(stream):
        console(stream).print(_rich(table))
    else:
        stream.write(_aligned(table))


def is_terminal(stream: TextIO) -> bool:
    """Whether a stream is a terminal that understands control codes."""
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def console(stream: TextIO) -> Console:
    """Return a rich console on a terminal; NO_COLOR leaves out every style."""
    return Console(file=stream, color_system=None if os.environ.get("NO_COLOR") else "auto", highlight=False)


def _rich(table: Table) -> RichTable:
    drawn = RichTable(header_style="bold cyan")
    for column, right in zip(table.columns, _right(table), strict=True):
        drawn.add_column(Text(column), justify="right" if right else "left", overflow="fold")
    for row in table.rows:
        drawn.add_row(*(Text(cell(value)) for value in row))
    return drawn


def _aligned(table: Table) -> str:
    """Return a table as text: columns with two blanks between them, no line cut."""
    lines = [table.columns, *(tuple(cell(value) for value in row) for row in table.rows)]
    widths = [max(map(cell_len, column)) for column in zip(*lines, strict=True)]
    right = _right(table)
    text = ""
    for line in lines:
        padded = (
            " " * (width - cell_len(part)) + part if to_the_right else part + " " * (width - cell_len(part))
            for part, width, to_the_right in zip(line, widths, right, strict=True)
        )
        text += "  ".join(padded).rstrip() + "\n"
    return text


def _right(table: Table) -> list[bool]:
    columns = zip(*table.rows, strict=True) if table.rows else ((),) * len(table.columns)
    found = [[value for value in column if value is not None] for column in columns]
    return [bool(values) and all(map(_is_number, values)) for values in found]


def _is_number(value: object) -> bool:
    return isinstance(value, int | Decimal) and not isinstance(value, bool | Enum)


def cell(value: object) -> str:
    """Return how a table shows a value: exact, on one line, harmless to a terminal; "-" for no value."""
    match value:
        case None | "":
            return "-"
        case bool():
            return "yes" if value else "no"
        case Enum():
            return one_line(_member(value))
        case Decimal():
            return format(value, "f")
        case datetime():
            return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ")
        case _:
            return one_line(str(value))


def _member(value: Enum) -> str:
    if isinstance(value, str):
        return value
    name = value.name.lower().replace("_", " ")
    return name if name != "unknown" else f"unknown {value.value}"


def one_line(text: str) -> str:
    """Return `text` on one line; what could steer a terminal becomes a blank."""
    return " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())


@attrs.frozen(kw_only=True)
class ResultLine:
    """What became of one order.

    Attributes:
        order_id: the first number that KakaClo gave it.
        order_ids: all of them, as far as they are known.
    """

    custom_order_id: str
    result: str
    order_id: str | None = None
    reason: str | None = None
    order_ids: tuple[str, ...] = ()


_ADDED: Final = ("custom_order_id", "result", "order_id", "reason")


class ResultFile:
    """A copy of a file of orders, with the result of each row beside it.

    It is a new file, never one that is there: `orders.results.2.csv` after `orders.results.csv`. Rows are on disk as
    soon as their result is known, and stand in the order of the orders' file once all are.

    Args:
        path: what it is called if nothing is called so yet.
        header: the columns of the orders' file.
        rows: its rows, by their lines.

    Attributes:
        path: where it is in the end; the older one, where that says the very same.
        trouble: why it takes no more results; None while it does. Placing orders goes on without it: the journal knows
            what was placed.
    """

    def __init__(self, path: Path, header: Sequence[str], rows: Mapping[int, Sequence[str]]) -> None:
        self.path = path
        self.trouble: str | None = None
        taken = {name.strip().casefold() for name in header}
        self._header = (*header, *(f"kakaclo_{name}" if name in taken else name for name in _ADDED))
        self._width = len(header)
        self._rows = rows
        self._written: dict[int, list[str]] = {}
        self._older: Path | None = None
        self._file: FileIO | None = None
        self._whole = 0

    def __enter__(self) -> Self:
        try:
            self.path, self._file = self._claim(self.path)
            self._append(self._header)
        except OSError as error:
            self._drop()
            raise InvalidRequest(f"{self.path} cannot be written: {error.strerror}") from None
        return self

    def _claim(self, wanted: Path) -> tuple[Path, FileIO]:
        for number in count(1):
            path = wanted if number == 1 else wanted.with_name(f"{wanted.stem}.{number}{wanted.suffix}")
            try:  # for its owner only: it holds addresses
                return path, FileIO(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w")
            except FileExistsError as error:
                if not path.is_file():
                    raise OSError(error.errno, "it is there, and no file") from None
                self._older = path
        raise AssertionError  # numbers do not end

    def write(self, lines: Iterable[int], result: ResultLine) -> None:
        """Add what became of the rows that begin at some lines, unless there was trouble."""
        numbers = " ".join(result.order_ids) or result.order_id or ""
        added = [result.custom_order_id, result.result, numbers, result.reason or ""]
        for line in lines:
            self._written[line] = self._row(line, added)
            if self.trouble is None:
                try:
                    self._append(self._written[line])
                except OSError as error:
                    self.trouble = error.strerror or str(error)

    def _row(self, line: int, added: Sequence[str]) -> list[str]:
        cells = list(self._rows[line])
        if len(cells) > self._width:  # what is added must stand below its headings
            cells[self._width - 1 :] = [",".join(cells[self._width - 1 :])]
        return [*cells, *[""] * (self._width - len(cells)), *added]

    def _append(self, row: Iterable[object]) -> None:
        file, rest = self._file, _csv_lines([row])
        if file is None:
            return
        whole = self._whole + len(rest)
        try:
            while rest:
                rest = rest[file.write(rest) :]
        except OSError:
            with suppress(OSError):  # what it has of this row would look like another result
                file.truncate(self._whole)
                file.seek(self._whole)
            raise
        self._whole = whole

    def _finish(self) -> None:
        """Put the rows into the order of the orders' file, at once; drop it where the older one says the same."""
        for line in self._rows:
            self._written.setdefault(line, self._row(line, [""] * len(_ADDED)))
        data = _csv_lines([self._header, *(self._written[line] for line in sorted(self._written))])
        if self._older is not None and self._older.is_file() and self._older.read_bytes() == data:
            self.path.unlink()
            self.path = self._older
            return
        beside = self.path.with_name(f".{self.path.name}.new")
        with FileIO(os.open(beside, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "w") as file:
            while data:
                data = data[file.write(data) :]
        beside.replace(self.path)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None and not self._written:
            self._drop()
            return
        if self._file is not None:
            self._file.close()
        if kind is None and self.trouble is None:
            try:
                self._finish()
            except OSError as error:
                self.trouble = error.strerror or str(error)

    def _drop(self) -> None:
        """Take away a file that has no result yet."""
        if self._file is not None:
            self._file.close()
            with suppress(OSError):
                self.path.unlink()


def _csv_lines(rows: Iterable[Iterable[object]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    return text.getvalue().encode("utf-8", "backslashreplace")
