"""Events that a client emits (`KakaClo.on_event`): frozen facts, never secrets; and what is counted of them."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, TypedDict

import attrs

from kakaclo_async.travel.shown import Shown

if TYPE_CHECKING:
    from collections.abc import Callable

_log = logging.getLogger("kakaclo")
_calls = logging.getLogger("kakaclo.calls")


class Lane(StrEnum):
    """Who gets the next permit: interactive calls before bulk ones."""

    INTERACTIVE = "interactive"
    BULK = "bulk"


@attrs.frozen(slots=True, eq=False)
class Job:
    """What takes turns in the bulk lane: a fan-out, a pull, a mirror; all single calls are one job together.

    Attributes:
        urgent: it settles what became of an order, a refund or a design, and goes before the others.
    """

    urgent: bool = False


@attrs.frozen(slots=True, kw_only=True)
class Event(Shown):
    """The base of all events; `str` of one is a plain line for a log."""


class Named(TypedDict):
    """A request's name in its events."""

    method: str
    path: str
    route: str


@attrs.frozen(slots=True, kw_only=True)
class _OfEndpoint(Event):
    """Attributes of what is about one endpoint.

    Attributes:
        method: "GET" or "POST"; "" where no request was made yet.
        path: below the base URL.
        route: the path with `{}` for its parameters, so that it names no order.
    """

    method: str = ""
    path: str = ""
    route: str = attrs.field(default="", repr=False)

    @property
    def label(self) -> str:
        """What a line calls it."""
        return f"{self.method} {self.path}" if self.method else "a call"


@attrs.frozen(slots=True, kw_only=True)
class CallStarted(_OfEndpoint):
    """A call waits for its permit from now on; one that is shared by several callers is told once.

    `CallStarted`, each `Sent`, `Retried` and `Throttled` of it and `CallEnded` come in the context of the same task.
    """

    lane: Lane

    def __str__(self) -> str:
        return f"{self.label} begins in the {self.lane} lane"


@attrs.frozen(slots=True, kw_only=True)
class CallEnded(_OfEndpoint):
    """A call has its result, or its error.

    Attributes:
        lane: where it waited.
        attempts: requests that it took, those that never got a permit included.
        waited: seconds that it waited for permits.
        seconds: from its start to its end, waits included.
        code: the business code of the last answer, if it had one.
        error: the class name of the error that it ended with; None: it has its result.
    """

    lane: Lane
    attempts: int
    waited: float
    seconds: float
    code: int | str | None = None
    error: str | None = None

    @property
    def recovered(self) -> bool:
        """Whether it has its result although an attempt failed."""
        return self.error is None and self.attempts > 1

    def __str__(self) -> str:
        end = "succeeded" if self.error is None else f"ended with {self.error}"
        return (
            f"{self.label} {end} after {self.attempts} attempt(s) and {self.seconds:.3g} s,"
            f" {self.waited:.3g} s of them waiting for permits"
        )


@attrs.frozen(slots=True, kw_only=True)
class CacheHit(_OfEndpoint):
    """A call was answered from what the client keeps, without a request."""

    lane: Lane

    def __str__(self) -> str:
        return f"{self.label} was answered from the cache"


@attrs.frozen(slots=True, kw_only=True)
class Waited(Event):
    """A request got its permit after `seconds` in its lane's queue."""

    lane: Lane
    seconds: float

    def __str__(self) -> str:
        return f"a permit of the {self.lane} lane came after {self.seconds:.3g} s"


@attrs.frozen(slots=True, kw_only=True)
class Sent(_OfEndpoint):
    """A request was answered, or failed.

    Attributes:
        lane: where it waited for its permit.
        attempt: the how manieth of its call, from 1.
        status: the HTTP status; None when no answer came.
        seconds: from the permit to the end of the answer.
        size: bytes of the answer's body.
        waited: seconds that it waited for its permit before.
        code: the business code of the answer, if it had one.
        error: the class name of what the attempt failed with; None: it has its data.
    """

    lane: Lane
    attempt: int
    status: int | None
    seconds: float
    size: int
    waited: float = 0.0
    code: int | str | None = None
    error: str | None = None

    def __str__(self) -> str:
        answer = "no answer" if self.status is None else f"HTTP {self.status}, {self.size:,} bytes"
        facts = [answer, *([] if self.code is None else [f"code {self.code}"]), *filter(None, [self.error])]
        return (
            f"{self.label}: {', '.join(facts)} in {self.seconds:.3g} s (attempt {self.attempt},"
            f" {self.lane} lane, after {self.waited:.3g} s in the queue)"
        )


