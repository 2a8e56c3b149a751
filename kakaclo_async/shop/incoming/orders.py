"""`read_orders`: a file of a shop's orders becomes orders to place, and says of every other row why it does not."""

from __future__ import annotations

import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final, TextIO

from kakaclo_async.errors import InvalidRequest
from kakaclo_async.models.address_checks import phone_problem
from kakaclo_async.shop.incoming.cells import Cells
from kakaclo_async.shop.incoming.dialect import dialect_of, known_columns
from kakaclo_async.shop.incoming.dialects import DIALECTS
from kakaclo_async.shop.incoming.drafts import drafts_of, quantity_of
from kakaclo_async.shop.incoming.finish import Options, Outcome, finish_document, finish_rows
from kakaclo_async.shop.incoming.order_file import (
    FileNote,
    FileOrder,
    FileProblem,
    FileRow,
    Goods,
    LeftOut,
    OrderFile,
    Sold,
)
from kakaclo_async.shop.incoming.skus import SkuMap, read_map
from kakaclo_async.shop.incoming.table import LINE_END, Row, data_rows, find_header, read_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from kakaclo_async.shop.incoming.dialect import Dialect
    from kakaclo_async.shop.incoming.table import Text

_IOSS: Final = re.compile(r"IM[0-9]{10}")
_MOST_OF_PHONE: Final = 64
_FOOTER: Final = re.compile(r"record\(s\) downloaded|seller id *:", re.IGNORECASE)


def _utc_now() -> datetime:
    return datetime.now(UTC)


def read_orders(
    source: str | Path | TextIO,
    *,
    sku_map: SkuMap | str | Path | TextIO | None = None,
    phone: str | None = None,
    ioss: str | None = None,
    prefix: str = "",
    older_than: timedelta | None = None,
    channels: Mapping[str, str] | None = None,
    now: Callable[[], datetime] = _utc_now,
) -> OrderFile:
    """Read a file of orders of a shop, in any dialect that is known.

    Args:
        source: a file, "-" for standard input, or an open text.
        sku_map: from the shop's SKUs to KakaClo's; without one they are KakaClo's.
        phone: for orders without a phone number.
        ioss: for orders into the EU without such a number: "IM" and 10 digits.
        prefix: stands before the shop's number in custom_order_id: for shops that count alike.
        older_than: orders younger than this are left out.
        channels: from the shop's shipping services to channel types; all others are sent as Standard.
        now: the time that the age of orders is counted to.

    Raises:
        InvalidRequest: no such file, an unknown kind of file, or one in which a row may be hidden; a phone or an
            IOSS number that is none.
    """
    if sku_map is not None and not isinstance(sku_map, SkuMap):
        sku_map = read_map(sku_map)
    options = Options(
        sku_map=sku_map,
        phone=None if phone is None else _checked_phone(phone.strip()),
        ioss=None if ioss is None else _checked_ioss("".join(ioss.split()).upper()),
        prefix=prefix,
        older_than=older_than,
        channels=channels or {},
        now=now,
    )
    lines = isinstance(source, (str, Path)) and str(source).lower().endswith((".jsonl", ".ndjson"))
    text = read_text(source, utf8_only=lines)
    try:
        if lines or text.text.lstrip().startswith("{"):
            return _json_lines(text, options)
        return _table(text, options)
    except InvalidRequest as error:
        raise InvalidRequest(f"{text.name} cannot be read: {error}") from None


def _checked_phone(phone: str) -> str:
    if trouble := phone_problem(phone) or (len(phone) > _MOST_OF_PHONE and "it is too long"):
        raise InvalidRequest(f"the phone number for orders without one cannot be sent: {trouble}")
    return phone


def _checked_ioss(number: str) -> str:
    if not _IOSS.fullmatch(number):
        raise InvalidRequest(
            "the IOSS number for orders without one must be IM and 10 digits, as IM0000000000"
        )
    return number


def _json_lines(text: Text, options: Options) -> OrderFile:
    _check_age(options, "KakaClo's own format", has_dates=False)
    found: list[Outcome] = []
    rows: list[FileRow] = []
    seen: dict[str, Outcome] = {}
    for number, line in enumerate(LINE_END.split(text.text), 1):
        if not line.strip():
            continue
        outcome = finish_document(line, number, options)
        key = outcome.draft.number
        first = seen.setdefault(key, outcome)
        if key and first is not outcome:
            for one, other in ((first, outcome), (outcome, first)):
                problem = (one.draft.line, "custom_order_id", f"line {other.draft.line} has the same one")
                one.problems.append(problem)
        found.append(outcome)
        rows.append(FileRow(number, _id(outcome, options), (line,)))
    return _collect("kakaclo", found, options, notes=_encoding(text), rows=rows)


