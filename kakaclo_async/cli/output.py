"""What a command answers: tables for people, plain text for pipes, JSON for machines."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, cast

import attrs
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from kakaclo_async.cli.text import cell, is_number

if TYPE_CHECKING:
    from typing import TextIO

    from kakaclo_async.errors import KakaCloError


def _rows(rows: Iterable[Iterable[object]]) -> tuple[tuple[object, ...], ...]:
    return tuple(tuple(row) for row in rows)


@attrs.frozen
class Table:
    """Rows under headings.

    Attributes:
        columns: the headings.
        rows: a value for each column; numbers go to the right.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[object, ...], ...] = attrs.field(converter=_rows)


@attrs.frozen(kw_only=True)
class Answer:
    """What a command found out.

    Attributes:
        data: what `--json` prints; models, mappings, sequences and plain values.
        tables: the same for people.
        errors: what could not be found out; the first one makes the exit code.
    """

    data: object
    tables: tuple[Table, ...]
    errors: tuple[KakaCloError, ...] = ()


def show(answer: Answer, *, as_json: bool) -> None:
    """Print an answer to stdout."""
    if as_json:
        sys.stdout.write(json.dumps(to_plain(answer.data), indent=2, ensure_ascii=False) + "\n")
    else:
        print_tables(answer.tables)
    sys.stdout.flush()  # a reader that has gone is noticed here, where it is no fault


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
        stream.write(aligned(table))


def is_terminal(stream: TextIO) -> bool:
    """Whether somebody watches a stream on a terminal that understands control codes."""
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


def aligned(table: Table) -> str:
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
    return [bool(values) and all(map(is_number, values)) for values in found]


def to_plain(value: object) -> object:
    """Turn models into what JSON knows, under the names of their attributes.

    Decimals become strings, so that money stays exact to the digit in every reader; times end in "Z". `extra`
    is left out when it is empty, and so are the raw texts of values that were parsed.
    """
    match value:
        case Decimal():
            return format(value, "f")
        case datetime():
            return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case Mapping():
            return {str(key): to_plain(part) for key, part in cast("Mapping[object, object]", value).items()}
        case list() | tuple():
            return [to_plain(part) for part in cast("Iterable[object]", value)]
        case _ if attrs.has(type(value)):
            return _fields(cast("attrs.AttrsInstance", value))
        case _:
            return value


def _fields(model: attrs.AttrsInstance) -> dict[str, object]:
    fields = {field.name: getattr(model, field.name) for field in attrs.fields(type(model))}
    fields.pop("raw", None)
    if not fields.get("extra", True):
        del fields["extra"]
    return {name: to_plain(value) for name, value in fields.items()}
