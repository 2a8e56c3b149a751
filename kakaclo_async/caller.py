"""What a resource sends through: the exchange that all views share, with the options of one of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, cast

import attrs

from kakaclo_async.events import Event, Lane
from kakaclo_async.traffic import Cache

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable

    from kakaclo_async.config import Caching, Options
    from kakaclo_async.exchange import Exchange
    from kakaclo_async.guards import Guard
    from kakaclo_async.models import FreightQuote, FreightRequest
    from kakaclo_async.protocol import Request

__all__ = ["SMALL_FAN_OUT", "Caller", "Shared"]

T = TypeVar("T")

SMALL_FAN_OUT = 20
"""Requests up to which a fan-out keeps its lane: as many as the default reserve holds for such calls."""


class Shared:
    """What all views of a client have in common.

    Args:
        exchange: carries the calls out.
        emit: takes the events of streams.
        rate: requests per second that the shop may send in the long run.
        eta: tells the seconds that a call in a lane would wait for its marble.
        caching: how long answers are kept.
        guard: refuses what the client must not do.
    """

    def __init__(
        self,
        exchange: Exchange,
        *,
        emit: Callable[[Event], None],
        rate: float,
        eta: Callable[[Lane], float],
        caching: Caching,
        guard: Guard,
    ) -> None:
        self.exchange = exchange
        self.guard = guard
        self.emit = emit
        self.rate = rate
        self.eta = eta
        self.freight: Cache[FreightRequest, FreightQuote] = Cache(caching.freight, size=caching.size)
        self.reference: Cache[Request[Any], Any] = Cache(caching.reference, size=caching.size)
        self._parts: dict[Hashable, object] = {}

    def drop_quotes(self, skus: Iterable[str]) -> None:
        """Forget the freight quotes of carts with these SKUs: their stock, and so the warehouses, changed."""
        changed = frozenset(skus)
        self.freight.drop(lambda cart: any(item.sku in changed for item in cart.items))

    def part(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return the one object under this key, made at its first use."""
        if key not in self._parts:
            self._parts[key] = make()
        return cast("T", self._parts[key])


@attrs.frozen(slots=True)
class Caller:
    """Sends requests with fixed options; cheap to derive.

    Attributes:
        shared: what all views have in common.
        options: lane and limits of this view.
    """

    shared: Shared
    options: Options

    async def send(self, request: Request[T] | Callable[[], Request[T]]) -> T:
        """Send one request, or the one that `request()` makes once its marble is there."""
        return await self.shared.exchange.call(self.shared.guard.watch(request), self.options)

    async def look_up(self, request: Request[T]) -> T:
        """Return the answer to a request about what seldom changes; kept for a day unless set otherwise."""
        found = await self.shared.reference.get(request, lambda: self.send(request), manner=self.options)
        return cast("T", found)

    def emit(self, event: Event) -> None:
        """Tell those who listen to the client."""
        self.shared.emit(event)

    @property
    def rate(self) -> float:
        """Requests per second that the shop may send in the long run."""
        return self.shared.rate

    def eta(self) -> float:
        """Return the seconds that a new call would wait for its marble."""
        return self.shared.eta(self.options.lane)

    def unhurried(self) -> Caller:
        """Return a caller that waits for marbles as long as it takes, whatever the view says."""
        return attrs.evolve(self, options=attrs.evolve(self.options, max_wait=None))

    def patient(self) -> Caller:
        """Return a caller that waits for marbles as long as it takes, unless the view says otherwise."""
        return self if self.options.max_wait_for_all else self.unhurried()

    def bulk(self) -> Caller:
        """Return a patient caller in the bulk lane."""
        patient = self.patient()
        return attrs.evolve(patient, options=attrs.evolve(patient.options, lane=Lane.BULK))

    def for_many(self, requests: int) -> Caller:
        """Return the caller for a fan-out: a small one keeps its lane, a large one is a bulk job.

        Args:
            requests: how many requests the fan-out will cost.
        """
        return self.patient() if requests <= SMALL_FAN_OUT else self.bulk()
