"""What a release promises about itself."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import kakaclo_async
import kakaclo_sync

ROOT = Path(__file__).parents[2]


HEADING = re.compile(r"^## \[(\d+)\.(\d+)\.(\d+)\] - (\d{4}-\d\d-\d\d|unreleased)$", re.MULTILINE)


def test_the_newest_version_of_the_changelog_is_the_one_that_the_package_has() -> None:
    headings = HEADING.findall((ROOT / "CHANGELOG.md").read_text())
    versions = [tuple(map(int, heading[:3])) for heading in headings]
    dates = [heading[3] for heading in headings]
    assert kakaclo_async.__version__ == ".".join(map(str, versions[0]))
    assert versions == sorted(set(versions), reverse=True)
    assert "unreleased" not in dates[1:]
    assert dates[1:] == sorted(dates[1:], reverse=True)


def test_the_version_stands_in_one_file() -> None:
    files = [ROOT / "pyproject.toml", *ROOT.glob("kakaclo_*/**/*.py")]
    line = re.compile(r"^(?:__version__|version) = \"\d", re.MULTILINE)
    [place] = [path for path in files if line.search(path.read_text())]
    assert kakaclo_async.__version__ in place.read_text()


@pytest.mark.parametrize("package", [kakaclo_async, kakaclo_sync], ids=lambda package: package.__name__)
def test_the_public_names_are_exact_and_sorted(package: object) -> None:
    names = package.__all__
    assert names == sorted(names)
    assert len(names) == len(set(names))
    for name in names:
        assert getattr(package, name) is not None


@pytest.mark.process
@pytest.mark.parametrize("package", ["kakaclo_async", "kakaclo_sync"])
def test_importing_a_package_loads_no_extra(package: str) -> None:
    extras = [
        "sqlalchemy",
        "aiosqlite",
        "asyncpg",
        "redis",
        "keyring",
        "typer",
        "rich",
        "pyarrow",
        "pytest",
        "uvloop",
        "babel",
    ]
    code = f"import sys, {package}; print([name for name in {extras!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
