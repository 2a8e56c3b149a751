"""Any file of orders, damaged anyhow: an outcome or one refusal, no row lost, and nothing sent that is not due."""

from __future__ import annotations

import json
import time
from random import Random

import attrs
import pytest
from hypothesis import given, strategies as st
from support.places import one_change, places
from support.shop_due import counted, decoded, due_in, due_in_lines, is_due, plain
from support.shop_examples import EXAMPLES, MAPS, ORDER, changed

from kakaclo_async import InvalidRequest
from kakaclo_async.cli.orders import _read_one_order
from kakaclo_async.shop import read_map, read_orders

PIECES = [b"", b'"', b'""', b",", b"\n", b"\r", b"\r\n", b";", b"\t", b" ", b"\0", b"\x1b", b"\xff", b"'", b"\xe2\x80\xa8",
          b"9", b"-", b"{", b"\\", b"\xef\xbb\xbf", b"A", b'",', b'\n"', b"\\ud83d"]  # fmt: skip
TEXTS = ("custom_order_id", "remark", "sale_platform")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("orders")


def said_in_one_line(error):
    assert "\n" not in str(error)


def must_hold(folder, data, *, phone="+1 555 0100", **options):
    """Read bytes, and check all that must be true of what comes of them; None is a refusal."""
    path = folder / "orders.dat"
    path.write_bytes(data)
    try:
        found = read_orders(path, phone=phone, **options)
    except InvalidRequest as error:
        return said_in_one_line(error)
    json.dumps(found.to_dict())
    assert found.unaccounted() == []
    told = [each.problem for each in found.problems] + [each.note for each in found.notes]
    assert all(told)
    assert not {each.order for each in found.problems} & {each.custom_order_id for each in found.orders}
    assert len({each.custom_order_id for each in found.orders}) == len(found.orders)
    if found.orders and not options:
        readings = [due_in_lines(data)] if not found.header else list(due_in(found.dialect, data))
        for entry in found.orders:
            assert is_due(entry, readings), (entry.custom_order_id, entry.line)
    return found


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_examples_are_read_and_have_something_due(folder, name):
    found = must_hold(folder, EXAMPLES[name])
    assert found is None or found.orders or name == "orders_for_sku_map.csv"
    assert (found is None) == (name == "kk_two_sku_columns.csv")


@pytest.mark.parametrize("name", EXAMPLES)
@given(number=st.integers(0, 2**40))
def test_any_change_of_a_file_is_an_outcome_or_one_refusal_and_sends_only_what_is_due(folder, name, number):
    must_hold(folder, changed(Random(number), EXAMPLES[name]))


@pytest.mark.parametrize("name", MAPS)
@given(number=st.integers(0, 2**40))
def test_a_map_of_skus_that_is_changed_buys_only_what_it_says(folder, name, number):
    data = changed(Random(number), MAPS[name])
    path = folder / "map.csv"
    path.write_bytes(data)
    try:
        table = read_map(path)
    except InvalidRequest as error:
        said_in_one_line(error)
        return
    says = decoded(data)
    for bundle in (*table.parts.values(), *table.titles.values()):
        assert all(part.pieces > 0 and part.sku in says for part in bundle)
    must_hold(folder, EXAMPLES["orders_for_sku_map.csv"], sku_map=table)


OWN = ("kk_lower_country.csv", "kk_sku_blanks.csv", "excel_semicolon_cp1252.csv")


@pytest.mark.parametrize("name", OWN)
@given(number=st.integers(0, 2**40))
def test_an_address_is_what_its_rows_say_or_a_note_tells_of_it(folder, name, number):
    data = changed(Random(number), EXAMPLES[name])
    found = must_hold(folder, data)
    for entry in found.orders if found is not None else ():
        told = {each.field for each in found.notes if each.order == entry.custom_order_id}
        rows = [row.cells for row in found.rows if row.line in entry.lines]
        for field, value in attrs.asdict(entry.order.address).items():
            said = {plain(cell) for row in rows for cell in row}
            assert not value or plain(value) in said or f"address.{field}" in told, field


def document_must_hold(order, text, told=()):
    document = json.loads(text, object_pairs_hook=pairs_of)
    assert counted((item.sku, item.quantity) for item in order.items) == counted(
        (line["sku"].strip(), line["quantity"]) for line in document["items"]
    )
    for name in TEXTS:
        assert (getattr(order, name) or "") == (document.get(name) or "").strip()
    for name, value in attrs.asdict(order.address).items():
        given = document["address"].get(name)
        assert plain(value or "") == plain(given or "") or f"address.{name}" in told, name


def pairs_of(pairs):
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)


def test_every_value_of_an_order_in_json_changed_in_any_way(folder):
    text, count = json.dumps(ORDER), 0
    path = folder / "order.json"
    for place in places(text):
        for change, other in one_change(text, place).items():
            count += 1
            data = other.encode()
            found = must_hold(folder, data, phone=None)
            for entry in found.orders if found is not None else ():
                document_must_hold(entry.order, other, {each.field for each in found.notes})
            path.write_bytes(data)
            try:
                order = _read_one_order(path)
            except InvalidRequest:
                pass
            else:
                document_must_hold(order, other)
            if "doubled" in change and place.is_member:
                assert found is None or found.orders == ()
    assert count > 300


@pytest.mark.long
@pytest.mark.parametrize("piece", PIECES)
@pytest.mark.parametrize("name", ["kk_sku_blanks.csv", "own.jsonl", "amazon_unshipped.txt"])
def test_anything_anywhere_in_a_file_of_orders(folder, name, piece):
    """Every place of the file: put before its byte, and in the place of it."""
    data = EXAMPLES[name]
    for at in range(len(data) + 1):
        for end in (at, at + 1):
            must_hold(folder, data[:at] + piece + data[end:])


@pytest.mark.parametrize("name", ["kk_sku_blanks.csv", "own.jsonl", "shopify_status.csv"])
@pytest.mark.parametrize("piece", [b'"', b'""', b"\n", b",", b'",', b"\r", b"[", b'{"a":', b"\\", b" "])
def test_the_time_that_a_file_takes_grows_with_its_size_alone(folder, name, piece):
    def seconds(size: int) -> float:
        data = EXAMPLES[name]
        half = len(data) // 2
        damaged = data[:half] + piece * (size // len(piece)) + data[half:]
        started = time.thread_time()
        must_read(folder, damaged)
        return time.thread_time() - started

    small, large = (min(seconds(size) for _ in range(3)) for size in (8_000, 64_000))
    assert large < 24 * small + 0.02  # a square would be 64 times as much


def must_read(folder, data):
    path = folder / "large.dat"
    path.write_bytes(data)
    try:
        read_orders(path)
    except InvalidRequest:
        return
