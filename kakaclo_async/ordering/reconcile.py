"""Reconcile unknown writes with what KakaClo has: one look serves all callers that wait for it."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from kakaclo_async.errors import KakaCloError
from kakaclo_async.ordering.writes import WriteStatus
from kakaclo_async.retry import Pauses

if TYPE_CHECKING:
    from kakaclo_async.ordering.leases import Writes
    from kakaclo_async.ordering.store import Store


_FIRST_PAUSE: Final = 1.0
_LONGEST_PAUSE: Final = 30.0
_TIMES_AS_LONG: Final = (
    4.0  # as the last look took: a shop with many orders needs its permits for others, too
)


async def reconcile(store: Store, writes: Writes) -> None:
    """Look once for all unknown writes of a kind, and record what is certain.

    Raises:
        KakaCloError: KakaClo could not be asked.
    """
    unknown = [entry for entry in await store.open(writes.kind) if entry.status is WriteStatus.UNKNOWN]
    if not unknown:
        return
    # Before the look: what it does not show was absent then, and could not arrive any more.
    ripe = [entry for entry in unknown if entry.may_be_settled]
    seen = await writes.reconcile(unknown, thorough=bool(ripe))
    kept = {entry.key: writes.redact(entry.payload) for entry in unknown}
    await store.settle(
        writes.kind,
        {key: (number, kept[key]) for key, number in seen.found.items()},
        seen.unclear,
        [entry for entry in ripe if seen.complete and entry.key not in {*seen.found, *seen.unclear}],
    )


class Reconciler:
    """Looks again and again, with growing pauses, while somebody waits for writes of one kind.

    Args:
        store: has what is unknown.
        quiet_time: seconds; pauses are short beside it.
    """

    def __init__(self, store: Store, quiet_time: float) -> None:
        self._store = store
        longest = max(_FIRST_PAUSE, min(_LONGEST_PAUSE, quiet_time / 10))
        self._pauses = Pauses(first=_FIRST_PAUSE, growth=1.5, longest=longest)
        self._waiting: dict[asyncio.Future[Exception | None], Writes] = {}
        self._task: asyncio.Task[None] | None = None
        self._ripe = asyncio.Event()

    async def next_look(
        self,
        writes: Writes,
        *,
        ripe_in: float,
        timeout: float | None,  # noqa: ASYNC109 - ends the wait without an error
    ) -> KakaCloError | None:
        """Wait for the end of the next look that begins from now on.

        Args:
            writes: how to look.
            ripe_in: seconds after which a look is sure to tell.
            timeout: seconds to wait at most.

        Returns:
            What the look failed with; None when it succeeded, and after `timeout`.
        """
        loop = asyncio.get_running_loop()
        done: asyncio.Future[Exception | None] = loop.create_future()
        self._waiting[done] = writes
        alarm = loop.call_later(max(0.0, ripe_in), self._ripe.set)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name="kakaclo journal reconciler")
        try:
            await asyncio.wait([done], timeout=timeout)
            failure = done.result() if done.done() else None
        finally:
            alarm.cancel()
            self._waiting.pop(done, None)
        if failure is None or isinstance(failure, KakaCloError):
            return failure
        raise failure

    async def _run(self) -> None:
        took = 0.0
        clock = asyncio.get_running_loop().time
        for pause in self._pauses:
            await self._rest(pause, max(_FIRST_PAUSE, took * _TIMES_AS_LONG))
            if not self._waiting:
                return
            waiting = dict(self._waiting)
            began = clock()
            failure: Exception | None = None
            try:
                await reconcile(self._store, next(reversed(waiting.values())))
            except Exception as error:  # noqa: BLE001 - whatever it is, the callers must not wait for ever
                failure = error
            took = clock() - began
            for done in waiting:
                if not done.done():
                    done.set_result(failure)

    async def _rest(self, pause: float, least: float) -> None:
        """Pause between two looks, and shorter if the next one can tell sooner."""
        await asyncio.sleep(least)
        with suppress(TimeoutError):
            async with asyncio.timeout(pause - least):
                await self._ripe.wait()
        self._ripe.clear()
