"""What became of each row of a file of orders, in a new file beside it."""

import csv
import io
import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from io import FileIO
from itertools import count
from pathlib import Path
from stat import S_ISREG
from typing import Final, Self

import attrs

from kakaclo_async import InvalidRequest
from kakaclo_async.cli.output import in_plain_words, refuse_database

PLACED: Final = "placed"
UNKNOWN: Final = "unknown"
NOT_SENT: Final = "not sent"


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
    reason: str | None = attrs.field(default=None, converter=attrs.converters.optional(in_plain_words))
    order_ids: tuple[str, ...] = ()


_ADDED: Final = ("custom_order_id", "result", "order_id", "reason")


class ResultFile:
    """A copy of a file of orders, with the result of each row beside it.

    It is a new file, never one that is there: `orders.results.2.csv` after `orders.results.csv`. Rows are on disk as
    soon as their result is known, and stand in the order of the orders' file once all are. A pipe or a device takes
    them as they come.

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
        self._is_ours = True  # not a pipe or a device
        self._whole = 0

    def __enter__(self) -> Self:
        try:
            self.path, self._file = self._claim(self.path)
            self._append(self._header)
        except OSError as error:
            self._drop()
            raise InvalidRequest(
                f"{self.path} cannot be written: {error.strerror}; name another file with --results"
            ) from None
        return self

    def _claim(self, wanted: Path) -> tuple[Path, FileIO]:
        for number in count(1):
            path = wanted if number == 1 else wanted.with_name(f"{wanted.stem}.{number}{wanted.suffix}")
            try:
                return path, _new_file(path)
            except FileExistsError:
                if not S_ISREG(path.stat().st_mode):
                    self._is_ours = False
                    return path, FileIO(os.open(path, os.O_WRONLY), "w")
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
        beside = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        try:
            with _new_file(beside) as file:
                while data:
                    data = data[file.write(data) :]
            beside.replace(self.path)
        except OSError:
            with suppress(OSError):
                beside.unlink()
            raise

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None and not self._written:
            self._drop()
            return
        if self._file is not None:
            self._file.close()
        if kind is None and self.trouble is None and self._is_ours:
            try:
                self._finish()
            except OSError as error:
                self.trouble = error.strerror or str(error)

    def _drop(self) -> None:
        """Take away a file that has no result yet."""
        if self._file is not None:
            self._file.close()
            with suppress(OSError):
                if self._is_ours:
                    self.path.unlink()


def _new_file(path: Path) -> FileIO:
    """Make a file for its owner only: it holds addresses."""
    return FileIO(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w")


def _csv_lines(rows: Iterable[Iterable[object]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    return text.getvalue().encode("utf-8", "backslashreplace")


def refuse_other_files(results: Path, orders: Path, journal: str | None) -> None:
    """Keep the results of `orders submit` from its other files, before anything is read or made.

    Raises:
        InvalidRequest: they would be written into another file of the run, or into a database.
    """
    from kakaclo_async.database.lock import is_file_of
    from kakaclo_async.database.url import DatabaseUrl

    try:
        if results.exists() and orders.exists() and results.samefile(orders):
            raise InvalidRequest(f"--results {results} is the file of orders itself: name another file")
        if journal is not None:
            where = DatabaseUrl.parse(journal, holds="journal", example="orders.db")
            if where.is_sqlite and is_file_of(where.path(), results):
                raise InvalidRequest(f"--results {results} belongs to the journal: name another file")
    except OSError as error:
        raise InvalidRequest(f"--results {results} cannot be written: {error.strerror}") from None
    refuse_database(results)
