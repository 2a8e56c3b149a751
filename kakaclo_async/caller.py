"""What a resource sends through: the shared exchange, seen with the options of one view of the client."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import attrs

from kakaclo_async.events import Event, Lane

if TYPE_CHECKING:
    from collections.abc import Callable

    from kakaclo_async.config import Options
    from kakaclo_async.exchange import Exchange
    from kakaclo_async.protocol import Request

__all__ = ["Caller"]

T = TypeVar("T")


@attrs.frozen(slots=True)
class Caller:
    """Sends requests with fixed options; cheap to derive.

    Attributes:
        exchange: carries the calls out, for all views alike.
        options: lane and limits of this view.
        emit: takes the events of streams.
        rate: requests per second that the shop may send in the long run.
    """

    exchange: Exchange
    options: Options
    emit: Callable[[Event], None]
    rate: float

    async def send(self, request: Request[T] | Callable[[], Request[T]]) -> T:
        """Send one request, or the one that `request()` makes once its marble is there."""
        return await self.exchange.call(request, self.options)

    def patient(self) -> Caller:
        """Return a caller that waits for marbles as long as it takes, unless the view says otherwise."""
        if self.options.max_wait is None or self.options.max_wait_for_all:
            return self
        return attrs.evolve(self, options=attrs.evolve(self.options, max_wait=None))

    def bulk(self) -> Caller:
        """Return a patient caller in the bulk lane."""
        patient = self.patient()
        return attrs.evolve(patient, options=attrs.evolve(patient.options, lane=Lane.BULK))

    def for_many(self, requests: int) -> Caller:
        """Return the caller for a fan-out: a small one is interactive, a large one is a bulk job.

        Args:
            requests: how many requests the fan-out will cost.
        """
        return self.patient() if requests <= SMALL_FAN_OUT else self.bulk()


SMALL_FAN_OUT = 20
"""Requests up to which a fan-out keeps its lane: as many as the default reserve holds for such calls."""
