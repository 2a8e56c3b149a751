"""The examples run as they stand: against a sandbox of their own, and against the shop that is set."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.terminal import TOKEN, Hosted

from kakaclo_async.sandbox import Fault

pytestmark = pytest.mark.process

EXAMPLES = Path(__file__).parents[2] / "examples"
SCRIPTS = {
    "async_quickstart": "2 to the US by Expedited",
    "blocking_quickstart": "Balance: 10000.00",
    "freight_table": "Rejected",
    "mirror_catalog": "200 products and",
    "place_order_safely": "placed as 1",
}

APPS = sorted(path.name for path in EXAMPLES.iterdir() if any(path.glob("test_*.py")))


def run(name, folder, **settings):
    kept = {key: value for key, value in os.environ.items() if not key.startswith("KAKACLO_")}
    command = [sys.executable, "-W", "error", str(EXAMPLES / f"{name}.py")]
    done = subprocess.run(
        command, env=kept | settings, cwd=folder, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_example_is_run():
    assert {path.stem for path in EXAMPLES.glob("*.py")} == {*SCRIPTS, "shop"}
    assert {path.parent.name for path in EXAMPLES.glob("*/*.py")} == {*APPS}


@pytest.mark.parametrize("app", APPS)
def test_an_app_passes_its_own_tests_which_need_a_local_kakaclo_only(app, tmp_path):
    kept = {key: value for key, value in os.environ.items() if not key.startswith("KAKACLO_")}
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:asyncio",
        "-c",
        os.devnull,
    ]
    done = subprocess.run(
        [*command, "--rootdir", tmp_path, EXAMPLES / app],
        env=kept | {"PYTHONDONTWRITEBYTECODE": "1"}, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout
    assert " skipped" not in done.stdout


@pytest.mark.parametrize(("name", "shown"), SCRIPTS.items())
def test_an_example_runs_on_its_own(name, shown, tmp_path):
    assert shown in run(name, tmp_path)


@pytest.fixture
def fresh():
    """A sandbox whose search index is always up to date."""
    hosted = Hosted(products=60, index_lag=0.0)
    yield hosted
    hosted.close()


def test_an_order_whose_answer_is_lost_is_found_and_not_sent_again(fresh, tmp_path):
    fresh.sandbox.faults.add(Fault("reset_after", path="/v2/order/orders", method="POST"))
    shown = run("place_order_safely", tmp_path, KAKACLO_BASE_URL=fresh.sandbox.url, KAKACLO_TOKEN=TOKEN)
    [order] = fresh.call(lambda: list(fresh.sandbox.ledger.orders))
    assert f"placed as {order}" in shown
    assert len(fresh.sandbox.journal) == 1


@pytest.mark.parametrize("name", ["async_quickstart", "blocking_quickstart"])
def test_an_example_talks_to_the_shop_that_is_set(name, hosted, tmp_path):
    run(name, tmp_path, KAKACLO_BASE_URL=hosted.sandbox.url, KAKACLO_TOKEN=TOKEN)
    assert hosted.sandbox.requests.total() > 0
