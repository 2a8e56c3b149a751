"""The journal of `kakaclo orders` is the same whatever folder the command is run in."""

from __future__ import annotations

import os
import re
import stat
import sys
from pathlib import Path

import pytest
from support.terminal import TOKEN

from kakaclo_async.database.url import shop_file

HEADER = "custom_order_id,sku,quantity,country,recipient,phone,province,city,street1,zip"


@pytest.fixture
def file(tmp_path, sku):
    path = tmp_path / "orders.csv"
    path.write_text(
        f"{HEADER}\nA,{sku},1,US,Nobody Shall-See,555 0100 999,Florida,Orlando,1 Secret St,32801\n"
    )
    return path


@pytest.fixture
def folders(tmp_path, settings):
    """Go to a folder of this name."""

    def go(name):
        (tmp_path / name).mkdir(exist_ok=True)
        settings.chdir(tmp_path / name)

    return go


def count_placed(hosted):
    return hosted.call(lambda: len(list(hosted.sandbox.journal)))


def test_one_file_from_two_folders_is_one_order(kakaclo, hosted, file, folders, journal_file):
    folders("one")
    first = kakaclo("orders", "submit", file)
    folders("two")
    second = kakaclo("orders", "submit", file)

    assert (first.code, second.code) == (0, 0)
    assert count_placed(hosted) == 1
    assert f"new journal in {journal_file()}: KakaClo is asked for the file's orders" in first.err
    assert "new journal" not in second.err
    assert kakaclo("orders", "pending", "--json").out == "[]\n"


def test_the_journal_and_its_folder_are_for_its_owner_only(kakaclo, file, tmp_path, journal_file):
    before = os.umask(0)
    try:
        assert kakaclo("orders", "submit", file).code == 0
    finally:
        os.umask(before)

    path = journal_file()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    for folder in (path.parent, path.parent.parent, tmp_path / "home" / "data"):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert TOKEN not in str(path)


@pytest.mark.parametrize("home", ["a file", "/proc/nowhere"])
def test_a_home_that_cannot_be_written_is_one_sentence(kakaclo, hosted, settings, file, tmp_path, home):
    if home == "a file":
        home = tmp_path / "a file"
        home.write_text("")
    settings.setenv("XDG_DATA_HOME", str(home))

    outcome = kakaclo("orders", "submit", file)

    assert outcome.code == 2
    assert outcome.err.count("\n") == 1
    assert re.fullmatch(
        r"error: the journal's folder .* cannot be made \(.*\): give --journal, or set KAKACLO_JOURNAL\n",
        outcome.err,
    )
    assert count_placed(hosted) == 0
    assert kakaclo("orders", "submit", file, "--journal", tmp_path / "my.db").code == 0


@pytest.mark.parametrize("write", [str, "sqlite:///{}".format])
def test_the_environment_names_a_journal_by_file_or_url_and_the_option_goes_before_it(
    kakaclo, hosted, settings, file, folders, tmp_path, write
):
    settings.setenv("KAKACLO_JOURNAL", write(tmp_path / "set.db"))
    folders("one")
    first = kakaclo("orders", "submit", file)
    folders("two")

    assert kakaclo("orders", "submit", file).code == 0
    assert count_placed(hosted) == 1
    assert f"new journal in {tmp_path / 'set.db'}: " in first.err
    assert not (tmp_path / "home").exists()
    assert (
        "new journal in " in kakaclo("orders", "submit", file, "--journal", write(tmp_path / "other.db")).err
    )
    assert count_placed(hosted) == 2


def test_a_dry_run_and_a_bad_file_make_no_journal(kakaclo, file, tmp_path):
    kakaclo("orders", "submit", file, "--dry-run")
    file.write_text(f"{HEADER}\nA,X,0,US,N,5,F\n")
    kakaclo("orders", "submit", file)

    assert not (tmp_path / "home").exists()


def test_a_journal_that_cannot_be_opened_stops_it_before_anything_is_sent(kakaclo, hosted, file, tmp_path):
    (tmp_path / "my.db").write_text("id;price\n" * 200)

    outcome = kakaclo("orders", "submit", file, "--journal", tmp_path / "my.db")

    assert outcome.code == 2
    assert "file is not a database" in outcome.err
    assert not file.with_name("orders.results.csv").exists()
    assert hosted.call(hosted.sandbox.requests.total) == 0


@pytest.mark.parametrize("options", [(), ("--environment", "test"), ("--base-url", "https://proxy.example")])
def test_shops_and_environments_have_journals_of_their_own(production, tmp_path, options):
    def place(token):
        told = production("orders", "pending", "--token", token, *options).err
        return Path(
            re.search(r"^error: there is no journal in (.*): submit orders first, .*$", told, re.MULTILINE)[1]
        )

    paths = {place("token-one"), place("token-two")}

    assert len(paths) == 2
    assert {path.parent for path in paths} == {production.folder}
    begins = {(): "production", ("--environment", "test"): "test"}.get(options, "other-[0-9a-f]{8}")
    assert all(re.fullmatch(rf"{begins}-[0-9a-f]{{12}}\.db", path.name) for path in paths)


def test_each_sandbox_has_a_journal_of_its_own(production):
    told = [
        production("orders", "pending", "--base-url", f"http://127.0.0.1:{port}").err for port in (8700, 8701)
    ]
    assert told[0] != told[1]
    assert "/local-" in told[0]


@pytest.fixture
def production(kakaclo, settings, tmp_path):
    """Run a command for the production environment, which must not get as far as a request."""
    settings.delenv("KAKACLO_BASE_URL")
    folder = tmp_path / "home" / "data" / "kakaclo" / "journals"

    def run(*arguments):
        return kakaclo(*arguments)

    run.folder = folder
    return run


def test_a_refreshed_token_does_not_begin_a_journal_beside_the_old_one(production, file):
    """The new journal would not know what the old one has placed, and would place it again."""
    old = shop_file(production.folder, "production", "token-before-it-was-refreshed")
    old.parent.mkdir(parents=True)
    old.write_text("")

    outcome = production("orders", "submit", file)

    assert outcome.code == 2
    assert f"{old} may be the one of this shop: give --journal {old} to go on with it" in outcome.err
    assert str(shop_file(production.folder, "production", TOKEN)) in outcome.err
    assert outcome.err.count("\n") == 1
    assert f"give --journal {old}" in production("orders", "pending").err


def test_a_journal_that_an_earlier_version_left_in_the_folder_is_not_passed_over(
    kakaclo, hosted, file, tmp_path
):
    kakaclo("orders", "submit", file, "--journal", "sqlite:///orders.db")

    outcome = kakaclo("orders", "submit", file)

    assert outcome.code == 2
    assert f"{tmp_path / 'orders.db'} may be the one of this shop" in outcome.err
    assert kakaclo("orders", "submit", file, "--journal", "orders.db").code == 0
    assert count_placed(hosted) == 1


def test_the_command_needs_what_finds_the_folder():
    from kakaclo_async.cli import _EXTRA

    assert "platformdirs" in _EXTRA
    assert sys.modules["platformdirs"]
