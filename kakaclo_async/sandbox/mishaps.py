"""How faults look from outside: answers that went wrong, and connections that broke."""

from __future__ import annotations

import asyncio
import socket
import struct
from contextlib import suppress
from typing import TYPE_CHECKING

from aiohttp import web

from kakaclo_async.sandbox.faults import Fault, FaultKind
from kakaclo_async.sandbox.wire import error

if TYPE_CHECKING:
    from collections.abc import Callable


_HTML = b"<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"


async def act(
    fault: Fault, request: web.Request, serve: Callable[[], web.Response], closing: asyncio.Event
) -> web.StreamResponse | None:
    """Let a fault happen to a request.

    Args:
        fault: What happens.
        request: The request.
        serve: Lets the request take effect, and makes its proper answer.
        closing: Ends delays and silences when the server stops.

    Returns:
        What was answered; None if the connection was reset.
    """
    proper = serve() if fault.has_effect else None
    body = bytes(proper.body) if proper is not None and isinstance(proper.body, bytes) else b"{}"
    match fault.kind:
        case FaultKind.RESET_BEFORE | FaultKind.RESET_AFTER:
            _reset(request)
            return None
        case FaultKind.SILENCE:
            await closing.wait()
            _reset(request)
            return None
        case FaultKind.DELAY:
            with suppress(TimeoutError):
                await asyncio.wait_for(closing.wait(), fault.seconds)
            return proper if proper is not None else serve()
        case FaultKind.TRUNCATED_BODY:
            return await _truncate(request, body)
        case _:
            return _misanswer(fault, body)


def _misanswer(fault: Fault, body: bytes) -> web.Response:
    """Make an answer that is whole as HTTP goes, and wrong all the same."""
    headers = {} if fault.retry_after is None else {"Retry-After": fault.retry_after}
    answers: dict[FaultKind, Callable[[], web.Response]] = {
        FaultKind.TRUNCATED_JSON: lambda: document(body[: len(body) // 2]),
        FaultKind.EMPTY_BODY: lambda: document(b""),
        FaultKind.WRONG_CONTENT_TYPE: lambda: web.Response(body=body, content_type="text/html"),
        FaultKind.BAD_GATEWAY: lambda: web.Response(
            status=502, body=_HTML, content_type="text/html", headers=headers
        ),
        FaultKind.SERVER_ERROR: lambda: document(error(500, fault.message), 500),
        FaultKind.THROTTLED: lambda: document(error(429, fault.message), 429, headers),
        FaultKind.REJECTED: lambda: document(error(fault.code, fault.message)),
        FaultKind.REDIRECT: lambda: web.Response(status=302, headers={"Location": fault.location}),
    }
    return answers[fault.kind]()


def document(body: bytes, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    """Build an answer that holds JSON."""
    return web.Response(
        body=body, status=status, content_type="application/json", charset="utf-8", headers=headers
    )


def _reset(request: web.Request) -> None:
    """Reset the connection, so that the client sees a reset and not an orderly end."""
    transport = request.transport
    if transport is not None:
        sock: socket.socket | None = transport.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()


async def _truncate(request: web.Request, body: bytes) -> web.StreamResponse:
    response = web.StreamResponse(
        headers={"Content-Type": "application/json", "Content-Length": str(len(body))}
    )
    await response.prepare(request)
    await response.write(body[: len(body) // 2])
    if request.transport is not None:
        request.transport.close()
    return response
