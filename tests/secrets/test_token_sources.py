"""A token may come from a variable, a file, a command or the keyring: read anew, in time, and never shown."""

from __future__ import annotations

import asyncio
import builtins
import logging
import os
import sys
import threading

import keyring
import keyring.backend
import pytest

import kakaclo_async
import kakaclo_sync
from kakaclo_async import ConfigurationError, DeadlineExceeded, KakaClo, token as module, token_from
from kakaclo_async.token import Token

pytestmark = pytest.mark.process

TOKEN = "t0ken-of-the-shop"
PYTHON = f"cmd:{sys.executable} -c"


@pytest.fixture(autouse=True)
def no_environment(monkeypatch):
    monkeypatch.delenv("KAKACLO_TOKEN", raising=False)
    monkeypatch.delenv("KAKACLO_TOKEN_FROM", raising=False)


@pytest.fixture
def secret_file(tmp_path):
    path = tmp_path / "token"
    path.touch(mode=0o600)
    path.write_text(f"{TOKEN}\n")
    return path


@pytest.fixture
def safe():
    """A keyring that belongs to the test."""

    class Safe(keyring.backend.KeyringBackend):
        priority = 0
        failure = None
        asked = 0

        def __init__(self):
            self.held = {("https://shop/a", "acme"): TOKEN}

        def get_password(self, service, username):
            self.asked += 1
            if self.failure is not None:
                raise self.failure
            return self.held.get((service, username))

        set_password = delete_password = None

    before, safe = keyring.get_keyring(), Safe()
    keyring.set_keyring(safe)
    yield safe
    keyring.set_keyring(before)


def test_both_packages_have_the_function():
    assert kakaclo_sync.token_from is kakaclo_async.token_from


async def test_each_place_is_read(monkeypatch, secret_file, safe):
    monkeypatch.setenv("ACME_TOKEN", TOKEN)
    for place in (
        "env:ACME_TOKEN",
        f"file:{secret_file}",
        f"{PYTHON} 'print(\"{TOKEN}\")'",
        "keyring:https://shop/a/acme",
    ):
        assert await token_from(place)() == TOKEN
        assert await Token(token_from(place)).read() == TOKEN


async def test_a_place_is_read_anew_whenever_the_function_is_called(monkeypatch, secret_file, safe, tmp_path):
    monkeypatch.setenv("ACME_TOKEN", "first")
    secret_file.write_text("first")
    safe.held = {("s", "n"): "first"}
    copy = f"import shutil, sys; shutil.copyfileobj(open({str(secret_file)!r}), sys.stdout)"
    places = ["env:ACME_TOKEN", f"file:{secret_file}", f'{PYTHON} "{copy}"', "keyring:s/n"]
    functions = [token_from(place) for place in places]
    assert [await function() for function in functions] == ["first"] * 4
    monkeypatch.setenv("ACME_TOKEN", "second")
    secret_file.write_text("second")
    safe.held = {("s", "n"): "second"}
    assert [await function() for function in functions] == ["second"] * 4


@pytest.mark.parametrize("end", ["", "\n", "\r\n", "\n\n"])
async def test_line_breaks_at_the_end_of_a_file_are_no_part_of_the_token(secret_file, end):
    secret_file.write_bytes(f"\ufeff{TOKEN}{end}".encode())
    assert await Token(token_from(f"file:{secret_file}")).read() == TOKEN


@pytest.mark.parametrize("held", [b"", b"\n", b"two\nlines", b"a b", b"\xff\xfe", b"x" * 70_000 + b"\n"])
async def test_a_file_that_holds_no_token_is_refused_without_its_content(secret_file, held):
    secret_file.write_bytes(held)
    token = Token(token_from(f"file:{secret_file}"))
    if len(held) > 65_536:
        assert len(await token.read()) == 65_536  # a file that never ends is not read to its end
        return
    with pytest.raises(ConfigurationError, match="characters that no token has") as caught:
        await token.read()
    assert "lines" not in str(caught.value)


@pytest.mark.skipif(os.name == "nt", reason="modes tell nothing there")
@pytest.mark.parametrize(("mode", "warnings"), [(0o600, 0), (0o400, 0), (0o640, 1), (0o604, 1), (0o666, 1)])
async def test_a_file_that_others_can_read_is_told_once_without_its_content(
    secret_file, caplog, mode, warnings
):
    secret_file.chmod(mode)
    function = token_from(f"file:{secret_file}")
    for _ in range(3):
        await function()
    told = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert len(told) == warnings
    assert TOKEN not in caplog.text
    assert all(str(secret_file) in record.getMessage() for record in told)


@pytest.mark.parametrize(
    ("place", "why"),
    [
        ("env:KAKACLO_NO_SUCH", "KAKACLO_NO_SUCH should hold the token, and is not set"),
        ("file:/no/such/file", "token file /no/such/file cannot be read: No such file"),
        ("file:/", "token file / cannot be read: Is a directory"),
        ("cmd:/no/such/program --key hidden", "token command program cannot be run: No such file"),
        ("cmd:false hidden", "token command false failed: exit code 1"),
        ("cmd:sh -c 'echo hidden >&2; exit 3'", "token command sh failed: exit code 3"),
        ("cmd:true hidden", "characters that no token has"),
        ("cmd:printf 'hidden\\nhidden'", "characters that no token has"),
        ("cmd:printf '\\377'", "characters that no token has"),
        ("keyring:none/here", "no password for 'here' of 'none': there is none"),
    ],
)
async def test_a_place_that_cannot_be_read_is_named_and_no_secret_is(safe, capfd, place, why):
    with pytest.raises(ConfigurationError, match=why) as caught:
        await Token(token_from(place)).read()
    assert "hidden" not in str(caught.value)
    assert "hidden" not in "".join(capfd.readouterr())


