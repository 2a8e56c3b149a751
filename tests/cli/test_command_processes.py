"""The command as people run it: other processes, pipes, terminals, signals."""

from __future__ import annotations

import asyncio
import ctypes
import fcntl
import json
import operator
import os
import pty
import re
import select
import selectors
import signal
import subprocess
import sys
import termios
import threading
import time
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest

from kakaclo_async.cli.shop.asking import ask

pytestmark = pytest.mark.process

KAKACLO = str(Path(sys.executable).with_name("kakaclo"))
CODES = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")


@contextmanager
def sandbox_process(*arguments):
    process = subprocess.Popen(
        [KAKACLO, "sandbox", "--products", "60", "--port", "0", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        exports = [process.stdout.readline().removeprefix("export ").strip() for _ in range(2)]
        yield process, dict(line.split("=", 1) for line in exports)
    finally:
        process.kill()
        process.communicate()


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """The environment of somebody who has started `kakaclo sandbox` and taken over what it printed."""
    with sandbox_process("--speed", "100") as (_, exports):
        kept = {name: value for name, value in os.environ.items() if name not in {"NO_COLOR", "FORCE_COLOR"}}
        yield {**kept, **exports, "TERM": "xterm-256color", "COLUMNS": "120"}


@pytest.fixture
def kakaclo(environment, tmp_path):
    def run(*arguments, **options):
        command = [KAKACLO, *arguments]
        return subprocess.run(
            command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False, **options
        )

    return run


@pytest.fixture
def on_a_terminal(environment, tmp_path):
    """Run a command on a pseudo-terminal; return its exit code and all that it showed.

    `early` is typed before it starts, `typed` at its question, where `end` may be a signal instead; `stdin` is a file.
    """

    def run(*arguments, typed="", early="", end=None, stdin=None, **variables):
        ours, theirs = pty.openpty()
        # Opened by the leader of a new session, it becomes the terminal whose Ctrl-C is a signal.
        script = f'exec "$@" < {stdin or os.ttyname(theirs)} 1<> {os.ttyname(theirs)} 2>&1'
        if early:
            os.write(ours, early.encode())
            os.read(ours, 65536)  # its echo: what comes next is the command's
        process = subprocess.Popen(
            ["/bin/sh", "-c", script, "sh", KAKACLO, *arguments],
            env=environment | variables,
            cwd=tmp_path,
            start_new_session=True,
        )
        select.select([ours], [], [], 30)
        os.close(theirs)
        shown = b""
        while chunk := read(ours):
            shown += chunk
            if b"[y/N]" in shown and (typed or end):
                os.write(ours, typed.encode())
                if end:
                    process.send_signal(end)
                typed, end = "", None
        os.close(ours)
        return process.wait(), shown.decode()

    return run


def read(terminal):
    try:
        return os.read(terminal, 65536)
    except OSError:  # how Linux says that nobody holds the other end any more
        return b""


@pytest.fixture
def sku(environment):
    """A SKU of the sandbox that can be ordered."""
    script = """if True:
        import asyncio
        from datetime import UTC, datetime
        from kakaclo_async import KakaClo

        async def main():
            async with KakaClo() as kk:
                start, end = datetime(2015, 1, 1, tzinfo=UTC), datetime.now(UTC)
                page = await kk.products.page(updated_from=start, updated_to=end, sort_type="stock")
                print(next(sku.sku for row in page for sku in row.sku_details if sku.sku_status == 1 and sku.stock))

        asyncio.run(main())
    """
    command = [sys.executable, "-c", script]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.strip()


def test_what_the_sandbox_prints_is_all_that_another_shell_needs(environment, tmp_path):
    exports = "".join(
        f"export {name}={environment[name]}\n" for name in ("KAKACLO_BASE_URL", "KAKACLO_TOKEN")
    )
    script = f"{exports}{KAKACLO} balance --json"
    done = subprocess.run(["/bin/sh", "-c", script], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["amount"] == "10000.00"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_sandbox_ends_cleanly(number):
    with sandbox_process() as (process, _):
        process.send_signal(number)
        _, complaints = process.communicate(timeout=30)
    first, address = complaints.splitlines()
    assert first == "local KakaClo with 60 products at 1 times real speed; stop it with Ctrl-C"
    assert re.fullmatch(r"look at it in a browser: http://127\.0\.0\.1:\d+/\?token=[\w-]{32}", address)
    assert process.returncode == 0


def test_any_setting_of_the_sandbox_can_be_given(kakaclo):
    with sandbox_process("--set", "products=7", "--set", "index_empty=true") as (process, exports):
        url, token = exports["KAKACLO_BASE_URL"], exports["KAKACLO_TOKEN"]
        done = kakaclo("product", "AMN00003", "--base-url", url, "--token", token)
        process.terminate()
        _, said = process.communicate(timeout=30)
    assert done.returncode != 0
    assert "AMN00003" in done.stderr
    assert said.startswith("local KakaClo with 7 products ")


def test_a_sandbox_for_a_team_lags_moves_fails_and_tells_each_request(kakaclo, environment):
    options = (
        "--host",
        "127.0.0.1",
        "--index-lag",
        "0",
        "--moving",
        "busy",
        "--faults",
        "server_error=1",
        "--log",
    )
    with sandbox_process(*options) as (process, exports):
        url = exports["KAKACLO_BASE_URL"]
        done = kakaclo("balance", "--timeout", "3", "--base-url", url, "--token", exports["KAKACLO_TOKEN"])
        process.terminate()
        _, said = process.communicate(timeout=30)
    assert url.startswith("http://127.0.0.1:")
    assert done.returncode == 6
    lines = said.splitlines()
    assert lines[1].startswith("look at it in a browser: ")
    assert re.fullmatch(r"\d\d:\d\d:\d\d GET /v1/payment/balance 500, \d+ ms, server_error", lines[2])


def test_a_port_that_is_taken_is_refused(environment, kakaclo):
    port = environment["KAKACLO_BASE_URL"].split(":")[2].split("/")[0]
    done = kakaclo("sandbox", "--port", port)
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: port {port} cannot be used: ")
    assert done.stderr.count("\n") == 1


def test_a_pipe_gets_plain_text(kakaclo):
    done = kakaclo("warehouses")
    assert done.returncode == 0
    assert done.stdout.splitlines()[0].split() == ["Warehouse", "Country", "Status", "Name"]
    assert "\x1b" not in done.stdout
    assert done.stderr == ""


def test_names_that_a_locale_cannot_write_do_not_fail(environment):
    command = [KAKACLO, "warehouses"]
    ascii_only = environment | {"PYTHONIOENCODING": "ascii"}
    done = subprocess.run(command, env=ascii_only, capture_output=True, text=True, check=True)
    assert "\\u4e49\\u4e4c\\u4ed3" in done.stdout


def test_a_terminal_gets_a_table(on_a_terminal):
    code, shown = on_a_terminal("warehouses")
    assert code == 0
    assert "┃ Warehouse ┃" in CODES.sub("", shown)
    assert "\x1b[" in shown


def test_no_color_is_obeyed_on_a_terminal(on_a_terminal):
    code, shown = on_a_terminal("warehouses", NO_COLOR="1")
    assert code == 0
    assert "┃ Warehouse ┃" in shown
    assert "\x1b[" not in shown


def test_a_terminal_gets_bars_while_the_catalog_is_mirrored(on_a_terminal):
    code, shown = on_a_terminal("mirror", "--rate", "200")
    assert code == 0
    text = CODES.sub("", shown)
    assert "━" in text
    assert "60 of 60 rows" in text
    assert "rows/s" in text


def test_a_yes_at_the_terminal_places_the_order(on_a_terminal, sku):
    address = ("--country", "US", "--recipient", "A", "--phone", "1", "--province", "CA")
    code, shown = on_a_terminal("orders", "create", "--sku", f"{sku}:1", *address, typed="yes\n")
    text = CODES.sub("", shown)
    assert code == 0
    assert text.index("Expedited") < text.index("Place this order of 1 piece by") < text.index("Order")


def test_ctrl_c_at_the_terminal_places_nothing(on_a_terminal, sku):
    address = ("--country", "US", "--recipient", "A", "--phone", "1", "--province", "CA")
    code, shown = on_a_terminal("orders", "create", "--sku", f"{sku}:1", *address, typed="\x03")
    assert code == 130
    assert "[y/N]" in shown
    assert "Traceback" not in shown


@pytest.fixture
def keyboard(monkeypatch):
    """A terminal at which "y" is typed in the end, so that nothing waits for ever; yields whether it was."""
    ours, theirs = pty.openpty()
    typed = threading.Event()
    later = threading.Timer(60, lambda: (typed.set(), os.write(ours, b"y\n")))
    later.start()
    with os.fdopen(theirs) as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        yield typed
        later.cancel()
        later.join()
    os.close(ours)


@pytest.mark.parametrize(
    ("number", "ends"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, asyncio.CancelledError)]
)
def test_a_signal_is_heard_that_comes_just_before_the_wait_for_an_answer(keyboard, monkeypatch, number, ends):
    """Where Python cannot handle it any more: a read that begins after a signal is not ended by it."""
    comes = [partial(getattr(ctypes.CDLL(None), "raise"), number)]

    def late(waits):
        def wait(*arguments):
            steps = [*comes, partial(waits, *arguments)]
            comes.clear()
            return list(map(operator.call, steps))[-1]  # C from end to end: no handler runs within

        return wait

    class Late(selectors.EpollSelector):
        def __init__(self):
            super().__init__()
            real = self._selector
            self._selector = SimpleNamespace(poll=late(real.poll), register=real.register, close=real.close)

    monkeypatch.setattr(selectors, "DefaultSelector", Late)
    monkeypatch.setattr(sys.stdin, "readline", late(sys.stdin.readline))
    with pytest.raises(ends):
        ask("Go on", [])
    assert (comes, keyboard.is_set()) == ([], False)


def test_sigterm_at_the_question_ends_the_command_and_places_nothing(on_a_terminal, sku):
    address = ("--country", "US", "--recipient", "A", "--phone", "1", "--province", "CA")
    code, shown = on_a_terminal("orders", "create", "--sku", f"{sku}:1", *address, end=signal.SIGTERM)
    assert (code, shown.endswith("USD? [y/N] ")) == (143, True)


def test_a_yes_that_was_typed_before_the_question_does_not_answer_it(on_a_terminal, sku):
    order = ("orders", "create", "--sku", f"{sku}:1", "--country", "US", "--recipient", "A", "--phone", "1")
    code, shown = on_a_terminal(*order, "--province", "CA", early="y\n", typed="n\n")
    assert (code, shown.splitlines()[-1]) == (1, "nothing was sent")


@pytest.mark.parametrize(
    "command",
    [
        "orders submit - --journal j.db", "orders check -", "orders submit pipe --journal j.db",
        "orders create --file - --yes", "orders check orders.csv --map pipe", "orders map -", "fleet submit acme -",
    ],
)  # fmt: skip
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_one_signal_ends_a_command_whose_file_gives_nothing(environment, tmp_path, command, number, code):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "orders.csv").write_text("custom_order_id,sku,quantity\n")
    (tmp_path / "fleet.toml").write_text(
        f"[fleet]\n[shop.acme]\ntoken = 'env:KAKACLO_TOKEN'\nbase_url = '{environment['KAKACLO_BASE_URL']}'\n"
    )
    process = subprocess.Popen(
        [KAKACLO, *command.split()], env=environment, cwd=tmp_path,
        stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    with process:
        # To open a pipe for writing waits until somebody reads from it.
        with (tmp_path / "pipe").open("w") if "pipe" in command else process.stdin as file:
            file.write("x")
            file.flush()
            while unread(file):
                time.sleep(0.01)
            time.sleep(0.3)  # it waits for more by now
            process.send_signal(number)
            assert process.wait(60) in {code, -number}
        assert "Traceback" not in process.stderr.read()


def unread(pipe):
    """How many bytes of what was written nobody has read yet."""
    return int.from_bytes(fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)), sys.byteorder)


