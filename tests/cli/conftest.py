from __future__ import annotations

import io
from dataclasses import dataclass

import pytest
from support import shop
from support.terminal import TOKEN, Hosted, Terminal

from kakaclo_async.cli.app import run


@dataclass
class Outcome:
    code: int
    out: str
    err: str


@pytest.fixture
def hosted():
    hosted = Hosted(products=120)
    yield hosted
    hosted.close()


@pytest.fixture
def sandbox(hosted):
    return hosted.sandbox


@pytest.fixture
def settings(monkeypatch, tmp_path):
    """No settings but those that a test makes, and a folder of its own."""
    for name in ("KAKACLO_TOKEN", "KAKACLO_BASE_URL", "KAKACLO_JOURNAL", "NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home" / "data"))
    monkeypatch.chdir(tmp_path)
    return monkeypatch


NEED_A_YES = (["orders", "create"], ["orders", "refund"])
"""Where nobody can be asked, these do nothing unless they are told --yes."""


@pytest.fixture
def kakaclo(settings, hosted, capsys):
    """Run a command in this process, against the sandbox.

    `typed` is what somebody at the terminal answers; without one, what needs it is told --yes, unless not `sure`.
    """
    settings.setenv("KAKACLO_BASE_URL", hosted.sandbox.url)
    settings.setenv("KAKACLO_TOKEN", TOKEN)

    def run_command(*arguments, typed=None, sure=True):
        settings.setattr("sys.stdin", io.StringIO() if typed is None else Terminal(typed))
        words = [str(argument) for argument in arguments]
        told = ["--yes"] if sure and typed is None and words[:2] in NEED_A_YES else []
        code = run([*words, *told])
        out, err = capsys.readouterr()
        assert TOKEN not in out + err
        assert "Traceback" not in err
        return Outcome(code, out, err)

    return run_command


@pytest.fixture
def journal_file(tmp_path):
    """The journal of the shop that commands place orders in."""

    def find():
        [path] = (tmp_path / "home" / "data" / "kakaclo" / "journals").glob("*.db")
        return path

    return find


@pytest.fixture
def sku(hosted):
    """A SKU that can be ordered."""
    return hosted.call(lambda: next(hosted.sandbox.catalog.selling(pieces=5)))


@pytest.fixture
def two_countries(hosted):
    """A SKU for each country, that only this country has."""
    return hosted.call(shop.two_countries, hosted.sandbox.catalog)
