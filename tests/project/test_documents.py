"""What the documents show works, and what they name is there."""

from __future__ import annotations

import importlib
import pkgutil
import re
import tomllib
from pathlib import Path

import pytest

from kakaclo_async import errors

ROOT = Path(__file__).parents[2]
DOCUMENTS = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
REFERENCE = ROOT / "docs" / "reference"
BLOCKS = re.findall(r"^```python\n(.*?)^```", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
KINDS = ["Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"]
PROGRAMS = [block for block in BLOCKS if "asyncio.run" in block or "kakaclo_sync" in block]


def test_the_readme_has_a_program_for_each_face():
    assert len(PROGRAMS) == 2


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


def described():
    """Every object that a page of the reference describes, by the name under which it stands there."""
    pages = "\n".join(page.read_text() for page in REFERENCE.glob("*.md"))
    for target in re.findall(r"^\.\. auto(?:class|exception|function|data):: (\S+)$", pages, re.MULTILINE):
        module, _, name = target.rpartition(".")
        yield target, getattr(importlib.import_module(module), name)


def defined_in(module, value):
    return getattr(value, "__module__", None) == module.__name__


def rooms(face):
    """The packages of a face whose names are for everybody: those that list them."""
    found = importlib.import_module(face)
    names = [face, *(f"{face}.{module.name}" for module in pkgutil.iter_modules(found.__path__))]
    modules = [importlib.import_module(name) for name in names if not name.rpartition(".")[2].startswith("_")]
    return [module for module in modules if hasattr(module, "__all__")]


@pytest.mark.parametrize("face", ["kakaclo_async", "kakaclo_sync"])
def test_the_reference_describes_every_public_name_of_both_faces(face):
    """What the blocking face only passes on is described once, with the core."""
    there = dict(described())
    ids = {id(value) for value in there.values()}
    missing = {
        f"{module.__name__}.{name}"
        for module in rooms(face)
        for name in module.__all__
        if name != "__version__"
        and f"{module.__name__}.{name}" not in there
        and (isinstance(getattr(module, name), str) or id(getattr(module, name)) not in ids)
    }
    assert len(rooms(face)) > 3
    assert {name for name in missing if not passed_on(name)} == set()


def passed_on(name):
    """Whether a name of the blocking face is a text that the core has as well, and describes."""
    module, _, last = name.rpartition(".")
    if module.partition(".")[0] != "kakaclo_sync":
        return False
    core = importlib.import_module(module.replace("kakaclo_sync", "kakaclo_async", 1))
    return isinstance(getattr(core, last, None), str)


def test_the_reference_describes_the_areas_of_both_faces():
    there = dict(described())
    areas = {name for name in there if name.startswith("kakaclo_async.resources.")}
    blocking = {name for name in there if name.startswith("kakaclo_sync.resources.")}
    assert {name.rpartition(".")[2] for name in areas} == {name.rpartition(".")[2] for name in blocking}
    assert len(areas) >= 13


@pytest.mark.parametrize("document", ["README.md", "docs/reference/errors.md"])
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


def extras():
    """The extras of the package."""
    return set(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"])


def test_a_table_says_what_each_extra_is_for():
    _, found, rest = (ROOT / "docs/index.md").read_text().partition("\n## What to install\n")
    table = rest.partition("\n## ")[0]
    assert found
    assert set(re.findall(r"^\| `(\w+)` \| \S", table, re.MULTILINE)) == extras()


def test_the_readme_names_each_extra_that_brings_something():
    [told] = re.findall(
        r"^`pip install kakaclo` alone .*?\n\n", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL
    )
    assert extras() - set(re.findall(r"`(\w+)`", told)) == {"sandbox"}


def tree():
    """The packages as docs/explain/architecture.md draws them: each entry with what it lies in."""
    [drawn] = re.findall(
        r"## The tree\n\n```text\n(.*?)```", (ROOT / "docs/explain/architecture.md").read_text(), re.DOTALL
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
