"""The only module that touches aiohttp: sends one request and returns its whole answer.

Reads share connections that are kept open. A write gets a new connection: on a kept one that the server is just
closing, it would not be known whether the write arrived, and an order would be in doubt for no reason. So does a read
that is repeated: a gateway that has forgotten one kept connection has forgotten them all.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from contextlib import contextmanager, nullcontext
from copy import copy
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import aiohttp
from aiohttp.tracing import Trace
from yarl import URL

from kakaclo_async.codec.outgoing import Secret
from kakaclo_async.config import __version__
from kakaclo_async.database import THREADS
from kakaclo_async.errors import ClientClosed, ConfigurationError, ConnectionFailed, DecodeError
from kakaclo_async.protocol import Answer, Request

if TYPE_CHECKING:
    from collections.abc import Generator
    from contextlib import AbstractContextManager

    from aiohttp.abc import AbstractStreamWriter
    from aiohttp.connector import Connection


MAX_BODY = 64 * 1024 * 1024
"""Bytes of one answer, decompressed, above which it is refused."""

_CONNECTIONS = 384
"""Requests under way at once, for a client with sessions of its own.

Permits bound them already: at the shop's rate, 118 of a burst and 60 more in the 30 s that an answer may take. So this
is met with a larger bucket alone, and keeps the 1,024 files that many systems let a process open from running out.
The gate counts, before it takes a permit. A limit of aiohttp's would not know the lanes, and a wait for it would be
taken from the attempt's time.
"""

_NEVER_LEFT = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.InvalidURL)


class _SentTwice(aiohttp.ClientConnectionError):
    """The caller's session, or its middleware, tried to send a request again by itself."""


class _Body(aiohttp.BytesPayload):
    """A request body that knows whether any of it has left, and leaves once: each order sent is paid for."""

    left = False

    def _leave(self) -> None:
        if self.left:
            raise _SentTwice
        self.left = True

    async def write(self, writer: AbstractStreamWriter) -> None:
        self._leave()
        await super().write(writer)

    async def write_with_length(self, writer: AbstractStreamWriter, content_length: int | None) -> None:
        del content_length  # that of the whole; a slice would be a copy
        self._leave()
        await super().write(writer)


class Transport:
    """Sends requests over aiohttp.

    Args:
        base_url: where the API lives, without a slash at its end.
        session: a session to use instead of an own one; it is never closed here.
        max_body: bytes of one answer, decompressed, above which it is refused.

    TLS is always verified and redirects are never followed: the token goes to one host only. One `send` is one request
    at most, also over a session whose middleware repeats requests: a permit pays for one.

    Raises:
        ConfigurationError: a session that does not verify which server it talks to.
    """

    def __init__(
        self, base_url: str, session: aiohttp.ClientSession | None = None, *, max_body: int = MAX_BODY
    ) -> None:
        if session is not None and not _verifies(getattr(session.connector, "_ssl", True)):
            raise ConfigurationError(
                "the session's connector has TLS verification turned off (ssl=False, CERT_NONE or"
                " check_hostname=False): any server could take the token"
            )
        self._base_url = base_url
        self._borrowed = session
        self._kept: aiohttp.ClientSession | None = None
        self._fresh: aiohttp.ClientSession | None = None
        self._max_body = max_body
        self._closed = asyncio.Event()
        self._under_way: set[asyncio.Timeout] = set()

    @property
    def connections(self) -> int:
        """Requests that can be under way at once: a session of the caller's may have fewer connections."""
        connector = None if self._borrowed is None else self._borrowed.connector
        limits = (getattr(connector, "limit", 0), getattr(connector, "limit_per_host", 0))
        return min([_CONNECTIONS, *(limit for limit in limits if limit)])

    async def send(self, request: Request[object], token: str, *, timeout: float) -> Answer:  # noqa: ASYNC109 - one attempt's share of the call's budget
        """Send a request once and return its answer, whatever its status.

        Args:
            request: what to send.
            token: the bearer token.
            timeout: seconds for all of it: connecting, sending, waiting, reading.

        Raises:
            ConnectionFailed: no whole answer, or the transport was closed meanwhile. So is a write that was cancelled
                after it left, or after which a hook or a middleware of the caller's session raised something.
            DecodeError: an answer above `max_body`.
            ClientClosed: the transport is closed; nothing was sent.
            ConfigurationError: the caller's session is closed; nothing was sent.
            Exception: what a hook or a middleware of the caller's session raises, unless a write had left by then.
        """
        if self._closed.is_set():
            raise ClientClosed("the client is closed, and nothing was sent; make a new one")
        body = None if request.body is None else _Body(request.body, content_type="application/json")
        limit = asyncio.timeout(timeout)
        cause: Exception | None = None
        try:
            async with limit:
                self._under_way.add(limit)
                answer = await self._send(request, token, body)
        except (aiohttp.ClientError, OSError) as error:  # time-outs are OSErrors
            if self._closed.is_set():
                why = "the client was closed"
            elif isinstance(error, TimeoutError):
                why = f"no answer in {timeout:.3g} s" if limit.expired() else "no answer in time"
            else:
                why = _reason(error)
            left = _may_have_left(error, body)
        except (Exception, asyncio.CancelledError) as error:
            left = _may_have_left(error, body)
            if not (left and request.writes):
                raise
            if isinstance(error, Exception):
                why, cause = f"{type(error).__name__} was raised after it was sent", error
            else:
                why = "cancelled after it was sent"
        else:
            if answer is not None:
                return answer
            raise DecodeError(f"{request.label}: more than {self._max_body} bytes", where="body size")
        finally:
            self._under_way.discard(limit)
        # Not in a handler: aiohttp's errors hold the URL with its query, and some the headers with the token.
        raise ConnectionFailed(f"{request.label}: {why}", sent=left) from cause

    async def _send(self, request: Request[object], token: str, body: _Body | None) -> Answer | None:
        url = URL(self._base_url + request.path, encoded=True)
        with self._session(request) as session:
            async with session.request(
                request.method,
                url.with_query(request.query) if request.query else url,
                data=body,
                headers={
                    "Authorization": Secret(f"Bearer {token}"),
                    "Accept": "application/json",
                    "User-Agent": f"kakaclo-python/{__version__}",
                },
                allow_redirects=False,
                raise_for_status=False,
            ) as response:
                headers = {name.lower(): value for name, value in response.headers.items()}
                read = await self._read(response)
                return None if read is None else Answer(response.status, headers, read)

    async def _read(self, response: aiohttp.ClientResponse) -> bytes | None:
        pieces: list[bytes] = []
        size = 0
        async for piece in response.content.iter_any():
            size += len(piece)
            if size > self._max_body:
                response.close()
                return None
            pieces.append(piece)
        return b"".join(pieces)

    def _session(self, request: Request[object]) -> AbstractContextManager[aiohttp.ClientSession]:
        if self._borrowed is not None:
            return _lent(self._borrowed, fresh=request.writes or request.repeated)
        if request.writes:
            self._fresh = self._fresh or _new_session(force_close=True)
            return nullcontext(self._fresh)
        self._kept = self._kept or _new_session(force_close=False)
        return _lent(self._kept, fresh=True) if request.repeated else nullcontext(self._kept)

    async def aclose(self) -> None:
        """Send nothing any more, end the requests under way, and close the own connections."""
        self._closed.set()
        for limit in self._under_way:
            if not limit.expired():
                limit.reschedule(asyncio.get_running_loop().time())
        for session in (self._kept, self._fresh):
            if session is not None:
                await session.close()


