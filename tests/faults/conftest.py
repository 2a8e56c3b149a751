"""Counts the cells of the matrix, and writes the page that shows them."""

from __future__ import annotations

import json

from support.hostile_page import PAGE, render, rows_on_page


def pytest_addoption(parser):
    parser.addoption(
        "--write-faults", action="store_true", help="write docs/reference/faults.md from what the tests see"
    )


def pytest_terminal_summary(terminalreporter, config):
    """Sum up what the tests have reported, from whatever process they ran in."""
    found = [
        json.loads(value)
        for reports in terminalreporter.stats.values()
        for report in reports
        for name, value in getattr(report, "user_properties", ())
        if name == "faults" and report.when == "call"
    ]
    if not found:
        return
    cells, hangs, leaks, doubles = (
        sum(one[name] for one in found) for name in ("cells", "hangs", "leaks", "doubles")
    )
    terminalreporter.write_line(f"{cells:,} cells: {hangs} hangs, {leaks} leaks, {doubles} double writes")
    if config.getoption("--write-faults"):
        PAGE.write_text(render(rows_on_page() | {one["fault"]: one["row"] for one in found if one["row"]}))
