"""Commands find the token where it is kept, and show neither it nor the person in anything they print."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from support.leaks import PERSON, Search
from support.terminal import TOKEN

PLACED = [
    *("--country", "US", "--recipient", PERSON.recipient, "--phone", PERSON.phone),
    *("--province", PERSON.province, "--street1", PERSON.street1),
]


@pytest.fixture
def place(settings, tmp_path):
    """A file with the token."""
    path = tmp_path / "token"
    path.touch(mode=0o600)
    path.write_text(f"{TOKEN}\n")
    return f"file:{path}"


def test_a_command_reads_the_token_from_a_place(kakaclo, settings, place):
    settings.delenv("KAKACLO_TOKEN")
    assert kakaclo("balance", "--token-from", place).code == 0
    settings.setenv("KAKACLO_TOKEN_FROM", place)
    assert kakaclo("balance").code == 0
    settings.setenv("KAKACLO_TOKEN", TOKEN)
    refused = kakaclo("balance")
    assert (refused.code, refused.err.count("both set")) == (2, 1)


def test_a_place_that_is_named_wins_over_the_variable(kakaclo, settings, place):
    settings.setenv("KAKACLO_TOKEN", "wrong")
    assert kakaclo("balance", "--token-from", place).code == 0


@pytest.mark.process
@pytest.mark.parametrize("command", [("balance",), ("orders", "pending")], ids=" ".join)
@pytest.mark.parametrize(
    "given", ["env:NO_SUCH", "file:/no/such", "cmd:/no/such", "cmd:false", "cmd:true", "cmd:echo two words"]
)
def test_a_place_that_gives_no_token_is_a_missing_token(kakaclo, given, command):
    outcome = kakaclo(*command, "--token-from", given)
    assert (outcome.code, outcome.err.count("\n")) == (4, 1)


def test_what_names_no_place_is_wrong_usage_and_not_shown(kakaclo):
    outcome = kakaclo("balance", "--token-from", "a-token-by-mistake")
    assert (outcome.code, outcome.err.count("\n")) == (2, 1)
    assert "mistake" not in outcome.err


def test_a_board_whose_token_cannot_be_read_says_so_and_does_not_go_on_without_one(kakaclo):
    outcome = kakaclo("board", "--token-from", "env:NO_SUCH", "--port", "0")
    assert outcome.code == 4
    assert "NO_SUCH should hold the token, and is not set" in outcome.err


def test_a_token_on_the_command_line_is_warned_of_and_no_help_names_the_option(kakaclo):
    outcome = kakaclo("balance", "--token", TOKEN)
    assert outcome.code == 0
    assert "can read --token while the command runs" in outcome.err
    shown = kakaclo("balance", "--help").out
    assert "--token-from" in shown
    assert "--token " not in shown
    assert kakaclo("balance", "--token", TOKEN, "--token-from", "env:X").code == 2


def test_no_command_shows_the_person(kakaclo, sku, hosted):
    search = Search()
    for arguments in (
        ["orders", "create", "--sku", sku, *PLACED, "--custom-id", "A", "--yes"],
        ["orders", "create", "--sku", "NOSUCH", *PLACED, "--custom-id", "B", "--yes", "--json"],
        ["orders", "create", "--sku", sku, *PLACED, "--zip", PERSON.zip * 20, "--yes"],
        ["orders", "pending"],
        ["orders", "pending", "--json"],
        ["orders", "create", "--help"],
    ):
        outcome = kakaclo(*arguments)
        search(arguments[1], outcome.out, outcome.err)
    assert search.characters > 500


@pytest.mark.process
def test_a_process_that_dies_of_a_signal_or_an_error_shows_no_token(hosted, tmp_path):
    """Python's own dumps of all threads, and of an error that nobody caught."""
    code = (
        "import asyncio, faulthandler, sys, os\n"
        "from kakaclo_async import KakaClo, token_from\n"
        "async def main():\n"
        "    kk = KakaClo(token_from('env:HELD'), base_url=os.environ['URL'])\n"
        "    lost = asyncio.ensure_future(kk.orders.get('no/such'))\n"
        "    await asyncio.wait([lost]); del lost\n"
        "    faulthandler.dump_traceback(all_threads=True)\n"
        "    await KakaClo(os.environ['HELD'] + '-wrong', base_url=os.environ['URL']).payment.balance()\n"
        "asyncio.run(main(), debug=True)\n"
    )
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-c", code],
        env={**os.environ, "HELD": "QZJX-held-token", "URL": hosted.sandbox.url},
        capture_output=True, text=True, check=False, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 1
    assert "never retrieved" in done.stderr
    assert "most recent call first" in done.stderr
    assert "Unauthorized" in done.stderr
    Search()("a dying process", done.stdout, done.stderr)