def _verifies(trust: object) -> bool:
    if isinstance(trust, ssl.SSLContext):
        return trust.check_hostname and trust.verify_mode != ssl.CERT_NONE
    return trust is not False  # true, or a fingerprint


def _may_have_left(error: BaseException, body: _Body | None) -> bool:
    return not isinstance(error, _NEVER_LEFT) if body is None else body.left


class _Names:
    """What a resolver asks an event loop for, in threads that wait for nobody: the loop's own may all wait for us."""

    async def getaddrinfo(self, *where: Any, **options: Any) -> object:
        look_up = partial(socket.getaddrinfo, *where, **options)
        return await asyncio.get_running_loop().run_in_executor(THREADS, look_up)

    async def getnameinfo(self, *where: Any) -> object:
        return await asyncio.get_running_loop().run_in_executor(THREADS, socket.getnameinfo, *where)


def _new_session(*, force_close: bool) -> aiohttp.ClientSession:
    resolver = aiohttp.ThreadedResolver(cast("asyncio.AbstractEventLoop", _Names()))
    connector = aiohttp.TCPConnector(limit=0, force_close=force_close, resolver=resolver)  # see `connections`
    session = aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        # The caller's budget is the only clock; aiohttp's own five minutes would cut it short.
        timeout=aiohttp.ClientTimeout(total=None),
    )
    _never_repeat(session)
    return session


def _never_repeat(session: aiohttp.ClientSession) -> None:
    # Left on, aiohttp sends a GET again by itself when a kept connection breaks: a request without a permit.
    session._retry_connection = False  # noqa: SLF001 - aiohttp's own test client sets it so; there is no option


@contextmanager
def _lent(session: aiohttp.ClientSession, *, fresh: bool) -> Generator[aiohttp.ClientSession]:
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
            raise _SentTwice
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


def _reason(error: Exception) -> str:
    # The text of some aiohttp errors repeats the URL with its query, or a proxy's password.
    match error:
        case aiohttp.ClientConnectorDNSError():
            return f"the name {error.host} cannot be resolved"
        case aiohttp.ClientConnectorCertificateError():
            return f"the certificate of {error.host} cannot be trusted"
        case aiohttp.ClientConnectorError():
            return f"cannot connect to {error.host}:{error.port} ({type(error.os_error).__name__})"
        case _SentTwice():
            return "the session tried to send it a second time by itself, which was stopped"
        case aiohttp.ClientPayloadError():
            return "the answer broke off"
        case aiohttp.ServerDisconnectedError():
            return "the server closed the connection without an answer"
        case _:
            return f"the connection failed ({type(error).__name__})"
