"""Servers in processes of their own: canned answers as fast as Python can, and a sandbox."""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import re
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any

from kakaclo_async.sandbox import Sandbox
from kakaclo_async.sandbox.world.clock import LeakyBucket

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from multiprocessing.connection import Connection

TOKEN = "sandbox-token"  # noqa: S105 - of no real shop
_HEAD = b"HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
_BUSY = b'{"code":429,"message":"too many requests","data":null}'
_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)


class _Counts:
    """What a canned server has seen, and the bucket in front of it."""

    def __init__(self, answers: Mapping[str, bytes]) -> None:
        self.answers = {path.encode(): _HEAD % (b"200 OK", len(body), body) for path, body in answers.items()}
        self.other = next(iter(self.answers.values()))
        self.busy = _HEAD % (b"429 Too Many Requests", len(_BUSY), _BUSY)
        self.seen = self.refused = 0
        self.bucket: LeakyBucket | None = None

    def limit(self, capacity: float, per_second: float) -> None:
        self.seen = self.refused = 0
        self.bucket = LeakyBucket(capacity, per_second, asyncio.get_running_loop().time)

    def answer(self, head: bytes) -> bytes:
        self.seen += 1
        if self.bucket is not None and self.bucket.take() > 0:
            self.refused += 1
            return self.busy
        path = head.split(b" ", 2)[1].partition(b"?")[0]
        return self.answers.get(path, self.other)


class _Canned(asyncio.Protocol):
    """Reads heads and skips bodies."""

    def __init__(self, counts: _Counts) -> None:
        self._counts = counts
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = self._buffer[:end]
            length = _LENGTH.search(head)
            whole = end + 4 + (int(length[1]) if length else 0)
            if len(self._buffer) < whole:
                return
            self._buffer = self._buffer[whole:]
            self._transport.write(self._counts.answer(head))


def _serve_canned(pipe: Connection, answers: Mapping[str, bytes]) -> None:
    async def main() -> None:
        counts, loop = _Counts(answers), asyncio.get_running_loop()
        server = await loop.create_server(lambda: _Canned(counts), "127.0.0.1", 0)
        pipe.send(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        while (asked := await loop.run_in_executor(None, pipe.recv)) is not None:
            if asked != "counts":
                counts.limit(*asked)
            pipe.send((counts.seen, counts.refused))

    _on_uvloop(main)


def _serve_sandbox(pipe: Connection, settings: Mapping[str, Any]) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        async with Sandbox(token=TOKEN, **settings) as sandbox:
            pipe.send(sandbox.url)
            while (asked := await loop.run_in_executor(None, pipe.recv)) is not None:
                name, *values = asked
                if name == "skus":
                    pipe.send(list(islice(sandbox.catalog.skus(), values[0])))
                elif name == "selling":
                    some = list(sandbox.catalog.selling(pieces=20))
                    pipe.send([some[number % len(some)] for number in range(values[0])])
                elif name == "skip":
                    pipe.send(sandbox.skip(values[0]))
                elif name == "set":
                    pipe.send(setattr(sandbox, values[0], values[1]))
                elif name == "placed":
                    pipe.send(sum(len(sandbox.shop(token).ledger.placed) for token in sandbox.tokens))
                elif name == "stock up":
                    for sku, warehouse, _ in list(sandbox.catalog.stock_rows()):
                        sandbox.catalog.set_stock(sku, warehouse, 10**6)
                    pipe.send(None)
                elif name == "now":
                    pipe.send(sandbox.now())
                elif name == "unchanged since":
                    rows = sandbox.catalog.products()
                    pipe.send([row["spu"] for row in rows if str(row["updateTime"]) <= values[0]])
                else:
                    pipe.send((dict(sandbox.requests), sandbox.throttled))

    _on_uvloop(main)


def _on_uvloop(main: Callable[[], Any]) -> None:
    factory = None
    with contextlib.suppress(ImportError):
        import uvloop  # noqa: PLC0415 - an extra

        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(main())


class Server:
    """One of them, as its clients see it."""

    def __init__(self, target: Callable[..., None], argument: object) -> None:
        self._pipe, other = multiprocessing.Pipe()
        context = multiprocessing.get_context("spawn")
        self._process = context.Process(target=target, args=(other, argument), daemon=True)
        self._process.start()
        other.close()
        self.url: str = self._pipe.recv()

    def ask(self, *asked: Any) -> Any:
        """Ask a sandbox for `counts`, `skus`, `selling` ones, `placed` orders, `now`, SPUs `unchanged since` a time.

        Or to `skip` seconds, to `set` a setting, or to `stock up`.
        """
        self._pipe.send(asked)
        return self._pipe.recv()

    def limit(self, capacity: float, per_second: float) -> None:
        """Give a canned server an empty bucket, and counts of 0."""
        self._pipe.send((capacity, per_second))
        self._pipe.recv()

    def counts(self) -> tuple[int, int]:
        """Return how many requests a canned server has seen since, and refused."""
        self._pipe.send("counts")
        seen, refused = self._pipe.recv()
        return seen, refused

    def stop(self) -> None:
        with contextlib.suppress(BrokenPipeError):
            self._pipe.send(None)
        self._process.join(5)
        self._process.kill()


@contextmanager
def canned(answers: Mapping[str, bytes]) -> Iterator[Server]:
    """Serve bodies by path, and the first of them at any other."""
    server = Server(_serve_canned, answers)
    try:
        yield server
    finally:
        server.stop()


@contextmanager
def sandbox(**settings: Any) -> Iterator[Server]:
    """Serve a sandbox without a limit, unless the settings give one."""
    free = {} if "speed" in settings else {"capacity": 1e9, "per_second": 1e9}
    server = Server(_serve_sandbox, {"index_lag": 0, "log_size": 100} | free | settings)
    try:
        yield server
    finally:
        server.stop()
