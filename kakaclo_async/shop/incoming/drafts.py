"""Rows of a file put together to orders, as far as the file alone says what they are."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import attrs

from kakaclo_async.models.address_checks import is_cut
from kakaclo_async.shop.addresses import clean
from kakaclo_async.shop.incoming.documents import WHOLE_NUMBER
from kakaclo_async.shop.incoming.table import Row

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from kakaclo_async.shop.incoming.cells import Cells

CORE: Final = ("recipient", "first", "last", "company", "street1", "street2", "street3", "city", "zip")
"""What makes an address one; a shop may fill in country and province by itself."""
ADDRESS: Final = (*CORE, "country", "province")
FACTS: Final = (
    "phone",
    "ioss",
    "ioss_name",
    "vat",
    "date",
    "service",
    "channel_type",
    "remark",
    "sale_platform",
)
_SAID_ONCE: Final = ("channel_type", "remark", "sale_platform", "ioss", "vat")
_ROUND: Final = re.compile(r"([0-9]{1,16})[.,]0{1,2}")  # "1,000" may be a thousand


@attrs.define
class Line:
    """An item as the file has it."""

    line: int
    sku: str = ""
    title: str = ""
    variant: str = ""
    quantity: str = ""
    returned: str = ""
    reason: str = ""  # why it is not due
    row: Row | None = None


@attrs.define
class Draft:
    """An order as the file has it.

    Attributes:
        number: the shop's; empty where it is missing.
        line: where it begins.
        rows: all of them, also those without an item.
        items: what it is made of.
        facts: its address and all else that is said once.
        problems: line, field and sentence.
        notes: the same.
    """

    number: str
    line: int
    rows: list[Row] = attrs.field(factory=list[Row])
    items: list[Line] = attrs.field(factory=list[Line])
    facts: dict[str, str] = attrs.field(factory=dict[str, str])
    problems: list[tuple[int, str, str]] = attrs.field(factory=list[tuple[int, str, str]])
    notes: list[tuple[int, str, str]] = attrs.field(factory=list[tuple[int, str, str]])
    is_split: bool = False  # rows of others stand between its own
    blocks: int = 0  # stretches of rows, with others' between them, that begin with what only a first row has


def drafts_of(cells: Cells, rows: Sequence[Row]) -> list[Draft]:
    """Put the rows of a file together: those of one number are one order."""
    drafts: dict[str | int, Draft] = {}
    ragged: list[tuple[Draft, Row]] = []
    previous: Draft | None = None
    for row in rows:
        number = cells.get(row, "order")
        draft = drafts.setdefault(number or row.line, Draft(number, row.line))
        if number and is_cut(number) and not draft.rows:
            draft.problems.append(
                (row.line, "custom_order_id", "a spreadsheet cut it: export the file again")
            )
        fits = len(row.cells) == len(cells.header)
        if fits:
            _add(draft, row, cells, again=draft is not previous)
        else:  # as after a comma without quotes, which moves the cells that follow it
            draft.rows.append(row)
            ragged.append((draft, row))
            than = "more" if len(row.cells) > len(cells.header) else "fewer"
            place = f"items[{len(draft.items)}]"
            draft.problems.append((row.line, place, f"its row has {than} cells than columns"))
        if not number and not cells.dialect.summaries:
            draft.problems.append((row.line, "custom_order_id", "missing"))
            if previous is not None and previous.number and not cells.any(row, CORE):
                previous.problems.append(
                    (row.line, "items", "the row below has no order number: it may belong to this order")
                )
        previous = draft
    for draft, row in ragged:  # its own cells may say whose it is
        for cell in row.cells:
            other = drafts.get(clean(cell)[0])
            if (
                other is not None
                and other is not draft
                and not any(line == row.line for line, _, _ in other.problems)
            ):
                other.problems.append(
                    (row.line, "items", "a row with too many or too few cells may belong to it")
                )
    for draft in drafts.values():
        _gather(draft, cells)
    _check_line_ids(list(drafts.values()), cells)
    return list(drafts.values())


def _add(draft: Draft, row: Row, cells: Cells, *, again: bool) -> None:
    dialect = cells.dialect
    if again and draft.rows:
        draft.is_split = True
    if draft.is_split and any(other.cells == row.cells for other in draft.rows):
        draft.blocks = 2  # the same row, with those of others between: a file that was pasted twice
    begins = bool(dialect.first_row) and bool(cells.column(row, dialect.first_row))
    if begins and (again or any(other.cells == row.cells for other in draft.rows)):
        draft.blocks += 1
    if cells.get(row, "list"):
        if draft.items:
            draft.blocks = 2
        else:
            draft.blocks = 1
        draft.items += _listed(cells.get(row, "list"), row, draft)
    elif _is_item(row, cells):
        quantity = cells.raw(row, "quantity") if dialect.strict else cells.get(row, "quantity")
        draft.items.append(
            Line(
                row.line,
                cells.get(row, "sku"),
                cells.get(row, "title"),
                cells.get(row, "variant"),
                quantity,
                cells.get(row, "returned"),
                row=row,
            )
        )
    draft.rows.append(row)


def _is_item(row: Row, cells: Cells) -> bool:
    if cells.dialect.strict or cells.any(row, ("sku", "title", "item_number")):
        return True
    return not cells.dialect.summaries and cells.get(row, "quantity") not in {"", "0"}


def _gather(draft: Draft, cells: Cells) -> None:
    """Take what is said once from the first row that says it; other rows must say the same."""
    rows = [row for row in draft.rows if len(row.cells) == len(cells.header)]
    base = next((row for row in rows if cells.any(row, CORE)), None)
    if cells.dialect.strict and rows:
        base = rows[0]
    for field in FACTS:
        among = rows[:1] if cells.dialect.strict else rows
        row = next((row for row in among if cells.get(row, field)), None)
        if row is not None:
            _take(draft, row, field, cells)
    for field in ADDRESS if rows else ():
        _take(draft, base or rows[0], field, cells)
    if rows and base is None:
        _use_billing(draft, rows[0], cells)
    agree = (*ADDRESS, "phone", *(_SAID_ONCE if cells.dialect.strict else ()))
    for row in rows:
        for field in agree if row is not base and cells.any(row, agree) else ():
            value = cells.get(row, field)
            if value and value != draft.facts.get(field):
                text = f"it differs from line {(base or rows[0]).line} of the same order"
                draft.problems.append((row.line, _named(field), text))
    if draft.blocks > 1:
        text = f"the order is in the file twice, first in line {draft.line}"
        draft.problems.append((draft.rows[-1].line, "custom_order_id", text))


def _take(draft: Draft, row: Row, field: str, cells: Cells) -> None:
    value, note = cells.told(row, field)
    if value:
        draft.facts[field] = value
    if note:
        draft.notes.append((row.line, _named(field), note))


def _use_billing(draft: Draft, row: Row, cells: Cells) -> None:
    billing = {name: value for name in ADDRESS if (value := cells.get(row, f"billing {name}"))}
    if not cells.dialect.billing:
        return
    if all(billing.get(name) for name in ("street1", "city", "country")):
        draft.facts = {
            **{name: value for name, value in draft.facts.items() if name not in ADDRESS},
            **billing,
        }
        draft.notes.append(
            (row.line, "address", "the shipping address is empty: the billing address takes its place")
        )
    else:
        draft.facts["no address"] = "the shipping address is empty, and the billing address is not whole"


def _named(field: str) -> str:
    if field in {"first", "last", "company"}:
        field = "recipient"
    if field == "street3":
        field = "street2"
    return f"address.{field}" if field in {*ADDRESS, "phone", "ioss", "vat"} else field


def _check_line_ids(drafts: Sequence[Draft], cells: Cells) -> None:
    """Find rows that are in the file twice: they have a number of their own."""
    if not cells.has("line_id"):
        return
    seen: dict[object, int] = {}
    for draft in drafts:
        for place, item in enumerate(draft.items):
            if item.row is None or (number := cells.get(item.row, "line_id")) in {"", "0"}:
                continue
            cut = is_cut(number)  # all numbers that were cut look alike
            if cut and cells.dialect.answered_by_line:
                text = "a spreadsheet cut it: export the file again"
                draft.problems.append((item.line, f"items[{place}]", text))
                continue
            first = seen.setdefault((draft.number, item.row.cells) if cut else number, item.line)
            if first != item.line:
                draft.problems.append(
                    (item.line, "items", f"the row is in the file twice, first in line {first}")
                )


_KEY: Final = re.compile(r"(?:^|\|)\s*([a-z][a-z_ ]*):")


def _listed(text: str, row: Row, draft: Draft) -> Iterator[Line]:
    """Yield the items that stand in one cell, as "id:1|name:..|sku:..|quantity:2;id:2|..."."""
    first = _KEY.match(text.strip())
    entries = re.split(rf";\s*(?={first[1]}:)", text.strip().rstrip(";")) if first else [text]
    for entry in entries:
        found = list(_KEY.finditer(entry))
        ends = [match.start() for match in found[1:]] + [len(entry)] * bool(found)
        values: dict[str, str] = {}
        doubled = False
        for match, end in zip(found, ends, strict=True):
            doubled = doubled or (match[1] in values and match[1] != "meta")
            values[match[1]] = entry[match.end() : end].strip()
        if doubled or "quantity" not in values:
            draft.problems.append(
                (row.line, "line_items", "an item of it cannot be told from what is written there")
            )
        sku, title, meta, quantity = (values.get(name, "") for name in ("sku", "name", "meta", "quantity"))
        item = Line(row.line, sku, title, meta, quantity)
        item.returned = values.get("refunded_qty", values.get("qty_refunded", ""))
        if not item.returned and not re.fullmatch(r"-?[0.,]*", values.get("refunded", "")):
            item.reason = "partially refunded: the file does not say how many pieces, so a person decides"
        item.row = row
        yield item


def quantity_of(item: Line) -> tuple[int, str, str]:
    """Return how many pieces are due, a note, and a problem."""
    text, note = item.quantity, ""
    if whole := _ROUND.fullmatch(text):
        text, note = whole[1], f"{item.quantity!r} is read as {whole[1]}"
    if not WHOLE_NUMBER.fullmatch(text):
        if text.isdecimal() and text.isascii():
            return 0, "", f"a number of {len(text)} digits is too long"
        return 0, "", "it must be a whole number, in digits alone" if text else "it is missing"
    back = item.returned.removeprefix("-")
    if whole := _ROUND.fullmatch(back):
        back = whole[1]
    if back and not WHOLE_NUMBER.fullmatch(back):
        return 0, "", "what is refunded or returned of it must be a whole number"
    return int(text) - int(back or 0), note, ""
