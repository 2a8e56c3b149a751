"""Trouble in the middle of a file of orders: exit codes, results and stderr say what was placed."""

from __future__ import annotations

import csv
import os
import re
import resource
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from support.terminal import TOKEN

from kakaclo_async.errors import ConfigurationError, DatabaseAway
from kakaclo_async.ordering.store import Store
from kakaclo_async.sandbox import Fault
from kakaclo_async.sending import Sender

KAKACLO = str(Path(sys.executable).with_name("kakaclo"))
FULL = "the database sqlite:///x refused: database or disk is full"


@pytest.fixture
def file(tmp_path, sku, hosted):
    catalog = hosted.sandbox.catalog
    warehouse = next(warehouse for code, warehouse, _ in catalog.stock_rows() if code == sku)
    hosted.call(catalog.set_stock, sku, warehouse, 1000)

    def write(count):
        path = tmp_path / "orders.csv"
        rows = [
            f"SHOP-{number},{sku},1,US,Nobody Shall-See,555 0100 999,Florida,Orlando,1 Secret St,32801"
            for number in range(count)
        ]
        head = "custom_order_id,sku,quantity,country,recipient,phone,province,city,street1,zip"
        path.write_text("\n".join([head, *rows]))
        return path

    return write


def placed(hosted):
    return hosted.call(lambda: {entry.custom_order_id: entry.orders[0] for entry in hosted.sandbox.journal})


def count_placed(hosted):
    return hosted.call(lambda: len(list(hosted.sandbox.journal)))


def results(path):
    [*_, latest] = sorted(
        path.parent.glob(f"{path.stem}.results*.csv"), key=lambda found: (len(found.name), found.name)
    )
    with latest.open(newline="") as lines:
        return {row["custom_order_id"]: row for row in csv.DictReader(lines)}


def change(journal, what):
    """Change every write of a journal."""
    with closing(sqlite3.connect(journal)) as connection:
        connection.execute(f"UPDATE kakaclo_write SET {what}")  # noqa: S608 - our own words
        connection.commit()


def failing(monkeypatch, method, after, kind=ConfigurationError):
    """Let a journal's disk be full after some calls, until the function that is returned is called."""
    plain = getattr(Store, method)
    calls = []

    async def call(self, *arguments, **options):
        calls.append(None)
        if len(calls) > after:
            raise kind(FULL)
        return await plain(self, *arguments, **options)

    monkeypatch.setattr(Store, method, call)
    return lambda: monkeypatch.setattr(Store, method, plain)


def test_a_journal_that_is_full_after_some_orders_never_says_that_nothing_was_sent(
    kakaclo, hosted, file, monkeypatch
):
    path = file(40)
    mend = failing(monkeypatch, "enter", 24)

    outcome = kakaclo("orders", "submit", path)

    assert outcome.code == 1
    assert count_placed(hosted) == 24
    found = results(path)
    assert {key: row["order_id"] for key, row in found.items() if row["result"] == "placed"} == placed(hosted)
    assert {row["result"] for row in found.values()} == {"placed", "not placed", "not sent"}
    assert len(found) == 40
    assert f"stopped with 24 of 40 orders placed: {FULL}" in outcome.err
    assert "submit the same file again with the same journal" in outcome.err
    assert re.search(r"placed +24", outcome.out)
    mend()
    assert kakaclo("orders", "submit", path).code == 0
    assert count_placed(hosted) == 40


def test_an_order_that_was_placed_and_not_recorded_is_unknown_by_its_number(
    kakaclo, hosted, file, monkeypatch, journal_file
):
    path = file(40)
    mend = failing(monkeypatch, "done", 8)

    outcome = kakaclo("orders", "submit", path)

    assert outcome.code == 7
    found = results(path)
    sent = placed(hosted)
    unknown = {key: row for key, row in found.items() if row["result"] == "unknown"}
    assert unknown
    assert len(unknown) + 8 == len(sent) < 40
    assert unknown.keys() | {key for key, row in found.items() if row["result"] == "placed"} == sent.keys()
    for key, row in unknown.items():
        assert sent[key] in row["reason"]
    assert "orders placed: " in outcome.err
    mend()
    hosted.skip(400)
    # As after the minutes of lease and quiet time.
    change(journal_file(), "held_until = held_until - 999, sent_until = sent_until - 999")
    assert kakaclo("orders", "submit", path, "--quiet-time", "0.1").code == 0
    assert count_placed(hosted) == 40


