"""Micro-batching: the codes that wait when a permit is granted share one request (late binding).

And where one of them makes that request fail, halves of it find out which.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from functools import partial
from math import inf
from typing import TYPE_CHECKING, Generic, TypeVar

from kakaclo_async.errors import KakaCloError
from kakaclo_async.sharing import gather_in_order
from kakaclo_async.sharing.single_flight import NO_DEADLINES, Deadlines, SharedResult

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Hashable, Mapping


K = TypeVar("K", bound="Hashable")
V = TypeVar("V")


class Batcher(Generic[K, V]):
    """Merges look-ups of single codes into requests that have room for `size` of them.

    There are never more requests queued than the waiting codes need, and each takes the codes that have waited
    longest when its permit is granted. Equal codes share a slot. Even with a free permit, a look-up waits for one
    turn of the event loop, so that look-ups of the same turn share its request.

        async def fetch(batch):
            page = await sender.for_sharing().send(lambda: stocks_request(skus=batch.take()), until=batch.until)
            return {level.sku: level for level in page.list}

        stocks = Batcher(fetch, missing=no_such_sku)
        level = await stocks.get("AMN00432_B_M", sender.deadlines())

    Args:
        fetch: sends one request and returns what was found, or the error of a single code. It must call `take` for the
            codes to ask for when the permit is granted, no earlier. For a retry it must call it again: codes that have
            no waiter any more are left out. What it knows early it may `settle` before it returns.
        missing: makes the error for a code that was not found.
        size: room of a request.
        weight: the room that a code takes; by default 1, so that a request takes `size` codes.
    """

    def __init__(
        self,
        fetch: Callable[[Batch[K, V]], Awaitable[Mapping[K, V | KakaCloError]]],
        *,
        missing: Callable[[K], KakaCloError],
        size: int = 30,
        weight: Callable[[K], int] = lambda _: 1,
    ) -> None:
        self._fetch = fetch
        self._missing = missing
        self._size = size
        self._weight = weight
        self._waiting: OrderedDict[K, _Slot[K, V]] = OrderedDict()
        self._load = 0  # what all that wait weigh
        self._queued: list[Batch[K, V]] = []
        self._scheduled = False

    async def get(self, key: K, deadlines: Deadlines = NO_DEADLINES) -> V:
        """Look one code up.

        Args:
            key: the code.
            deadlines: how long this caller waits, whatever the others do.

        Raises:
            DeadlineExceeded: no permit, or no answer, in time for this caller; raised as soon as that is known.
            KakaCloError: what `missing` made, or a copy of the request's error.
        """
        slot = self._waiting.get(key)
        if slot is None:
            weight = self._weight(key)
            needs_request = self._requests(self._load + weight) > self._requests(self._load)
            if needs_request and (eta := deadlines.eta()) > deadlines.max_wait:
                raise deadlines.no_permit(eta)
            slot = self._waiting[key] = _Slot(weight)
            self._load += weight
            self._schedule()
        try:
            return await slot.wait(deadlines)
        finally:
            if slot.abandoned:
                self._drop(key, slot)

    def _drop(self, key: K, slot: _Slot[K, V]) -> None:
        """Leave out a code whose last waiter was cancelled."""
        if slot.batch is not None:
            slot.batch.drop(key)
        elif self._waiting.pop(key, None) is not None:
            self._load -= slot.weight
            self._enqueue()

    def _requests(self, load: int) -> int:
        return -(-load // self._size)

    def _schedule(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._enqueue)

    def _enqueue(self) -> None:
        """Bring the queued requests to the number that the waiting codes need."""
        self._scheduled = False
        needed = self._requests(self._load)
        while len(self._queued) < needed:
            batch: Batch[K, V] = Batch(self._fill)
            self._queued.append(batch)
            batch.task = asyncio.create_task(self._run(batch), name="kakaclo batch")
        while len(self._queued) > needed:
            self._queued.pop().cancel()

    async def _run(self, batch: Batch[K, V]) -> None:
        try:
            found = await self._fetch(batch)
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - the waiters raise whatever it is
            if batch in self._queued:
                self._fill(batch)  # the codes that it would have asked for fail with it
            for slot in batch.slots.values():
                slot.fail(error)
        else:
            batch.settle({key: found[key] if key in found else self._missing(key) for key in batch.slots})

    def _fill(self, batch: Batch[K, V]) -> None:
        if batch in self._queued:
            self._queued.remove(batch)
            load = 0
            while self._waiting:
                key, slot = next(iter(self._waiting.items()))
                load += slot.weight
                if batch.slots and load > self._size:
                    break
                del self._waiting[key]
                self._load -= slot.weight
                slot.batch, slot.under_way = batch, True
                batch.slots[key] = slot
            self._enqueue()  # codes of unequal weight may fill more requests than their sum tells


async def ask_apart(
    ask: Callable[[tuple[K, ...]], Awaitable[Mapping[K, V | KakaCloError]]],
    keys: tuple[K, ...],
    error: KakaCloError,
    *,
    blames: tuple[type[KakaCloError], ...],
) -> dict[K, V | KakaCloError]:
    """Find out which of several codes made a request fail: ask for halves of them, and for halves of those that fail.

    The requests are bounded: two for each power of 2, which finds one code, and two more; and as many again for each
    that succeeds, for then it is not all of them. Codes that are still together at the end share their error.

    Args:
        ask: sends a request for some of the codes; returns what it found.
        keys: the codes.
        error: what the request for all of them failed with.
        blames: errors that one code can cause; any other is no reason to ask again.

    Returns:
        What was found, and the errors of the other codes.
    """
    found: dict[K, V | KakaCloError] = {}
    failed = deque([(keys, error)])
    share = spare = 2 + 2 * (len(keys) - 1).bit_length()

    async def answer_or_error(some: tuple[K, ...]) -> Mapping[K, V | KakaCloError] | KakaCloError:
        try:
            return await ask(some)
        except KakaCloError as failure:
            return failure

    while failed:
        halves: list[tuple[K, ...]] = []
        for _ in range(len(failed)):
            keys, error = failed.popleft()
            if len(keys) == 1 or not isinstance(error, blames):
                found |= dict.fromkeys(keys, error)
            elif len(halves) < spare:
                halves += (keys[: len(keys) // 2], keys[len(keys) // 2 :])
            else:
                failed.append((keys, error))
        if not halves:
            break
        spare -= len(halves)
        answers = await gather_in_order(partial(answer_or_error, half) for half in halves)
        for half, answer in zip(halves, answers, strict=True):
            if isinstance(answer, KakaCloError):
                failed.append((half, answer))
            else:
                spare += share
                found |= answer
    for keys, error in failed:
        found |= dict.fromkeys(keys, error)
    return found


class _Slot(SharedResult[V], Generic[K, V]):
    """A code and its waiters."""

    def __init__(self, weight: int) -> None:
        super().__init__()
        self.weight = weight
        self.batch: Batch[K, V] | None = None


class Batch(Generic[K, V]):
    """A request: queued while it has no slots, then under way with those it took."""

    def __init__(self, fill: Callable[[Batch[K, V]], None]) -> None:
        self.slots: dict[K, _Slot[K, V]] = {}
        self.task: asyncio.Task[None] | None = None
        self._fill = fill

    def take(self) -> tuple[K, ...]:
        """Return the codes to ask for; to call when the permit is granted."""
        self._fill(self)
        return tuple(self.slots)

    def still_wanted(self, keys: tuple[K, ...]) -> tuple[K, ...]:
        """Return those of the codes that somebody waits for."""
        return tuple(key for key in keys if key in self.slots)

    def settle(self, found: Mapping[K, V | KakaCloError]) -> None:
        """Give the callers of these codes what was found, or their error."""
        for key, value in found.items():
            slot = self.slots.get(key)
            if slot is not None:
                slot.fail(value) if isinstance(value, KakaCloError) else slot.succeed(value)

    def until(self) -> float:
        """Return the loop's time until which a permit is of use to any caller.

        Before the first permit nobody knows whose request this will be: each caller leaves by itself.
        """
        return max((slot.until() for slot in self.slots.values()), default=inf)

    def drop(self, key: K) -> None:
        """Leave a code out; without codes there is nothing to ask for."""
        del self.slots[key]
        if not self.slots:
            self.cancel()

    def cancel(self) -> None:
        """Send nothing."""
        if self.task is not None:
            self.task.cancel()
