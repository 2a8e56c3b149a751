"""Tables as text, read strictly: separators and encodings of spreadsheets are found, quotes are not guessed.

An open quote takes in the next customers' rows, and of two columns with one name one wins: both are refused by line.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final, TextIO

import attrs

from kakaclo_async.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence


LINE_END: Final = re.compile(r"\r\n|\n|\r")
_ROW_END: Final = re.compile(r"\r\n|\n|\r|\Z")
_SEPARATORS: Final[tuple[str, ...]] = (",", ";", "\t")
_CELL: Final = {
    separator: re.compile(rf'"([^"]*+(?:""[^"]*+)*+)"|([^"{separator}\r\n]*+)') for separator in _SEPARATORS
}
_TO_THE_NEXT: Final = {
    separator: re.compile(rf"[^{separator}\r\n]*+(?=[{separator}\r\n]|\Z)") for separator in _SEPARATORS
}
_NAMED: Final = re.compile(r'"?sep=([,;\t])"?[ ]*(?:\r\n|\n|\r|\Z)')
_FREE_TEXT: Final = re.compile(
    r"note|remark|message|comment|instruction|memo|customi[sz]|personali[sz]|variation|attribute|gift|description"
    r"|line_items|line items|refunds|properties"
)


@attrs.frozen
class Text:
    """A text of a user's, and where it comes from.

    Attributes:
        name: the file's, for errors.
        text: all of it, without a byte order mark.
        cp1252_line: the first line with bytes that were read as Windows-1252; 0 when it is UTF-8 or UTF-16.
    """

    name: str
    text: str
    cp1252_line: int = 0


@attrs.frozen
class Row:
    """A row of a table: the line where it begins, from 1, and its cells as they are."""

    line: int
    cells: tuple[str, ...]


@attrs.frozen
class Header:
    """The first row, how its cells are separated, and where the next row begins."""

    row: Row
    separator: str
    position: int
    line: int


def read_text(source: str | Path | TextIO, *, utf8_only: bool = False) -> Text:
    """Read a file, standard input ("-") or an open text.

    Args:
        source: what to read.
        utf8_only: refuse other encodings.

    Raises:
        InvalidRequest: no such file, or no text.
    """
    name, data = _data(source)
    if isinstance(data, str):
        if "\0" in data:
            raise InvalidRequest(f"{name} cannot be read: it holds a NUL, which no text has")
        return Text(name, data.removeprefix("\ufeff"))
    if data.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        raise InvalidRequest(f"{name} is a workbook or an archive: save its table as CSV, and give that")
    try:
        wide = not utf8_only and data.startswith((b"\xff\xfe", b"\xfe\xff"))
        text = data.decode("utf-16" if wide else "utf-8")
    except UnicodeDecodeError as error:
        return _other_text(name, data, error.start, utf8_only=utf8_only)
    if "\0" in text:
        raise _no_text(name, data, data.index(0), "is a NUL, which no text has")
    return Text(name, text.removeprefix("\ufeff"))


def _data(source: str | Path | TextIO) -> tuple[str, str | bytes]:
    if not isinstance(source, (str, Path)):
        return str(getattr(source, "name", "the text")), source.read()
    if str(source) == "-":
        return "standard input", sys.stdin.buffer.read()
    try:
        return str(source), Path(source).read_bytes()
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "its name is none"
        raise InvalidRequest(f"{source} cannot be read: {why}") from None


def _other_text(name: str, data: bytes, start: int, *, utf8_only: bool) -> Text:
    """Read what is no UTF-8 as Windows-1252, which spreadsheets write, where that has all its bytes."""
    if b"\0" in data and not data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise _no_text(name, data, data.index(0), "is a NUL, which no text has")
    if utf8_only or b"\0" in data:
        raise _no_text(name, data, start, "is not UTF-8")
    try:
        text = data.decode("cp1252")
    except UnicodeDecodeError as error:
        raise _no_text(name, data, error.start, "is neither UTF-8 nor Windows-1252") from None
    return Text(name, text, len(LINE_END.findall(data[:start].decode("latin-1"))) + 1)


def _no_text(name: str, data: bytes, start: int, what: str) -> InvalidRequest:
    line, column = data.count(b"\n", 0, start) + 1, start - data.rfind(b"\n", 0, start)
    return InvalidRequest(
        f"{name} cannot be read: line {line}, byte {column} {what}; save it as text in UTF-8"
    )


def as_key(name: str) -> str:
    """Write the name of a column so that spaces and capitals make no difference."""
    return " ".join(name.replace("\ufeff", "").split()).casefold()


def find_header(text: str, known: Callable[[Sequence[str]], int]) -> Header:
    """Find the first row with a cell that is not blank, by the separator that gives the most known columns.

    Args:
        text: the table.
        known: counts the columns that some kind of file has.

    Raises:
        InvalidRequest: there is no such row, or a column is there twice.
    """
    start, line = 0, 1
    separators = _SEPARATORS
    if named := _NAMED.match(text):
        start, line, separators = named.end(), 2, (str(named[1]),)
    best: tuple[tuple[int, int], Header] | None = None
    trouble: InvalidRequest | None = None
    for separator in separators:
        try:
            header = _first_row(text, start, line, separator)
        except InvalidRequest as error:
            trouble = trouble or error
            continue
        if header is not None:
            names = [as_key(cell) for cell in header.row.cells]
            rank = (known(names), len(names))
            best = max(best or (rank, header), (rank, header), key=lambda found: found[0])
    if best is None:
        raise trouble or InvalidRequest("it has no header: its first row must name its columns")
    header = best[1]
    columns: dict[str, int] = {}
    for number, name in enumerate(header.row.cells, 1):
        first = columns.setdefault(as_key(name), number)
        if name.strip() and first != number:
            raise InvalidRequest(
                f"line {header.row.line}: the column {name.strip()!r} is there twice, as number {first} and {number}"
            )
    return header


def _first_row(text: str, position: int, line: int, separator: str) -> Header | None:
    for row, end, next_line in _rows(text, position, line, separator, (), literal=False):
        if any(map(str.isalnum, "".join(row.cells))):
            return Header(row, separator, end, next_line)
    return None


def data_rows(text: str, header: Header, *, literal: bool) -> Iterator[Row]:
    """Yield the rows below a header that are not blank.

    Args:
        text: the table.
        header: its header.
        literal: a quote inside a cell is a character like others, as in Amazon's reports.

    Raises:
        InvalidRequest: a quote is open or misplaced, or a cell that is no note holds a line break.
    """
    names = header.row.cells
    free = {place for place, name in enumerate(names) if _FREE_TEXT.search(as_key(name))}
    for row, _, _ in _rows(text, header.position, header.line, header.separator, names, literal=literal):
        if not any(map(str.strip, row.cells)):
            continue
        if LINE_END.search("".join(row.cells)):
            for place, cell in enumerate(row.cells):
                _check_lines(row.line, place, cell, names, header.separator, free=place in free)
        yield row


def _check_lines(
    line: int, place: int, cell: str, names: Sequence[str], separator: str, *, free: bool
) -> None:
    """Refuse line breaks that an open quote may have taken in: in a cell that is no note, or rows inside a note."""
    if not LINE_END.search(cell):
        return
    column = f"line {line}, column {names[place] if place < len(names) else place + 1}"
    if not free:
        raise InvalidRequest(f"{column}: it holds a line break: is a quote missing?")
    width = len(names) - 1
    first, *others = (part.count(separator) for part in LINE_END.split(cell))
    # The open quote takes in the end of its own row, whole rows, and then the beginning of another.
    cut = bool(others) and first >= width - place and others[-1] >= place
    if width and (cut or any(count >= width for count in others)):
        raise InvalidRequest(f"{column}: it looks like rows of the file: is a quote missing?")


def _rows(
    text: str, position: int, line: int, separator: str, names: Sequence[str], *, literal: bool
) -> Iterator[tuple[Row, int, int]]:
    """Yield each row, where it ends, and the line of the next; the csv module does not tell where a quote opens."""
    while position < len(text):
        end = _ROW_END.search(text, position)
        assert end is not None  # noqa: S101 - the end of the text matches
        plain = text[position : end.start()]
        first = line
        if '"' in plain:
            cells, position, line = _quoted_row(text, position, line, separator, names, literal=literal)
        else:
            cells, position, line = tuple(plain.split(separator)), end.end(), line + 1
        yield Row(first, cells), position, line


def _quoted_row(
    text: str, position: int, line: int, separator: str, names: Sequence[str], *, literal: bool
) -> tuple[tuple[str, ...], int, int]:
    cells: list[str] = []
    end = None
    while end is None:
        name = names[len(cells)] if len(cells) < len(names) else len(cells) + 1
        cell, position = _cell(text, position, separator, f"line {line}, column {name}", literal=literal)
        line += len(LINE_END.findall(cell))
        cells.append(cell)
        end = _ROW_END.match(text, position)
        position = position + 1 if end is None else end.end()
    return tuple(cells), position, line + 1


def _cell(text: str, position: int, separator: str, place: str, *, literal: bool) -> tuple[str, int]:
    """Return the cell that begins here, and where it ends: before a separator or the end of its row."""
    found = _CELL[separator].match(text, position)
    assert found is not None  # noqa: S101 - a cell may be empty
    quoted, plain, end = found[1], found[2], found.end()
    if text[end : end + 1] in {separator, "\r", "\n", ""}:
        return plain if quoted is None else quoted.replace('""', '"'), end
    if literal and (plain or quoted is not None):
        rest = _TO_THE_NEXT[separator].match(text, position)
        assert rest is not None  # noqa: S101 - a cell may be empty
        return rest[0], rest.end()
    if plain:
        raise InvalidRequest(
            f"{place}: a quote in a cell: put all of it in quotes, and the quotes in it twice"
        )
    trouble = "not closed" if quoted is None else "closed before the end of a cell"
    raise InvalidRequest(f"{place}: the quote that opens here is {trouble}")
