"""The examples run as they stand: against a sandbox of their own, and against the shop that is set."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.children import import_path
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

APPS = {
    "celery_orders": "celery",
    "django_shop": "django",
    "fastapi_checkout": "fastapi",
    "fleet": "sqlalchemy",
}
"""The apps with their own tests, and what each is made with."""

NOTEBOOKS = {"notebook": 2}
"""The notebooks, and how many pictures each draws."""


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
    assert {path.relative_to(EXAMPLES).parts[0] for path in EXAMPLES.glob("*/**/*.py")} == {*APPS}
    assert {path.parent.name for path in EXAMPLES.glob("*/test_*.py")} == {*APPS}
    assert {path.stem for path in EXAMPLES.rglob("*.ipynb")} == {*NOTEBOOKS}


@pytest.mark.parametrize("app", APPS)
def test_an_app_passes_its_own_tests_which_need_a_local_kakaclo_only(app, tmp_path):
    pytest.importorskip(APPS[app])
    if app == "celery_orders" and shutil.which("redis-server") is None:
        pytest.skip("redis-server is not installed")
    # Unmeasured: coverage has locks of its own, which a worker that forks may inherit.
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("KAKACLO_", "COVERAGE_"))}
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
        env=kept | {"PYTHONDONTWRITEBYTECODE": "1"}, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=110,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout
    assert " skipped" not in done.stdout


@pytest.fixture
def run_through(monkeypatch, tmp_path):
    """Run all cells of a notebook, and return it with what they showed."""
    nbclient = pytest.importorskip("nbclient")
    for needed in ("ipykernel", "matplotlib", "nbformat"):
        pytest.importorskip(needed)
    import nbformat

    def run(name, **settings):
        for variable in [name for name in os.environ if name.startswith(("KAKACLO_", "COVERAGE_"))]:
            monkeypatch.delenv(variable)
        for variable, value in settings.items():
            monkeypatch.setenv(variable, value)
        monkeypatch.setenv("PYTHONPATH", import_path())
        notebook = nbformat.read(EXAMPLES / f"{name}.ipynb", as_version=4)
        nbformat.validate(notebook)
        place = {"metadata": {"path": str(tmp_path)}}
        nbclient.NotebookClient(notebook, timeout=60, startup_timeout=60, resources=place).execute()
        return [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]

    return run


def kinds(outputs):
    return [kind for output in outputs for kind in output.get("data", ())]


@pytest.mark.parametrize(("name", "pictures"), NOTEBOOKS.items())
def test_a_notebook_runs_from_top_to_bottom_with_tables_and_pictures_and_without_a_warning(
    name, pictures, run_through, tmp_path
):
    outputs = run_through(name)
    assert kinds(outputs).count("image/png") == pictures
    assert kinds(outputs).count("text/html") >= 2
    assert [output.text for output in outputs if output.output_type == "stream"] == []
    assert list(tmp_path.iterdir()) == []  # a local KakaClo's products are not kept for a real one's


def test_a_notebook_reads_from_the_shop_that_is_set_and_changes_nothing_there(hosted, run_through, tmp_path):
    outputs = run_through("notebook", KAKACLO_BASE_URL=hosted.sandbox.url, KAKACLO_TOKEN=TOKEN)
    assert kinds(outputs).count("image/png") == 2
    assert (tmp_path / "catalog.db").exists()
    assert hosted.sandbox.requests.total() > 0
    assert hosted.sandbox.journal == []


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_is_kept_without_what_its_cells_showed(name):
    cells = json.loads((EXAMPLES / f"{name}.ipynb").read_text())["cells"]
    done = [cell for cell in cells if cell["cell_type"] == "code"]
    assert [cell["id"] for cell in done if cell["outputs"] or cell["execution_count"] is not None] == []


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
