"""Pages of the documentation, read and run from top to bottom.

What a reader does not see stands in comments before a block:

    <!-- not run: a reason -->      the next block is not run, and why
    <!-- another terminal -->       its commands go on running until the end of the page
    <!-- until Ctrl-C -->           its commands are stopped when they have printed their first line
    <!-- exit code 1 -->            a command of it may end with this one, too
    <!-- sandbox: products=30 -->   settings of the sandbox that the page talks to
    <!-- set up                     Python that runs before the next block, for what the page takes for granted
    Path("map.csv").write_text("...")
    -->

    <!-- needs: redis -->           the page's redis://redis.example is a real one; likewise postgresql and pgbouncer

A block whose head has a `title` is a file of that name; a crontab's lines are run once.
"""

from __future__ import annotations

import ast
import asyncio
import inspect
import json
import os
import re
import shlex
import signal
import sqlite3
import subprocess
import sys
import tomllib
from configparser import ConfigParser
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import yaml

import kakaclo_async
import kakaclo_sync
from support import pgbouncer, postgresql, redis_server
from support.console import Shell, Step, cron, environment_of, shows, typed
from support.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

LOCAL = "http://127.0.0.1:8700/openapi"  # where `kakaclo sandbox` listens
COMMANDS = Path(sys.executable).parent
ROOT = Path(__file__).parents[2]
_PART = re.compile(
    r'<!--(?P<comment>.*?)-->|^```(?P<kind>\w+)(?: title="(?P<title>[^"]+)")?\n(?P<text>.*?)^```$',
    re.MULTILINE | re.DOTALL,
)
_FENCE = re.compile(r"^ *(?:```|~~~)(?=[\w{])", re.MULTILINE)
_PORT = re.compile(r"127\.0\.0\.1:(\d+)")


@attrs.frozen
class Block:
    """A block of code with what the comments before it say."""

    line: int
    kind: str
    text: str
    title: str = ""
    setups: tuple[str, ...] = ()
    reason: str = ""
    mode: str = ""
    exit_code: str = "0"


def blocks(page: str) -> Iterator[Block]:
    """Yield the blocks of a page that are code, in order."""
    notes: dict[str, str] = {}
    setups: tuple[str, ...] = ()
    for found in _PART.finditer(page):
        comment = (found["comment"] or "").strip()
        if comment.startswith("set up\n"):
            setups += (comment.removeprefix("set up\n"),)
        elif comment.startswith("not run:"):
            notes["reason"] = comment.removeprefix("not run:").strip()
        elif comment.startswith("exit code "):
            notes["exit_code"] = comment.removeprefix("exit code ")
        elif comment in {"another terminal", "until Ctrl-C"}:
            notes["mode"] = comment
        elif found["kind"]:
            line = page[: found.start()].count("\n") + 1
            yield Block(
                line, found["kind"], found["text"], title=found["title"] or "", setups=setups, **notes
            )
            notes, setups = {}, ()


def fences(page: str) -> int:
    """Count the blocks of a page however they are written, but for Sphinx's own."""
    return len(_FENCE.findall(re.sub(r"<!--.*?-->", "", page, flags=re.DOTALL))) - len(
        re.findall(r"^```\{", page, re.MULTILINE)
    )


def shown_file(page: str, title: str) -> str:
    """Return the file of that title on a page of the documentation."""
    [text] = [block.text for block in blocks((ROOT / page).read_text()) if block.title == title]
    return text


def needs(page: str) -> list[str]:
    """Return the servers that a page needs."""
    found = re.search(r"<!-- needs: (.*?) -->", page)
    return found[1].split() if found else []


@contextmanager
def servers(wanted: list[str]) -> Iterator[dict[str, str]]:
    """Start the servers that a page needs; yield their addresses, by those that pages show."""
    with ExitStack() as running:
        real: dict[str, str] = {}
        if "redis" in wanted:
            port = free_port()
            running.enter_context(redis_server.running(port))
            real["redis://redis.example"] = f"redis://127.0.0.1:{port}"
        if "postgresql" in wanted:
            server = running.enter_context(postgresql.running_server())
            real["postgresql://user:password@db.example/shop"] = f"{server}/postgres"
            if "pgbouncer" in wanted:
                pooler = running.enter_context(pgbouncer.running_pooler(server))
                real["postgresql://user:password@pooler.example:6432/shop"] = f"{pooler}/postgres"
        yield real


def settings(page: str) -> dict[str, Any]:
    """Return the settings of the page's sandbox; by default a small one that refuses no request for the rate."""
    own = re.search(r"<!-- sandbox: (.*?) -->", page)
    given = (word.split("=", 1) for word in own[1].split()) if own else ()
    return {"products": 30, "index_lag": 0.0, "capacity": 10_000, "per_second": 10_000} | {
        name: ast.literal_eval(value) for name, value in given
    }


