"""A proxy as companies have them, and the sandbox behind TLS under a name that only the proxy can find."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import ssl
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import attrs
import trustme

HOST = "kakaclo.example"
BASE_URL = f"https://{HOST}/openapi"


@attrs.define
class Proxy:
    """Tunnels whatever it is asked for to one port, and notes what it saw."""

    port: int
    login: str | None = None
    status: int = 200
    asked: list[str] = attrs.field(factory=list)
    seen: bytearray = attrs.field(factory=bytearray)
    url: str = ""

    async def handle(self, reader, writer):
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            self.seen += head
            self.asked.append(head.split(b"\r\n")[0].decode())
            wanted = f"Proxy-Authorization: Basic {base64.b64encode((self.login or '').encode()).decode()}"
            if self.login is not None and wanted.encode() not in head:
                writer.write(b"HTTP/1.1 407 Who are you?\r\nProxy-Authenticate: Basic\r\n\r\n")
            elif self.status != 200:
                writer.write(f"HTTP/1.1 {self.status} No\r\n\r\n".encode())
            else:
                writer.write(b"HTTP/1.1 200 Connected\r\n\r\n")
                await both_ways(reader, writer, self.port, self.seen)
        writer.close()


async def both_ways(reader, writer, port, seen=None):
    """Carry bytes between a connection and a port of this machine until one of them ends."""
    inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", port)

    async def carry(source, target):
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            while data := await source.read(65536):
                if seen is not None:
                    seen.extend(data)
                target.write(data)
                await target.drain()
        target.close()

    await asyncio.gather(carry(reader, inner_writer), carry(inner_reader, writer))


@asynccontextmanager
async def behind_a_proxy(sandbox, **settings):
    """Put a sandbox behind TLS and a proxy; yield the proxy, and the authority that signed its certificate."""
    authority = trustme.CA()
    trust = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(HOST).configure_cert(trust)
    port = urlsplit(sandbox.url).port

    async def reveal(reader, writer):
        with contextlib.suppress(ConnectionError):
            await both_ways(reader, writer, port)

    outer = await asyncio.start_server(reveal, "127.0.0.1", 0, ssl=trust)
    proxy = Proxy(outer.sockets[0].getsockname()[1], **settings)
    server = await asyncio.start_server(proxy.handle, "127.0.0.1", 0)
    login = f"{proxy.login}@" if proxy.login else ""
    proxy.url = f"http://{login}127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield proxy, authority
    finally:
        server.close()
        outer.close()
