"""The tab key completes what has a known set of values, as a shell asks for it."""

from __future__ import annotations

import os
import pty
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from kakaclo_async import ChannelType, OrderStatus, RefundReason, SalePlatform
from kakaclo_async.cli import main
from kakaclo_async.cli.app import app
from kakaclo_async.sandbox import FaultKind


@pytest.fixture
def complete(settings, capsys):
    """Complete a line, of which the last word was begun."""

    def ask(line):
        settings.setenv("_KAKACLO_COMPLETE", "complete_bash")
        settings.setenv("COMP_WORDS", line)
        settings.setenv("COMP_CWORD", str(line.count(" ")))
        with pytest.raises(SystemExit) as end:
            main([])
        out, err = capsys.readouterr()
        assert (end.value.code, err) == (0, "")
        return [shlex.split(word)[0] for word in out.split("\n")[:-1]] if out != "\n" else []

    return ask


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("kakaclo orders su", ["submit"]),
        ("kakaclo balance --environment ", ["production", "test"]),
        ("kakaclo orders list --status ", [*map(str, OrderStatus)]),
        ("kakaclo orders create --channel ", [*map(str, ChannelType)]),
        ("kakaclo orders create --country D", ["DE", "DJ", "DK", "DM", "DO", "DZ"]),
        ("kakaclo orders create --platform Sh", [str(SalePlatform.SHOPIFY)]),
        ("kakaclo orders submit f.csv --channel Std=E", ["Std=Express", "Std=Expedited"]),
        ("kakaclo orders submit f.csv --channel Std", []),
        ("kakaclo orders refund 1 --reason ", [*map(str, RefundReason)]),
        ("kakaclo orders tracking --for ", ["matrixify", "amazon", "woo-ast", "csv"]),
        ("kakaclo freight A --to F", ["FI", "FJ", "FK", "FM", "FO", "FR"]),
        (
            "kakaclo freight A --to US,FR,I",
            [f"US,FR,{code}" for code in ("ID", "IE", "IL", "IM", "IN", "IO", "IQ", "IR", "IS", "IT")],
        ),
        ("kakaclo export --format ", ["csv", "jsonl", "parquet"]),
        ("kakaclo export --for sh", ["shopify", "shopify-inventory"]),
        ("kakaclo export --what s", ["skus", "stock"]),
        ("kakaclo sandbox --moving b", ["busy", "backdated"]),
        ("kakaclo sandbox --faults res", [f"{kind}=" for kind in FaultKind if kind.startswith("res")]),
        ("kakaclo sandbox --set page_size", ["page_size=", "page_sizes=", "page_size_every="]),
    ],
)
def test_a_value_is_completed(complete, line, words):
    assert complete(line) == words


FREE = {
    # texts and numbers of the user's own, files and addresses
    "token_from", "token", "base_url", "proxy", "ca_file", "timeout", "rate",
    "db", "journal", "port", "products", "host", "speed", "index_lag", "seed", "since", "updated", "every",
    "after", "listed", "out", "only", "category", "price", "buffer", "vendor", "location", "link",
    "warehouse", "sku", "recipient", "phone", "province", "city", "street1", "street2", "zip_code", "ioss",
    "vat", "custom_id", "remark", "file", "sku_map", "prefix", "older_than", "quiet_time", "results", "orders",
    "wait", "verbose",
    "webhook", "balance_below", "consumer", "fleet",
}  # fmt: skip


def options():
    """Each option of each command that takes a value: how it is typed, and its name."""
    waiting = [("kakaclo", typer.main.get_command(app))]
    while waiting:
        words, command = waiting.pop()
        waiting += [(f"{words} {name}", inner) for name, inner in getattr(command, "commands", {}).items()]
        for parameter in command.params:
            typed = next((option for option in parameter.opts if option.startswith("--")), None)
            if typed is not None and not getattr(parameter, "is_flag", False):
                yield f"{words} {typed} ", parameter.name


def test_every_option_completes_its_values_or_is_known_to_have_none(complete):
    """An option that is new stands in neither list, and fails here."""
    asked = {line for line, name in options() if name not in FREE | {"channel", "settings"}}
    assert len(asked) > 10
    assert {line for line in asked if not complete(line)} == set()


def test_what_is_free_is_still_there():
    named = {name for _, name in options()}
    assert {"status", "environment", "country"} <= named
    assert FREE - named == set()


BASH = """
PS1='$ '; PS2=$'\\nend of it'; bind 'set bell-style none'; bind 'set enable-bracketed-paste off'; bind 'set show-all-if-ambiguous on'
eval "$(_KAKACLO_COMPLETE=source_bash kakaclo)"
shown() { printf '<%s>' "$@"; printf '\\nend of it\\n'; }
echo ready
"""


@pytest.fixture
def in_bash(settings, tmp_path):
    """Type a line into a real bash, complete its last word by the tab key; return the words that it then has."""

    def tell(typed):
        (tmp_path / "rc").write_text(BASH)
        settings.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
        ours, theirs = pty.openpty()
        shell = subprocess.Popen(
            ["bash", "--rcfile", tmp_path / "rc", "-i"], stdin=theirs, stdout=theirs, stderr=theirs,
            start_new_session=True,
        )  # fmt: skip
        os.close(theirs)
        seen = ""

        def until(text):
            nonlocal seen
            while text not in seen:
                seen += os.read(ours, 4096).decode()

        try:
            until("ready\r\n$ ")
            os.write(ours, f"{typed}\t\x01shown \n".encode())  # Tab, Ctrl-A
            until("\r\nend of it")
        finally:
            shell.kill()
            shell.wait()
            os.close(ours)
        return re.findall("<(.*?)>", seen.rpartition("end of it")[0].rpartition("\n<")[2].join(["<", ""]))

    return tell


@pytest.mark.process
@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash")
@pytest.mark.parametrize("typed", ["Don", "Don\\'t\\ W", '"Don', "'Don"])
def test_bash_inserts_a_value_with_blanks_as_one_word(in_bash, typed):
    words = in_bash(f"kakaclo orders refund 1 --reason {typed}")
    assert words == ["kakaclo", "orders", "refund", "1", "--reason", "Don't Want Anymore"]


@pytest.mark.process
@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash")
def test_bash_inserts_what_several_values_begin_with(in_bash):
    assert in_bash("kakaclo orders refund 1 --reason O")[-1] == "O"
    assert in_bash("kakaclo balance --environment p")[-1] == "production"
