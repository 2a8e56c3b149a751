"""How long the packages take to import, beside what they are built on.

Each import runs in a fresh interpreter with its bytecode cached, as after an installation. An import from warm caches
takes CPU and nothing else, so that is told.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from harness import Bar, Case, Size, Taken

if TYPE_CHECKING:
    from collections.abc import Iterator

STATEMENTS = {
    "its dependencies": "import aiohttp, attrs, cattrs, aiolimiter, msgspec",
    "kakaclo_async": "import kakaclo_async",
    "kakaclo_sync": "import kakaclo_sync",
    "kakaclo_async and a client": "import kakaclo_async; kakaclo_async.KakaClo('token')",
    "httpx": "import httpx",
    "requests": "import requests",
    "pydantic": "from pydantic import BaseModel",
}
CAUSE = "attrs compiles methods for its classes at import, a quarter of what is added; the rest is some 50 modules"
CODE = """
import time
wall, cpu = time.perf_counter(), time.process_time()
{}
print(time.process_time() - cpu, time.perf_counter() - wall)
"""


@contextmanager
def caches() -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        yield folder


@cache
def written(statement: str, folder: str) -> None:
    """Have the bytecode written, once."""
    run(statement, folder)


def timed(statement: str, folder: str, _: float) -> Taken:
    written(statement, folder)
    return run(statement, folder)


def run(statement: str, folder: str) -> Taken:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPYCACHEPREFIX"] = folder
    environment["PYTHONPATH"] = str(Path(__file__).parents[2])
    command = [sys.executable, "-c", CODE.format(statement)]
    done = subprocess.run(command, env=environment, capture_output=True, check=True)
    cpu, wall = (float(number) * 1e3 for number in done.stdout.split())
    return Taken(cpu, wall)


CASES = (
    Case(
        name="import",
        title="importing the packages",
        unit="ms of CPU",
        world=caches,
        contenders={name: partial(timed, statement) for name, statement in STATEMENTS.items()},
        base="its dependencies",
        quick=Size(5, only=("its dependencies", "kakaclo_async", "kakaclo_sync")),
        full=Size(15),
        bars=(
            Bar("kakaclo_async", over="its dependencies", most=1.15, guard=1.7, cause=CAUSE),
            Bar("kakaclo_sync", over="its dependencies", most=1.3, guard=1.7, cause=CAUSE),
        ),
    ),
)
