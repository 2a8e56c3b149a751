"""What `.ci/test-wheel` built and installed is whole, and is what the tests run on."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import pytest
from support.source import ROOT, modules

import kakaclo_async
import kakaclo_sync

WHEEL = os.environ.get("KAKACLO_WHEEL")
DATA = {
    "kakaclo_async/field_words.txt",
    "kakaclo_async/openapi.yaml",
    "kakaclo_async/py.typed",
    "kakaclo_async/ratelimit/bucket.lua",
    "kakaclo_sync/py.typed",
}

pytestmark = pytest.mark.skipif(WHEEL is None, reason="runs in `make test-wheel`")


def test_the_wheel_holds_the_packages_and_nothing_else():
    names = [name for name in zipfile.ZipFile(WHEEL).namelist() if ".dist-info/" not in name]
    source = {path.relative_to(ROOT).as_posix() for path in modules().values()}
    assert sorted(names) == sorted(source | DATA)


def test_the_wheel_has_the_version_of_the_package():
    assert Path(WHEEL).name.split("-")[1] == kakaclo_async.__version__


@pytest.mark.parametrize("package", [kakaclo_async, kakaclo_sync], ids=lambda package: package.__name__)
def test_the_tests_run_on_what_is_installed(package):
    assert "site-packages" in Path(package.__file__).parts
    assert not Path(package.__file__).is_relative_to(ROOT)
