"""The only package that touches aiohttp: sends one request and returns its whole answer.

Reads share connections that are kept open. A write gets a new connection: on a kept one that the server is just
closing, it would not be known whether the write arrived, and an order would be in doubt for no reason. So does a read
that is repeated: a gateway that has forgotten one kept connection has forgotten them all.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import nullcontext
from typing import TYPE_CHECKING

import aiohttp
from yarl import URL

from kakaclo_async.codec.outgoing import Secret, sealed
from kakaclo_async.config import __version__
from kakaclo_async.errors import ClientClosed, ConfigurationError, ConnectionFailed, DecodeError
from kakaclo_async.protocol import Answer, Request
from kakaclo_async.transport.connections import (
    SentTwice,
    TooLate,
    check_verifies,
    close_at_once,
    lent,
    new_session,
    trusted,
)

if TYPE_CHECKING:
    import os
    import ssl
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from aiohttp.abc import AbstractStreamWriter


MAX_BODY = 64 * 1024 * 1024
"""Bytes of one answer, decompressed, above which it is refused."""

_CONNECTIONS = 384
"""Requests under way at once, for a client with sessions of its own.

Permits bound them already: at the shop's rate, 118 of a burst and 60 more in the 30 s that an answer may take. So this
is met with a larger bucket alone, and keeps the 1,024 files that many systems let a process open from running out.
The gate counts, before it takes a permit. A limit of aiohttp's would not know the lanes, and a wait for it would be
taken from the attempt's time.
"""

_NEVER_LEFT = (
    aiohttp.ClientConnectorError,
    aiohttp.ConnectionTimeoutError,
    aiohttp.ClientHttpProxyError,
    aiohttp.InvalidURL,
)
_PROXY_LOGIN = 407
_NO_LOGIN = "the proxy wants a user and a password, and nothing was sent: give http://user:password@host:port"


class _Body(aiohttp.BytesPayload):
    """A request body that knows whether any of it has left, and leaves once: each order sent is paid for.

    It leaves in its time or never. A process that was stopped, and goes on, runs what is ready before it hears of any
    time-out; by then another worker may have found that the order never came, and sent it.

    Args:
        content: the body.
        seconds: from now on, by any clock: the loop's stands still while the machine sleeps.
        check: raises if it must not leave any more.
    """

    left = False

    def __init__(self, content: bytes, seconds: float, check: Callable[[], None]) -> None:
        super().__init__(content, content_type="application/json")
        self._check = check
        self._until = tuple(clock() + seconds for clock in _clocks())

    def _leave(self) -> None:
        if self.left:
            raise SentTwice
        if any(clock() >= until for clock, until in zip(_clocks(), self._until, strict=True)):
            raise TooLate
        self._check()
        self.left = True

    async def write(self, writer: AbstractStreamWriter) -> None:
        self._leave()
        await super().write(writer)

    async def write_with_length(self, writer: AbstractStreamWriter, content_length: int | None) -> None:
        del content_length  # that of the whole; a slice would be a copy
        self._leave()
        await super().write(writer)


def _clocks() -> tuple[Callable[[], float], Callable[[], float]]:
    return asyncio.get_running_loop().time, time.time


class Transport:
    """Sends requests over aiohttp.

    Args:
        base_url: where the API lives, without a slash at its end.
        session: a session to use instead of an own one; it is never closed here.
        proxy: the address of an HTTP proxy, with its user and password; None for none.
        trust: what TLS trusts besides the system's authorities: a PEM file of certificates, or a context of its own.
        max_body: bytes of one answer, decompressed, above which it is refused.

    TLS is always verified and redirects are never followed: the token goes to one host only. One `send` is one request
    at most, also over a session whose middleware repeats requests: a permit pays for one.

    Raises:
        ConfigurationError: a session or a context that does not verify which server it talks to; certificates that
            cannot be read.
    """

    def __init__(
        self,
        base_url: str,
        session: aiohttp.ClientSession | None = None,
        *,
        proxy: str | None = None,
        trust: ssl.SSLContext | str | os.PathLike[str] | None = None,
        max_body: int = MAX_BODY,
    ) -> None:
        if session is not None:
            if not hasattr(session, "request"):  # a wrapper will do
                raise ConfigurationError(
                    f"session must be an aiohttp.ClientSession, not {type(session).__name__}"
                )
            check_verifies("session's connector", getattr(session.connector, "_ssl", True))
        self._context = trusted(trust)
        self._base_url = base_url
        self._proxy = sealed(proxy)
        self._borrowed = session
        self._kept: aiohttp.ClientSession | None = None
        self._fresh: aiohttp.ClientSession | None = None
        self._max_body = max_body
        self._closed = asyncio.Event()
        self._under_way: set[asyncio.Timeout] = set()

    @property
    def proxy(self) -> str | None:
        """The proxy's host and port, without its login; None for none."""
        return None if self._proxy is None else URL(self._proxy).with_user(None).authority

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
        body = None if request.body is None else _Body(request.body, timeout, request.check)
        limit = asyncio.timeout(timeout)
        cause: Exception | None = None
        lacks_login = False
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
                why = why_it_failed(error)
            left = _may_have_left(error, body)
            lacks_login = isinstance(error, aiohttp.ClientHttpProxyError) and error.status == _PROXY_LOGIN
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
        failed = (
            ConfigurationError(_NO_LOGIN)
            if lacks_login
            else ConnectionFailed(f"{request.label}: {why}", sent=left)
        )
        raise failed from cause

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
                proxy=self._proxy,
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
            return lent(self._borrowed, fresh=request.writes or request.repeated)
        if request.writes:
            self._fresh = self._fresh or new_session(self._context, force_close=True)
            return nullcontext(self._fresh)
        self._kept = self._kept or new_session(self._context, force_close=False)
        return lent(self._kept, fresh=True) if request.repeated else nullcontext(self._kept)

    async def aclose(self) -> None:
        """Send nothing any more, end the requests under way, and close the own connections."""
        self._closed.set()
        for limit in self._under_way:
            if not limit.expired():
                limit.reschedule(asyncio.get_running_loop().time())
        for session in (self._kept, self._fresh):
            if session is not None:
                await close_at_once(session)


def _may_have_left(error: BaseException, body: _Body | None) -> bool:
    return not isinstance(error, _NEVER_LEFT) if body is None else body.left


def why_it_failed(error: Exception) -> str:
    """Say why a request failed, without its URL, its headers and its proxy's login."""
    # The text of some aiohttp errors repeats the URL with its query, or a proxy's password.
    match error:
        case aiohttp.ClientConnectorDNSError():
            return f"the name {error.host} cannot be resolved"
        case aiohttp.ClientConnectorCertificateError():
            return f"the certificate of {error.host} cannot be trusted"
        case aiohttp.ClientProxyConnectionError():
            return f"cannot connect to the proxy {error.host}:{error.port} ({type(error.os_error).__name__})"
        case aiohttp.ClientHttpProxyError():
            return f"the proxy refused to connect (HTTP {error.status})"
        case aiohttp.ClientConnectorError():
            return f"cannot connect to {error.host}:{error.port} ({type(error.os_error).__name__})"
        case SentTwice():
            return "the session tried to send it a second time by itself, which was stopped"
        case aiohttp.ClientPayloadError():
            return "the answer broke off"
        case aiohttp.ServerDisconnectedError():
            return "the server closed the connection without an answer"
        case _:
            return f"the connection failed ({type(error).__name__})"
