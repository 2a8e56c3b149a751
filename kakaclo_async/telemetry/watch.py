"""What becomes of a client's events: spans and metrics, named by OpenTelemetry's conventions for HTTP.

A call's span is the current one while the call runs, so what is made meanwhile lies below it. A request's span is made
when its answer is there. Paths have `{}` for their parameters; there are no queries, bodies, headers or messages.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, cast
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary, WeakSet

import attrs
from opentelemetry import context, metrics, trace

from kakaclo_async.config import __version__
from kakaclo_async.errors import ConfigurationError
from kakaclo_async.events import (
    CacheHit,
    CallEnded,
    CallStarted,
    Lane,
    PageDone,
    Retried,
    Sent,
    Throttled,
    Waited,
)
from kakaclo_async.sending import sender_of
from kakaclo_async.telemetry.instruments import Instruments

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextvars import Token

    from opentelemetry.context import Context

    from kakaclo_async.client import KakaClo
    from kakaclo_async.events import Event, Stats

_SCOPE: Final = "kakaclo"
_CODE: Final = re.compile(r"[A-Za-z0-9_.-]{1,40}")
_NAMELESS: Final = "kakaclo call"

_instruments: WeakKeyDictionary[object, Instruments] = WeakKeyDictionary()
_watched: WeakSet[object] = WeakSet()


def instrument(
    kk: KakaClo,
    *,
    tracer_provider: trace.TracerProvider | None = None,
    meter_provider: metrics.MeterProvider | None = None,
    attributes: Mapping[str, str] | None = None,
) -> Callable[[], None]:
    """Make spans and metrics of all that a client does, all its views together.

    Args:
        kk: the client.
        tracer_provider: makes the spans; None: the global one.
        meter_provider: makes the metrics; None: the global one.
        attributes: of every span and every metric; tell two clients in one process apart by them.

    Returns:
        A function that ends it; calls under way are told to their end.

    Raises:
        ConfigurationError: the client is instrumented already, or an argument will not do.
    """
    return watch(
        sender_of(kk).state,
        kk.on_event,
        kk.stats,
        kk._base_url,  # noqa: SLF001 - of this package
        tracer_provider,
        meter_provider,
        attributes,
    )


def watch(
    client: object,
    on_event: Callable[[Callable[[Event], object]], Callable[[], None]],
    stats: Callable[[], Stats],
    base_url: str,
    tracer_provider: trace.TracerProvider | None,
    meter_provider: metrics.MeterProvider | None,
    attributes: Mapping[str, str] | None,
) -> Callable[[], None]:
    """Make spans and metrics of a client of either face; see `instrument`.

    Args:
        client: what all its views share.
        on_event: of the client.
        stats: of the client.
        base_url: of the client.
        tracer_provider: see `instrument`.
        meter_provider: see `instrument`.
        attributes: see `instrument`.
    """
    own = _checked(tracer_provider, meter_provider, attributes)
    if client in _watched:
        raise ConfigurationError("this client is instrumented already: call the function that ended it first")
    # The global provider may be set later than a client is instrumented, and is then another object.
    is_global = meter_provider in {None, metrics.get_meter_provider()}
    provider = metrics.get_meter_provider if is_global else meter_provider
    if (instruments := _instruments.get(provider)) is None:
        meter = metrics.get_meter(_SCOPE, __version__, None if is_global else meter_provider)
        instruments = _instruments[provider] = Instruments(meter)
    tracer = trace.get_tracer(_SCOPE, __version__, tracer_provider)
    made = _Watch(tracer, instruments, stats, _server(base_url), own)
    made.unsubscribe = on_event(made)
    instruments.clients.add(made)
    _watched.add(client)

    def end() -> None:
        if made in instruments.clients:  # the client may be instrumented anew by now
            _watched.discard(client)
            made.end()

    return end


def _checked(tracer_provider: object, meter_provider: object, attributes: object) -> dict[str, str]:
    """Return the attributes, if all of it will do; what will not would only show when a span is made.

    Raises:
        ConfigurationError: something is not what it must be.
    """
    for name, given, kind, method in (
        ("tracer_provider", tracer_provider, "TracerProvider", "get_tracer"),
        ("meter_provider", meter_provider, "MeterProvider", "get_meter"),
    ):
        if given is not None and not hasattr(given, method):
            raise ConfigurationError(f"{name} must be a {kind}, not {type(given).__name__}")
    if attributes is None:
        return {}
    if isinstance(attributes, Mapping):
        own = cast("Mapping[object, object]", attributes)
        if all(isinstance(part, str) for pair in own.items() for part in pair):
            return dict(cast("Mapping[str, str]", own))
    raise ConfigurationError("attributes must be texts by their names, such as {'shop': 'north'}")


def _server(base_url: str) -> dict[str, str | int]:
    parts = urlsplit(base_url)
    port = parts.port or {"http": 80, "https": 443}[parts.scheme]
    return {"server.address": parts.hostname or "", "server.port": port, "url.scheme": parts.scheme}


@attrs.define(eq=False)
class _Watch:
    """Takes the events of one client.

    Attributes:
        tracer: makes the spans.
        instruments: count.
        stats: returns the client's state.
        server: attributes of its address.
        own: the caller's attributes.
        unsubscribe: ends the events.
    """

    tracer: trace.Tracer
    instruments: Instruments
    stats: Callable[[], Stats]
    server: dict[str, str | int]
    own: dict[str, str]
    unsubscribe: Callable[[], None] = attrs.field(default=lambda: None, init=False)
    _ended: bool = attrs.field(default=False, init=False)
    # By task, the last one first: a token function may call the client in the midst of another call.
    _calls: WeakKeyDictionary[asyncio.Task[object], list[tuple[trace.Span, Token[Context]]]] = attrs.field(
        factory=WeakKeyDictionary["asyncio.Task[object]", "list[tuple[trace.Span, Token[Context]]]"],
        init=False,
    )

    def __call__(self, event: Event) -> None:
        """Make of an event what it stands for."""
        if isinstance(event, CallEnded):
            self._end_call(event)
        elif not self._ended or asyncio.current_task() in self._calls:
            self._take(event)

    def _take(self, event: Event) -> None:
        counted, own = self.instruments, self.own
        match event:
            case CallStarted():
                self._start_call(event)
            case Waited():
                counted.wait.record(event.seconds, own | {"kakaclo.lane": event.lane.value})
            case Sent():
                self._request(event)
            case Retried():
                counted.retries.add(1, own | {"url.template": event.route, "error.type": event.reason})
                self._mark("kakaclo.retry", {"error.type": event.reason, "kakaclo.pause": event.pause})
            case Throttled():
                counted.throttled.add(1, own | {"url.template": event.route})
                self._mark("kakaclo.throttled", {"kakaclo.retry_after": event.retry_after or 0.0})
            case CacheHit():
                counted.hits.add(1, own | {"url.template": event.route})
            case PageDone():
                counted.rows.add(event.rows, own | {"kakaclo.rows.kind": event.what})
            case _:
                pass

    def end(self) -> None:
        """Start no spans any more; calls under way are told to their end."""
        self._ended = True
        self.instruments.clients.discard(self)
        self._unsubscribe_at_end()

    def _unsubscribe_at_end(self) -> None:
        if self._ended and not self._calls:
            self.unsubscribe()

    def _start_call(self, event: CallStarted) -> None:
        task = asyncio.current_task()
        if self._ended or task is None:
            return
        attributes = self.own | _call_attributes(event.lane, event.method, event.route)
        span = self.tracer.start_span(_name(event.method, event.route), attributes=attributes)
        token = context.attach(trace.set_span_in_context(span))
        self._calls.setdefault(task, []).append((span, token))

    def _end_call(self, event: CallEnded) -> None:
        task = asyncio.current_task()
        calls = None if task is None else self._calls.get(task)
        if task is None or not calls:
            return  # it began before the watch did
        span, token = calls.pop()
        if not calls:
            del self._calls[task]
        attributes = self.own | _call_attributes(event.lane, event.method, event.route)
        failed = {} if event.error is None else {"error.type": event.error}
        self.instruments.calls.record(event.seconds, attributes | failed)
        span.update_name(_name(event.method, event.route))
        span.set_attributes(attributes | failed | _code(event.code))
        span.set_attributes({"kakaclo.attempts": event.attempts, "kakaclo.permit.wait": event.waited})
        if event.error is not None:
            span.set_status(trace.StatusCode.ERROR)
        span.end()
        context.detach(token)
        self._unsubscribe_at_end()

    def _request(self, event: Sent) -> None:
        attributes: dict[str, str | int | float] = {
            **self.own,
            **self.server,
            "http.request.method": event.method,
            "url.template": event.route,
        }
        if event.status is not None:
            attributes["http.response.status_code"] = event.status
        if event.error is not None:
            attributes["error.type"] = event.error
        self.instruments.requests.record(event.seconds, attributes)
        now = time.time_ns()
        span = self.tracer.start_span(
            _name(event.method, event.route),
            kind=trace.SpanKind.CLIENT,
            attributes=attributes
            | _code(event.code)
            | {
                "http.response.body.size": event.size,
                "kakaclo.lane": event.lane.value,
                "kakaclo.permit.wait": event.waited,
            },
            start_time=now - int(event.seconds * 1e9),
        )
        if event.attempt > 1:
            span.set_attribute("http.request.resend_count", event.attempt - 1)
        if event.error is not None:
            span.set_status(trace.StatusCode.ERROR)
        span.end(now)

    def _mark(self, name: str, attributes: dict[str, str | float]) -> None:
        task = asyncio.current_task()
        if task is not None and (calls := self._calls.get(task)):
            calls[-1][0].add_event(name, attributes)


def _name(method: str, route: str) -> str:
    return f"{method} {route}" if method else _NAMELESS


def _call_attributes(lane: Lane, method: str, route: str) -> dict[str, str]:
    attributes = {"kakaclo.lane": lane.value}
    return attributes | {"http.request.method": method, "url.template": route} if method else attributes


def _code(code: int | str | None) -> dict[str, str]:
    """Return the business code; what a server may have written in its place is not told."""
    if code is None:
        return {}
    return {"kakaclo.code": str(code) if _CODE.fullmatch(str(code)) else "*"}
