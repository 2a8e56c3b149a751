"""Look-ups that share requests: codes wait together for one of up to 30, and equal questions are one."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable
from functools import partial
from math import inf
from typing import TYPE_CHECKING, Generic, TypeVar, cast

import attrs

from kakaclo_async.codec import to_wire_time
from kakaclo_async.errors import InvalidRequest, NotFound
from kakaclo_async.models._checks import check_code, each_of
from kakaclo_async.ratelimit.gate import MOMENT
from kakaclo_async.sharing.batching import Batcher
from kakaclo_async.sharing.fan_out import Pace, collect_in_order, gather_in_order
from kakaclo_async.sharing.single_flight import NO_DEADLINES, Deadlines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from datetime import datetime

    from kakaclo_async.errors import KakaCloError
    from kakaclo_async.models.common import Page
    from kakaclo_async.protocol import Request
    from kakaclo_async.sending import Sender
    from kakaclo_async.sharing.batching import Batch
    from kakaclo_async.sharing.single_flight import Cache, SharedResult


K = TypeVar("K", bound=Hashable)
T = TypeVar("T")
V = TypeVar("V")

CODES_PER_REQUEST = 30
"""The most SPU or SKU codes that one product or stock request takes."""


def chunks(codes: Sequence[str], size: int = CODES_PER_REQUEST) -> Iterator[tuple[str, ...]]:
    """Cut codes into groups that fit one request each."""
    for start in range(0, len(codes), size):
        yield tuple(codes[start : start + size])


async def check_many(codes: Iterable[str], what: str) -> tuple[str, ...]:
    """Return any number of codes once each, in their order; refuse a bad one."""
    pace = Pace()
    found: dict[str, None] = {}
    for code in each_of(f"{what} codes", codes):
        found[check_code(code, what)] = None
        await pace()
    return tuple(found)


def check_number(value: object, what: str, *, at_least: int = 1, at_most: int | None = None) -> int:
    """Return a whole number within its limits, or refuse it."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidRequest(f"{what} must be an int, not {type(value).__name__}")
    if value < at_least or (at_most is not None and value > at_most):
        limits = f"at least {at_least}" if at_most is None else f"{at_least} to {at_most}"
        raise InvalidRequest(f"{what} must be {limits}, not {value}")
    return value


def time_range(start: datetime | None, end: datetime | None, what: str) -> tuple[str, str] | None:
    """Return both ends in the API's notation, None when neither is given; refuse half or reversed ranges."""
    if start is None and end is None:
        return None
    if start is None or end is None:
        raise InvalidRequest(f"{what}_from and {what}_to go together")
    wire = to_wire_time(start), to_wire_time(end)
    if start > end:
        raise InvalidRequest(f"{what}_from {wire[0]} is after {what}_to {wire[1]}")
    return wire


def deadlines(sender: Sender) -> Deadlines:
    """Return how long a call waits for a request that it shares with others."""
    options, gate, end_by = sender.options, sender.state.gate, sender.for_call().deadline
    if end_by == inf:
        return NO_DEADLINES
    now = asyncio.get_running_loop().time()
    again_by = end_by - options.least_time
    max_wait = max(0.0, min(again_by - now, inf if options.wait_limit is None else options.wait_limit))
    return Deadlines(
        # A permit that is free now is waited for, even with max_wait=0: requests leave in a later turn of the loop.
        permit_by=now + (max_wait if gate.eta(options.lane, sender.job) else max(max_wait, MOMENT)),
        again_by=again_by,
        end_by=end_by,
        max_wait=max_wait,
        total=max(0.0, end_by - now),
        eta=lambda: gate.eta(options.lane, sender.job),
    )


async def share(sender: Sender, cache: Cache[K, V], key: K, request: Request[T], read: Callable[[T], V]) -> V:
    """Return what a cache keeps, or send a request that concurrent equal calls share.

    Args:
        sender: sends the request, within the deadlines of its call.
        cache: keeps what was read.
        key: what equal calls have in common.
        request: to send.
        read: makes what is kept of the answer.
    """
    shared = sender.for_sharing()

    async def ask(flight: SharedResult[V]) -> V:
        return read(await shared.send(lambda: flight.start(request), until=flight.until))

    limits = partial(deadlines, sender)
    return await cache.get(key, ask, variant=shared.options, job=shared.job, deadlines=limits)


async def look_up(sender: Sender, request: Request[T]) -> T:
    """Return the answer to a request about what seldom changes; kept for a day unless set otherwise."""
    return cast("T", await share(sender, sender.state.reference, request, request, lambda answer: answer))


@attrs.frozen
class BatchedLookup(Generic[T]):
    """Look-ups in one group: products by SPU, stock of one warehouse by SKU.

    Attributes:
        sender: sends the requests.
        group: look-ups of equal groups share requests.
        request: builds the request for at most 30 codes.
        codes_of: the codes that a row answers for.
        missing: the error for a code without a row.
    """

    sender: Sender
    group: Hashable
    request: Callable[[tuple[str, ...]], Request[Page[T]]]
    codes_of: Callable[[T], Iterable[str]]
    missing: Callable[[str], KakaCloError]

    async def get(self, code: str) -> T:
        """Return the row of one code.

        Raises:
            KakaCloError: what `missing` made.
        """
        return await self._batcher().get(code, deadlines(self.sender))

    async def get_many(self, codes: tuple[str, ...]) -> dict[str, T]:
        """Return the rows of any number of codes, in their order; a code without a row is left out.

        What fits in one request is one call, with the deadlines of one.
        """
        if len(codes) <= CODES_PER_REQUEST:
            batcher, limits = self._batcher(), deadlines(self.sender)
            calls = [partial(batcher.get, code, limits) for code in codes]
            found = zip(codes, await collect_in_order(calls, kind=NotFound), strict=True)
            return {code: row for code, row in found if not isinstance(row, NotFound)}
        batches = list(chunks(codes))
        sender = self.sender.for_fan_out(len(batches)).for_call()
        pages = await gather_in_order(partial(sender.send, self.request(batch)) for batch in batches)
        by_code: dict[str, T] = {}
        pace = Pace()
        for page in pages:
            by_code.update((code, row) for row in page.list for code in self.codes_of(row))
            await pace()
        return {code: by_code[code] for code in codes if code in by_code}

    def _batcher(self) -> Batcher[str, T]:
        sender = self.sender.for_sharing()
        return sender.state.part((self.group, sender.options, sender.job), lambda: self._new_batcher(sender))

    def _new_batcher(self, sender: Sender) -> Batcher[str, T]:
        async def fetch(batch: Batch[str, T]) -> dict[str, T]:
            page = await sender.send(lambda: self.request(batch.take()), until=batch.until)
            return {code: row for row in page.list for code in self.codes_of(row)}

        return Batcher(fetch, missing=self.missing, size=CODES_PER_REQUEST)
