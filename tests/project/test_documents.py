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
PROGRAMS = [block for block in BLOCKS if "asyncio.run" in block or "kakaclo_sync" in block]


@pytest.fixture
async def environment():
    async with Sandbox(products=500, update_rate=0.01) as sandbox:
        sandbox.skip(86_400)  # so that something was updated yesterday
        yield {**os.environ, "KAKACLO_TOKEN": sandbox.token, "KAKACLO_BASE_URL": sandbox.url}


def test_the_readme_has_a_program_for_each_face():
    assert len(PROGRAMS) == 2


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


def test_the_changelog_is_told_for_people():
    text = (ROOT / "CHANGELOG.md").read_text()
    assert "## [Unreleased]" in text or re.search(r"^## \[\d", text, re.MULTILINE)
