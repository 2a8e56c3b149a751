"""A file of orders, damaged anyhow: each row becomes what it says, or its order is refused, and none is lost."""

from __future__ import annotations

import csv
import io
import json
import time
from random import Random

import attrs
import pytest
from hypothesis import given, strategies as st
from support.damage import damaged
from support.places import one_change, places

from kakaclo_async import InvalidRequest, NewOrder
from kakaclo_async.cli.orders import _read_one_order
from kakaclo_async.cli.orders_file import _ADDRESS, _ORDER, FileOrder, read_orders

HEADER = "custom_order_id,sku,quantity,country,recipient,phone,province,city,remark,channel_type"
CSV = f"""{HEADER}
A,AMN00001_B_M,2,US,Jane Roe,555 0100,Florida,Orlando,"for Mum, ""with love""\",Express
A,AMN00002,1,US,,,,,,

B,AMN00003,1,FR,Zoé,"+33 1, 2",Île-de-France,Paris,"two\r\nlines",
C,00123,12,US,J,5,P,,,Standard
"""
ORDER = {
    "custom_order_id": "A",
    "address": {
        "country": "US",
        "recipient": "Jané",
        "phone": "5",
        "province": "FL",
        "zip": "32801",
        "city": None,
    },
    "items": [{"sku": "AMN1", "quantity": 2}, {"sku": "AMN2", "quantity": 1}],
    "channel_type": "Express",
    "remark": "two\nlines",
}
JSONL = (
    "\n".join([json.dumps(ORDER), "", json.dumps(ORDER | {"custom_order_id": "B"}, ensure_ascii=False)])
    + "\n"
)
FILES = {".csv": CSV.encode(), ".jsonl": JSONL.encode()}
PIECES = [b"", b'"', b'""', b",", b"\n", b"\r", b"\r\n", b";", b"\t", b" ", b"\0", b"\x1b", b"\xff", b"'", b"\xe2\x80\xa8",
          b"9", b"-", b"{", b"\\", b"\xef\xbb\xbf", b"A", b'",', b'\n"', b"\\ud83d"]  # fmt: skip


@pytest.fixture(scope="module")
def read(tmp_path_factory):
    """Read a file; return its orders, or None if it is refused as a whole. Nothing else may come of it."""
    folder = tmp_path_factory.mktemp("orders")

    def read(data: bytes, suffix: str) -> tuple[FileOrder, ...] | None:
        path = folder / f"orders{suffix}"
        path.write_bytes(data)
        try:
            found = read_orders(path)
        except InvalidRequest:
            return None
        for order in found:
            assert (order.order is None) == bool(order.problems)
            assert all(order.describe(problem) for problem in order.problems)
        return found

    return read


def plain(order: NewOrder) -> dict[str, object]:
    """An order as a file has it: what is given, by the names of its columns."""
    held = {name: getattr(order, name) for name in _ORDER} | attrs.asdict(order.address)
    return {name: str(value) for name, value in held.items() if value not in (None, "")}


def csv_must_hold(found: tuple[FileOrder, ...] | None, data: bytes) -> None:
    if found is None:
        return
    text = data.decode().removeprefix("\ufeff")
    rows = [
        row
        for row in csv.reader(io.StringIO(text, newline=""), strict=True)
        if len(row) > 1 or "".join(row).strip()
    ]
    header, rows = rows[0], rows[1:]
    assert sum(len(order.item_lines) for order in found) == len(rows)
    assert len({line for order in found for line in order.item_lines}) == len(rows)
    by_id: dict[str, list[dict[str, str]]] = {}
    for row in rows:
        if len(row) == len(header):
            cells = {name: cell for name, cell in zip(header, row, strict=True) if cell}
            by_id.setdefault(cells.get("custom_order_id", ""), []).append(cells)
    for order in found:
        if order.order is None:
            continue
        mine = by_id[order.custom_order_id]
        assert [(item.sku, item.quantity) for item in order.order.items] == [
            (cells["sku"].strip(), int(cells["quantity"])) for cells in mine
        ]
        facts = [
            {name: cell for name, cell in cells.items() if name not in {"sku", "quantity"}} for cells in mine
        ]
        compare(order.order, facts[0])
        assert all(more.items() <= facts[0].items() for more in facts)


