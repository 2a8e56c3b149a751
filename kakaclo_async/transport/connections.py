"""Connections to KakaClo: what TLS trusts, our own sessions, and a caller's session lent for one request."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from contextlib import contextmanager
from copy import copy
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import aiohttp
from aiohttp.tracing import Trace

from kakaclo_async.database import THREADS
from kakaclo_async.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Generator

    from aiohttp.connector import Connection


class SentTwice(aiohttp.ClientConnectionError):
    """The caller's session, or its middleware, tried to send a request again by itself."""


class TooLate(aiohttp.ClientConnectionError):
    """The time for a request was over before any of it left."""


def check_verifies(what: str, trust: object) -> None:
    """Make sure that TLS finds out which server it talks to.

    Args:
        what: whose trust it is, for the error.
        trust: an `ssl` of aiohttp's: true, a fingerprint, or a context.

    Raises:
        ConfigurationError: it does not.
    """
    if isinstance(trust, ssl.SSLContext):
        verifies = trust.check_hostname and trust.verify_mode != ssl.CERT_NONE
    else:
        verifies = trust is not False  # true, or a fingerprint
    if not verifies:
        raise ConfigurationError(
            f"the {what} has TLS verification turned off (ssl=False, CERT_NONE or check_hostname=False): any server"
            " could take the token"
        )


def trusted(trust: ssl.SSLContext | str | os.PathLike[str] | None) -> ssl.SSLContext | bool:
    """Return the `ssl` of a session.

    Args:
        trust: what TLS trusts besides the system's authorities: a PEM file of certificates, or a context of its own.

    Raises:
        ConfigurationError: the certificates cannot be read, or the context trusts everybody.
    """
    if trust is None:
        return True
    if isinstance(trust, ssl.SSLContext):
        check_verifies("context given as ssl", trust)
        return trust
    if not isinstance(trust, str | os.PathLike):  # pyright: ignore[reportUnnecessaryIsInstance] - callers err
        raise ConfigurationError(
            f"ssl must be an SSLContext or a file of certificates, not {type(trust).__name__}"
        )
    context = ssl.create_default_context()
    try:
        context.load_verify_locations(cafile=os.fspath(trust))
    except (OSError, ValueError) as error:  # an SSLError is an OSError
        raise ConfigurationError(
            f"ssl: the certificates in {os.fspath(trust)} cannot be read: {_why(error)}"
        ) from None
    return context


def _why(error: OSError | ValueError) -> str:
    return (isinstance(error, OSError) and error.strerror) or type(error).__name__


class _Names:
    """What a resolver asks an event loop for, in threads that wait for nobody: the loop's own may all wait for us."""

    async def getaddrinfo(self, *where: Any, **options: Any) -> object:
        look_up = partial(socket.getaddrinfo, *where, **options)
        return await asyncio.get_running_loop().run_in_executor(THREADS, look_up)

    async def getnameinfo(self, *where: Any) -> object:
        return await asyncio.get_running_loop().run_in_executor(THREADS, socket.getnameinfo, *where)


def new_session(context: ssl.SSLContext | bool, *, force_close: bool) -> aiohttp.ClientSession:
    """Return a session of our own, which repeats nothing by itself."""
    resolver = aiohttp.ThreadedResolver(cast("asyncio.AbstractEventLoop", _Names()))
    # For its limit see `connections`.
    connector = aiohttp.TCPConnector(limit=0, force_close=force_close, resolver=resolver, ssl=context)
    session = aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        # The caller's budget is the only clock; aiohttp's own five minutes would cut it short.
        timeout=aiohttp.ClientTimeout(total=None),
    )
    _never_repeat(session)
    return session


async def close_at_once(session: aiohttp.ClientSession) -> None:
    """Close a session of our own, and what its kept connections run on: TLS in a tunnel would outlive the loop."""
    kept = getattr(session.connector, "_conns", {}).values()
    transports = [protocol.transport for connections in kept for protocol, *_ in connections]
    await session.close()
    for transport in transports:
        if transport is not None:
            transport.abort()
    if transports:
        await asyncio.sleep(0)  # their ends are calls of the loop


def _never_repeat(session: aiohttp.ClientSession) -> None:
    # Left on, aiohttp sends a GET again by itself when a kept connection breaks: a request without a permit.
    session._retry_connection = False  # noqa: SLF001 - aiohttp's own test client sets it so; there is no option


@contextmanager
def lent(session: aiohttp.ClientSession, *, fresh: bool) -> Generator[aiohttp.ClientSession]:
    """Lend a session for one request: the same connections, hooks and settings, and no repetition.

    Args:
        session: it stays as it is, for other requests.
        fresh: whether the request needs a connection of its own; what is kept for this server is closed then.
    """
    if not isinstance(cast("object", session), aiohttp.ClientSession):  # a stand-in, perhaps around one
        yield session
        return
    if session.closed or session.connector is None:
        raise ConfigurationError("the session that this client was given is closed, and nothing was sent")
    lent = copy(session)
    _never_repeat(lent)
    once = _OneConnection(session, fresh=fresh)
    lent._connector = cast("aiohttp.BaseConnector", once)  # noqa: SLF001 - a copy of ours
    try:
        yield lent
    finally:
        lent.detach()  # else it would complain that nobody closed it


class _OneConnection:
    """A connector that hands out one connection of another one."""

    def __init__(self, session: aiohttp.ClientSession, *, fresh: bool) -> None:
        self._session = session
        self._connector = cast("aiohttp.BaseConnector", session.connector)
        self._fresh = fresh
        self._handed_out = False
        self._kept = False

    def __getattr__(self, name: str) -> object:
        return getattr(self._connector, name)

    async def connect(
        self,
        req: aiohttp.ClientRequest,
        traces: list[Trace],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - as aiohttp calls it
    ) -> Connection:
        if self._handed_out:
            raise SentTwice
        watch = aiohttp.TraceConfig()
        watch.on_connection_reuseconn.append(self._note)
        watch.freeze()
        watched = [*traces, Trace(self._session, watch, trace_config_ctx=SimpleNamespace())]
        while True:
            self._kept = False
            connection = await self._connector.connect(req, watched, timeout)
            if not (self._fresh and self._kept):
                self._handed_out = True
                return connection
            connection.close()

    async def _note(self, *_: object) -> None:
        self._kept = True
