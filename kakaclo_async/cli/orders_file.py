"""Files of orders (a JSON document, JSON lines, CSV with an item per row), read strictly.

What a reader has to guess may become an order that nobody placed: an open quote takes in the next customers' rows, of
two columns with one name one wins. So a file with anything doubtful in it is refused as a whole, by line and column.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final, cast

import attrs

from kakaclo_async import Address, InvalidRequest, NewOrder, OrderProblem
from kakaclo_async.cli.command import WHOLE_NUMBER
from kakaclo_async.resources.orders.check import read_order

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path


_ADDRESS: Final = tuple(attrs.fields_dict(Address))
_ORDER: Final = ("custom_order_id", "channel_type", "remark", "sale_platform")
_COLUMNS: Final = (*_ORDER, "sku", "quantity", *_ADDRESS)

_CELL: Final = re.compile(r'"([^"]*+(?:""[^"]*+)*+)"|([^",\r\n]*+)')
_LINE_END: Final = re.compile(r"\r\n|\n|\r")
_ROW_END: Final = re.compile(r"\r\n|\n|\r|\Z")
_LINE_BREAK: Final = re.compile("[\n\v\f\r\x1c-\x1e\x85\u2028\u2029]")
_NO_TEXT: Final = re.compile("[\x00-\x08\x0e-\x1b\x1f\x7f\ud800-\udfff]")


@attrs.frozen(kw_only=True)
class FileOrder:
    """An order of a file.

    Attributes:
        line: the line where it begins, from 1.
        item_lines: the line of each of its items.
        custom_order_id: empty when it is missing.
        order: None when it has problems.
        problems: all of them.
    """

    line: int
    item_lines: tuple[int, ...] = ()
    custom_order_id: str
    order: NewOrder | None
    problems: tuple[OrderProblem, ...]

    def describe(self, problem: OrderProblem) -> str:
        """Return a problem with its line and order."""
        item = re.match(r"items\[(\d+)\]", problem.field)
        place = int(item[1]) if item else len(self.item_lines)
        line = self.item_lines[place] if place < len(self.item_lines) else self.line
        return f"line {line}, order {self.custom_order_id!r}: {problem}"


@attrs.define
class _Draft:
    """An order as it stands in the file; its document is None where the file has no JSON object."""

    line: int
    document: dict[str, object] | None = None
    ragged: bool = False  # its cells may belong to other columns
    item_lines: list[int] = attrs.field(factory=list[int])
    problems: list[OrderProblem] = attrs.field(factory=list[OrderProblem])


def read_orders(path: Path) -> tuple[FileOrder, ...]:
    """Read a file of orders; its name ends in .csv or .jsonl.

    CSV, as in RFC 4180: one item per row, with the names of `NewOrder`, `Address` and `Item` as columns. Rows with the
    same custom_order_id are one order. The first of them holds the address and all else; the others may repeat it.

    Raises:
        InvalidRequest: no such file, or one that cannot be read at all.
    """
    read = {".csv": _csv, ".jsonl": _jsonl}.get(path.suffix.lower())
    if read is None:
        raise InvalidRequest(f"{path} is neither .csv nor .jsonl")
    text = text_of(path)
    try:
        found = [_file_order(draft) for draft in read(text)]
    except InvalidRequest as error:
        raise InvalidRequest(f"{path} cannot be read: {error}") from None
    return tuple(_without_duplicates(found))


def text_of(path: Path) -> str:
    """Read a file of the user's, or refuse it: no such file, or no text in UTF-8."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InvalidRequest(f"{path} cannot be read: {error.strerror}") from None
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        start, what = error.start, "is not UTF-8"
    else:
        if "\0" not in text:
            return text.removeprefix("\ufeff")
        start, what = data.index(0), "is a NUL, which no text has"
    line, column = data.count(b"\n", 0, start) + 1, start - data.rfind(b"\n", 0, start)
    raise InvalidRequest(
        f"{path} cannot be read: line {line}, byte {column} {what}; save it as text in UTF-8"
    )


