"""Processes that tests start import what the tests import."""

from __future__ import annotations

import re

from support.source import ROOT


def test_a_path_for_a_child_process_is_made_in_one_place():
    """A folder named by hand holds only where the suite happens to run, or hides the wheel that it should test."""
    files = [
        path
        for path in (ROOT / "tests").rglob("*.py")
        if path.name not in ("children.py", "test_children.py")
    ]
    made = re.compile(r'"PYTHONPATH"(?:: |, )(?!import_path\(|path\b|"|os\.environ\.get\()(.*)')
    found = {str(path.relative_to(ROOT)): made.findall(path.read_text()) for path in files}
    assert {path: lines for path, lines in found.items() if lines} == {}
