"""A server that has the sandbox's state and every fault of a network: it answers truly until a fault is switched on.

It serves on the loop that it is started on, and its clock is that loop's, so that a stepped clock carries it along.
"""

from __future__ import annotations

import asyncio
import re
import socket
import struct
from contextlib import suppress
from decimal import Decimal
from urllib.parse import parse_qsl, unquote

import attrs

from kakaclo_async.sandbox import Sandbox, state
from support.calls import BY_ENDPOINT

BASE = "/openapi"
WRITES = re.compile(
    "|".join(re.sub(r"\{\w+\}", "[^/]+", name) for name, call in BY_ENDPOINT.items() if call.kind == "write")
)
REASONS = {200: "OK", 204: "No Content"}


@attrs.define(eq=False)
class Exchange:
    """One request that arrived whole, and the means to answer it, well or badly."""

    world: World
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    method: str
    path: str
    query: dict[str, str]
    body: bytes
    token: str
    number: int = 1  # of the requests on its connection

    @property
    def writes(self):
        return WRITES.fullmatch(f"{self.method} {self.path}") is not None

    def effect(self):
        """Let the request take effect; return the status and the body that a sound server sends."""
        if self.token != self.world.sandbox.token:
            return 401, b'{"code":401,"message":"the access token is missing or not valid"}'
        answer = self.world.sandbox._state.first.router.answer(self.method, self.path, self.query, self.body)
        if self.writes and answer.body.startswith(b'{"code":10000,'):
            self.world.effects += 1
        return answer.status, bytes(answer.body)

    def send(self, data):
        self.writer.write(data)

    async def answer(self, status, body, *, headers=(), kind="application/json; charset=utf-8"):
        lines = [f"HTTP/1.1 {status} {REASONS.get(status, 'X')}", f"Content-Type: {kind}", *headers]
        if status != 204:
            lines.append(f"Content-Length: {len(body)}")
        self.send("\r\n".join([*lines, "", ""]).encode("latin-1") + body)
        await self.writer.drain()

    async def truly(self):
        await self.answer(*self.effect())

    def reset(self):
        self.writer.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
        )
        self.writer.transport.abort()

    def close(self):
        self.writer.close()

    async def silence(self):
        """Say nothing until the client gives up."""
        while await self.reader.read(1 << 16):
            pass
        self.close()


@attrs.define(eq=False)
class World:
    """One sandbox behind one port, with at most one fault.

    Attributes:
        act: what the fault does with a request; None: there is none.
        hits: which requests the fault meets.
        arrived: requests that came whole.
        writes: those of them that write.
        effects: writes that took effect.
        doomed: connections, by their server's ends, that the fault is about.
        elsewhere: the port of another host.
        behind: by how many permits the client's count was behind the server's bucket, at most.
    """

    sandbox: Sandbox
    tls: object = None
    act: object = None
    hits: object = lambda exchange: True
    arrived: int = 0
    writes: int = 0
    effects: int = 0
    connected: int = 0
    elsewhere: int = 0
    doomed: set = attrs.field(factory=set)
    behind: float = 0.0
    level: object = lambda: 0.0
    socket: socket.socket = attrs.field(factory=socket.socket)
    port: int = 0
    _open: set = attrs.field(factory=set)
    _server: asyncio.Server | None = None
    _loop: asyncio.AbstractEventLoop | None = None

    @classmethod
    def make(cls, **settings):
        world = cls(None)
        settings = {
            "products": 16, "index_lag": 0, "balance": Decimal(10**9), "design_delay": 5, "custom_models": 3, "page_size": 10,
        } | settings  # fmt: skip
        world.sandbox = Sandbox(clock=world.time, **settings)
        world.sandbox._world = state.World(world.sandbox)
        world.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        world.socket.bind(("127.0.0.1", 0))
        world.port = world.socket.getsockname()[1]
        return world

    def time(self):
        return 0.0 if self._loop is None else self._loop.time()

    def now(self):
        return self.sandbox.now()

    def skip(self, seconds):
        self.sandbox.skip(seconds)

    @property
    def busy(self):
        """Connections on which a request has arrived and no whole answer has gone out."""
        return sum(connection.busy for connection in self._open)

    @property
    def writers(self):
        """The open connections, by their server's ends."""
        return {connection.writer for connection in self._open}

    def attach(self):
        """Keep the clock of the running loop."""
        self._loop = asyncio.get_running_loop()

    async def start(self):
        """Listen, at the port that the world has had from its beginning."""
        if self._server is None:
            self._server = await asyncio.start_server(
                self._serve, "127.0.0.1", self.port, ssl=self.tls, limit=1 << 20, reuse_port=True
            )

    async def stop(self):
        """Listen no more, and close what is open; the port stays ours."""
        if self._server is not None:
            self._server.close()
            self._server = None
        tasks = self.tasks()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def aclose(self):
        await self.stop()
        self.socket.close()
        self._loop = None

    def tasks(self):
        return {connection.task for connection in self._open}

    async def _serve(self, reader, writer):
        connection = _Connection(asyncio.current_task(), writer)
        self._open.add(connection)
        self.connected += 1
        number = 0
        try:
            while (exchange := await self._read(reader, writer)) is not None:
                number += 1
                exchange.number = number
                connection.busy = True
                self._count(exchange)
                act = self.act if self.act is not None and self.hits(exchange) else Exchange.truly
                await act(exchange)
                connection.busy = False
                if writer.is_closing():
                    break
        except (OSError, EOFError, asyncio.CancelledError):
            pass
        finally:
            self._open.discard(connection)
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def _read(self, reader, writer):
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:
            return None
        line, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        method, target, _ = line.split(" ")
        raw_path, _, query = target.partition("?")
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        return Exchange(
            self, reader, writer, method, unquote(raw_path).removeprefix(BASE),
            dict(parse_qsl(query, keep_blank_values=True)), body,
            headers.get("authorization", "").removeprefix("Bearer "),
        )  # fmt: skip

    def _count(self, exchange):
        self.arrived += 1
        self.writes += exchange.writes
        self.sandbox._state.first.bucket.take()
        self.behind = max(self.behind, self.sandbox.level - self.level())


@attrs.define(eq=False)
class _Connection:
    task: asyncio.Task
    writer: asyncio.StreamWriter
    busy: bool = False
