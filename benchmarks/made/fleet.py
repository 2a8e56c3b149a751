"""Fleets of some shops: their settings, their sandbox, and workers in processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.servers import Server

SERVE = """
import asyncio, sys
from kakaclo_async.fleet import Fleet
async def main():
    async with Fleet.open(sys.argv[1]) as fleet:
        await fleet.serve()
asyncio.run(main())
"""


def token_of(number: int) -> str:
    return f"token-of-shop-{number}"


def settings(folder: Path, server: Server, shops: int, **fleet: object) -> Path:
    """Write `fleet.toml` with some shops of one sandbox; return it."""
    common = {
        "tick": 0.5,
        "beat": 1,
        "dead": 5,
        "mirror_every": 3600,
        "watch_every": 3600,
        "orders_every": 60,
    }
    lines = ["[fleet]", *(_line(*one) for one in {**common, **fleet}.items())]
    for number in range(shops):
        secret = folder / f"shop{number}.token"
        secret.touch(mode=0o600)
        secret.write_text(token_of(number))
        values = {"token": f"file:{secret}", "base_url": server.url, "rate": 1000.0, "burst": 1000}
        lines += [f"[shop.shop{number}]", *(_line(*one) for one in values.items())]
    path = folder / "fleet.toml"
    path.write_text("\n".join(lines) + "\n")
    return path


def _line(name: str, value: object) -> str:
    return f'{name} = "{value}"' if isinstance(value, str) else f"{name} = {value}"


def start_workers(stack: ExitStack, path: Path, count: int) -> None:
    """Start workers, which end with the stack."""
    root = Path(__file__).parents[2]
    for number in range(count):
        log = stack.enter_context((path.parent / f"worker{number}.log").open("wb"))
        worker = subprocess.Popen(
            [sys.executable, "-c", SERVE, str(path)],
            stdout=log, stderr=log, cwd=path.parent, env={**os.environ, "PYTHONPATH": str(root)},
        )  # fmt: skip
        stack.callback(worker.wait)
        stack.callback(worker.terminate)
