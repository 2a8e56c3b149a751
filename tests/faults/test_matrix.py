"""Every operation of the client meets every fault of the network, on both faces."""

from __future__ import annotations

import json

import pytest
from support.calls import CALLS
from support.hostile_cells import plan, run_cell
from support.hostile_faces import FACES
from support.hostile_faults import FAULTS, expected
from support.hostile_page import PAGE, render, row_of, rows_on_page


def test_the_page_shows_this_matrix():
    """What it says about each fault is compared where the fault is caused, below."""
    assert PAGE.read_text() == render(rows_on_page()), "make faults writes the page anew"


@pytest.mark.long
@pytest.mark.parametrize("fault", FAULTS.values(), ids=lambda fault: fault.name)
@pytest.mark.parametrize("face", FACES)
def test_each_operation_ends_as_the_table_says(face, fault, tmp_path, record_property, pytestconfig):
    cells = [
        run_cell(FACES[face](), fault, name, scope, tmp_path, number)
        for number, (name, scope) in enumerate(plan(face, fault))
    ]
    for cell in cells:
        if cell.outcome not in (allowed := expected(fault, CALLS[cell.operation], cell.scope)):
            cell.wrong.append(f"the table says {' or '.join(allowed)}")
    row = row_of(fault, cells) if face == "kakaclo_async" else ""
    seen = {
        "fault": fault.name,
        "row": row,
        "cells": len(cells),
        "hangs": sum(cell.hangs for cell in cells),
        "leaks": sum(cell.leaks for cell in cells),
        "doubles": sum(cell.doubles for cell in cells),
    }
    record_property("faults", json.dumps(seen))
    assert [str(cell) for cell in cells if cell.wrong] == []
    if row and not pytestconfig.getoption("--write-faults", default=False):
        assert rows_on_page().get(fault.name) == row, "make faults writes the page anew"
