"""What the README shows works as it stands there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from kakaclo_async.sandbox import Sandbox

ROOT = Path(__file__).parents[2]
BLOCKS = re.findall(r"^```python\n(.*?)^```", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
KINDS = ["Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"]
PROGRAMS = [block for block in BLOCKS if "asyncio.run" in block or "kakaclo_sync" in block]


@pytest.fixture
async def environment():
    async with Sandbox(products=500, update_rate=0.01) as sandbox:
        sandbox.skip(86_400)  # so that something was updated yesterday
        yield {**os.environ, "KAKACLO_TOKEN": sandbox.token, "KAKACLO_BASE_URL": sandbox.url}


def test_the_readme_has_a_program_for_each_face():
    assert len(PROGRAMS) == 2


@pytest.mark.process
@pytest.mark.parametrize("program", PROGRAMS, ids=["async", "blocking"])
async def test_each_program_of_the_readme_runs(program, environment):
    import asyncio

    process = await asyncio.create_subprocess_exec(
        sys.executable, "-W", "error", "-c", program,
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    out, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    assert len(out.splitlines()) >= 1


def test_the_changelog_keeps_the_form_that_it_names():
    """Each version has sections of known kinds, and each section entries; https://keepachangelog.com."""
    _, *versions = re.split(r"^## ", (ROOT / "CHANGELOG.md").read_text(), flags=re.MULTILINE)
    assert versions
    for version in versions:
        title, *sections = re.split(r"^### ", version, flags=re.MULTILINE)
        assert re.fullmatch(r"\[\d+\.\d+\.\d+\] - (\d{4}-\d\d-\d\d|unreleased)\n*", title)
        kinds = [section.split("\n", 1)[0] for section in sections]
        assert kinds == sorted(set(kinds), key=KINDS.index)
        assert kinds
        for section in sections:
            _, *lines = filter(None, section.splitlines())
            assert lines[0].startswith("- ")
            assert [line for line in lines if not line.startswith(("- ", "  "))] == []
