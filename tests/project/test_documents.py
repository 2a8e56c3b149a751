"""What the documents show works, and what they name is there."""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys
import types
from pathlib import Path

import pytest

import kakaclo_sync
from kakaclo_async import catalog, errors, feed, ordering, public, shop
from kakaclo_async.sandbox import Sandbox

ROOT = Path(__file__).parents[2]
DOCUMENTS = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]
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


def described_names():
    """Every name that docs/reference.md describes: an object, or what a module defines."""
    for target in re.findall(r"^::: (\S+)$", (ROOT / "docs" / "reference.md").read_text(), re.MULTILINE):
        owner, _, name = target.rpartition(".")
        found = importlib.import_module(owner)
        if name in vars(found) and not isinstance(vars(found)[name], types.ModuleType):
            yield name
        else:
            module = importlib.import_module(target)
            yield from (name for name, value in vars(module).items() if defined_in(module, value))


def defined_in(module, value):
    return getattr(value, "__module__", None) == module.__name__


def test_the_reference_describes_every_public_name():
    described = set(described_names())
    assert set(public.NAMES) - described == {"__version__"}
    packages = (kakaclo_sync, catalog, feed, ordering, shop)
    assert {name for package in packages for name in package.__all__} - described == {"__version__"}


@pytest.mark.parametrize("document", ["README.md", "docs/index.md"])
def test_a_table_of_errors_names_every_error_that_users_meet(document):
    text = (ROOT / document).read_text()
    kinds = {
        name for name, value in vars(errors).items() if defined_in(errors, value) and isinstance(value, type)
    }
    rows = {
        name
        for row in re.findall(r"^\| (`.*?) \|", text, re.MULTILINE)
        for name in re.findall(r"`(\w+)`", row)
    }
    assert kinds - rows - {"KakaCloError", "APIError", "LeaseLost"} == set()
    assert {name for name in rows if name[0].isupper()} <= kinds


def tree():
    """The packages as docs/architecture.md draws them: each entry with what it lies in."""
    [drawn] = re.findall(
        r"## The tree\n\n```text\n(.*?)```", (ROOT / "docs/architecture.md").read_text(), re.DOTALL
    )
    folders = []
    for line in drawn.splitlines():
        indent, name = re.match(r"( *)(\S+)", line).groups()
        folders[len(indent) // 2 :] = [name]
        yield Path(*folders)


def test_the_drawn_tree_has_every_module_and_folder_of_the_core_and_nothing_else():
    drawn = set(tree())
    assert [path for path in drawn if not (ROOT / path).exists()] == []
    core = ROOT / "kakaclo_async"
    there = {path.relative_to(ROOT) for path in core.iterdir() if path.suffix == ".py" or path.is_dir()}
    hidden = {"__init__.py", "__pycache__"}
    assert {path for path in there if path.name not in hidden} <= drawn


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_file_that_a_document_names_is_there(document):
    text = document.read_text()
    named = re.findall(r"`((?:tests|docs|benchmarks|examples|kakaclo_\w+)/[\w./-]+)`", text)
    linked = [link for link in re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", text) if link]
    missing = [name for name in named if "AREA" not in name and not (ROOT / name).exists()]
    missing += [name for name in linked if not (document.parent / name).exists()]
    assert missing == []
