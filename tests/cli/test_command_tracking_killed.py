"""`kakaclo orders tracking` under `kill -9` at every step, and two at once: each number is in one file."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from collections import Counter

import pytest
from support.children import import_path
from support.shop import two_countries
from support.terminal import TOKEN, Hosted

pytestmark = [pytest.mark.process, pytest.mark.skipif(not hasattr(os, "fork"), reason="it forks")]

STEPS = 6
"""It claims, writes a part file, notes that it is whole, gives it its name, removes it, and notes that all is told."""

DRIVER = '''
import os, signal, sys, json
from pathlib import Path
import aiohttp, aiosqlite
from kakaclo_async.cli.app import run
from kakaclo_async.shop import tell_tracking  # what all children need is loaded once

STEPS = {"os.link", "os.rename", "os.remove", "sqlite3.connect"}

def start(kill_at):
    """Run the command in a child that is killed just before one of its steps: a transaction, or a file's."""
    child = os.fork()
    if child:
        return child
    left = kill_at
    def step(event, values):
        nonlocal left
        if event in STEPS or (event == "open" and str(values[0]).endswith(".part")):
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
    sys.addaudithook(step)
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    code = run(["orders", "tracking", "--for", "csv", "--journal", "told.db", "--rate", "10000"])
    os._exit(code)

def end(child):
    _, status = os.waitpid(child, 0)
    return -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)

def within(name):
    Path(name).mkdir()
    os.chdir(name)

root = Path.cwd()
for name, plan in json.loads(sys.argv[1]):
    os.chdir(root)
    within(name)
    ends = [[end(child) for child in [start(kill_at) for kill_at in together]] for together in plan]
    print(json.dumps([name, ends]), flush=True)
'''


@pytest.fixture
def hosted():
    hosted = Hosted(products=60, ship_after=3600.0, capacity=10_000, per_second=10_000)
    yield hosted
    hosted.close()


@pytest.fixture
def drive(hosted, kakaclo, tmp_path):
    """Run the command in new folders, in each as it is planned; the orders are the same for all."""
    cn, us = hosted.call(two_countries, hosted.sandbox.catalog)
    for number in range(1, 4):
        for sku in (cn, us):
            order = ["--sku", f"{sku}:{number}", "--custom-id", f"#{number}", "--recipient", "A. Customer"]
            place = ["--country", "US", "--phone", "555 0100", "--province", "Florida", "--city", "Orlando"]
            outcome = kakaclo("orders", "create", *order, *place, "--yes")
            assert outcome.code == 0, outcome.err
    hosted.skip(2 * 3600)
    expected = {(f"#{number}", sku, str(number)) for number in range(1, 4) for sku in (cn, us)}

    def run(plans):
        environment = {**os.environ, "PYTHONPATH": import_path()}
        environment |= {"KAKACLO_TOKEN": TOKEN, "KAKACLO_BASE_URL": hosted.sandbox.url}
        done = subprocess.run(
            [sys.executable, "-c", DRIVER, json.dumps(plans)],
            check=False,
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env=environment,
            timeout=300,
        )
        assert done.returncode == 0, done.stderr
        ends = dict(map(json.loads, done.stdout.splitlines()))
        assert list(ends) == [name for name, _ in plans], done.stderr
        for name, codes in ends.items():
            told = Counter(row for path in (tmp_path / name).glob("*.csv") for row in rows(path))
            assert told == Counter(expected), f"{name}: {codes}"
        return ends

    return run


def rows(path):
    with path.open(newline="") as file:
        return [(row["custom_order_id"], row["shop_sku"], row["quantity"]) for row in csv.DictReader(file)]


def test_killed_at_every_step_it_tells_everything_once_when_it_runs_again(drive, tmp_path):
    ends = drive([(f"at {step}", [[step], [0], [0]]) for step in range(1, 8)])

    killed = [name for name, ((first,), *_) in ends.items() if first == -9]
    assert killed == [f"at {step}" for step in range(1, STEPS + 1)]
    assert all(code == [0] for _, *again in ends.values() for code in again)
    assert [path.name for path in tmp_path.glob("at */.*")] == []


def test_killed_again_while_it_finds_out_what_became_of_the_first_it_tells_everything_once(drive):
    firsts = range(STEPS - 2, STEPS + 1)  # its file is whole, it has its name, and its part file is gone
    ends = drive(
        [(f"at {first} and {second}", [[first], [second], [0]]) for first in firsts for second in range(4, 8)]
    )

    assert all(second == -9 for _, (second,), _ in ends.values())


def test_several_at_once_tell_everything_once(drive):
    ends = drive([(f"time {time}", [[0, 0, 0], [0]]) for time in range(3)])

    assert all(code == 0 for together, _ in ends.values() for code in together)


def test_killed_among_others_it_leaves_them_what_it_did_not_tell(drive):
    drive([(f"at {step}", [[step, 0], [0]]) for step in range(1, STEPS + 1)])
