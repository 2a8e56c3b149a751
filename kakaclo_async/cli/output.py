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
from stat import S_ISREG
from typing import TYPE_CHECKING, Self

import attrs
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from kakaclo_async.codec import to_json
from kakaclo_async.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from io import FileIO
    from pathlib import Path
    from typing import TextIO

    from kakaclo_async.errors import KakaCloError
    from kakaclo_async.models.order import Order


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


def order_tables(order: Order) -> Iterator[Table]:
    """Yield the tables of an order: its facts, its items, its packages."""
    yield Table(
        ("Order", order.id),
        [
            ("Custom id", order.custom_order_id),
            ("Created", order.create_date),
            ("Status", order.status),
            ("Payment", order.financial_status),
            ("Fulfilment", order.fulfillment_status),
            ("Refund", order.refund_status),
            ("Ship to", order.shipping_address and order.shipping_address.country),
            ("Items", order.sub_total_amount),
            ("Freight", order.freight_amount),
            ("Coupon", order.coupon_amount),
            ("Total", order.final_amount),
            ("Refunded", order.refunded_amount),
        ],
    )
    yield Table(
        ("Item", "SKU", "From", "Qty", "Price", "Total", "Fulfilment", "Refund"),
        [
            (
                item.item_id or item.id,
                item.sku_code,
                item.country_code,
                item.product_num,
                item.amount,
                item.total,
                item.fulfillment_status,
                item.refund_status,
            )
            for item in order.order_items
        ],
    )
    if order.fulfillments:
        yield Table(
            ("Package", "Status", "Carrier", "Tracking code", "Sent"),
            [
                (pack.pack_id or pack.id, pack.status, pack.carrier, pack.tracking_code, pack.delivery_time)
                for pack in order.fulfillments
            ],
        )


@attrs.frozen(kw_only=True)
class ResultLine:
    """What became of one order: a row of the result file."""

    custom_order_id: str
    result: str
    order_id: str | None = None
    reason: str | None = None


_HEADINGS = [field.name for field in attrs.fields(ResultLine)]


class ResultFile:
    """A file that takes each result when it comes, and is whole after each of them.

    What earlier runs wrote stays. The last line of an order counts, and one that it has already is not written again.

    Attributes:
        trouble: why it takes no more results; None while it does. Placing orders goes on without it: the journal knows
            what was placed.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.trouble: str | None = None
        self._file: FileIO | None = None
        self._whole = 0
        self._is_cut = False
        self._last: dict[str, list[str]] = {}

    def check(self) -> None:
        """Read what is in it.

        Raises:
            InvalidRequest: it holds something else than results, or cannot be read.
        """
        try:
            written = self.path.read_bytes() if S_ISREG(self.path.stat().st_mode) else b""
        except (FileNotFoundError, NotADirectoryError):
            written = b""
        except OSError as error:  # `is_file` of Python 3.14 knows none
            raise InvalidRequest(f"{self.path} cannot be read: {error.strerror}") from None
        try:
            rows = list(csv.reader(io.StringIO(written.decode("utf-8-sig"), newline=""), strict=True))
        except (ValueError, csv.Error):
            rows = []
        if rows[:1] == [_HEADINGS] and len(rows[-1]) < len(_HEADINGS) and not written.endswith(b"\n"):
            del rows[-1]  # a run that was killed left half a line
            written = written[: written.rfind(b"\n") + 1]
        if written and rows[:1] != [_HEADINGS]:
            raise InvalidRequest(
                f"{self.path} exists and holds no results of orders: name another file with --results"
            )
        self._whole = len(written)
        self._is_cut = bool(written) and not written.endswith(b"\n")
        self._last = {row[0]: row for row in rows[1:] if row}

    def __enter__(self) -> Self:
        self.check()
        try:
            self._file = self.path.open("ab", buffering=0)
            if self.path.is_file():
                self._file.truncate(self._whole)
            if self._is_cut:
                self._whole += self._file.write(b"\r\n") or 0
            if not self._whole:
                self._append(_HEADINGS)
        except OSError as error:
            self.__exit__()
            raise InvalidRequest(f"{self.path} cannot be written: {error.strerror}") from None
        return self

    def write(self, line: ResultLine) -> None:
        """Add a result, unless there was trouble."""
        row = ["" if value is None else str(value) for value in attrs.astuple(line)]
        if self.trouble is None and self._last.get(row[0]) != row:
            try:
                self._append(row)
            except OSError as error:
                self.trouble = error.strerror or str(error)

    def _append(self, row: Iterable[object]) -> None:
        text = io.StringIO(newline="")
        csv.writer(text).writerow(row)
        file, rest = self._file, text.getvalue().encode("utf-8", "backslashreplace")
        if file is None:
            return
        whole = self._whole + len(rest)
        try:
            while rest:
                rest = rest[file.write(rest) :]
        except OSError:
            with suppress(OSError):  # what it has of this row would look like another result
                file.truncate(self._whole)
            raise
        self._whole = whole

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()
