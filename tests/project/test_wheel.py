"""What `.ci/test-wheel` built and installed is whole, and is what the tests run on."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from support.source import ROOT

import kakaclo_async
import kakaclo_sync

WHEEL = os.environ.get("KAKACLO_WHEEL")

pytestmark = pytest.mark.skipif(WHEEL is None, reason="runs in `make test-wheel`")


def test_the_wheel_has_the_version_of_the_package():
    assert Path(WHEEL).name.split("-")[1] == kakaclo_async.__version__


@pytest.mark.parametrize("package", [kakaclo_async, kakaclo_sync], ids=lambda package: package.__name__)
def test_the_tests_run_on_what_is_installed(package):
    assert "site-packages" in Path(package.__file__).parts
    assert not Path(package.__file__).is_relative_to(ROOT)