def test_a_journal_that_is_full_from_the_first_order_on_says_that_nothing_was_sent(
    kakaclo, hosted, file, monkeypatch
):
    failing(monkeypatch, "enter", 0)

    outcome = kakaclo("orders", "submit", file(40))

    assert outcome.code == 2
    assert outcome.err.splitlines()[-1] == f"error: {FULL}"
    assert count_placed(hosted) == 0


def test_a_token_that_ends_in_the_middle_leaves_what_was_placed_in_the_results(
    kakaclo, hosted, file, monkeypatch
):
    path = file(60)
    reads = []

    async def read(self, budget):
        reads.append(None)
        return TOKEN if len(reads) <= 20 else "expired"

    monkeypatch.setattr(Sender, "_read_token", read)
    outcome = kakaclo("orders", "submit", path)

    sent = placed(hosted)
    assert outcome.code == 1
    assert f"stopped with {len(sent)} of 60 orders placed" in outcome.err
    found = {key: row["order_id"] for key, row in results(path).items() if row["result"] == "placed"}
    assert found == sent
    assert 10 < len(sent) <= 20


def test_what_is_unknown_decides_the_exit_code(kakaclo, hosted, file):
    add = hosted.sandbox.faults.add
    hosted.call(add, Fault("rejected", path="/v2/order/orders", method="POST"))
    hosted.call(add, Fault("reset_after", path="/v2/order/orders", method="POST", skip=1))
    hosted.call(add, Fault("rejected", path="/v2/order/orders", method="GET", skip=1, times=None))

    path = file(3)
    outcome = kakaclo("orders", "submit", path, "--quiet-time", "0.1")
    assert outcome.code == 7
    assert {row["result"] for row in results(path).values()} == {"rejected", "unknown", "placed"}


@pytest.mark.parametrize("kind", [ConfigurationError, DatabaseAway])
def test_finish_that_fails_after_it_sent_something_does_not_say_that_nothing_was_sent(
    kakaclo, hosted, file, monkeypatch, journal_file, kind
):
    hosted.call(
        hosted.sandbox.faults.add, Fault("reset_before", path="/v2/order/orders", method="POST", times=None)
    )
    kakaclo("orders", "submit", file(3), "--quiet-time", "0.1", "--timeout", "1")
    hosted.call(hosted.sandbox.faults.clear)
    change(journal_file(), "state = 'lost'")
    failing(monkeypatch, "enter", 1, kind)

    outcome = kakaclo("orders", "pending", "--finish", "--quiet-time", "0")

    assert count_placed(hosted) == 1
    assert outcome.code == 1
    assert outcome.err.splitlines()[-1] == f"error: {FULL}; other writes were sent before that"


@pytest.fixture
def run(hosted, tmp_path, sku):
    """Run the command in a process of its own, as a shell does."""
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("KAKACLO_")},
        "KAKACLO_TOKEN": TOKEN,
        "KAKACLO_BASE_URL": hosted.sandbox.url,
        "XDG_DATA_HOME": str(tmp_path / "home" / "data"),
    }

    def run(*arguments, stdout=subprocess.PIPE, **options):
        return subprocess.run(
            [KAKACLO, *map(str, arguments)],
            env=environment, cwd=tmp_path, stdout=stdout, stderr=subprocess.PIPE, text=True, check=False, **options,
        )  # fmt: skip

    return run


def smallest_files(most):
    """Let no file of the process that is started grow further, as on a full disk."""

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))

    return limit


