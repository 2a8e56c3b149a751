"""Every block of every page runs, in the order in which a reader meets them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from support.pages import KINDS, Reader, blocks, fences, needs, servers, settings
from support.pgbouncer import needs_pgbouncer
from support.postgresql import needs_postgresql

from kakaclo_sync import Sandbox

ROOT = Path(__file__).parents[2]
PAGES = {
    path.relative_to(ROOT).as_posix(): path.read_text()
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
}
ELSEWHERE = {
    "docs/howto/from-shopify.md": "tests/cli/test_from_shopify.py",
    "docs/howto/telemetry.md": "tests/telemetry/test_telemetry_document.py",
}
"""Pages that another test runs as a whole."""
NEEDS = {
    "postgresql": needs_postgresql(),
    "pgbouncer": needs_pgbouncer(),
    "redis": pytest.mark.skipif(shutil.which("redis-server") is None, reason="no redis-server"),
}
RUN = {name: list(blocks(text)) for name, text in PAGES.items() if name not in ELSEWHERE}


def marks(name):
    return [NEEDS[server] for server in needs(PAGES[name])]


@pytest.mark.process
@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=marks(name)) for name, found in RUN.items() if found]
)
def test_a_page_runs_from_top_to_bottom(name, tmp_path, monkeypatch):
    home = tmp_path / "me"
    home.mkdir()
    with Sandbox(**settings(PAGES[name])) as sandbox, servers(needs(PAGES[name])) as real:
        reader = Reader(sandbox, home, real)
        monkeypatch.chdir(home)
        for variable in ("HOME", "KAKACLO_TOKEN", "KAKACLO_BASE_URL"):
            monkeypatch.setenv(variable, reader.environment[variable])
        try:
            for block in RUN[name]:
                try:
                    reader.read(block)
                except BaseException as error:
                    error.add_note(f"{name}, line {block.line}")
                    raise
        finally:
            reader.close()


@pytest.mark.parametrize("name", PAGES)
def test_no_block_of_a_page_escapes(name):
    """A fence that is indented or of an unknown kind would not be run, and nobody would see it."""
    found = list(blocks(PAGES[name]))
    assert len(found) == fences(PAGES[name])
    assert {block.kind for block in found} <= KINDS


@pytest.mark.parametrize("name", ELSEWHERE)
def test_a_page_that_another_test_runs_is_read_there(name):
    test = (ROOT / ELSEWHERE[name]).read_text()
    assert name in test


def test_a_block_that_is_not_run_says_why():
    reasons = [block.reason for found in RUN.values() for block in found if block.reason]
    assert [reason for reason in reasons if len(reason) < 10] == []
    assert len(reasons) < sum(map(len, RUN.values())) / 5
