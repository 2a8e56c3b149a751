"""Every failure is one line on stderr and an exit code; the token never shows."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from pathlib import Path

import pytest
import typer
from support.terminal import TOKEN

from kakaclo_async import (
    ClientClosed,
    ConfigurationError,
    ConnectionFailed,
    DatabaseAway,
    DeadlineExceeded,
    DecodeError,
    InvalidRequest,
    NotFound,
    OutcomeUnknown,
    RateLimited,
    Rejected,
    ServerError,
    Unauthorized,
)
from kakaclo_async.cli.app import app
from kakaclo_async.cli.command import EXIT_CODES, exit_code, sentence
from kakaclo_async.cli.sandbox import _greeting
from kakaclo_async.cli.shop.journal import earlier_journal
from kakaclo_async.config import MissingToken, UnusableToken
from kakaclo_async.sandbox import Fault, Sandbox


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigurationError("x"), 2),
        (DatabaseAway("x"), 6),
        (UnusableToken("x"), 4),
        (MissingToken("x"), 4),
        (InvalidRequest("x"), 2),
        (NotFound("x", status=200), 3),
        (Unauthorized("x", status=401), 4),
        (Rejected("x", status=200), 5),
        (ConnectionFailed("x", sent=False), 6),
        (DeadlineExceeded("x"), 6),
        (RateLimited("x"), 6),
        (ServerError("x", status=502), 6),
        (OutcomeUnknown("x"), 7),
        (DecodeError("x", where="body"), 1),
        (ClientClosed("x"), 1),
        (KeyboardInterrupt(), 130),
        (asyncio.CancelledError(), 143),
    ],
)
def test_each_error_has_its_exit_code(error, code):
    assert exit_code(error) == code


def test_help_lists_every_exit_code(kakaclo):
    shown = kakaclo("--help").out
    assert all(f"{code}  {meaning}" in " ".join(shown.split("\n")) for code, meaning in EXIT_CODES.items())


def test_an_error_is_one_line_whatever_the_server_says():
    assert sentence(Rejected("first\nsecond\x1b[31m\tthird", status=200)) == "first second [31m third"


def test_an_error_without_words_is_called_by_its_name():
    assert sentence(ClientClosed()) == "client closed"


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (Fault("server_error", times=None), 6),
        (Fault("bad_gateway", times=None), 6),
        (Fault("reset_before", times=None), 6),
        (Fault("rejected"), 5),
        (Fault("truncated_json", times=None), 1),
    ],
    ids=lambda value: value.kind if isinstance(value, Fault) else None,
)
def test_trouble_on_the_way_is_one_line(kakaclo, sandbox, fault, code):
    sandbox.faults.add(fault)
    outcome = kakaclo("balance", "--timeout", 0.5)
    assert outcome.code == code
    assert outcome.err.startswith("error: ")
    assert outcome.err.count("\n") == 1
    assert outcome.out == ""


def test_a_wrong_token_is_unauthorized(kakaclo):
    outcome = kakaclo("balance", "--token", "another")
    assert outcome.code == 4
    assert "another" not in outcome.err


def test_a_missing_token_is_as_a_wrong_one(kakaclo, settings):
    settings.delenv("KAKACLO_TOKEN")
    outcome = kakaclo("balance")
    assert outcome.code == 4
    assert "KAKACLO_TOKEN" in outcome.err


def test_nobody_listening_is_unreachable(kakaclo):
    outcome = kakaclo("balance", "--base-url", "http://127.0.0.1:1", "--timeout", 1)
    assert outcome.code == 6
    assert outcome.err.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ("stock",),
        ("nope",),
        ("orders",),
        ("order", "show", "1"),
        ("balance", "--nope"),
        ("balance", "more"),
        ("balance", "--environment", "moon"),
        ("balance", "--timeout", "soon"),
        ("balance", "--timeout", "-1"),
        ("balance", "--rate", "0"),
        ("balance", "--base-url", "http://kakaclo.example"),
        ("freight", "X:1"),
        ("sandbox", "--speed", "0"),
        ("sandbox", "--speed", "inf"),
        ("sandbox", "--host", " "),
        ("sandbox", "--host", "203.0.113.1"),
        ("sandbox", "--index-lag", "-1"),
        ("sandbox", "--moving", "moon"),
        ("sandbox", "--faults", "moon"),
        ("sandbox", "--faults", "delay=2"),
        ("sandbox", "--set", "port=99999"),
        ("sandbox", "--port", "70000"),
        ("sandbox", "--products", "-1"),
        ("sandbox", "--set", "moon=1"),
        ("sandbox", "--set", "clock=1"),
        ("sandbox", "--set", "page_size"),
        ("sandbox", "--set", "page_size=0"),
        ("sandbox", "--set", "page_sizes=[1,"),
        ("sandbox", "--set", "day_granular=perhaps"),
        ("sandbox", "--set", "deep_pages=moon"),
        ("sandbox", "--set", 'damaged_rows={"A": "fire"}'),
        ("demo", "--products", "1"),
    ],
    ids=" ".join,
)
def test_wrong_usage_is_one_line(kakaclo, sandbox, arguments):
    outcome = kakaclo(*arguments)
    assert outcome.code == 2
    assert outcome.err.startswith("error: ")
    assert outcome.err.count("\n") == 1
    assert sandbox.requests.total() == 0


def test_plain_http_to_another_machine_needs_the_option(kakaclo, sandbox):
    elsewhere = f"http://0.0.0.0:{sandbox.port}/openapi"  # here, and no name of loopback
    refused = kakaclo("balance", "--base-url", elsewhere)
    assert refused.code == 2
    assert "--allow-http" in refused.err
    assert sandbox.requests.total() == 0
    assert kakaclo("balance", "--base-url", elsewhere, "--allow-http").code == 0
    assert sandbox.requests.total() == 1


@pytest.mark.parametrize(
    ("host", "pages", "others"),
    [
        ("127.0.0.1", True, False),
        ("0.0.0.0", True, True),  # noqa: S104 - nobody listens
        ("10.0.0.7", False, True),
        ("::1", True, False),
        ("localhost", True, False),
        ("::", True, True),
    ],
)
def test_a_sandbox_says_where_its_pages_answer_and_what_other_machines_need(host, pages, others):
    told = _greeting(Sandbox(host=host, port=8700), "http://127.0.0.1:8700/?token=x")
    assert ("?token=x" in told, "--allow-http" in told) == (pages, others)


@pytest.mark.parametrize("journal", ["", "orders.db", "postgresql://u:s3cret@db.example/x"])
def test_a_sandbox_names_the_journal_that_may_remember_an_earlier_one(settings, journal):
    settings.setenv("KAKACLO_JOURNAL", journal)
    found = earlier_journal("http://127.0.0.1:8700/openapi", TOKEN)
    assert found == ("the journal in KAKACLO_JOURNAL" if journal else None)
    told = _greeting(Sandbox(port=8700), "http://127.0.0.1:8700/?token=x", found)
    assert ("may remember orders of an earlier sandbox" in told) == bool(journal)


def test_a_sandbox_names_the_journal_that_commands_used_at_its_address(kakaclo, sandbox, sku, journal_file):
    assert earlier_journal(sandbox.url, TOKEN) is None
    Path("orders.csv").write_text(
        "custom_order_id,sku,quantity,country,recipient,phone,province,city,street1,zip\n"
        f"A,{sku},1,US,A. Doe,555 0100,Florida,Orlando,1 Main St,32801\n"
    )
    assert kakaclo("orders", "submit", "orders.csv").code == 0
    assert earlier_journal(sandbox.url, TOKEN) == f"the journal {journal_file()}"


def test_a_proxy_of_the_environment_that_cannot_be_used_is_named_as_what_it_is(kakaclo, settings):
    for name in ("HTTPS_PROXY", "https_proxy"):
        settings.setenv(name, "socks5h://u:s3cret@127.0.0.1:1")
    outcome = kakaclo("balance", "--base-url", "https://kakaclo.example/openapi")
    assert outcome.code == 2
    assert outcome.err == (
        "error: the proxy of the environment must look like http://user:password@host:port; SOCKS is not"
        " spoken: --proxy '' goes without one\n"
    )


def commands(command=None, *path):
    """The words of every command and group."""
    command = command or typer.main.get_command(app)
    yield path
    for name, inner in getattr(command, "commands", {}).items():
        yield from commands(inner, *path, name)


@pytest.mark.parametrize("words", [*commands()], ids=" ".join)
def test_wrong_usage_names_the_help_of_the_command_that_it_is_about(kakaclo, words):
    outcome = kakaclo(*words, "--no-such-option")
    assert outcome.code == 2
    assert outcome.err.endswith(f". See {' '.join(['kakaclo', *words])} --help.\n")


def test_without_arguments_there_is_help(kakaclo):
    outcome = kakaclo()
    assert outcome.code == 0
    assert "kakaclo demo" in " ".join(outcome.out.split())


def test_help_never_shows_the_token(kakaclo):
    outcome = kakaclo("balance", "--help")  # the fixture looks for the token
    assert "KAKACLO_TOKEN" in outcome.out


def test_the_version_is_printed(kakaclo):
    from kakaclo_async import __version__

    assert kakaclo("--version").out == f"kakaclo {__version__}\n"


def test_a_fault_of_this_package_says_where_it_happened(kakaclo, settings):
    settings.setattr("kakaclo_async.cli.catalog.Table", lambda *_: 1 / 0)
    outcome = kakaclo("balance")
    assert outcome.code == 1
    assert outcome.err.startswith("error: a fault of kakaclo: zero division error: division by zero at ")
    assert outcome.err.count("\n") == 1


def test_ctrl_c_ends_a_command_with_130(kakaclo, sandbox):
    sandbox.faults.add(Fault("silence"))
    when_asked(sandbox, lambda: os.kill(os.getpid(), signal.SIGINT))
    assert kakaclo("balance").code == 130


def test_sigterm_ends_a_command_with_143(kakaclo, sandbox):
    sandbox.faults.add(Fault("silence"))
    when_asked(sandbox, lambda: os.kill(os.getpid(), signal.SIGTERM))
    assert kakaclo("balance").code == 143


def when_asked(sandbox, act):
    """Let the main thread's signal come once a request has arrived."""

    def watch():
        while not sandbox.requests.total():
            threading.Event().wait(0.005)
        act()

    threading.Thread(target=watch, daemon=True).start()
