"""Statistics of a client, counted from its events."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import attrs

from kakaclo_async.events import Event, Lane, Retried, Sent, Throttled, Waited

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


_log = logging.getLogger("kakaclo")


@attrs.frozen(slots=True, kw_only=True)
class LaneStats:
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
class Stats:
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
            except Exception:  # noqa: BLE001 - a callback's bug must not fail the call that it watches
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
