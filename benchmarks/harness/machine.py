"""What the figures were made on: the machine, the interpreter, the libraries, the commands."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
import time
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
LIBRARIES = (
    "aiohttp", "aiolimiter", "aiometer", "anyio", "asgiref", "asyncpg", "attrs", "cattrs", "httpx", "msgspec",
    "procrastinate", "pyarrow", "pydantic", "pyrate-limiter", "redis", "requests", "SQLAlchemy",
    "throttled-py", "uvloop",
)  # fmt: skip


def describe() -> dict[str, Any]:
    """Return all of it."""
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "revision": _revision(),
        "cpu": _first(r"model name\s*:\s*(.+)", "/proc/cpuinfo") or platform.processor() or "unknown",
        "cpus": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gb": round(int(_first(r"MemTotal:\s+(\d+)", "/proc/meminfo") or 0) / 2**20, 1),
        "system": f"{platform.system()} {platform.release().partition('-')[0]}",
        "python": sys.version.split()[0],
        "load_before": round(os.getloadavg()[0], 2),
        "command": " ".join(["python", *sys.argv]),
        "libraries": {name: version for name in LIBRARIES if (version := _version(name))},
    }


def spin() -> float:
    """Return the ms of CPU that a million additions take now: a busy machine is slower than a quiet one."""

    def once() -> float:
        began, total = time.process_time(), 0
        for number in range(1_000_000):
            total += number
        return time.process_time() - began

    return min(once() for _ in range(5)) * 1e3


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _revision() -> str:
    command = ["git", "describe", "--always", "--dirty", "--exclude", "*"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def _first(pattern: str, file: str) -> str | None:
    path = Path(file)
    found = re.search(pattern, path.read_text()) if path.exists() else None
    return found[1].strip() if found else None