def read_json(text: str) -> object:
    """Read a JSON document whose objects have each name once, and whose numbers are numbers.

    Raises:
        ValueError: it is not one.
    """
    try:
        return json.loads(
            text, object_pairs_hook=_object, parse_constant=_refuse_constant, parse_int=_whole_number
        )
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found: dict[str, object] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"the name {name!r} stands twice in one object")
        found[name] = value
    return found


def _whole_number(text: str) -> int:
    if not WHOLE_NUMBER.fullmatch(text.removeprefix("-")):
        raise ValueError(f"a number of {len(text)} digits is too long")
    return int(text)


def _refuse_constant(name: str) -> object:
    raise ValueError(f"{name} is no number of JSON")


def _jsonl(text: str) -> Iterator[_Draft]:
    for number, line in enumerate(_LINE_END.split(text), 1):
        if not line.strip():
            continue
        draft = _Draft(number)
        try:
            document = read_json(line)
        except json.JSONDecodeError as error:
            draft.problems.append(OrderProblem(f"column {error.colno}", f"not JSON: {error.msg}"))
        except ValueError as error:
            draft.problems.append(OrderProblem("JSON", str(error)))
        else:
            if isinstance(document, dict):
                draft.document = cast("dict[str, object]", document)
            else:
                draft.problems.append(OrderProblem("column 1", "not a JSON object"))
        yield draft


def _csv(text: str) -> Iterable[_Draft]:
    rows = _rows(text)
    first, header = next(rows, (1, list[str]()))
    _check_header(first, header)
    drafts: dict[str | int, _Draft] = {}
    for line, cells in rows:
        given = {name: cell for name, cell in zip(header, cells, strict=False) if cell != ""}
        facts = {name: cell for name, cell in given.items() if name not in {"sku", "quantity"}}
        draft = drafts.setdefault(given.get("custom_order_id", line), _Draft(line))
        if draft.document is None:
            draft.document = {
                **{name: cell for name, cell in facts.items() if name in _ORDER},
                "address": {name: cell for name, cell in facts.items() if name in _ADDRESS},
                "items": [],
            }
        _add_item(draft, draft.document, line, given, facts)
        place = f"items[{len(draft.item_lines) - 1}]"
        if len(cells) != len(header):  # as after a comma without quotes, which moves the cells that follow it
            draft.ragged = True
            than = "more" if len(cells) > len(header) else "fewer"
            draft.problems = [OrderProblem(place, f"its row has {than} cells than columns")]
        elif "remark" in given and _holds_rows(given["remark"], header):
            problem = "remark looks like rows of the file: is a quote missing? If not, put the order into a .jsonl file"
            draft.problems.append(OrderProblem(place, problem))
    return drafts.values()