async def test_a_keyring_that_fails_is_named_by_its_error_and_not_by_its_words(safe):
    safe.failure = LookupError(TOKEN)
    with pytest.raises(ConfigurationError, match="'acme' of 'x': LookupError") as caught:
        await token_from("keyring:x/acme")()
    assert TOKEN not in str(caught.value)


def test_a_keyring_without_its_extra_is_refused_at_once_with_the_way_to_get_it(monkeypatch):
    def without_keyring(name, *rest, find=builtins.__import__):
        if name == "keyring":
            raise ImportError
        return find(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without_keyring)
    with pytest.raises(ConfigurationError, match=r"needs keyring: pip install 'kakaclo\[keyring\]'"):
        token_from("keyring:a/b")


@pytest.mark.parametrize(
    "given",
    [TOKEN, f"{TOKEN}:x", "", ":", "file:", "env: ", "cmd:", "cmd:''x'", "keyring:acme",
     "keyring:/acme", "keyring:acme/", f"https://{TOKEN}"],
)  # fmt: skip
def test_what_names_no_place_is_refused_and_not_shown(given):
    with pytest.raises(ConfigurationError, match="none of them was given|token command has") as caught:
        token_from(given)
    assert TOKEN not in str(caught.value)


async def test_a_command_runs_without_a_shell(tmp_path):
    token = await token_from(f"cmd:echo $HOME;touch {tmp_path}/made")()
    assert token == f"$HOME;touch {tmp_path}/made"
    assert list(tmp_path.iterdir()) == []


async def test_a_command_that_hangs_is_ended_with_all_that_it_started(monkeypatch, tmp_path):
    monkeypatch.setattr(module, "_COMMAND_TIME", 0.3)
    fifo = tmp_path / "open"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    # What it starts holds its pipe and the FIFO open: the FIFO ends when all of them are gone.
    with pytest.raises(ConfigurationError, match=r"token command sh did not end in 0\.3 s"):
        await token_from(f"cmd:sh -c 'sleep 1000 3>{fifo} & sleep 1000 3>{fifo}'")()
    while True:
        try:
            assert os.read(reader, 1) == b""
            break
        except BlockingIOError:
            await asyncio.sleep(0)
    os.close(reader)


async def test_a_command_asks_nobody():
    assert await token_from("cmd:sh -c 'read x; echo got-nothing$x'")() == "got-nothing"
    assert await token_from("cmd:sh -c '(: < /dev/tty) 2> /dev/null || echo no-terminal'")() == "no-terminal"


async def test_a_slow_place_holds_up_no_event_loop_and_is_read_once_for_all_who_wait(safe):
    free = threading.Event()

    def get_password(service, username):
        safe.asked += 1
        assert free.wait(30)
        return TOKEN

    safe.get_password = get_password
    token = Token(token_from("keyring:s/n"))
    waiting = [asyncio.create_task(token.read()) for _ in range(50)]
    while not safe.asked:
        await asyncio.sleep(0)
    free.set()
    assert set(await asyncio.gather(*waiting)) == {TOKEN}
    assert safe.asked == 1


@pytest.mark.stepped
@pytest.mark.parametrize("place", ["keyring:s/n", "cmd"])
async def test_a_command_or_a_keyring_is_asked_again_after_five_minutes(safe, place, tmp_path):
    safe.held = {("s", "n"): TOKEN}
    log = tmp_path / "log"
    token = Token(token_from(place if place != "cmd" else f"cmd:sh -c 'echo x >> {log}; echo {TOKEN}'"))
    asked = []
    for _ in range(3):
        for _ in range(3):
            await token.read()
            await asyncio.sleep(99)
        asked.append(safe.asked + (len(log.read_text().split()) if log.exists() else 0))
        await asyncio.sleep(4)
    assert asked == [1, 2, 3]


async def test_a_place_that_takes_too_long_ends_the_call_before_anything_is_sent(sandbox, safe):
    free = threading.Event()
    safe.get_password = lambda service, username: free.wait(30) and None
    async with KakaClo(token_from("keyring:s/n"), base_url=sandbox.url, timeout=0.3) as kk:
        with pytest.raises(DeadlineExceeded, match="token function did not answer.*nothing was sent"):
            await kk.payment.balance()
    free.set()
    assert len(sandbox.log) == 0


async def test_the_environment_names_a_token_or_a_place_and_not_both(monkeypatch, secret_file):
    monkeypatch.setenv("KAKACLO_TOKEN_FROM", f"file:{secret_file}")
    assert await Token(None).read() == TOKEN
    monkeypatch.setenv("KAKACLO_TOKEN", "other")
    with pytest.raises(ConfigurationError, match="both set"):
        Token(None)
    monkeypatch.setenv("KAKACLO_TOKEN_FROM", "")
    assert await Token(None).read() == "other"
    monkeypatch.setenv("KAKACLO_TOKEN", f"file:{secret_file}")  # a token, whatever it looks like
    assert await Token(None).read() == f"file:{secret_file}"


async def test_a_token_that_looks_like_a_place_is_not_read():
    """Tokens may come from strangers, as in a service for many shops: none of them runs a command."""
    assert await Token("cmd:true").read() == "cmd:true"


def test_the_blocking_client_takes_a_place(secret_file):
    with kakaclo_sync.Sandbox(products=3) as sandbox:
        secret_file.write_text(sandbox.token)
        with kakaclo_sync.KakaClo(token_from(f"file:{secret_file}"), base_url=sandbox.url) as kk:
            assert kk.payment.balance() is not None
