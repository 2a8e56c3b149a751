"""Micro-batching: the codes that wait when a permit is granted share one request (late binding)."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from functools import partial
from typing import TYPE_CHECKING, Generic, TypeVar

from kakaclo_async.errors import DeadlineExceeded, KakaCloError
from kakaclo_async.sharing.single_flight import SharedResult

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Hashable, Mapping


K = TypeVar("K", bound="Hashable")
V = TypeVar("V")


class Batcher(Generic[K, V]):
    """Merges look-ups of single codes into requests of up to `size` codes.

    There are never more requests queued than the waiting codes need, and each takes the codes that have waited
    longest when its permit is granted. Equal codes share a slot. Even with a free permit, a look-up waits for one
    turn of the event loop, so that look-ups of the same turn share its request.

        async def fetch(take):
            page = await sender.without_max_wait().send(lambda: stocks_request(skus=take()))
            return {level.sku: level for level in page.list}

        stocks = Batcher(fetch, missing=no_such_sku, eta=lambda: gate.eta(lane))
        level = await stocks.get("AMN00432_B_M", max_wait=30.0)

    Args:
        fetch: sends one request and returns what was found. It gets a function that returns the codes to ask for,
            and must call it when the permit is granted, no earlier. For a retry it must call it again: codes that
            have no waiter any more are left out.
        missing: makes the error for a code that was not found.
        size: most codes in a request.
        eta: returns the seconds that a new request would wait for its permit.
    """

    def __init__(
        self,
        fetch: Callable[[Callable[[], tuple[K, ...]]], Awaitable[Mapping[K, V]]],
        *,
        missing: Callable[[K], KakaCloError],
        size: int = 30,
        eta: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self._fetch = fetch
        self._missing = missing
        self._size = size
        self._eta = eta
        self._waiting: OrderedDict[K, _Slot[K, V]] = OrderedDict()
        self._queued: list[_Batch[K, V]] = []
        self._scheduled = False

    async def get(self, key: K, *, max_wait: float | None = None) -> V:
        """Look one code up.

        Args:
            key: the code.
            max_wait: seconds until the request with this code must have its permit; None for as long as it
                takes.

        Raises:
            DeadlineExceeded: no permit within `max_wait`; raised as soon as that is known.
            KakaCloError: what `missing` made, or a copy of the request's error.
        """
        slot = self._waiting.get(key)
        if slot is None:
            needs_request = len(self._waiting) % self._size == 0
            if max_wait is not None and needs_request and self._eta() > max_wait:
                raise self._too_late(max_wait)
            slot = self._waiting[key] = _Slot()
            self._schedule()
        too_late = None if max_wait is None else partial(self._too_late, max_wait)
        try:
            return await slot.wait(max_wait=max_wait, too_late=too_late)
        finally:
            if slot.abandoned:
                self._drop(key, slot)

    def _drop(self, key: K, slot: _Slot[K, V]) -> None:
        """Leave out a code whose last waiter was cancelled."""
        if slot.batch is not None:
            slot.batch.drop(key)
        elif self._waiting.pop(key, None) is not None:
            self._enqueue()

    def _too_late(self, max_wait: float) -> KakaCloError:
        eta = self._eta()
        return DeadlineExceeded(
            f"rate limit: this look-up cannot be sent within max_wait={max_wait:g} s"
            f" (next permit in {eta:.1f} s); raise max_wait, send fewer requests, or use kk.bulk()",
            retry_in=eta,
        )

    def _schedule(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._enqueue)

    def _enqueue(self) -> None:
        """Bring the queued requests to the number that the waiting codes need."""
        self._scheduled = False
        needed = -(-len(self._waiting) // self._size)
        while len(self._queued) < needed:
            batch: _Batch[K, V] = _Batch()
            self._queued.append(batch)
            batch.task = asyncio.create_task(self._run(batch), name="kakaclo batch")
        while len(self._queued) > needed:
            self._queued.pop().cancel()

    async def _run(self, batch: _Batch[K, V]) -> None:
        try:
            found = await self._fetch(partial(self._fill, batch))
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

    def _fill(self, batch: _Batch[K, V]) -> tuple[K, ...]:
        if batch in self._queued:
            self._queued.remove(batch)
            while self._waiting and len(batch.slots) < self._size:
                key, slot = self._waiting.popitem(last=False)
                slot.batch, slot.under_way = batch, True
                batch.slots[key] = slot
        return tuple(batch.slots)


class _Slot(SharedResult[V], Generic[K, V]):
    """A code and its waiters."""

    def __init__(self) -> None:
        super().__init__()
        self.batch: _Batch[K, V] | None = None


class _Batch(Generic[K, V]):
    """A request: queued while it has no slots, then under way with those it took."""

    def __init__(self) -> None:
        self.slots: dict[K, _Slot[K, V]] = {}
        self.task: asyncio.Task[None] | None = None

    def drop(self, key: K) -> None:
        del self.slots[key]
        if not self.slots:
            self.cancel()

    def cancel(self) -> None:
        if self.task is not None:
            self.task.cancel()