def _rows(text: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the line where each row begins, and its cells; the csv module does not tell where a quote opens."""
    header: list[str] = []
    position, line = 0, 1
    while position < len(text):
        first, cells, end = line, list[str](), None
        while end is None:
            name = header[len(cells)] if len(cells) < len(header) else len(cells) + 1
            cell, position = _cell(text, position, f"line {line}, column {name}")
            line += len(_LINE_END.findall(cell))
            cells.append(cell)
            end = _ROW_END.match(text, position)
            position = position + 1 if end is None else end.end()
        line += 1
        if len(cells) > 1 or cells[0].strip():
            header = header or cells
            yield first, cells


def _cell(text: str, position: int, place: str) -> tuple[str, int]:
    """Return the cell that begins here, and where it ends: before a comma or the end of its row."""
    found = _CELL.match(text, position)
    assert found is not None  # noqa: S101 - a cell may be empty
    quoted, plain, end = found[1], found[2], found.end()
    if text[end : end + 1] in {",", "\r", "\n", ""}:
        return plain if quoted is None else quoted.replace('""', '"'), end
    if plain:
        raise InvalidRequest(
            f"{place}: a quote in a cell: put all of it in quotes, and the quotes in it twice"
        )
    trouble = "not closed" if quoted is None else "closed before the end of a cell"
    raise InvalidRequest(f"{place}: the quote that opens here is {trouble}")


def _check_header(line: int, header: list[str]) -> None:
    columns: dict[str, int] = {}
    for number, name in enumerate(header, 1):
        first = columns.setdefault(name.strip().casefold(), number)
        if first != number:
            raise InvalidRequest(f"line {line}: the columns {first} and {number} are both {name.strip()!r}")
    if columns.keys().isdisjoint(_COLUMNS):  # an order, whose cells are not repeated
        raise InvalidRequest(f"it has no header: begin with {', '.join(_COLUMNS)}, as far as you use them")
    if unknown := [name for name in header if name not in _COLUMNS]:
        raise InvalidRequest(f"line {line}: unknown column {unknown[0]!r}: use {', '.join(_COLUMNS)}")


def _holds_rows(remark: str, header: list[str]) -> bool:
    """Whether the lines of a remark may be rows, between an open quote and the next that closes it."""
    before = header.index("remark")
    width = len(header) - 1
    first, *others = (line.count(",") for line in _LINE_END.split(remark))
    # The open quote takes in the end of its own row, whole rows, and then the beginning of another.
    cut = bool(others) and first >= width - before and others[-1] >= before
    return cut or any(commas >= width for commas in others)


def _add_item(
    draft: _Draft, document: dict[str, object], line: int, given: dict[str, str], facts: dict[str, str]
) -> None:
    first = {**document, **cast("dict[str, str]", document["address"])}
    items = cast("list[object]", document["items"])
    for name, value in facts.items():
        if value != first.get(name):
            text = f"{name} differs from the order's first row, line {draft.line}"
            draft.problems.append(OrderProblem(f"items[{len(items)}]", text))
    item: dict[str, object] = {name: given[name] for name in ("sku", "quantity") if name in given}
    quantity = given.get("quantity", "")
    if WHOLE_NUMBER.fullmatch(quantity):
        item["quantity"] = int(quantity)
    elif quantity.isdecimal():
        draft.problems.append(
            OrderProblem(f"items[{len(items)}].quantity", f"a number of {len(quantity)} digits is too long")
        )
    items.append(item)
    draft.item_lines.append(line)


def _file_order(draft: _Draft) -> FileOrder:
    order, custom_order_id, problems = None, None, draft.problems
    if draft.document is not None:
        custom_order_id = draft.document.get("custom_order_id") or None
        if not draft.ragged:
            # It is the idempotency key: without it, a second run could not recognise the order.
            missing = [] if custom_order_id else [OrderProblem("custom_order_id", "missing")]
            order, found = read_order({**draft.document, "custom_order_id": custom_order_id})
            own = [*missing, *problems, *text_problems(draft.document)]
            named = {problem.field for problem in own}
            problems = [*own, *(problem for problem in found if problem.field not in named)]
    return FileOrder(
        line=draft.line,
        item_lines=tuple(draft.item_lines),
        custom_order_id=str(custom_order_id or ""),
        order=None if problems else order,
        problems=tuple(problems),
    )


def text_problems(value: object, field: str = "") -> Iterator[OrderProblem]:
    """Yield where a text holds what no label has: signs of a broken file, or of one that was read wrongly."""
    if isinstance(value, str):
        if _NO_TEXT.search(value):
            yield OrderProblem(field, "it holds a control character or half of a character")
        elif field != "remark" and _LINE_BREAK.search(value):
            yield OrderProblem(field, "it holds a line break: is a quote missing?")
    elif isinstance(value, dict):
        for name, part in cast("dict[str, object]", value).items():
            yield from text_problems(part, f"{field}.{name}" if field else name)
    elif isinstance(value, list):
        for place, part in enumerate(cast("list[object]", value)):
            yield from text_problems(part, f"{field}[{place}]")


def _without_duplicates(orders: Iterable[FileOrder]) -> Iterator[FileOrder]:
    seen: dict[str, int] = {}
    for order in orders:
        first = seen.setdefault(order.custom_order_id, order.line)
        if order.custom_order_id and first != order.line:
            duplicate = OrderProblem("custom_order_id", f"line {first} has the same one")
            yield attrs.evolve(order, order=None, problems=(*order.problems, duplicate))
        else:
            yield order
