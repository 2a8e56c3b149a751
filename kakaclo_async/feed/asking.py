"""What a turn of a feed asks KakaClo: many orders by their numbers, and the orders that were made of one."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

import attrs

from kakaclo_async.errors import DecodeError, IncompletePull, KakaCloError
from kakaclo_async.resources._lookup import CODES_BYTES, is_unlisted
from kakaclo_async.resources.orders.reads import orders_by_number
from kakaclo_async.sending import sender_of
from kakaclo_async.travel.shown import Shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from kakaclo_async.client import KakaClo
    from kakaclo_async.feed.store import Wanted
    from kakaclo_async.models.order import Order


_MOST_TOLD: Final = 5


@attrs.frozen(kw_only=True)
class Turn(Shown):
    """What a turn of a feed did.

    Attributes:
        orders: how many were looked at.
        requests: that it took: one for each 250 of them, and what the search for split orders and the balance took.
        events: how many were appended.
        problems: a sentence each for orders that could not be read; they are looked at again.
        due_at: when the next look is due; None while there is no order to watch.
    """

    orders: int
    requests: int
    events: int
    problems: tuple[str, ...] = ()
    due_at: datetime | None = None


class Work:
    """What a turn asks KakaClo, and counts."""

    def __init__(self) -> None:
        self.orders = self.requests = self.events = 0
        self.problems: list[str] = []

    async def ask(self, kk: KakaClo, numbers: Sequence[str]) -> dict[str, Order | KakaCloError]:
        """Return each order, or what is wrong with it."""
        bulk = sender_of(kk).bulk()
        found: dict[str, Order | KakaCloError] = {}
        for part in _fitting(numbers):
            self.requests += 1
            # Not by `get_many`, which asks for 30 at once.
            found |= await orders_by_number(bulk)._ask_for(bulk.for_call(), part)  # noqa: SLF001 - packages share privates
        self.orders += len(numbers)
        for number, answer in found.items():
            if isinstance(answer, KakaCloError) and not is_unlisted(answer):
                self.problems.append(f"order {number}: {answer}")
        return found

    async def list(self, kk: KakaClo, wanted: Wanted) -> list[Order]:
        """Return the orders that were made in a range of time, as far as they can be read."""
        self.requests += 1
        start, end = (datetime.fromtimestamp(at, UTC) for at in (wanted.start, wanted.end))
        listed: list[Order] = []
        try:
            async for order in kk.orders.query(created_from=start, created_to=end):
                if order.custom_order_id in wanted.ids:
                    listed.append(order)  # noqa: PERF401 - those before an error stay
        except (DecodeError, IncompletePull) as error:
            self.problems.append(f"split orders may be missing: {error}")  # they are looked for again
        return listed

    def turn(self, due_at: datetime | None) -> Turn:
        """Return what was counted."""
        left = len(self.problems) - _MOST_TOLD
        more = (f"and {left} more",) if left > 0 else ()
        return Turn(
            orders=self.orders,
            requests=self.requests,
            events=self.events,
            problems=(*self.problems[:_MOST_TOLD], *more),
            due_at=due_at,
        )


def _fitting(numbers: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Cut numbers into groups whose URLs are not too long: KakaClo's own fit, 250 of them."""
    part, size = list[str](), 0
    for number in numbers:
        more = len(quote(number, safe="")) + len("%2C")
        if part and size + more > CODES_BYTES:
            yield tuple(part)
            part, size = [], 0
        part.append(number)
        size += more
    if part:
        yield tuple(part)
