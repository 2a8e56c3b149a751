"""`-v` tells on stderr what the client does; it may stand before the command, or after it."""

from __future__ import annotations

import json
import logging

import pytest
import typer
from support.terminal import TOKEN

from kakaclo_async.cli.app import app
from kakaclo_async.sandbox import Fault


def fail_once(hosted):
    hosted.call(hosted.sandbox.faults.add, Fault("bad_gateway", path="/v1/payment/balance"))


def told(outcome):
    return [line.split(" ", 2)[2] for line in outcome.err.splitlines()]


@pytest.mark.parametrize(
    "words", [["-v", "balance"], ["balance", "-v"], ["--verbose", "balance"]], ids=" ".join
)
def test_once_it_tells_of_retries_and_recoveries(kakaclo, hosted, words):
    fail_once(hosted)
    outcome = kakaclo(*words)
    assert outcome.code == 0
    # The sandbox, which tells of its requests too, runs in this process.
    retried, recovered = [line for line in told(outcome) if " kakaclo.calls: " in line]
    assert retried.startswith("INFO kakaclo.calls: GET /v1/payment/balance will be sent again after ")
    assert recovered.startswith("INFO kakaclo.calls: GET /v1/payment/balance succeeded after 2 attempt(s)")


@pytest.mark.parametrize(
    "words", [["-vv", "balance"], ["balance", "-vv"], ["-v", "balance", "-v"]], ids=" ".join
)
def test_twice_it_tells_of_every_request(kakaclo, words):
    lines = told(kakaclo(*words, "--json"))
    assert any(line.startswith("DEBUG kakaclo.calls: GET /v1/payment/balance: HTTP 200, ") for line in lines)


def test_it_leaves_stdout_alone_and_says_nothing_without_it(kakaclo, hosted):
    fail_once(hosted)
    assert json.loads(kakaclo("balance", "-vv", "--json").out)["amount"] == "10000.00"
    fail_once(hosted)
    assert kakaclo("balance").err == ""
    assert logging.getLogger("kakaclo").level == logging.NOTSET


def test_a_mirror_tells_a_line_for_each_cycle(kakaclo, tmp_path):
    outcome = kakaclo("mirror", "-v", "--db", f"sqlite:///{tmp_path}/catalog.db", "--rate", "1000000")
    [line] = [line for line in outcome.err.splitlines() if "kakaclo.mirror" in line]
    assert "INFO kakaclo.mirror: mirrored 120 products, " in line


def test_every_command_takes_it(kakaclo):
    commands = typer.main.get_command(app)
    names = [
        words
        for name, command in commands.commands.items()
        for words in ([[name, inner] for inner in getattr(command, "commands", ())] or [[name]])
    ]
    assert len(names) > 28
    for name in names:
        assert "--verbose" in kakaclo(*name, "--help").out, name


def test_a_log_line_is_one_line_that_cannot_steer_a_terminal(kakaclo, hosted):
    hosted.call(
        hosted.sandbox.faults.add, Fault("rejected", path="/v1/payment/balance", message="\x1b[31m\nx")
    )
    outcome = kakaclo("balance", "-vv")
    assert "\x1b" not in outcome.err
    assert TOKEN not in outcome.err
