"""The board's pages of a large catalog, while a mirror writes to the same database.

Board and mirror are processes of their own; the mirror pulls a sandbox at ten times KakaClo's rate. Each page is
another one, and its time is what its reader sees. The floor is a file that the board serves without its database.
"""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
import tempfile
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from html import unescape
from re import search
from typing import TYPE_CHECKING

import aiohttp
from harness import Bar, Case, Size, Taken, Watch
from made.shelf import WORDS, fill

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from harness.case import Contender

PAGES = 5

BOARD = """
import asyncio, sys
from kakaclo_async.board import serve
async def main():
    async with serve(db=sys.argv[1]) as board:
        print(board.url, flush=True)
        await asyncio.Event().wait()
asyncio.run(main())
"""

MIRROR = """
import asyncio, sys
from kakaclo_async import KakaClo, RateLimit
from kakaclo_async.catalog import Mirror
from kakaclo_async.sandbox import Sandbox
async def main():
    async with (
        Sandbox(products=20_000, speed=10) as sandbox,
        KakaClo(sandbox.token, base_url=sandbox.url, rate_limit=RateLimit(120, 20.0)) as kk,
    ):
        report = lambda done: print(done.products, flush=True)
        await Mirror(kk, sys.argv[1], now=sandbox.now, progress=report).run()
asyncio.run(main())
"""

Draw = random.Random
KINDS: dict[str, Callable[[Draw, int], str]] = {
    "a file": lambda _, __: "/static/board.css",
    "first page": lambda draw, _: f"/?sort={draw.choice(('newest', 'cheapest', 'dearest', 'stock'))}",
    "next page": lambda draw, _: f"/?sort=newest&q={draw.choice(WORDS)}",
    "two words": lambda draw, _: f"/?q={draw.choice(WORDS)}+{draw.choice(WORDS)}",
    "one product": lambda draw, products: f"/?q=amx{draw.randrange(products):06d}",
    "no product": lambda draw, _: f"/?q=none{draw.randrange(1000)}",
    "category": lambda draw, _: f"/?category={3600 + draw.randrange(70)}&sort=cheapest",
    "country": lambda draw, _: f"/?country={draw.choice(('US', 'CN'))}&status=1",
    "price": lambda draw, _: f"/?low={draw.randrange(3, 60)}&high=65",
    "all at once": lambda draw, _: f"/?q={draw.choice(WORDS)}&country=US&status=1&low=10&high=40&sort=stock",
    "a product": lambda draw, products: f"/products/AMX{draw.randrange(products):06d}",
}


@dataclass
class Boards:
    """Boards by how many products they show, started when they are first asked for."""

    stack: ExitStack
    draw: Draw = field(default_factory=lambda: random.Random(2))
    urls: dict[float, str] = field(default_factory=dict)

    def url(self, products: float) -> str:
        if products not in self.urls:
            folder = self.stack.enter_context(tempfile.TemporaryDirectory())
            db = f"sqlite:///{folder}/catalog.db"
            asyncio.run(fill(db, int(products)))
            self.stack.enter_context(started(MIRROR, db))  # it has written a page when this returns
            self.urls[products] = self.stack.enter_context(started(BOARD, db))
        return self.urls[products]


@contextmanager
def started(script: str, *arguments: str) -> Iterator[str]:
    """Run a script until the end of the block; give the first line that it prints."""
    command = [sys.executable, "-c", script, *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.kill()


@contextmanager
def boards() -> Iterator[Boards]:
    with ExitStack() as stack:
        yield Boards(stack)


def reader(kind: str) -> Contender:
    def measure(boards: Boards, products: float) -> Taken:
        url = boards.url(products)
        home, paths = url.partition("/?")[0], [KINDS[kind](boards.draw, int(products)) for _ in range(PAGES)]

        async def main() -> Taken:
            jar = aiohttp.CookieJar(unsafe=True)
            async with aiohttp.ClientSession(cookie_jar=jar) as visitor:
                await read(visitor, url)  # lets us in; the first reading takes the names of all products up
                if kind == "next page":
                    paths[:] = [await further(visitor, home, path) for path in paths]
                with Watch() as watch:
                    for path in paths:
                        await read(visitor, home + path)
            return watch.per(PAGES, scale=1e3)

        return asyncio.run(main())

    return measure


async def read(visitor: aiohttp.ClientSession, url: str) -> str:
    async with visitor.get(url) as answer:
        answer.raise_for_status()
        return await answer.text()


async def further(visitor: aiohttp.ClientSession, home: str, path: str) -> str:
    """Return where the list goes on."""
    found = search(r'id="next" rel="next" href="([^"]+)"', await read(visitor, home + path))
    return unescape(found[1]) if found else path


CASES = (
    Case(
        name="board",
        title="pages of the board, beside a running mirror",
        unit="ms for a page",
        by="wall",
        world=boards,
        contenders={kind: reader(kind) for kind in KINDS},
        base="a file",
        points="products",
        quick=Size(5, (2_000,), only=("a file", "first page", "two words", "a product")),
        full=Size(7, (10_000, 100_000)),
        bars=(
            *(Bar(kind, most=100, goal=True) for kind in KINDS if kind != "a file"),
            Bar("first page", over="a file", most=60),
        ),
        note="Pages a second are 1,000 through these figures.",
    ),
)
