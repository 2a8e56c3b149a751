"""Processes that tests start import what the tests import, and a slow machine is no reason to fail."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib

import coverage
import pytest
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


def test_only_a_hang_ends_by_a_time_limit():
    """A machine in use can be five times slower than a quiet one: no test may lower the limit of all."""
    marks = re.compile(r"mark\.timeout\((\d+)\)")
    limits = {
        str(path.relative_to(ROOT)): [int(seconds) for seconds in marks.findall(path.read_text())]
        for path in (ROOT / "tests").rglob("*.py")
    }
    common = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]["timeout"]
    assert common >= 600
    assert {path: found for path, found in limits.items() if found and min(found) <= common} == {}


@pytest.mark.process
def test_a_process_in_a_copy_of_the_project_is_not_measured_as_the_project(tmp_path):
    """A build works on a copy, which is gone when the report is made: its files would end the report."""
    copy, elsewhere = tmp_path / "copy", tmp_path / "elsewhere"
    (copy / "kakaclo_async").mkdir(parents=True)
    (copy / "kakaclo_async/copied.py").write_text("")
    elsewhere.mkdir()
    code = f"import subprocess, sys; import kakaclo_async.config; subprocess.run([sys.executable, '-c', ''], cwd={str(copy)!r}, check=True)"
    settings = ["--rcfile", str(ROOT / "pyproject.toml"), "--data-file", str(tmp_path / "data")]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    (elsewhere / "start.py").write_text(code)
    subprocess.run(
        [sys.executable, "-m", "coverage", "run", *settings, "start.py"],
        cwd=elsewhere, env=environment, check=True, capture_output=True,
    )  # fmt: skip
    measured = set[str]()
    for path in tmp_path.glob("data.*"):
        data = coverage.CoverageData(str(path))
        data.read()
        measured |= data.measured_files()
    assert any(name.endswith("kakaclo_async/config.py") for name in measured)
    assert [name for name in measured if name.startswith(str(tmp_path))] == []
