"""Events that a client emits (`KakaClo.on_event`): frozen facts, never secrets; and what is counted of them."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from enum import StrEnum
from typing import TYPE_CHECKING

import attrs

from kakaclo_async.travel import Travels

if TYPE_CHECKING:
    from collections.abc import Callable

_log = logging.getLogger("kakaclo")


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
class Event(Travels):
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


@attrs.frozen(slots=True, kw_only=True)
class LaneStats(Travels):
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
class Stats(Travels):
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

    def subscribe(self, callback: Callable[[Event], object]) -> Callable[[], None]:
        """Call `callback` with each event from now on, until the function returned is called."""
        self._callbacks.append(callback)

        def stop() -> None:
            if callback in self._callbacks:
                self._callbacks.remove(callback)

        return stop

    def __call__(self, event: Event) -> None:
        """Count, log and pass on one event."""
        match event:
            case Waited():
                self._waited[event.lane] += event.seconds
            case Sent():
                self._requests[event.lane] += 1
            case Retried():
                self._retries += 1
            case Throttled():
                self._throttled += 1
            case _:
                pass
        if _log.isEnabledFor(logging.DEBUG):
            _log.debug("%s", event)
        for callback in tuple(self._callbacks):
            try:
                callback(event)
            except (KeyboardInterrupt, SystemExit):
                raise
            except BaseException:  # noqa: BLE001 - a callback's bug, a CancelledError too, must not hurt the call
                _log.exception("a callback for %s events failed", type(event).__name__)

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
