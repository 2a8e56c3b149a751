from __future__ import annotations

import io
import json
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given, strategies as st
from support.terminal import Terminal

from kakaclo_async import Attributes, NotFound, Option, OrderStatus, ProductStatus, StockLevel
from kakaclo_async.cli.output import Result, Table, cell, one_line, print_table, show


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        ("", "-"),
        (True, "yes"),
        (False, "no"),
        (0, "0"),
        (Decimal("6.1600"), "6.1600"),
        (Decimal("1E+3"), "1000"),
        (datetime(2024, 5, 1, 12, tzinfo=timezone(timedelta(hours=2))), "2024-05-01 10:00:00Z"),
        (OrderStatus.PROCESSING, "processing"),
        (OrderStatus("brand_new"), "brand_new"),
        (ProductStatus.ON_SHELF, "on shelf"),
        (ProductStatus(99), "unknown 99"),
        ("red\x1b[31m\nline", "red [31m line"),
    ],
)
def test_a_cell_shows_a_value_exactly_and_harmlessly(value, text):
    assert cell(value) == text


@given(st.text())
def test_a_text_is_one_line_of_printable_signs(text):
    line = one_line(text)
    assert line.isprintable()
    assert line == " ".join(line.split())


def test_columns_are_aligned_also_with_wide_signs():
    table = Table(("Code", "Name", "Qty"), [("G007", "义乌仓", 5), ("G1", "x", 1000)])
    stream = io.StringIO()
    print_table(table, stream)
    assert stream.getvalue() == (
        "Code  Name     Qty\n"
        "G007  义乌仓     5\n"
        "G1    x       1000\n"
    )  # fmt: skip


def test_a_table_without_rows_is_its_headings():
    stream = io.StringIO()
    print_table(Table(("A", "B"), []), stream)
    assert stream.getvalue() == "A  B\n"


@given(
    st.lists(
        st.tuples(st.text(), st.integers(), st.none() | st.decimals(allow_nan=False, allow_infinity=False))
    )
)
def test_no_value_of_a_plain_table_is_cut(rows):
    stream = io.StringIO()
    print_table(Table(("A", "B", "C"), rows), stream)
    heading, *lines = stream.getvalue().splitlines()
    assert len(lines) == len(rows)
    assert all(cell(value) in line for row, line in zip(rows, lines, strict=True) for value in row)


def test_a_terminal_gets_lines_and_colours(monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    stream = Terminal()
    print_table(Table(("SKU", "Qty"), [("[red]X", 5)]), stream)
    assert "\x1b[1" in stream.getvalue()
    assert "┃" in stream.getvalue()
    assert "[red]X" in stream.getvalue()


def test_a_narrow_terminal_cuts_no_code(monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "20")
    stream = Terminal()
    print_table(Table(("SKU", "Qty"), [("AMN00432_NAVY_XXL", 5)]), stream)
    parts = [line.split("│")[1].strip() for line in stream.getvalue().splitlines() if line.startswith("│")]
    assert "".join(parts) == "AMN00432_NAVY_XXL"


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_who_wants_no_colours_gets_none(monkeypatch, name, value):
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv(name, value)
    stream = Terminal()
    print_table(Table(("SKU", "Qty"), [("X", 5)]), stream)
    assert "\x1b" not in stream.getvalue()
    assert "SKU" in stream.getvalue()


def test_force_color_gives_a_pipe_no_codes(monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    stream = io.StringIO()
    print_table(Table(("SKU", "Qty"), [("X", 5)]), stream)
    assert "\x1b" not in stream.getvalue()


def test_json_has_models_under_their_own_names_and_every_digit(capsys):
    level = StockLevel(sku="X", extra={"new": Decimal("1.50")})
    option = Option("color", "Black", raw="{}")
    data = {"level": level, "option": option, "attributes": Attributes({"season": "all"}, raw="{}")}
    moment = datetime(2024, 5, 1, tzinfo=UTC)
    show(Result(data={**data, "rest": (moment, None, True, ProductStatus.ON_SHELF)}, tables=()), as_json=True)
    assert json.loads(capsys.readouterr().out) == {
        "level": {"sku": "X", "warehouses": [], "extra": {"new": "1.50"}},
        "option": {"name": "color", "value": "Black"},
        "attributes": {"season": "all"},
        "rest": ["2024-05-01T00:00:00Z", None, True, 1],
    }


def test_two_tables_have_an_empty_line_between_them(capsys):
    show(Result(data=None, tables=(Table(("A",), [(1,)]), Table(("B",), [(2,)]))), as_json=False)
    assert capsys.readouterr().out == "A\n1\n\nB\n2\n"


def test_a_result_keeps_its_errors_apart(capsys):
    show(Result(data={"a": "é"}, tables=(), errors=(NotFound("x", status=200),)), as_json=True)
    assert capsys.readouterr().out == '{\n  "a": "é"\n}\n'
