"""Micro-batching: the codes that wait when a permit is granted share one request (late binding)."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from math import inf
from typing import TYPE_CHECKING, Generic, TypeVar

from kakaclo_async.sharing.single_flight import NO_DEADLINES, Deadlines, SharedResult

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Hashable, Mapping

    from kakaclo_async.errors import KakaCloError


K = TypeVar("K", bound="Hashable")
V = TypeVar("V")


class Batcher(Generic[K, V]):
    """Merges look-ups of single codes into requests of up to `size` codes.

    There are never more requests queued than the waiting codes need, and each takes the codes that have waited
    longest when its permit is granted. Equal codes share a slot. Even with a free permit, a look-up waits for one
    turn of the event loop, so that look-ups of the same turn share its request.

        async def fetch(batch):
            page = await sender.for_sharing().send(lambda: stocks_request(skus=batch.take()), until=batch.until)
            return {level.sku: level for level in page.list}

        stocks = Batcher(fetch, missing=no_such_sku)
        level = await stocks.get("AMN00432_B_M", sender.deadlines())

    Args:
        fetch: sends one request and returns what was found. It must call `take` for the codes to ask for when the
            permit is granted, no earlier. For a retry it must call it again: codes that have no waiter any more are
            left out.
        missing: makes the error for a code that was not found.
        size: most codes in a request.
    """

    def __init__(
        self,
        fetch: Callable[[Batch[K, V]], Awaitable[Mapping[K, V]]],
        *,
        missing: Callable[[K], KakaCloError],
        size: int = 30,
    ) -> None:
        self._fetch = fetch
        self._missing = missing
        self._size = size
        self._waiting: OrderedDict[K, _Slot[K, V]] = OrderedDict()
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
            needs_request = len(self._waiting) % self._size == 0
            if needs_request and (eta := deadlines.eta()) > deadlines.max_wait:
                raise deadlines.no_permit(eta)
            slot = self._waiting[key] = _Slot()
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
            self._enqueue()

    def _schedule(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._enqueue)

    def _enqueue(self) -> None:
        """Bring the queued requests to the number that the waiting codes need."""
        self._scheduled = False
        needed = -(-len(self._waiting) // self._size)
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
            for key, slot in batch.slots.items():
                if key in found:
                    slot.succeed(found[key])
                else:
                    slot.fail(self._missing(key))

    def _fill(self, batch: Batch[K, V]) -> None:
        if batch in self._queued:
            self._queued.remove(batch)
            while self._waiting and len(batch.slots) < self._size:
                key, slot = self._waiting.popitem(last=False)
                slot.batch, slot.under_way = batch, True
                batch.slots[key] = slot


class _Slot(SharedResult[V], Generic[K, V]):
    """A code and its waiters."""

    def __init__(self) -> None:
        super().__init__()
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
