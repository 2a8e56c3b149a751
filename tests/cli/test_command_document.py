"""docs/reference/cli.md describes the commands that exist."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import typer.main

from kakaclo_async.cli.app import app
from kakaclo_async.cli.command import EXIT_CODES

DOCUMENTS = Path(__file__).parents[2] / "docs"
TEXT = (DOCUMENTS / "reference" / "cli.md").read_text()
PAGES = [*sorted(DOCUMENTS.rglob("*.md")), DOCUMENTS.parent / "README.md"]
LINES = list(
    dict.fromkeys(
        line
        for page in PAGES
        for line in re.findall(
            r"^\$ kakaclo (.*?)(?: +# .*)?$", page.read_text().replace("\\\n", ""), re.MULTILINE
        )
    )
)


def leaves(command, *path):
    """Every command that does something, by its words."""
    if hasattr(command, "commands"):
        for name, child in command.commands.items():
            yield from leaves(child, *path, name)
    else:
        yield path, command


COMMANDS = dict(leaves(typer.main.get_command(app)))


def test_exit_codes_are_listed_with_their_meanings():
    listed = {
        int(code): meaning for code, meaning in re.findall(r"^\| (\d+) \| (.*) \|$", TEXT, re.MULTILINE)
    }
    assert listed == EXIT_CODES


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_is_shown(words):
    assert any(line.split()[: len(words)] == list(words) for line in LINES)


@pytest.mark.parametrize("line", LINES)
def test_every_line_that_is_shown_can_be_typed(line):
    words = shlex.split(re.split(r" [|<] ", line)[0])
    path = max((path for path in COMMANDS if tuple(words[: len(path)]) == path), key=len)
    COMMANDS[path].make_context("kakaclo", words[len(path) :])


@pytest.mark.parametrize(
    "words",
    [
        ("orders", "check"),
        ("orders", "submit"),
        ("orders", "feed"),
        ("orders", "map"),
        ("export",),
        ("changes",),
    ],
    ids=" ".join,
)
def test_every_option_of_a_command_for_shops_is_described(words):
    options = {
        option
        for parameter in COMMANDS[words].params
        if getattr(parameter, "rich_help_panel", None) != "Common options"
        for option in parameter.opts
        if option.startswith("--") and not getattr(parameter, "hidden", False)
    }
    assert options
    assert {option for option in options if not re.search(rf"{option}(?![\w-])", TEXT)} == set()


def test_orders_are_one_group_whose_help_says_how_often_a_write_is_carried_out():
    orders = {words[1]: command for words, command in COMMANDS.items() if words[0] == "orders"}
    assert list(orders) == [
        "create",
        "check",
        "submit",
        "tracking",
        "show",
        "refund",
        "pending",
        "feed",
        "map",
        "list",
    ]
    assert "at most once" in orders["create"].get_short_help_str(200)
    assert "exactly once" in orders["submit"].get_short_help_str(200)
