"""The only module that touches aiohttp: sends one request and returns its whole answer.

Reads share connections that are kept open. A write gets a new connection: on a kept one that the server is just
closing, it would not be known whether the write arrived, and an order would be in doubt for no reason.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import aiohttp
from yarl import URL

from kakaclo_async.config import __version__
from kakaclo_async.errors import ConfigurationError, ConnectionFailed, DecodeError
from kakaclo_async.protocol import Answer, Request

if TYPE_CHECKING:
    from aiohttp.abc import AbstractStreamWriter


MAX_BODY = 64 * 1024 * 1024
"""Bytes of one answer, decompressed, above which it is refused."""

_CONNECTIONS = 64  # at once; at two requests per second only a burst needs more than a few

_NEVER_LEFT = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.InvalidURL)


class _Body(aiohttp.BytesPayload):
    """A request body that knows whether any of it has been handed to a connection."""

    left = False

    async def write(self, writer: AbstractStreamWriter) -> None:
        self.left = True
        await super().write(writer)

    async def write_with_length(self, writer: AbstractStreamWriter, content_length: int | None) -> None:
        self.left = True
        await super().write_with_length(writer, content_length)


class Transport:
    """Sends requests over aiohttp.

    Args:
        base_url: where the API lives, without a slash at its end.
        session: a session to use instead of an own one; it is never closed here.
        max_body: bytes of one answer, decompressed, above which it is refused.

    TLS is always verified and redirects are never followed: the token goes to one host only.
    """

    def __init__(
        self, base_url: str, session: aiohttp.ClientSession | None = None, *, max_body: int = MAX_BODY
    ) -> None:
        if session is not None and getattr(session.connector, "_ssl", True) is False:
            raise ConfigurationError("the session's connector has TLS verification turned off (ssl=False)")
        self._base_url = base_url
        self._borrowed = session
        self._kept: aiohttp.ClientSession | None = None
        self._fresh: aiohttp.ClientSession | None = None
        self._max_body = max_body

    async def send(self, request: Request[object], token: str, *, timeout: float) -> Answer:  # noqa: ASYNC109 - one attempt's share of the call's budget
        """Send a request once and return its answer, whatever its status.

        Args:
            request: what to send.
            token: the bearer token.
            timeout: seconds for all of it: connecting, sending, waiting, reading.

        Raises:
            ConnectionFailed: no whole answer; a write that was cancelled after it left is one, too.
            DecodeError: an answer above `max_body`.
        """
        body = None if request.body is None else _Body(request.body, content_type="application/json")
        try:
            async with asyncio.timeout(timeout):
                return await self._send(request, token, body)
        except TimeoutError as error:
            left = not isinstance(error, _NEVER_LEFT) and (body is None or body.left)
            raise ConnectionFailed(f"{_label(request)}: no answer in {timeout:.3g} s", sent=left) from None
        except asyncio.CancelledError:
            if request.writes and body is not None and body.left:
                raise ConnectionFailed(f"{_label(request)}: cancelled after it was sent", sent=True) from None
            raise
        except (aiohttp.ClientError, OSError) as error:
            left = not isinstance(error, _NEVER_LEFT) and (body is None or body.left)
            raise ConnectionFailed(f"{_label(request)}: {_reason(error)}", sent=left) from None

    async def _send(self, request: Request[object], token: str, body: _Body | None) -> Answer:
        url = URL(self._base_url + request.path, encoded=True)
        async with self._session(request).request(
            request.method,
            url.with_query(request.query) if request.query else url,
            data=body,
            headers={
                "Authorization": f"Bearer {token}",
                "Accept": "application/json",
                "User-Agent": f"kakaclo-python/{__version__}",
            },
            allow_redirects=False,
            raise_for_status=False,
        ) as response:
            headers = {name.lower(): value for name, value in response.headers.items()}
            return Answer(response.status, headers, await self._read(request, response))

    async def _read(self, request: Request[object], response: aiohttp.ClientResponse) -> bytes:
        pieces: list[bytes] = []
        size = 0
        async for piece in response.content.iter_any():
            size += len(piece)
            if size > self._max_body:
                response.close()
                raise DecodeError(f"{_label(request)}: more than {self._max_body} bytes", where="body size")
            pieces.append(piece)
        return b"".join(pieces)

    def _session(self, request: Request[object]) -> aiohttp.ClientSession:
        if self._borrowed is not None:
            return self._borrowed
        if request.writes:
            self._fresh = self._fresh or _new_session(force_close=True)
            return self._fresh
        self._kept = self._kept or _new_session(force_close=False)
        return self._kept

    async def aclose(self) -> None:
        """Close the own connections; requests under way fail."""
        for session in (self._kept, self._fresh):
            if session is not None:
                await session.close()


def _new_session(*, force_close: bool) -> aiohttp.ClientSession:
    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=_CONNECTIONS, force_close=force_close),
        cookie_jar=aiohttp.DummyCookieJar(),
        # The caller's budget is the only clock; aiohttp's own five minutes would cut it short.
        timeout=aiohttp.ClientTimeout(total=None),
    )
    # Left on, aiohttp sends a GET again by itself when a kept connection breaks: a request without a permit.
    session._retry_connection = False  # noqa: SLF001 - aiohttp's own test client sets it so; there is no option
    return session


def _label(request: Request[object]) -> str:
    return f"{request.method} {request.path}"


def _reason(error: Exception) -> str:
    # The text of some aiohttp errors repeats the URL with its query, or a proxy's password.
    match error:
        case aiohttp.ClientConnectorDNSError():
            return f"the name {error.host} cannot be resolved"
        case aiohttp.ClientConnectorCertificateError():
            return f"the certificate of {error.host} cannot be trusted"
        case aiohttp.ClientConnectorError():
            return f"cannot connect to {error.host}:{error.port} ({type(error.os_error).__name__})"
        case aiohttp.ClientPayloadError():
            return "the answer broke off"
        case aiohttp.ServerDisconnectedError():
            return "the server closed the connection without an answer"
        case _:
            return f"the connection failed ({type(error).__name__})"
