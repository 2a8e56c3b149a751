"""Events that a client emits (`KakaClo.on_event`): frozen facts, never secrets."""

from __future__ import annotations

from enum import StrEnum

import attrs


class Lane(StrEnum):
    """Who gets the next permit: interactive calls before bulk ones."""

    INTERACTIVE = "interactive"
    BULK = "bulk"


@attrs.frozen(slots=True, kw_only=True)
class Event:
    """The base of all events."""


@attrs.frozen(slots=True, kw_only=True)
class Waited(Event):
    """A request got its permit after `seconds` in its lane's queue."""

    lane: Lane
    seconds: float


@attrs.frozen(slots=True, kw_only=True)
class Sent(Event):
    """A request was answered, or failed: `status` is None when no answer came."""

    method: str
    path: str
    lane: Lane
    attempt: int
    status: int | None
    seconds: float
    size: int


@attrs.frozen(slots=True, kw_only=True)
class Retried(Event):
    """A request will be sent again after `pause` seconds; `reason` is the error's class name."""

    method: str
    path: str
    attempt: int
    reason: str
    pause: float


@attrs.frozen(slots=True, kw_only=True)
class Throttled(Event):
    """The server answered 429 and asked to wait `retry_after` seconds; None when it named no time."""

    method: str
    path: str
    retry_after: float | None


@attrs.frozen(slots=True, kw_only=True)
class PageDone(Event):
    """A stream or a mirror stored one page of rows."""

    what: str
    rows: int
    rows_done: int
    rows_total: int | None