@pytest.mark.process
def test_a_disk_that_fills_up_in_the_middle_costs_no_second_order(run, hosted, file, journal_file):
    path = file(60)

    full = run("orders", "submit", "--yes", path, preexec_fn=smallest_files(45_000))

    sent = placed(hosted)
    assert 0 < len(sent) < 60
    assert full.returncode in {1, 7}, full.stderr
    assert "nothing was sent" not in full.stderr
    assert "submit the same file again with the same journal" in full.stderr
    found = results(path)
    known = {key: row["order_id"] for key, row in found.items() if row["result"] == "placed"}
    assert known.items() <= sent.items()
    assert sent.keys() - known.keys() == {key for key, row in found.items() if row["result"] == "unknown"}
    hosted.skip(400)
    with closing(sqlite3.connect(journal_file())) as connection:
        connection.execute(
            "UPDATE kakaclo_write SET held_until = held_until - 999, sent_until = sent_until - 999"
        )
        connection.commit()
    again = run("orders", "submit", "--yes", path, "--quiet-time", "0.1")
    assert again.returncode == 0, again.stderr
    assert count_placed(hosted) == 60


@pytest.mark.process
def test_results_that_find_no_room_are_told_on_stderr(run, hosted, file, tmp_path):
    path = file(20)
    (tmp_path / "full").write_bytes(b"")
    script = (
        "import sys; from kakaclo_async.cli import main\n"
        "from kakaclo_async.cli.shop.results import ResultFile\n"
        "plain = ResultFile._append\n"
        "def append(self, row):\n"
        "    if self._whole > 400: raise OSError(28, 'No space left on device')\n"
        "    plain(self, row)\n"
        "ResultFile._append = append\n"
        "main(['orders', 'submit', '--yes', sys.argv[1]])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(path)],
        env={
            **os.environ,
            "KAKACLO_TOKEN": TOKEN,
            "KAKACLO_BASE_URL": hosted.sandbox.url,
            "XDG_DATA_HOME": str(tmp_path / "data"),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    sent = placed(hosted)
    assert len(sent) == 20
    assert done.returncode == 1
    for key, number in sent.items():
        assert f"order '{key}' was placed as {number}\n" in done.stderr
    assert "lacks results (No space left on device): run this again for all of them" in done.stderr
    written = path.with_name("orders.results.csv").read_text()
    assert written.endswith("\n")
    assert {row["result"] for row in csv.DictReader(written.splitlines())} == {"placed"}


@pytest.mark.process
@pytest.mark.parametrize("arguments", [(), ("--json",)])
def test_a_closed_stdout_does_not_hide_what_was_placed(run, hosted, file, arguments):
    reader, writer = os.pipe()
    os.close(reader)

    done = run("orders", "submit", "--yes", file(3), *arguments, stdout=writer)

    os.close(writer)
    sent = placed(hosted)
    assert len(sent) == 3
    assert done.returncode == 1
    for key, number in sent.items():
        assert f"order '{key}' was placed as {number}\n" in done.stderr
    assert done.stderr.endswith("error: stdout took no result: Broken pipe\n")


@pytest.mark.process
def test_a_full_stdout_does_not_hide_the_number_of_one_order(run, hosted, sku):
    address = ["--country", "us", "--recipient", "A", "--phone", "1", "--province", "B"]
    with Path("/dev/full").open("w") as full:
        done = run("orders", "create", "--yes", "--sku", sku, *address, "--custom-id", "ONE", stdout=full)

    [(key, number)] = placed(hosted).items()
    assert key == "ONE"
    assert f"order 'ONE' was placed as {number}\n" in done.stderr
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "Exception" not in done.stderr


@pytest.mark.process
def test_a_reader_of_stderr_that_goes_ends_no_run(run, hosted, file):
    path = file(20)
    script = f"{KAKACLO} orders submit --yes {path} 2>&1 >/dev/null | head -c 1 >/dev/null; exit 0"
    subprocess.run(
        ["/bin/sh", "-c", script],
        env={**os.environ, "KAKACLO_TOKEN": TOKEN, "KAKACLO_BASE_URL": hosted.sandbox.url,
             "XDG_DATA_HOME": str(path.parent / "data")},
        check=True, timeout=60,
    )  # fmt: skip
    assert {row["result"] for row in results(path).values()} == {"placed"}
    assert len(results(path)) == 20
