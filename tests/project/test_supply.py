"""What is built and what it is built from: the same bytes each time, all that belongs in and nothing else."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from support.source import ROOT, modules

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
BOARD = {
    path.relative_to(ROOT).as_posix()
    for folder in ("static", "templates")
    for path in (ROOT / "kakaclo_async/board" / folder).iterdir()
}
DATA = BOARD | {
    "kakaclo_async/contract/field_words.txt",
    "kakaclo_async/contract/openapi.yaml",
    "kakaclo_async/fleet/bells.sql",
    "kakaclo_async/py.typed",
    "kakaclo_async/ratelimit/bucket.lua",
    "kakaclo_sync/py.typed",
}


def tracked():
    if not (ROOT / ".git").exists():
        pytest.skip("not a checkout: git says what belongs to the project")
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    return [name for name in done.stdout.split("\0") if name]


def build(source, target, **environment):
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(target)]
    subprocess.run(command, cwd=source, check=True, capture_output=True, env=os.environ | environment)
    return sorted(target.iterdir())


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Two builds of two copies, made in other folders, at another time, under another umask."""
    copies = []
    for number in (1, 2):
        home = tmp_path_factory.mktemp(f"build{number}")
        source = home / f"source-{number}"
        for name in tracked():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, source / name, follow_symlinks=False)
            if not (source / name).is_symlink():
                (source / name).chmod(0o600 if number == 2 else 0o644)
                os.utime(source / name, (number * 10**8, number * 10**8))
        copies.append(build(source, home / "dist", TZ="UTC" if number == 1 else "Asia/Kathmandu"))
    return copies


@pytest.mark.process
def test_two_builds_of_one_source_are_the_same_bytes(built):
    first, second = (
        [(path.name, hashlib.sha256(path.read_bytes()).hexdigest()) for path in one] for one in built
    )
    assert len(first) == 2
    assert first == second


@pytest.mark.process
def test_the_wheel_holds_the_packages_and_nothing_else(built):
    wheel = next(path for path in built[0] if path.suffix == ".whl")
    names = [name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name]
    source = {path.relative_to(ROOT).as_posix() for path in modules().values()}
    assert sorted(names) == sorted(source | DATA)


@pytest.mark.process
def test_the_source_package_holds_all_that_the_project_keeps(built):
    """Whoever packages it for a distribution runs the tests from it."""
    source = next(path for path in built[0] if path.name.endswith(".tar.gz"))
    with tarfile.open(source) as archive:
        names = {name.split("/", 1)[1] for name in archive.getnames()}
    assert names == set(tracked()) | {"PKG-INFO"}


def requirements():
    project = PROJECT["project"]
    yield from (("dependencies", Requirement(one)) for one in project["dependencies"])
    for extra, needs in project["optional-dependencies"].items():
        yield from ((extra, Requirement(one)) for one in needs)


def tools():
    yield from PROJECT["build-system"]["requires"]
    for needs in PROJECT["dependency-groups"].values():
        yield from needs


def test_each_dependency_has_a_lowest_version():
    """`.ci/test-versions lowest` runs the tests with them."""
    without = [
        str(need) for _, need in requirements() if need.name != "kakaclo" and ">=" not in str(need.specifier)
    ]
    assert without == []


def test_each_dependency_and_tool_is_pinned_for_development():
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if line]
    assert [line for line in lines if not re.fullmatch(r"[A-Za-z0-9._-]+==[^ ;]+", line)] == []
    pinned = {canonicalize_name(line.split("==")[0]) for line in lines}
    needs = {canonicalize_name(need.name) for _, need in requirements()}
    needs |= {canonicalize_name(Requirement(tool).name) for tool in tools()}
    assert needs - pinned == {"kakaclo"}


def test_what_is_pinned_is_allowed():
    pinned = dict(
        line.split("==") for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line
    )
    versions = {canonicalize_name(name): version for name, version in pinned.items()}
    refused = [
        str(need)
        for _, need in requirements()
        if need.name != "kakaclo" and versions[canonicalize_name(need.name)] not in need.specifier
    ]
    assert refused == []