class Reader:
    """Somebody who types a page: one Python session, one shell, and further terminals."""

    def __init__(self, sandbox: Any, home: Path, real: dict[str, str]) -> None:
        """Type into a folder; `real` are addresses that take the place of those that the page shows."""
        self.home = home
        self._real = {LOCAL: sandbox.url, **real}
        own = {"KAKACLO_TOKEN": sandbox.token, "KAKACLO_BASE_URL": sandbox.url}
        self.environment = {**environment_of(home), **own, "PATH": f"{COMMANDS}:{os.environ['PATH']}"}
        self._names: dict[str, Any] = {
            "__name__": "__main__",
            "sandbox": sandbox,
            "environment": self.environment,
            "Path": Path,
            "shown": shown_file,
        }
        self._runner = asyncio.Runner()
        self._shell = Shell(home, self.environment)
        self._names["run"] = self._shell.run
        self._terminals: list[subprocess.Popen[str]] = []

    def read(self, block: Block) -> None:
        """Do what a block says."""
        for setup in block.setups:
            self.python(setup)
        if block.title:
            (self.home / block.title).parent.mkdir(parents=True, exist_ok=True)
            (self.home / block.title).write_text(self._here(block.text))
        if block.title == "crontab":
            codes = cron(self._here(block.text).replace("/home/me", str(self.home)), self.environment)
            assert set(codes) == {0}, codes
        if check := CHECKS.get(block.kind):
            check(block.text)
        if block.reason or block.title:
            return
        if block.kind == "python":
            self.python(block.text)
        elif block.kind == "sql":
            self._sql(block.text)
        elif block.kind in {"console", "sh"}:
            steps = list(typed(block.text))
            assert steps, "a line that is typed begins with `$ `"
            for step, after in zip(steps, [*steps[1:], None], strict=True):
                self._type(step, block, after)

    def python(self, text: str) -> None:
        """Run statements, with `await` as in a notebook."""
        code = compile(self._here(text), "<page>", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        before = self._clients()
        result = eval(code, self._names)  # noqa: S307 - the project's own pages
        if inspect.iscoroutine(result):
            self._runner.run(result)
        self._close(client for client in before if client not in self._clients())  # its name has another now

    def _sql(self, text: str) -> None:
        database = sqlite3.connect(f"file:{self.home}/catalog.db?mode=ro", uri=True)
        database.executescript(text)
        database.close()

    def _type(self, step: Step, block: Block, after: Step | None) -> None:
        command = self._here(step.command)
        if command.startswith("pip install "):
            return _known_extras(command)
        if command.startswith("make "):
            return _known_targets(command)
        if re.match(r"export \w+=\.\.\.$", command):  # what only the reader knows
            return None
        if block.mode:
            return self._start(command, step.output, stop=block.mode == "until Ctrl-C")
        printed = self._shell.run(command).replace(str(self.home), "/home/me")
        if "echo $?" not in {command, after and after.command}:
            code = self._shell.run("echo $?").strip()
            assert code in {"0", block.exit_code}, f"$ {command}\n{printed}exit code {code}"
        if step.output:
            assert shows(self._here(step.output), printed), f"$ {command}\n{printed}"
        return None

    def _start(self, command: str, shown: str, *, stop: bool) -> None:
        """Start a command that goes on; where it listens, at a free port."""
        port = _PORT.search(shown)
        listens = re.match(r"kakaclo (sandbox|board)\b", command)
        process = subprocess.Popen(
            ["bash", "-c", f"{command}{' --port 0' if listens else ''}"],
            cwd=self.home, env=self.environment, text=True, start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        self._terminals.append(process)
        assert process.stdout is not None
        printed = "".join(process.stdout.readline() for _ in shown.splitlines() or " ")
        assert shows(shown, printed) if shown else printed, f"$ {command}\n{printed}{process.poll()}"
        self._real.pop(LOCAL, None)
        if port and (real := _PORT.search(printed)):
            self._real[f":{port[1]}"] = f":{real[1]}"
        if stop:
            self._terminals.remove(process)
            os.killpg(process.pid, signal.SIGINT)
            rest, _ = process.communicate(timeout=60)
            assert process.returncode in {0, 130, -signal.SIGINT}, f"$ {command}\n{printed}{rest}"

    def _here(self, text: str) -> str:
        for shown, real in self._real.items():
            text = text.replace(shown, real)
        return text

    def close(self) -> None:
        """Leave nothing behind: clients, journals and mirrors of the page, and its terminals."""
        for process in self._terminals:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
        self._close(self._clients())
        self._runner.close()

    def _clients(self) -> list[kakaclo_async.KakaClo | kakaclo_sync.KakaClo]:
        return [
            one
            for one in self._names.values()
            if isinstance(one, kakaclo_async.KakaClo | kakaclo_sync.KakaClo)
        ]

    def _close(self, clients: Iterable[kakaclo_async.KakaClo | kakaclo_sync.KakaClo]) -> None:
        for client in clients:
            if isinstance(client, kakaclo_async.KakaClo):
                self._runner.run(client.aclose())
            else:
                client.close()


def _known_extras(command: str) -> None:
    """Check what a page tells to install: a package of this project has the extras that are named."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for word in shlex.split(command)[2:]:
        if named := re.fullmatch(r"kakaclo\[([\w,]+)\]", word):
            assert set(named[1].split(",")) <= project["optional-dependencies"].keys(), command


def _known_targets(command: str) -> None:
    """Check what a page tells to make, which is for a clone of this project: the Makefile has it."""
    targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert set(command.split()[1:]) <= set(targets), command


def _ini(text: str) -> None:
    ConfigParser(interpolation=None, strict=False).read_string(text)


CHECKS: dict[str, Callable[[str], object]] = {
    "json": json.loads,
    "toml": tomllib.loads,
    "yaml": yaml.safe_load,
    "ini": _ini,
    "python": lambda text: compile(text, "<page>", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT),
}
"""How a block is read that is written to a file, or not run."""

KINDS = {"python", "console", "sh", "sql", *CHECKS, "csv", "text", "mermaid", "promql", "lua"}
