"""The metrics, made once for each provider: several clients count together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol
from weakref import WeakSet

from opentelemetry.metrics import Observation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from opentelemetry.metrics import CallbackOptions, Meter

    from kakaclo_async.events import Stats

_NETWORK: Final = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
"""Seconds, as the conventions for HTTP have them."""

_QUEUE: Final = (0.0, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0)
"""Seconds: at two requests per second a queue lasts longer than any answer."""


class Looking(Protocol):
    """Looks at the state of one client.

    Attributes:
        stats: returns it.
        own: attributes of the client's metrics.
    """

    stats: Callable[[], Stats]
    own: dict[str, str]


class Instruments:
    """The metrics of one meter.

    Attributes:
        clients: what looks at the state of each client.
    """

    def __init__(self, meter: Meter) -> None:
        self.clients: WeakSet[Looking] = WeakSet()  # weak: a client may be dropped without a word
        self.requests = meter.create_histogram(
            "http.client.request.duration",
            "s",
            "The network: from the permit to the end of the answer.",
            explicit_bucket_boundaries_advisory=_NETWORK,
        )
        self.wait = meter.create_histogram(
            "kakaclo.permit.wait.duration",
            "s",
            "The queue: from asking for a permit to getting it.",
            explicit_bucket_boundaries_advisory=_QUEUE,
        )
        self.calls = meter.create_histogram(
            "kakaclo.call.duration",
            "s",
            "A call with its waits, attempts and pauses.",
            explicit_bucket_boundaries_advisory=_QUEUE,
        )
        self.throttled = meter.create_counter("kakaclo.throttled", "{answer}", "Answers 429.")
        self.retries = meter.create_counter("kakaclo.retries", "{request}", "Requests that are sent again.")
        self.hits = meter.create_counter("kakaclo.cache.hits", "{call}", "Calls answered from the cache.")
        self.rows = meter.create_counter("kakaclo.rows", "{row}", "Rows that mirrors have stored.")
        meter.create_observable_gauge(
            "kakaclo.permit.level",
            [self._levels],
            "{permit}",
            "Permits in the bucket; 0: all are free.",
        )
        meter.create_observable_gauge(
            "kakaclo.permit.queue", [self._queues], "{call}", "Calls that wait for a permit."
        )

    def _looked(self) -> Iterator[tuple[Stats, dict[str, str]]]:
        for client in tuple(self.clients):
            yield client.stats(), client.own

    def _levels(self, _: CallbackOptions) -> Iterable[Observation]:
        for stats, attributes in self._looked():
            yield Observation(stats.level, attributes)

    def _queues(self, _: CallbackOptions) -> Iterable[Observation]:
        for stats, attributes in self._looked():
            for lane, facts in stats.lanes.items():
                yield Observation(facts.queued, attributes | {"kakaclo.lane": lane.value})
