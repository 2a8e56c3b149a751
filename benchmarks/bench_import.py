"""How long the packages take to import, beside what they are built on.

Each import runs in a fresh interpreter, in interleaved rounds, with its bytecode cached, as after an installation.
Times are of the CPU, which is all that an import from warm caches takes: other work on the machine would spoil the
clock's. Bars are about the medians; when one is missed, there are up to three times as many rounds.

Run `python benchmarks/bench_import.py`; the exit status is 1 when a bar is missed.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

ROUNDS: Final = 11
PATIENCE: Final = 3
"""Times as many rounds as planned, at most, for a bar that is not met."""

BASE: Final = "import aiohttp, attrs, cattrs, aiolimiter, msgspec"
BARS: Final = {"import kakaclo_async": 1.3, "import kakaclo_sync": 1.3}
BESIDE: Final = (
    "import kakaclo_async; kakaclo_async.KakaClo('token')",
    "import kakaclo_sync; kakaclo_sync.KakaClo('token')",
)
"""What a program does next; without bars."""


def seconds(statement: str, cache: str) -> float:
    """Return the CPU time that a statement takes in a fresh interpreter."""
    code = f"import time; start = time.process_time()\n{statement}\nprint(time.process_time() - start)"
    root = str(Path(__file__).parents[1])
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPYCACHEPREFIX"] = cache
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
    return float(
        subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=True).stdout
    )


def measure() -> dict[str, list[float]]:
    """Time all statements in each round, and more rounds while a bar is missed."""
    taken: dict[str, list[float]] = {statement: [] for statement in (BASE, *BARS, *BESIDE)}
    with tempfile.TemporaryDirectory() as cache:
        for statement in taken:  # writes the bytecode
            seconds(statement, cache)
        for _ in range(PATIENCE):
            for _ in range(ROUNDS):
                for statement, all_of_it in taken.items():
                    all_of_it.append(seconds(statement, cache))
            if all(ratio(taken, statement) <= bar for statement, bar in BARS.items()):
                break
    return taken


def ratio(taken: dict[str, list[float]], statement: str) -> float:
    """Return a statement's median in terms of the base's."""
    return statistics.median(taken[statement]) / statistics.median(taken[BASE])


def main() -> None:
    print(f"{os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}, Python {sys.version.split()[0]}")
    print(f"{'':56}{'median':>8} {'least':>8}  ratio")
    taken = measure()
    met = True
    for statement, all_of_it in taken.items():
        times = ratio(taken, statement)
        verdict = ""
        if statement in BARS:
            verdict = f"<= {BARS[statement]} {'met' if times <= BARS[statement] else 'MISSED'}"
            met = met and times <= BARS[statement]
        middle, least = statistics.median(all_of_it) * 1e3, min(all_of_it) * 1e3
        print(f"{statement:56}{middle:5.0f} ms {least:5.0f} ms  {times:4.2f}x  {verdict}")
    print(f"{len(taken[BASE])} rounds")
    sys.exit(not met)


if __name__ == "__main__":
    main()
