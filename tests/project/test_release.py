"""What a release promises about itself."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
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


def commands(target: str) -> str:
    """Return what make would run for a target, were nothing there."""
    shown = subprocess.run(
        ["make", "--dry-run", "--always-make", target], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return shown.stdout.replace("\\\n", " ")


@pytest.mark.process
@pytest.mark.skipif(shutil.which("make") is None, reason="no make")
def test_the_demo_of_a_clone_installs_what_the_first_command_of_the_readme_does() -> None:
    first, second, *_ = re.findall(r"^\$ (.+)$", (ROOT / "README.md").read_text(), re.MULTILINE)
    [extras] = re.findall(r"^pip install 'kakaclo(\[[a-z,]+\])'$", first)
    shown = commands("demo")
    assert f"--editable '.{extras}'" in shown
    assert re.search(rf"/{second}$", shown, re.MULTILINE)
    assert "--group" not in shown
    assert ".venv/" not in shown


@pytest.mark.process
@pytest.mark.skipif(shutil.which("make") is None, reason="no make")
def test_the_whole_environment_has_every_group_and_ci_those_that_tests_need() -> None:
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]
    assert set(re.findall(r"--group (\w+)", commands("quick"))) == set(groups)
    in_ci = re.findall(r"pyproject\.toml:(\w+)", (ROOT / ".ci/test-wheel").read_text())
    assert set(in_ci) == {"test", "examples"}
