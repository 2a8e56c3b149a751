"""Mirrors and what reads them as people run them: signals, pipes, other programs."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from support.terminal import TOKEN, Hosted

pytestmark = pytest.mark.process

KAKACLO = str(Path(sys.executable).with_name("kakaclo"))


@pytest.fixture(scope="module")
def generous():
    hosted = Hosted(products=60, capacity=1e9, per_second=1e9)
    yield hosted
    hosted.close()


@pytest.fixture
def start(generous, tmp_path):
    """Start a command in a process of its own."""
    environment = {**os.environ, "KAKACLO_TOKEN": TOKEN, "KAKACLO_BASE_URL": generous.sandbox.url}
    running = []

    def start_command(*arguments, **options):
        process = subprocess.Popen(
            [KAKACLO, *arguments],
            env=environment, cwd=tmp_path, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options,
        )  # fmt: skip
        running.append(process)
        return process

    yield start_command
    for process in running:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.fixture
def mirrored(start):
    process = start("mirror", "--rate", "1000")
    process.communicate()
    assert process.returncode == 0


@contextmanager
def database(tmp_path):
    with closing(sqlite3.connect(tmp_path / "catalog.db", isolation_level=None)) as connection:
        yield connection


def add_change(tmp_path, spu):
    with database(tmp_path) as connection:
        connection.execute(
            "INSERT INTO change (at, kind, spu) VALUES ('2024-05-01 00:00:00', 'gone', ?)", [spu]
        )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_mirror_that_follows_ends_in_order_with_0_and_tells_what_it_did(number, start, tmp_path):
    process = start("mirror", "--follow", "--every", "1", "--rate", "1000", "--json")
    cycles = []
    for line in iter(process.stderr.readline, ""):
        cycles.append(line)
        if line == "nothing new, 2 requests\n":
            break
    process.send_signal(number)
    out, rest = process.communicate(timeout=30)

    assert process.returncode == 0, rest
    totals = json.loads(out)
    assert totals["products"] == 60
    assert totals["cycles"] >= 2
    assert any(line.startswith("60 products, ") for line in cycles)
    with database(tmp_path) as connection:
        assert connection.execute("SELECT count(*) FROM product").fetchone() == (60,)
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_second_mirror_beside_one_that_follows_is_refused_in_one_line(start, tmp_path):
    first = start("mirror", "--follow", "--rate", "1000")
    while "60 products" not in first.stderr.readline():
        pass

    second = start("mirror", "--rate", "1000")
    _, complaint = second.communicate()

    assert second.returncode == 6
    assert complaint == "error: another mirror is writing to sqlite:///catalog.db\n"


def test_changes_are_followed_as_they_come_and_a_signal_ends_it_with_0(mirrored, start, tmp_path):
    process = start("changes", "--follow", "--json", "--every", "0.1", "--after", "58")
    assert [json.loads(process.stdout.readline())["id"] for _ in range(2)] == [59, 60]

    add_change(tmp_path, "X1")
    assert json.loads(process.stdout.readline())["spu"] == "X1"
    with database(tmp_path) as connection:  # a backup, say
        connection.execute("BEGIN EXCLUSIVE")
    add_change(tmp_path, "X2")
    assert json.loads(process.stdout.readline())["spu"] == "X2"

    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (0, "", "")


def test_a_reader_that_goes_ends_changes_quietly_even_while_nothing_happens(mirrored, start):
    process = start("changes", "--follow", "--json", "--every", "0.1", "--after", "59")
    process.stdout.readline()
    process.stdout.close()
    process.stdout = None

    _, err = process.communicate(timeout=30)

    assert (process.returncode, err) == (1, "")


@pytest.mark.skipif(shutil.which("jq") is None, reason="no jq")
def test_other_programs_read_the_changes_line_by_line(mirrored, start, tmp_path):
    process = start("changes", "--json")
    out = subprocess.run(
        ["jq", "-r", "select(.id == 7) | .kind"], stdin=process.stdout, capture_output=True, check=True
    ).stdout
    assert out == b"product_added\n"


def test_an_export_to_a_pipe_needs_no_file_and_stops_when_its_reader_goes(mirrored, start, tmp_path):
    done = start("export", "--what", "skus", "--out", "-", "--format", "jsonl")
    out, err = done.communicate()
    with database(tmp_path) as connection:
        [(skus,)] = connection.execute("SELECT count(*) FROM sku").fetchall()
    assert (done.returncode, len(out.splitlines()), err) == (0, skus, "")

    early = start("export", "--what", "stock", "--out", "-")
    early.stdout.close()
    early.stdout = None
    _, err = early.communicate(timeout=30)
    assert (early.returncode, err) == (1, "")


def test_a_killed_export_leaves_nothing_under_the_final_name(mirrored, start, tmp_path):
    with database(tmp_path) as connection:
        connection.execute(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300000)"
            " INSERT INTO change (at, kind, spu) SELECT '2024-05-01 00:00:00', 'gone', 'X' || i FROM n"
        )
    (tmp_path / "changes.csv").write_text("before")
    process = start("export", "--what", "changes")
    while not list(tmp_path.glob(".changes.csv.*.part")):
        assert process.poll() is None
    process.kill()
    process.wait()

    assert (tmp_path / "changes.csv").read_text() == "before"


def test_a_terminated_export_takes_its_half_file_along(mirrored, start, tmp_path):
    with database(tmp_path) as connection:
        connection.execute(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300000)"
            " INSERT INTO change (at, kind, spu) SELECT '2024-05-01 00:00:00', 'gone', 'X' || i FROM n"
        )
    process = start("export", "--what", "changes")
    while not list(tmp_path.glob(".changes.csv.*.part")):
        assert process.poll() is None
    process.terminate()
    _, err = process.communicate(timeout=30)

    assert (process.returncode, err) == (143, "")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["catalog.db", "catalog.db.lock"]
