"""Count the files of `kakaclo_async` that a warm `Mirror.run` enters: how many a reader has to open.

python benchmarks/count_files.py
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import threading
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import kakaclo_async
from kakaclo_async import KakaClo
from kakaclo_async.catalog import Mirror
from kakaclo_async.sandbox import Sandbox

if TYPE_CHECKING:
    from types import FrameType

PACKAGE = Path(kakaclo_async.__file__).parent
BAR = 34


async def files_of_a_mirror() -> set[Path]:
    """Run a mirror twice; return the files that the second run entered."""
    entered: set[str] = set()

    def note(frame: FrameType, event: str, _: object) -> None:
        if event == "call":
            entered.add(frame.f_code.co_filename)

    with tempfile.TemporaryDirectory() as folder:
        async with (
            Sandbox(products=60, capacity=1e9, per_second=1e9) as sandbox,
            KakaClo(sandbox.token, base_url=sandbox.url) as kk,
        ):
            url = f"sqlite:///{folder}/catalog.db"
            await Mirror(kk, url, now=sandbox.now).run(until=sandbox.now() - timedelta(days=400))
            mirror = Mirror(kk, url, now=sandbox.now)
            threading.setprofile(note)
            sys.setprofile(note)
            try:
                await mirror.run()
            finally:
                sys.setprofile(None)
                threading.setprofile(None)
    paths = {Path(name) for name in entered if not name.startswith("<")}
    return {path for path in paths if PACKAGE in path.parents and PACKAGE / "sandbox" not in path.parents}


def main() -> None:
    """Print the files and their number."""
    files = sorted(path.relative_to(PACKAGE.parent) for path in asyncio.run(files_of_a_mirror()))
    print(*files, sep="\n")
    print(f"files: {len(files)} (bar: {BAR})")


if __name__ == "__main__":
    main()