def compare(order: NewOrder, given: dict[str, object]) -> None:
    read, asked = plain(order), {name: str(value) for name, value in given.items() if value not in (None, "")}
    asked.setdefault("channel_type", "Standard")
    for name in ("country", "channel_type"):
        assert read.pop(name).casefold() == asked.pop(name).strip().casefold()
    assert read == asked


def jsonl_must_hold(found: tuple[FileOrder, ...] | None, data: bytes) -> None:
    if found is None:
        return
    lines = data.decode().removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").split("\n")
    numbers = [number for number, line in enumerate(lines, 1) if line.strip()]
    assert [order.line for order in found] == numbers
    for order in found:
        if order.order is not None:
            document_must_hold(order.order, lines[order.line - 1])


def document_must_hold(order: NewOrder, text: str) -> None:
    document = json.loads(text, object_pairs_hook=pairs_of)
    given = {name: document[name] for name in _ORDER if name in document} | document["address"]
    assert given.keys() <= {*_ORDER, *_ADDRESS}
    assert [(item.sku, item.quantity) for item in order.items] == [
        (line["sku"].strip(), line["quantity"]) for line in document["items"]
    ]
    compare(order, given)


def pairs_of(pairs: list[tuple[str, object]]) -> dict[str, object]:
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)


MUST_HOLD = {".csv": csv_must_hold, ".jsonl": jsonl_must_hold}


@pytest.mark.parametrize("suffix", FILES)
def test_the_files_that_are_damaged_are_sound(read, suffix):
    found = read(FILES[suffix], suffix)
    assert [order.custom_order_id for order in found if order.order is not None] == ["A", "B", "C"][
        : len(found)
    ]
    MUST_HOLD[suffix](found, FILES[suffix])


@pytest.mark.long
@pytest.mark.parametrize("piece", PIECES)
@pytest.mark.parametrize("suffix", FILES)
def test_anything_anywhere_in_a_file_of_orders(read, suffix, piece):
    """Every place of the file: put before its byte, and in the place of it."""
    data = FILES[suffix]
    for at in range(len(data) + 1):
        for end in (at, at + 1):
            changed = data[:at] + piece + data[end:]
            MUST_HOLD[suffix](read(changed, suffix), changed)


@pytest.mark.parametrize("suffix", FILES)
@given(number=st.integers(0, 2**40))
def test_a_file_of_orders_that_is_damaged(read, suffix, number):
    data = damaged(Random(number), FILES[suffix])
    MUST_HOLD[suffix](read(data, suffix), data)


def test_every_value_of_an_order_changed_in_any_way(read, tmp_path):
    text, count = json.dumps(ORDER), 0
    path = tmp_path / "order.json"
    for place in places(text):
        for change, changed in one_change(text, place).items():
            count += 1
            data = changed.encode()
            found = read(data, ".jsonl")
            jsonl_must_hold(found, data)
            path.write_bytes(data)
            try:
                order = _read_one_order(path)
            except InvalidRequest:
                pass
            else:
                document_must_hold(order, changed)
            if "doubled" in change and place.is_member:
                assert found[0].order is None
    assert count > 300


@pytest.mark.parametrize("suffix", FILES)
@pytest.mark.parametrize("piece", [b'"', b'""', b"\n", b",", b'",', b"\r", b"[", b'{"a":', b"\\", b" "])
def test_the_time_that_a_file_takes_grows_with_its_size_alone(read, suffix, piece):
    def seconds(size: int) -> float:
        data = FILES[suffix][:90] + piece * (size // len(piece)) + FILES[suffix][90:]
        started = time.thread_time()
        read(data, suffix)
        return time.thread_time() - started

    small, large = (min(seconds(size) for _ in range(3)) for size in (8_000, 64_000))
    assert large < 24 * small + 0.02  # a square would be 64 times as much
