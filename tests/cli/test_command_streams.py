"""The command where stdin, stdout or stderr is closed or full, and where there is no terminal and no home."""

from __future__ import annotations

import csv
import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from support.terminal import TOKEN

KAKACLO = str(Path(sys.executable).with_name("kakaclo"))
pytestmark = pytest.mark.process


@pytest.fixture
def shell(hosted, tmp_path):
    """Run a line of the shell in which `kakaclo` is the command; return its code, stdout and stderr."""

    def run(line, **variables):
        done = subprocess.run(
            ["/bin/sh", "-c", line.replace("kakaclo", KAKACLO, 1)],
            env={
                "PATH": os.environ["PATH"],
                **{name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ},
                "KAKACLO_TOKEN": TOKEN,
                "KAKACLO_BASE_URL": hosted.sandbox.url,
                "HOME": str(tmp_path / "home"),
                **variables,
            },
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert "Traceback" not in done.stderr
        assert "Exception ignored" not in done.stderr
        assert "please report it" not in done.stderr
        return done.returncode, done.stdout, done.stderr

    return run


@pytest.fixture
def orders(tmp_path, sku):
    lines = [f"{key},{sku},1,US,A,555 0100,CA,Oakland,1 Main St,94607\n" for key in "ABC"]
    path = tmp_path / "orders.csv"
    path.write_text(
        "custom_order_id,sku,quantity,country,recipient,phone,province,city,street1,zip\n" + "".join(lines)
    )
    return path


def placed(hosted):
    return hosted.call(lambda: {entry.custom_order_id: entry.orders[0] for entry in hosted.sandbox.journal})


def results(orders):
    text = orders.with_name("orders.results.csv").read_text()
    assert text.endswith("\n")
    return {row["custom_order_id"]: row["order_id"] for row in csv.DictReader(text.splitlines())}


COMMANDS = ["balance", "balance --json", "--help", "--version"]


@pytest.mark.parametrize(
    ("stream", "why", "variables"),
    [
        (">&-", "it is closed", {}),
        (">/dev/full", "No space left on device", {}),
        (">/dev/full", "No space left on device", {"PYTHONUNBUFFERED": "1"}),
    ],
)
def test_a_stdout_that_takes_nothing_is_told_in_a_sentence(shell, stream, why, variables):
    shell("kakaclo mirror --rate 200")
    for command in [*COMMANDS, "status", "changes", "export --what skus --out -", "mirror"]:
        code, _, err = shell(f"kakaclo {command} {stream}", **variables)
        assert code == 1, command
        assert err.splitlines()[-1] == f"error: stdout cannot be written: {why}", command


@pytest.mark.parametrize("stream", ["2>&-", "2>/dev/full"])
def test_a_stderr_that_takes_nothing_changes_neither_result_nor_code(shell, stream, orders, hosted):
    assert shell(f"kakaclo nosuch {stream}")[0] == 2
    assert shell(f"kakaclo orders show 1 {stream}")[0] == 3
    code, out, _ = shell(f"kakaclo orders submit --yes orders.csv {stream}")
    assert code == 0
    assert out.split()[:2] == ["Orders", "3"]
    assert results(orders) == placed(hosted)


@pytest.mark.parametrize("streams", ["<&- >&- 2>&-", "<&- >/dev/full 2>/dev/full", ">/dev/full 2>&1"])
def test_with_no_stream_left_the_orders_are_placed_and_their_results_written(shell, streams, orders, hosted):
    assert shell(f"kakaclo orders submit --yes orders.csv {streams}")[0] == 1
    assert len(placed(hosted)) == 3
    assert results(orders) == placed(hosted)


def test_no_file_of_ours_takes_the_place_of_a_closed_stream(shell, tmp_path):
    shell("kakaclo mirror --rate 200 >&- 2>&-")
    assert (tmp_path / "catalog.db").read_bytes().startswith(b"SQLite format 3\0")
    assert shell("kakaclo status")[0] == 0


def test_results_on_a_full_disk_stop_it_before_anything_is_sent(shell, orders, hosted):
    code, _, err = shell("kakaclo orders submit --yes orders.csv --results /dev/full")
    assert (code, placed(hosted)) == (2, {})
    said = "error: /dev/full cannot be written: No space left on device; name another file with --results"
    assert err.splitlines()[-1] == said
    assert Path("/dev/full").exists()


def test_a_device_or_a_pipe_takes_results_as_they_come(shell, orders, hosted, tmp_path):
    assert shell("kakaclo orders submit --yes orders.csv --results /dev/null")[0] == 0
    os.mkfifo(tmp_path / "pipe")
    code, out, _ = shell("kakaclo orders submit --yes orders.csv --results pipe >said & cat pipe; wait $!")
    rows = list(csv.DictReader(out.splitlines()))
    assert code == 0
    assert {row["custom_order_id"]: row["order_id"] for row in rows} == placed(hosted)
    assert (tmp_path / "pipe").is_fifo()
    assert list(tmp_path.glob("*results*")) == []


def test_orders_come_from_standard_input(shell, orders, hosted, tmp_path):
    code, out, _ = shell("kakaclo orders check - --json < orders.csv")
    assert (code, len(json.loads(out)["orders"])) == (0, 3)
    code, _, err = shell("cat orders.csv | kakaclo orders submit --yes -")
    assert (code, len(placed(hosted))) == (0, 3), err
    assert results(orders) == placed(hosted)
    code, _, err = shell("kakaclo orders submit --yes - <&-")
    assert code == 2
    assert "standard input cannot be read: it has no header" in err


def test_a_closed_stdin_is_no_yes(shell, sku, hosted):
    address = "--country US --recipient A --phone 1 --province CA"
    code, _, err = shell(f"kakaclo orders create --sku {sku}:1 {address} <&-")
    assert (code, placed(hosted)) == (2, {})
    assert "pass --yes" in err


@pytest.mark.parametrize(
    "variables", [{"LANG": "C", "LC_ALL": "C"}, {"COLUMNS": "0", "LINES": "0"}, {"TERM": ""}]
)
def test_without_a_terminal_everything_is_shown(shell, variables):
    assert "10000.00" in shell("kakaclo balance", **variables)[1]
    assert "Usage: kakaclo" in shell("kakaclo --help", **variables)[1]


def test_a_terminal_that_tells_no_width_shows_everything(hosted):
    ours, theirs = pty.openpty()
    subprocess.run(
        [KAKACLO, "balance"],
        env=os.environ
        | {"COLUMNS": "0", "TERM": "xterm", "KAKACLO_TOKEN": TOKEN, "KAKACLO_BASE_URL": hosted.sandbox.url},
        stdout=theirs,
        check=True,
    )
    os.close(theirs)
    assert b"10000.00" in os.read(ours, 65536)
    os.close(ours)


def test_where_stdin_is_closed_nobody_can_be_asked(shell, hosted):
    code, _, err = shell("kakaclo orders refund 1000000371652 <&-")
    assert (code, "pass --yes; nothing was sent" in err) == (2, True)
    assert hosted.sandbox.requests.total() == 0


def test_a_home_that_cannot_be_written_is_refused_before_anything_is_sent(shell, orders, hosted):
    code, _, err = shell("kakaclo orders submit --yes orders.csv", HOME="/proc/nobody")
    assert (code, placed(hosted)) == (2, {})
    assert "give --journal" in err


def test_a_folder_that_is_gone_is_told_in_a_sentence(shell, tmp_path):
    for command in ("export --out x.csv --what skus", "mirror", "orders submit --yes orders.csv"):
        (tmp_path / "gone").mkdir()
        code, _, err = shell(f"cd gone; rmdir ../gone; kakaclo {command}")
        assert code == 2
        assert err.startswith("error: ")