@attrs.frozen(slots=True, kw_only=True)
class Retried(_OfEndpoint):
    """A request will be sent again after `pause` seconds; `reason` is the error's class name.

    Attributes:
        code: the business code of the answer, if it had one.
    """

    attempt: int
    reason: str
    pause: float
    code: int | str | None = None

    def __str__(self) -> str:
        return (
            f"{self.label} will be sent again after {self.pause:.3g} s: attempt {self.attempt} failed with"
            f" {self.reason}"
        )


@attrs.frozen(slots=True, kw_only=True)
class Throttled(_OfEndpoint):
    """The server answered 429 and asked to wait `retry_after` seconds; None when it named no time."""

    retry_after: float | None

    def __str__(self) -> str:
        asked = "" if self.retry_after is None else f", and KakaClo asks to wait {self.retry_after:.3g} s"
        return f"{self.label} met a 429: the shop's bucket is full{asked}"


@attrs.frozen(slots=True, kw_only=True)
class PageDone(Event):
    """A stream or a mirror stored one page of rows."""

    what: str
    rows: int
    rows_done: int
    rows_total: int | None

    def __str__(self) -> str:
        total = "" if self.rows_total is None else f" of {self.rows_total:,}"
        return f"{self.what}: {self.rows:,} more rows, {self.rows_done:,}{total}"


@attrs.frozen(slots=True, kw_only=True)
class LaneStats(Shown):
    """What one lane has done so far.

    Attributes:
        requests: sent.
        waited: seconds that they waited for permits, added up.
        queued: calls that wait for a permit now.
    """

    requests: int
    waited: float
    queued: int


@attrs.frozen(slots=True, kw_only=True)
class Stats(Shown):
    """A snapshot of what a client has done so far, all views together.

    Attributes:
        requests: sent, whatever came back.
        throttled: answers 429.
        retries: requests that repeated an earlier one.
        waited: seconds that requests waited for permits, added up.
        level: permits in the bucket now, as far as this client knows.
        lanes: the same by lane.
    """

    requests: int
    throttled: int
    retries: int
    waited: float
    level: float
    lanes: Mapping[Lane, LaneStats]


class Broadcast:
    """Hands every event to the counters, the log and the callbacks."""

    def __init__(self) -> None:
        self._callbacks: list[Callable[[Event], object]] = []
        self._throttled = 0
        self._retries = 0
        self._requests = dict.fromkeys(Lane, 0)
        self._waited = dict.fromkeys(Lane, 0.0)
        self._refusals = 0  # since a request was let through

    def subscribe(self, callback: Callable[[Event], object]) -> Callable[[], None]:
        """Call `callback` with each event from now on, until the function returned is called."""
        self._callbacks.append(callback)

        def stop() -> None:
            if callback in self._callbacks:
                self._callbacks.remove(callback)

        return stop

    def __call__(self, event: Event) -> None:
        """Count, log and pass on one event."""
        level = logging.DEBUG
        match event:
            case Waited():
                self._waited[event.lane] += event.seconds
            case Sent():
                self._requests[event.lane] += 1
                self._note_recovery(event)
            case Retried():
                self._retries += 1
                level = logging.INFO
            case Throttled():
                self._throttled += 1
                self._refusals += 1
                level = logging.INFO
            case CallEnded():
                level = logging.INFO if event.recovered else logging.DEBUG
            case _:
                pass
        if _calls.isEnabledFor(level):
            _calls.log(level, "%s", event)
        for callback in tuple(self._callbacks):
            try:
                callback(event)
            except (KeyboardInterrupt, SystemExit):
                raise
            except BaseException:  # noqa: BLE001 - a callback's bug, a CancelledError too, must not hurt the call
                _log.exception("a callback for %s events failed", type(event).__name__)

    def _note_recovery(self, event: Sent) -> None:
        if self._refusals and event.status not in {None, 429}:
            refusals, self._refusals = self._refusals, 0
            _calls.info("KakaClo lets requests through again, after %d answers 429", refusals)

    def snapshot(self, level: float, queued: Mapping[Lane, int]) -> Stats:
        """Return the counts so far, with the present level and queues of the gate."""
        lanes = {
            lane: LaneStats(requests=self._requests[lane], waited=self._waited[lane], queued=queued[lane])
            for lane in Lane
        }
        return Stats(
            requests=sum(self._requests.values()),
            throttled=self._throttled,
            retries=self._retries,
            waited=sum(self._waited.values()),
            level=level,
            lanes=lanes,
        )
