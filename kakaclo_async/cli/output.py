"""What a command prints: tables for people, plain text for pipes, JSON for machines."""

from __future__ import annotations

import json
import os
import re
import sys
from contextlib import nullcontext, suppress
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

import attrs
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from kakaclo_async.codec import to_json
from kakaclo_async.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import TextIO

    from kakaclo_async.errors import KakaCloError


STDOUT: Final = Path("-")
"""Stands for standard output, where a file can be named."""


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


_PYTHON: Final = {
    "str": "a text", "int": "a number", "float": "a fraction", "bool": "yes or no", "dict": "an object",
    "list": "a list", "tuple": "a list", "NoneType": "nothing",
}  # fmt: skip
"""How people call the types of values."""

_SAID: Final = {
    "pass token=, or set KAKACLO_TOKEN": "give --token-from, or set KAKACLO_TOKEN",
    "say allow_http=True (--allow-http)": "say --allow-http",
    "look at refunds.of before asking again": "look at it with kakaclo orders show before you ask again",
    "see refunds.of": "see kakaclo orders show",
    "call wait again": "look again later",
    "within max_wait=": "within ",
    "raise max_wait, send fewer requests, or use kk.bulk()": "send fewer requests, or try again later",
    "; for SOCKS give a session with a connector for it": "; SOCKS is not spoken: --proxy '' goes without one",
    "base_url must": "--base-url must",
    "base_url is wrong": "KAKACLO_BASE_URL or --base-url is wrong",
    "per_second must": "--rate must",
    "timeout must": "--timeout must",
    "proxy must": "--proxy must",
    "ssl: the certificates": "--ca-file: the certificates",
    "warehouse_code": "--warehouse",
}
"""What this package's texts for programs say, and what people at a command line can do instead."""

_TYPER: Final = {
    "Value error, ": "",
    "Input should be a valid integer, unable to parse string as an integer": "it must be a whole number",
    "Input should be a valid number, unable to parse string as a number": "it must be a number",
    "Input should be greater than or equal to": "it must be at least",
    "Input should be less than or equal to": "it must be at most",
}
"""The same for the texts of the library that reads the command line."""

_ERRNO: Final = re.compile(r"\[Errno -?\d+\] ((?:[^:'\[\]]|'(?! )){1,200})(?:: '[^']*')?")
_REFUSED: Final = re.compile(r"Connect call failed \('([^']+)', (\d+)[^)]*\)")
_TYPE: Final = re.compile(rf"(must be |, not )(?:a |an )?({'|'.join(_PYTHON)})\b")
_ERROR: Final = re.compile(r"\b[A-Z][A-Za-z0-9]*(?:Error|Exception|Interrupt)\b")


def in_plain_words(text: str) -> str:
    """Return a message without the words of programmers: classes, types, arguments and methods."""
    for said, told in (_SAID | _TYPER).items():
        text = text.replace(said, told)
    text = _REFUSED.sub(r"nobody listens at \1:\2", _ERRNO.sub(r"\1", text))
    text = _TYPE.sub(lambda found: found[1] + _PYTHON[found[2]], text.replace("a value of type ", ""))
    field, model = _patterns()
    text = model.sub(lambda found: found[1] + words_of(found[2]), field.sub("", text))
    return _ERROR.sub(lambda found: words_of(found[0]), text)


@cache
def _patterns() -> tuple[re.Pattern[str], re.Pattern[str]]:
    """Return what the fields of the models that check themselves look like, and these models where they are counted."""
    import kakaclo_async

    named: dict[str, list[str]] = {}
    for name in kakaclo_async.__all__:
        fields = cast(
            "tuple[attrs.Attribute[object], ...]",
            getattr(getattr(kakaclo_async, name), "__attrs_attrs__", ()),
        )
        if any(field.validator is not None for field in fields):
            named[name] = [field.name for field in fields]
    one = "|".join(rf"{name}\.(?=(?:{'|'.join(fields)})\b)" for name, fields in named.items())
    return re.compile(rf"\b(?:{one})"), re.compile(rf"(at least one |the fields of )({'|'.join(named)})\b")


def words_of(name: str) -> str:
    """Return the name of a class as words: "client closed"."""
    return " ".join(re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z0-9]+", name)).lower()


def one_line(text: str) -> str:
    """Return `text` on one line; what could steer a terminal becomes a blank."""
    return " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())


def refuse_database(path: Path) -> None:
    """Keep a database from being overwritten, and what SQLite keeps beside one.

    Raises:
        InvalidRequest: it is one.
    """
    from kakaclo_async.database.lock import SQLITE_FILES

    names = (path.name, *(path.name.removesuffix(ending) for ending in SQLITE_FILES))
    for name in dict.fromkeys(names):
        with suppress(OSError):
            file = path.with_name(name)
            with file.open("rb") if file.is_file() else nullcontext() as opened:
                if opened is not None and opened.read(16) == b"SQLite format 3\0":
                    raise InvalidRequest(f"{path} belongs to a database: give another file")
