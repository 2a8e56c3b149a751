"""How many files of the package a reader opens to follow one submitted order."""

from __future__ import annotations

import asyncio
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import kakaclo_async

PACKAGE = Path(kakaclo_async.__file__).parent
MOST_FILES = 24


async def test_a_submitted_order_goes_through_few_files(kk, sandbox, journal, order):
    await kk.orders.submit(order(), journal=journal)  # warm: tables, decoders and connections are made
    entered = set()

    def note(frame, event, _):
        if event == "call":
            entered.add(frame.f_code.co_filename)

    another = order("SHOP-2")
    with ThreadPoolExecutor() as threads:  # the profile reaches threads that begin after it was set
        asyncio.get_running_loop().set_default_executor(threads)
        threading.setprofile(note)
        sys.setprofile(note)
        try:
            await kk.orders.submit(another, journal=journal)
        finally:
            sys.setprofile(None)
            threading.setprofile(None)

    paths = [Path(name).relative_to(PACKAGE) for name in entered if Path(name).is_relative_to(PACKAGE)]
    files = sorted(str(path) for path in paths if path.parts[0] != "sandbox")
    assert "ordering/store.py" in files  # which runs in a thread
    assert len(files) <= MOST_FILES, files
