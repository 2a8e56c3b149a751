"""Faults that can be switched on by path, and how they look from outside."""

from __future__ import annotations

import asyncio
import socket
import struct
from contextlib import suppress
from enum import StrEnum
from fnmatch import fnmatchcase
from random import Random
from typing import TYPE_CHECKING

from aiohttp import web
from attrs import define, field, validators

from kakaclo_async.sandbox.http.routing import document
from kakaclo_async.sandbox.wire import error

if TYPE_CHECKING:
    from collections.abc import Callable


_HTML = b"<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"


class FaultKind(StrEnum):
    """What goes wrong, and whether the request still takes effect."""

    RESET_BEFORE = "reset_before"
    """The connection is reset; no effect."""
    RESET_AFTER = "reset_after"
    """The connection is reset in place of an answer; the request took effect."""
    DELAY = "delay"
    """The answer comes `seconds` late; the request took effect at once."""
    SILENCE = "silence"
    """No answer ever comes; the request took effect."""
    TRUNCATED_BODY = "truncated_body"
    """The connection closes before as many bytes as `Content-Length` promised; the request took effect."""
    TRUNCATED_JSON = "truncated_json"
    """A complete HTTP answer holds half a document; the request took effect."""
    EMPTY_BODY = "empty_body"
    """HTTP 200 without a body; the request took effect."""
    WRONG_CONTENT_TYPE = "wrong_content_type"
    """The right document under `text/html`; the request took effect."""
    BAD_GATEWAY = "bad_gateway"
    """HTTP 502, or another `status`, with a page of HTML; no effect."""
    SERVER_ERROR = "server_error"
    """HTTP 500 with an error document; the request took effect."""
    THROTTLED = "throttled"
    """HTTP 429, even if the bucket has room; no effect."""
    REJECTED = "rejected"
    """HTTP 200 with the business code `code` and `message`; no effect."""
    REDIRECT = "redirect"
    """HTTP 302 to `location`; no effect."""


_WITHOUT_EFFECT = frozenset(
    map(FaultKind, ("reset_before", "bad_gateway", "throttled", "rejected", "redirect"))
)


@define
class Fault:
    """Something that goes wrong with some requests.

    Attributes:
        kind: What happens: a `FaultKind` or its value.
        path: Path below the base URL, with `*` and `?` as wildcards; by default every path.
        method: "GET" or "POST"; None is either.
        times: How many requests it happens to; None means all.
        skip: Requests that are let through first.
        probability: Chance that it happens to a request that it could happen to.
        takes_effect: Whether the request takes effect; None leaves it to the kind.
        seconds: For DELAY; real seconds.
        code: For REJECTED.
        message: For REJECTED, SERVER_ERROR and THROTTLED.
        retry_after: For THROTTLED and BAD_GATEWAY: sent as `Retry-After`; None sends none.
        location: For REDIRECT.
        status: For BAD_GATEWAY; with `takes_effect=True` and 408, a gateway that passed the request on and gave up.
    """

    kind: FaultKind = field(converter=FaultKind)
    path: str = "*"
    method: str | None = None
    times: int | None = 1
    skip: int = 0
    probability: float = field(default=1.0, validator=[validators.ge(0.0), validators.le(1.0)])
    takes_effect: bool | None = None
    seconds: float = 1.0
    code: int = 50001
    message: str = "the system is busy"
    retry_after: str | None = None
    location: str = "https://elsewhere.example/"
    status: int = 502

    @property
    def has_effect(self) -> bool:
        """Whether the request takes effect."""
        return self.kind not in _WITHOUT_EFFECT if self.takes_effect is None else self.takes_effect


class Faults:
    """The faults that are switched on.

    The first fault that matches a request happens to it, in the order they were added. The token and the bucket are
    checked before, so faulty requests are counted, too.

    Args:
        seed: Decides about probabilities.
    """

    def __init__(self, seed: int) -> None:
        self._active: list[Fault] = []
        self.reseed(seed)

    def reseed(self, seed: int) -> None:
        """Decide about probabilities by another seed from now on."""
        self._rng = Random(f"faults {seed}")

    @property
    def active(self) -> tuple[Fault, ...]:
        """The faults that still can happen."""
        return tuple(self._active)

    def add(self, fault: Fault) -> Fault:
        """Switch a fault on, and return it."""
        self._active.append(fault)
        return fault

    def clear(self) -> None:
        """Switch all faults off."""
        self._active.clear()

    def take(self, method: str, path: str) -> Fault | None:
        """Return the fault that happens to a request, and count it."""
        for fault in self._active:
            if fault.method not in (None, method) or not fnmatchcase(path, fault.path):
                continue
            if fault.skip:
                fault.skip -= 1
                continue
            if self._rng.random() >= fault.probability:
                continue
            if fault.times is not None:
                fault.times -= 1
                if fault.times <= 0:
                    self._active.remove(fault)
            return fault
        return None


FAULTS: dict[str, dict[str, float]] = {
    "flaky": {"reset_before": 0.01, "reset_after": 0.01, "bad_gateway": 0.02, "delay": 0.05},
    "slow": {"delay": 0.5},
    "overloaded": {"throttled": 0.1, "bad_gateway": 0.05, "server_error": 0.02, "delay": 0.2},
    "garbled": {
        "truncated_json": 0.02,
        "truncated_body": 0.02,
        "empty_body": 0.01,
        "wrong_content_type": 0.01,
    },
}
"""Sets of faults by name: the kinds, and the share of all requests that each happens to."""


def read_faults(text: str) -> tuple[Fault, ...]:
    """Read the name of a set, or `KIND=PROBABILITY`, as on a command line; they happen as long as the server runs.

    Raises:
        ValueError: There is no such set or kind, or it is no probability.
    """
    name, equals, probability = text.partition("=")
    if not equals:
        if name not in FAULTS:
            raise ValueError(
                f"there is no set of faults {name!r}: choose {', '.join(FAULTS)}, or KIND=PROBABILITY"
            )
        return tuple(Fault(kind, times=None, probability=share) for kind, share in FAULTS[name].items())
    if name not in {*FaultKind}:
        raise ValueError(f"there is no fault {name!r}: choose {', '.join(FaultKind)}")
    try:
        return (Fault(FaultKind(name), times=None, probability=float(probability)),)
    except ValueError:
        raise ValueError(f"the probability of {name} must be 0 to 1, not {probability!r:.60}") from None


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
    """Make an answer that is complete HTTP, and still wrong."""
    headers = {} if fault.retry_after is None else {"Retry-After": fault.retry_after}
    answers: dict[FaultKind, Callable[[], web.Response]] = {
        FaultKind.TRUNCATED_JSON: lambda: document(body[: len(body) // 2]),
        FaultKind.EMPTY_BODY: lambda: document(b""),
        FaultKind.WRONG_CONTENT_TYPE: lambda: web.Response(body=body, content_type="text/html"),
        FaultKind.BAD_GATEWAY: lambda: web.Response(
            status=fault.status, body=_HTML, content_type="text/html", headers=headers
        ),
        FaultKind.SERVER_ERROR: lambda: document(error(500, fault.message), 500),
        FaultKind.THROTTLED: lambda: document(error(429, fault.message), 429, headers),
        FaultKind.REJECTED: lambda: document(error(fault.code, fault.message)),
        FaultKind.REDIRECT: lambda: web.Response(status=302, headers={"Location": fault.location}),
    }
    return answers[fault.kind]()


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