def _table(text: Text, options: Options) -> OrderFile:
    header = find_header(text.text, lambda keys: known_columns(DIALECTS, keys))
    dialect = dialect_of(DIALECTS, header.row.cells, header.row.line)
    cells = Cells(dialect, header.row.cells)
    _check_age(options, f"this file, {dialect.title},", has_dates=cells.has("date"))
    literal = dialect.literal_quotes and header.separator == "\t"
    rows = list(data_rows(text.text, header, literal=literal))
    skipped = _skipped(dialect, cells, rows)
    drafts = drafts_of(cells, [row for row in rows if row.line not in skipped])
    found = [finish_rows(draft, cells, options) for draft in drafts]
    owner = {row.line: _id(outcome, options) for outcome in found for row in outcome.draft.rows}
    return _collect(
        dialect.name,
        found,
        options,
        notes=_encoding(text),
        header=header.row.cells,
        rows=[FileRow(row.line, owner.get(row.line, ""), row.cells, row.line not in skipped) for row in rows],
        cells=cells,
    )


def _check_age(options: Options, what: str, *, has_dates: bool) -> None:
    if options.older_than is not None and not has_dates:
        raise InvalidRequest(f"{what} has no dates: the age of its orders cannot be told")


def _encoding(text: Text) -> list[FileNote]:
    note = "it is not UTF-8, and was read as Windows-1252: look at the accents"
    return [FileNote("", text.cp1252_line, "file", note)] if text.cp1252_line else []


def _skipped(dialect: Dialect, cells: Cells, rows: Sequence[Row]) -> set[int]:
    """Return the lines that hold no order: a description of the columns, and footers."""
    found: set[int] = set()
    if dialect.has_descriptions and rows:
        number = cells.get(rows[0], "order")
        if number and not any(map(str.isdigit, number)):
            found.add(rows[0].line)
    if dialect.has_footers:
        for row in reversed(rows):
            short = len(row.cells) < len(cells.header) / 2 or _FOOTER.search(" ".join(row.cells))
            if not short or any(map(str.isdigit, cells.get(row, "order"))):
                break
            found.add(row.line)
    return found


def _id(outcome: Outcome, options: Options) -> str:
    return f"{options.prefix}{outcome.draft.number}" if outcome.draft.number else ""


def _collect(
    dialect: str,
    found: Sequence[Outcome],
    options: Options,
    *,
    notes: Sequence[FileNote],
    header: tuple[str, ...] = (),
    rows: Sequence[FileRow],
    cells: Cells | None = None,
) -> OrderFile:
    goods = Counter((item.sku, item.title, item.variant) for outcome in found for item in outcome.draft.items)
    return OrderFile(
        dialect=dialect,
        orders=tuple(_orders(found)),
        left_out=tuple(
            sorted(
                (LeftOut(_id(each, options), *entry) for each in found for entry in each.left_out),
                key=lambda entry: entry.line,
            )
        ),
        problems=tuple(
            sorted(
                (FileProblem(_id(each, options), *entry) for each in found for entry in each.problems),
                key=lambda entry: entry.line,
            )
        ),
        notes=(
            *notes,
            *(FileNote(_id(each, options), *entry) for each in found for entry in each.notes),
        ),
        header=header,
        rows=tuple(rows),
        goods=tuple(Goods(*names, count) for names, count in goods.items()),
        sold=tuple(sold for outcome in found for sold in _sold(outcome, options, cells)),
    )


def _sold(outcome: Outcome, options: Options, cells: Cells | None) -> Iterator[Sold]:
    """Yield what a shop sold in an order; tracking numbers find their way back by it, once it is not due any more."""
    draft, order = outcome.draft, _id(outcome, options)
    for item in draft.items if order else ():
        quantity, _, trouble = quantity_of(item)
        if not trouble and quantity > 0:
            item_id = "" if cells is None or item.row is None else cells.get(item.row, "line_id")
            is_due = not item.reason and "not due" not in draft.facts
            yield Sold(order, item.sku, item.title, item.variant, quantity, item_id, is_due)


def _orders(found: Sequence[Outcome]) -> Iterator[FileOrder]:
    for outcome in found:
        if outcome.order is not None and not outcome.problems:
            draft = outcome.draft
            lines = tuple(row.line for row in draft.rows) or (draft.line,)
            yield FileOrder(line=draft.line, item_lines=outcome.item_lines, lines=lines, order=outcome.order)
