"""What a release promises about itself."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import kakaclo_async
import kakaclo_sync

ROOT = Path(__file__).parents[2]


def test_the_version_is_the_same_everywhere() -> None:
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text())
    released = re.findall(r"^## \[(\d[^\]]*)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    source = (ROOT / pyproject["tool"]["hatch"]["version"]["path"]).read_text()
    assert f'__version__ = "{kakaclo_async.__version__}"' in source
    assert kakaclo_async.__version__ in {*released, "0.1.0"}


@pytest.mark.parametrize("package", [kakaclo_async, kakaclo_sync], ids=lambda package: package.__name__)
def test_the_public_names_are_exact_and_sorted(package: object) -> None:
    names = package.__all__
    assert names == sorted(names)
    assert len(names) == len(set(names))
    for name in names:
        assert getattr(package, name) is not None


@pytest.mark.parametrize("package", ["kakaclo_async", "kakaclo_sync"])
def test_importing_a_package_loads_no_extra(package: str) -> None:
    extras = ["sqlalchemy", "aiosqlite", "asyncpg", "redis", "typer", "rich", "pyarrow", "pytest", "uvloop"]
    code = f"import sys, {package}; print([name for name in {extras!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
