"""docs/howto/from-shopify.md is what a new user types, in this order, and what they see."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from support.console import Shell, cron, environment_of, shows, steps

PAGE = Path(__file__).parents[2] / "docs" / "howto" / "from-shopify.md"
STEPS = list(steps(PAGE.read_text()))
KAKACLO = Path(sys.executable).with_name("kakaclo")
PORT = "8700"
LOOKS = 40
"""How often somebody looks who waits for a parcel that leaves in seconds."""

pytestmark = [pytest.mark.process, pytest.mark.long]


@pytest.fixture
def environment(tmp_path):
    home = tmp_path / "me"
    home.mkdir()
    found = environment_of(home)
    return {**found, "PATH": f"{KAKACLO.parent}:{found['PATH']}"}


@pytest.fixture
def shell(tmp_path, environment):
    return Shell(Path(environment["HOME"]), environment)


@pytest.fixture
def other_terminal(environment):
    """Start the sandbox as the page does, at a free port; return what it printed and the port."""
    processes = []

    def start(command):
        process = subprocess.Popen(
            [KAKACLO, *command.split()[1:], "--port", "0"],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        processes.append(process)
        printed = "".join(process.stdout.readline() for _ in range(4))
        return printed, re.search(r":(\d+)/openapi", printed)[1]

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def test_every_command_of_the_page_prints_what_the_page_shows(shell, other_terminal, environment):
    port, run, home = PORT, [], environment["HOME"]
    for step in STEPS:
        if step.file:
            text = step.output.replace(PORT, port).replace("/home/me", home)
            shell.write(step.file, text)
            if step.file == "crontab":
                before = shell.run("kakaclo balance; ls *.csv")
                codes = cron(text, environment)
                assert codes
                assert set(codes) == {0}, shell.run("tail *.log")
                assert shell.run("kakaclo balance; ls *.csv") == before
            continue
        run.append(step.command)
        if step.command.startswith("pip install"):
            continue
        if step.command.startswith("kakaclo sandbox"):
            printed, port = other_terminal(step.command)
            assert shows(step.output, printed), printed
            continue
        command = step.command.replace(PORT, port)
        # Only somebody who waits for a parcel looks again.
        for _ in range(LOOKS if step.command.startswith("kakaclo orders show") else 1):
            printed = shell.run(command).replace(home, "/home/me")
            if shows(step.output, printed):
                break
        assert shows(step.output, printed), f"$ {step.command}\n{printed}"
    assert len(run) > 20


def test_each_command_of_the_page_stands_in_a_block_that_is_run():
    blocks = re.findall(r"^```(\S+)", PAGE.read_text(), re.MULTILINE)
    assert set(blocks) <= {"console", "csv", "text"}
    typed = {step.command.partition(" | ")[0] for step in STEPS}
    for words in ("map", "check", "submit", "pending", "show"):
        assert any(command.startswith(f"kakaclo orders {words}") for command in typed), words


def test_the_shown_output_is_compared_but_for_numbers_times_and_widths():
    assert shows("a  1 b 2.50\n...\nend\n", "a 1 b 17.25\nmore\nmore\nend\n")
    assert shows("x 1000000371651\n", "orders: 1 of 2 rows, 2 requests\nx  1000000371652\n")
    assert not shows("placed 2\n", "placed 3\n")
    assert not shows("a\n", "a\nb\n")
    assert not shows("a\n", "")
