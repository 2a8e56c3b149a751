"""Files of orders (a JSON document, JSON lines, CSV with an item per row), and of what became of them."""

from __future__ import annotations

import csv
import json
import re
from typing import TYPE_CHECKING, Final, Self, TextIO, cast

import attrs

from kakaclo_async import Address, InvalidRequest, NewOrder, OrderProblem
from kakaclo_async.resources.orders.check import read_order

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path


_ADDRESS: Final = tuple(attrs.fields_dict(Address))
_ORDER: Final = ("custom_order_id", "channel_type", "remark", "sale_platform")
_COLUMNS: Final = (*_ORDER, "sku", "quantity", *_ADDRESS)


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
    item_lines: list[int] = attrs.field(factory=list[int])
    problems: list[OrderProblem] = attrs.field(factory=list[OrderProblem])


def read_one_order(path: Path) -> NewOrder:
    """Read a JSON file that holds one order.

    Raises:
        InvalidRequest: no such file, not JSON, or an order with problems; it names all of them.
    """
    try:
        document: object = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidRequest(f"{path} cannot be read: {error.strerror}") from None
    except ValueError as error:  # not UTF-8, or not JSON
        raise InvalidRequest(f"{path} is not JSON: {error}") from None
    if not isinstance(document, dict):
        raise InvalidRequest(f"{path} must hold one order, as a JSON object")
    return order_from(cast("dict[str, object]", document))


def order_from(document: Mapping[str, object]) -> NewOrder:
    """Build an order from plain data.

    Raises:
        InvalidRequest: the order has problems; it names all of them.
    """
    order, problems = read_order(document)
    if order is None:
        raise InvalidRequest("; ".join(map(str, problems)))
    return order


def read_orders(path: Path) -> tuple[FileOrder, ...]:
    """Read a file of orders; its name ends in .csv or .jsonl.

    CSV: one item per row, with the names of `NewOrder`, `Address` and `Item` as columns. Rows with the same
    custom_order_id are one order. The first of them holds the address and all else; the others may repeat it.

    Raises:
        InvalidRequest: no such file, or one that cannot be read at all.
    """
    read = {".csv": _csv, ".jsonl": _jsonl}.get(path.suffix.lower())
    if read is None:
        raise InvalidRequest(f"{path} is neither .csv nor .jsonl")
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            found = [_file_order(draft) for draft in read(lines)]
    except OSError as error:
        raise InvalidRequest(f"{path} cannot be read: {error.strerror}") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise InvalidRequest(f"{path} cannot be read: {error}") from None
    return tuple(_without_duplicates(found))


def _jsonl(lines: Iterable[str]) -> Iterator[_Draft]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        draft = _Draft(number)
        try:
            document: object = json.loads(line)
        except json.JSONDecodeError as error:
            draft.problems.append(OrderProblem(f"column {error.colno}", f"not JSON: {error.msg}"))
        else:
            if isinstance(document, dict):
                draft.document = cast("dict[str, object]", document)
            else:
                draft.problems.append(OrderProblem("column 1", "not a JSON object"))
        yield draft


def _csv(lines: Iterable[str]) -> Iterable[_Draft]:
    rows = csv.DictReader(lines)
    if unknown := [name for name in rows.fieldnames or () if name not in _COLUMNS]:
        raise InvalidRequest(f"unknown column {unknown[0]!r}: use {', '.join(_COLUMNS)}")
    drafts: dict[str | int, _Draft] = {}
    for row in rows:
        given = {name: value for name, value in row.items() if isinstance(value, str) and value != ""}
        facts = {name: value for name, value in given.items() if name not in {"sku", "quantity"}}
        draft = drafts.setdefault(given.get("custom_order_id", rows.line_num), _Draft(rows.line_num))
        if draft.document is None:
            draft.document = {
                **{name: value for name, value in facts.items() if name in _ORDER},
                "address": {name: value for name, value in facts.items() if name in _ADDRESS},
                "items": [],
            }
        _add_item(draft, draft.document, rows.line_num, given, facts)
        if None in row:  # as after a comma without quotes, which moves the cells that follow it
            field = f"items[{len(draft.item_lines) - 1}]"
            draft.problems.append(OrderProblem(field, "its row has more cells than columns"))
    return drafts.values()


def _add_item(
    draft: _Draft, document: dict[str, object], line: int, given: dict[str, str], facts: dict[str, str]
) -> None:
    first = {**document, **cast("dict[str, str]", document["address"])}
    items = cast("list[object]", document["items"])
    for name, value in facts.items():
        if value != first.get(name):
            text = f"{name} differs from the order's first row, line {draft.line}"
            draft.problems.append(OrderProblem(f"items[{len(items)}]", text))
    items.append({name: _number(given[name]) for name in ("sku", "quantity") if name in given})
    draft.item_lines.append(line)


def _number(text: str) -> int | str:
    return int(text) if text.isdecimal() and text.isascii() else text


def _file_order(draft: _Draft) -> FileOrder:
    order, custom_order_id, problems = None, None, draft.problems
    if draft.document is not None:
        custom_order_id = draft.document.pop("custom_order_id", None) or None
        # It is the idempotency key: without it, a second run could not recognise the order.
        missing = [] if custom_order_id else [OrderProblem("custom_order_id", "missing")]
        order, found = read_order({**draft.document, "custom_order_id": custom_order_id})
        problems = [*missing, *problems, *found]
    return FileOrder(
        line=draft.line,
        item_lines=tuple(draft.item_lines),
        custom_order_id=str(custom_order_id or ""),
        order=None if problems else order,
        problems=tuple(problems),
    )


def _without_duplicates(orders: Iterable[FileOrder]) -> Iterator[FileOrder]:
    seen: dict[str, int] = {}
    for order in orders:
        first = seen.setdefault(order.custom_order_id, order.line)
        if order.custom_order_id and first != order.line:
            duplicate = OrderProblem("custom_order_id", f"line {first} has the same one")
            yield attrs.evolve(order, order=None, problems=(*order.problems, duplicate))
        else:
            yield order


@attrs.frozen(kw_only=True)
class ResultLine:
    """What became of one order: a row of the result file."""

    custom_order_id: str
    result: str
    order_id: str | None = None
    reason: str | None = None


class ResultFile:
    """A file that takes each result when it comes, and is whole after each of them."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: TextIO | None = None

    def __enter__(self) -> Self:
        try:
            self._file = self._path.open("w", encoding="utf-8", newline="")
        except OSError as error:
            raise InvalidRequest(f"{self._path} cannot be written: {error.strerror}") from None
        csv.writer(self._file).writerow(field.name for field in attrs.fields(ResultLine))
        return self

    def write(self, line: ResultLine) -> None:
        """Add a result."""
        if self._file is not None:
            csv.writer(self._file).writerow(attrs.astuple(line))
            self._file.flush()

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()
