"""A file of orders: one order per line of JSON, or one item per row of CSV."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING, cast

import attrs

from kakaclo_async.errors import InvalidRequest
from kakaclo_async.models import Address, NewOrder
from kakaclo_async.resources.order_check import OrderProblem, read_order

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

__all__ = ["FileOrder", "read_orders"]

_ADDRESS = tuple(attrs.fields_dict(Address))
_ORDER = ("custom_order_id", "channel_type", "remark", "sale_platform")
_COLUMNS = {*_ORDER, "sku", "quantity", *_ADDRESS}


@attrs.frozen(kw_only=True)
class FileOrder:
    """An order of a file.

    Attributes:
        line: where it begins, from 1.
        custom_order_id: its number; empty when it has none.
        order: None when it has problems.
        problems: all of them.
    """

    line: int
    custom_order_id: str
    order: NewOrder | None
    problems: tuple[OrderProblem, ...]


def read_orders(path: Path) -> tuple[FileOrder, ...]:
    """Read a file of orders; its name ends in .csv, or in .jsonl.

    CSV: one item per row, by the names of `NewOrder`, `Address` and `Item`; rows with the same custom_order_id are one
    order, whose address and the rest stand in its first row.

    Raises:
        InvalidRequest: no such file, or one that cannot be read at all.
    """
    read = {".csv": _csv, ".jsonl": _jsonl}.get(path.suffix.lower())
    if read is None:
        raise InvalidRequest(f"{path} is neither .csv nor .jsonl")
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            found = tuple(_file_order(line, document) for line, document in read(lines))
    except OSError as error:
        raise InvalidRequest(f"{path} cannot be read: {error.strerror}") from None
    except (UnicodeDecodeError, csv.Error, json.JSONDecodeError) as error:
        raise InvalidRequest(f"{path} cannot be read: {error}") from None
    return tuple(_without_doubles(found))


def _jsonl(lines: Iterable[str]) -> Iterator[tuple[int, Mapping[str, object]]]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        document: object = json.loads(line)
        if not isinstance(document, dict):
            raise InvalidRequest(f"line {number} is no JSON object")
        yield number, cast("Mapping[str, object]", document)


def _csv(lines: Iterable[str]) -> Iterator[tuple[int, Mapping[str, object]]]:
    rows = csv.DictReader(lines)
    if unknown := [name for name in rows.fieldnames or () if name not in _COLUMNS]:
        raise InvalidRequest(
            f"the column {unknown[0]!r} is none of {', '.join((*_ORDER, 'sku', 'quantity', *_ADDRESS))}"
        )
    orders: dict[str, tuple[int, dict[str, object]]] = {}
    for row in rows:
        given = {name: value for name, value in row.items() if isinstance(value, str) and value != ""}
        key = given.get("custom_order_id") or f"line {rows.line_num}"
        if key not in orders:
            address = {name: given[name] for name in _ADDRESS if name in given}
            rest = {name: given[name] for name in _ORDER if name in given}
            orders[key] = rows.line_num, {**rest, "address": address, "items": []}
        items = cast("list[object]", orders[key][1]["items"])
        items.append({name: _number(given[name]) for name in ("sku", "quantity") if name in given})
    yield from orders.values()


def _number(text: str) -> int | str:
    return int(text) if text.isdecimal() and text.isascii() else text


def _file_order(line: int, document: Mapping[str, object]) -> FileOrder:
    order, problems = read_order(document)
    custom_order_id = document.get("custom_order_id")
    if not custom_order_id:
        # Without one of its own, an order could not be told again when the file is run again.
        problems = (OrderProblem("custom_order_id", "it is missing"), *problems)
    return FileOrder(
        line=line,
        custom_order_id=str(custom_order_id or ""),
        order=None if problems else order,
        problems=problems,
    )


def _without_doubles(orders: Iterable[FileOrder]) -> Iterator[FileOrder]:
    seen: dict[str, int] = {}
    for order in orders:
        first = seen.setdefault(order.custom_order_id, order.line)
        if order.custom_order_id and first != order.line:
            double = OrderProblem("custom_order_id", f"line {first} has it, too")
            yield attrs.evolve(order, order=None, problems=(*order.problems, double))
        else:
            yield order
