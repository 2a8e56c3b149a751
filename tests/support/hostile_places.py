"""Where a fault strikes: at the answer, the connection, the name, the certificate or the token."""

from __future__ import annotations

import asyncio
import socket
import ssl
from datetime import UTC, datetime, timedelta
from functools import cache
from unittest import mock

import aiohttp.connector
import trustme

from kakaclo_async.transport import connections


class Place:
    """The answers: the server does with each request what the fault says."""

    warm = False

    def __init__(self, fault, world):
        self.fault, self.world = fault, world
        self.url = f"http://127.0.0.1:{world.port}/openapi"
        self.token = world.sandbox.token

    async def begin(self):
        await self.world.start()

    async def strike(self):
        self.world.act = self.fault.act

    async def lift(self):
        self.world.act = None

    def complaints(self):
        """Return what has gone where nothing should have gone."""
        return []

    def close(self):
        pass


class Elsewhere(Place):
    """Another host, to which answers lead: it listens, and takes note of whoever comes."""

    def __init__(self, fault, world):
        super().__init__(fault, world)
        self._other = socket.create_server(("127.0.0.1", 0))
        self._other.setblocking(False)
        world.elsewhere = self._other.getsockname()[1]

    def complaints(self):
        try:
            self._other.accept()[0].close()
        except BlockingIOError:
            return []
        return ["the client went to another host"]

    def close(self):
        self._other.close()


class Kept(Place):
    """The connections that are kept open: a read has used one before."""

    warm = True

    async def strike(self):
        self.world.doomed = self.world.writers
        await super().strike()


class Refused(Place):
    """The port: nobody listens."""

    async def strike(self):
        await self.world.stop()

    async def lift(self):
        await self.world.start()


class Name(Place):
    """The look-up of the server's name."""

    def __init__(self, fault, world):
        super().__init__(fault, world)
        self.url = self.url.replace("127.0.0.1", "localhost")
        self.broken = False
        self._look_up = socket.getaddrinfo
        self._patch = self.patch()
        self._patch.start()

    def patch(self):
        return mock.patch("socket.getaddrinfo", self.answer)

    def answer(self, host, *rest, **options):
        if host == "localhost" and self.broken:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return self._look_up("127.0.0.1" if host == "localhost" else host, *rest, **options)

    async def strike(self):
        self.broken = True

    async def lift(self):
        self.broken = False

    def close(self):
        self._patch.stop()


class HangingName(Name):
    """Likewise; a look-up gives up when the fault is over, as resolvers do in the end."""

    def __init__(self, fault, world):
        super().__init__(fault, world)
        self._given_up = None

    def patch(self):
        return mock.patch.object(connections._Names, "getaddrinfo", self.find)

    async def find(self, host, *rest, **options):
        if self.broken:
            await self._given_up.wait()
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return self._look_up("127.0.0.1", *rest, **options)

    async def strike(self):
        self.broken, self._given_up = True, asyncio.Event()

    async def lift(self):
        self.broken = False
        self._given_up.set()


class Certificate(Place):
    """The certificate that the server shows; `fault.act` makes it."""

    def __init__(self, fault, world):
        super().__init__(fault, world)
        self.url = f"https://localhost:{world.port}/openapi"
        world.tls = front = shows(authority().issue_cert("localhost"))
        front.sni_callback = self._choose
        self._shown = good()
        self._patches = (
            mock.patch.object(aiohttp.connector, "_SSL_CONTEXT_VERIFIED", trusting()),
            mock.patch("socket.getaddrinfo", self._local),
        )
        self._look_up = socket.getaddrinfo
        for patch in self._patches:
            patch.start()

    def _local(self, host, *rest, **options):
        return self._look_up("127.0.0.1" if host == "localhost" else host, *rest, **options)

    def _choose(self, connection, _name, _context):
        connection.context = self._shown

    async def strike(self):
        self._shown = self.fault.act()

    async def lift(self):
        self._shown = good()

    def close(self):
        for patch in self._patches:
            patch.stop()


class Token(Place):
    """The function that returns the token; `fault.act` stands for it while the fault lasts."""

    def __init__(self, fault, world):
        super().__init__(fault, world)
        self._broken = False
        self.token = self._read

    async def _read(self):
        if self._broken:
            return await self.fault.act()
        return self.world.sandbox.token

    async def strike(self):
        self._broken = True

    async def lift(self):
        self._broken = False


@cache
def authority():
    return trustme.CA()


@cache
def trusting():
    context = ssl.create_default_context()
    authority().configure_trust(context)
    return context


def shows(issued):
    """Return a server's context that shows a certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    issued.configure_cert(context)
    return context


@cache
def good():
    return shows(authority().issue_cert("localhost"))


@cache
def self_signed():
    return shows(trustme.CA().issue_cert("localhost"))


@cache
def wrong_host():
    return shows(authority().issue_cert("elsewhere.example"))


@cache
def expired():
    yesterday = datetime.now(UTC) - timedelta(days=1)
    return shows(authority().issue_cert("localhost", not_after=yesterday))
