"""`kakaclo board` as people run it: it prints an address that lets its holder in, and ends with Ctrl-C."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import urllib.request
from contextlib import contextmanager
from http.cookiejar import CookieJar
from pathlib import Path

import pytest
from support.board import scene

pytestmark = pytest.mark.process

KAKACLO = "from kakaclo_async.cli import main; main()"


@contextmanager
def board_process(folder, *arguments, **environment):
    kept = {name: value for name, value in os.environ.items() if not name.startswith("KAKACLO_")}
    process = subprocess.Popen(
        [sys.executable, "-c", KAKACLO, "board", "--port", "0", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
        env=kept | {"XDG_DATA_HOME": str(folder)} | environment,
    )
    try:
        yield process, process.stdout.readline().strip()
    finally:
        process.kill()
        process.communicate()


def visitor(address):
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
    opener.open(address).close()

    def look(path):
        with opener.open(address.partition("/?")[0] + path) as answer:
            return answer.read().decode()

    return look


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_prints_an_address_and_ends_cleanly(tmp_path, number):
    with board_process(tmp_path) as (process, address):
        assert "without a catalog" in visitor(address)("/")
        process.send_signal(number)
        _, complaints = process.communicate(timeout=30)
    assert (process.returncode, complaints) == (0, "the board; stop it with Ctrl-C\n")


async def test_it_shows_the_catalog_the_journal_and_the_shop_that_it_is_given(tmp_path):
    import asyncio

    async with scene(tmp_path) as shown:
        where = {"KAKACLO_TOKEN": shown.sandbox.token, "KAKACLO_BASE_URL": shown.sandbox.url}
        journal = Path(shown.journal_url.removeprefix("sqlite:///"))

        def look():
            with board_process(tmp_path, "--journal", str(journal), **where) as (_, address):
                page = visitor(address)
                return page("/"), page("/doubts"), page(f"/orders/{shown.order_id}")

        catalog, doubts, order = await asyncio.to_thread(look)
    assert "60 in the mirror" in catalog, "catalog.db of the folder"
    assert "SHOP-3" in doubts
    assert "pending review" in order


def test_a_port_that_is_taken_is_one_line(tmp_path):
    with board_process(tmp_path) as (_, address):
        port = address.partition("/?")[0].rpartition(":")[2]
        done = subprocess.run(
            [sys.executable, "-c", KAKACLO, "board", "--port", port],
            capture_output=True, text=True, check=False, cwd=tmp_path, env=os.environ | {"XDG_DATA_HOME": str(tmp_path)},
        )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: port {port} cannot be used")
    assert done.stderr.count("\n") == 1
