"""Pages of documents whose commands are run: each `$` line of a console block, with what it prints.

A block whose head has a `title` is a file, which is written. `...` stands for any lines. Numbers of several digits,
amounts and times may differ, and so may the width of columns; progress is not shown, for a terminal takes it away.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterator

_BLOCK = re.compile(r'^```(\w+)(?: title="([^"]+)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL)
_PROGRESS = re.compile(r"\w+: [\d,]+ of [\d,]+ rows")
_VARIES = re.compile(r"token=[\w-]+|\d{4}-\d\d-\d\d[T ][\d:]+|local-[0-9a-f]{12}|\d+\.\d+|\d[\d,]+")


@attrs.frozen
class Step:
    """A command with what it is said to print, or a file to write."""

    command: str = ""
    output: str = ""
    file: str = ""


def steps(text: str) -> Iterator[Step]:
    """Yield the steps of a page, in order."""
    for kind, title, body in _BLOCK.findall(text):
        if title:
            yield Step(output=body, file=title)
        elif kind == "console":
            yield from typed(body)


def typed(block: str) -> Iterator[Step]:
    """Yield the commands of a console block; a backslash at the end of a line goes on with the next one."""
    for part in re.split(r"^\$ ", block.replace("\\\n", ""), flags=re.MULTILINE)[1:]:
        command, _, output = part.partition("\n")
        yield Step(command.partition("  # ")[0].rstrip(), output)


def plain(text: str) -> list[str]:
    """Return the lines of an output without what may differ."""
    lines = [line for line in text.splitlines() if line.strip() and not _PROGRESS.match(line)]
    return [" ".join(_VARIES.sub("N", line).split()) for line in lines]


def shows(expected: str, printed: str) -> bool:
    """Tell whether a page shows what a command printed."""
    parts = [r"(?:.*\n)*" if line == "..." else f"{re.escape(line)}\n" for line in plain(expected)]
    return re.fullmatch("".join(parts), "".join(f"{line}\n" for line in plain(printed))) is not None


def cron(table: str, environment: dict[str, str]) -> list[int]:
    """Run the lines of a crontab once, with the variables that cron gives them; return their exit codes."""
    lines = [line for line in table.splitlines() if line]
    variables = dict(line.split("=", 1) for line in lines if re.match(r"\w+=", line))
    kept = {name: environment[name] for name in ("HOME", "PATH", "PYTHONPATH")}
    return [
        subprocess.run(
            ["/bin/sh", "-c", line.split(None, 5)[5]], env=kept | variables, check=False
        ).returncode
        for line in lines
        if line[0] in "*0123456789"
    ]


class Shell:
    """One shell for all commands: the folder, the variables and the last exit code stay from one to the next."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self._state = folder.parent / "shell.state"
        self._state.write_text(f"cd {shlex.quote(str(folder))}\nlast=0\n")
        self._environment = environment

    def run(self, command: str) -> str:
        """Run a command; return what it printed to stdout and stderr together."""
        keep = f'last=$?; {{ export -p; pwd | sed "s/^/cd /"; echo "last=$last"; }} > {self._state}'
        script = f". {self._state}; (exit $last); {command}\n{keep}"
        done = subprocess.run(
            ["bash", "-c", script], env=self._environment, check=True, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        return done.stdout

    def write(self, name: str, text: str) -> None:
        """Write a file into the folder where one stands."""
        (Path(self.run("pwd").strip()) / name).write_text(text)


def environment_of(home: Path) -> dict[str, str]:
    """Return the variables of somebody who has just installed the package: no settings, output as at a terminal."""
    return {
        "HOME": str(home),
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
        "PYTHONUNBUFFERED": "1",
        "LANG": "C.UTF-8",
        "COLUMNS": "200",
    }