@pytest.mark.parametrize("typed", ["n\n", "y\n", "\x03"])
def test_a_file_through_a_pipe_is_asked_about_at_the_terminal(on_a_terminal, sku, tmp_path, typed):
    (tmp_path / "orders.csv").write_text(
        "custom_order_id,sku,quantity,country,recipient,phone,province,city,street1,zip\n"
        f"PIPED-{ord(typed[0])},{sku},1,US,A,555 0100,CA,Oakland,1 Main St,94607\n"
    )
    submit = ("orders", "submit", "-", "--journal", "j.db", "--quiet-time", "0")
    code, shown = on_a_terminal(*submit, typed=typed, stdin="orders.csv")
    assert code == {"n\n": 1, "y\n": 0, "\x03": 130}[typed]
    assert "Place 1 order for " in shown


def test_a_reader_that_goes_early_is_no_fault(environment):
    command = f"{KAKACLO} categories --json | head -1"
    done = subprocess.run(
        ["/bin/sh", "-c", command], env=environment, capture_output=True, text=True, check=False
    )
    assert done.stdout == "[\n"
    assert done.stderr == ""


def test_the_sdk_alone_says_how_to_get_the_command():
    script = "import sys; sys.modules['typer'] = None; from kakaclo_async.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == "error: the kakaclo command needs its extra: pip install 'kakaclo[cli]'\n"


def test_a_broken_installation_is_not_mistaken_for_a_missing_extra():
    script = "import sys; sys.modules['kakaclo_async.cli.output'] = None; from kakaclo_async.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "ModuleNotFoundError" in done.stderr


def test_typer_and_rich_are_imported_by_the_command_alone():
    script = "import sys, kakaclo_async, kakaclo_sync; sys.exit(bool({'typer', 'rich'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
