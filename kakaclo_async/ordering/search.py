"""Looks at KakaClo for what is in doubt: one look for all of it, whoever waits."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from kakaclo_async.errors import KakaCloError
from kakaclo_async.ordering.entry import Entry, WriteStatus
from kakaclo_async.resources.writes import UnknownWrite

if TYPE_CHECKING:
    from kakaclo_async.ordering.store import Store
    from kakaclo_async.resources.writes import Writes


_FIRST_PAUSE = 1.0
_PAUSE_GROWTH = 1.5
_LONGEST_PAUSE = 30.0
_TIMES_AS_LONG = 4.0  # as the last look took: a shop with many orders has others to look after


async def look(store: Store, writes: Writes) -> None:
    """Look once for all writes of a kind that are in doubt, and record what is certain.

    Raises:
        KakaCloError: KakaClo could not be asked.
    """
    entries = [entry for entry in await store.open(writes.kind) if entry.standing is WriteStatus.IN_DOUBT]
    if not entries:
        return
    # Before the look: what it does not show was absent then, and could not arrive any more.
    ripe = [entry for entry in entries if entry.may_be_settled]
    findings = await writes.look(list(map(_doubt, entries)), thorough=bool(ripe))
    kept = {entry.key: writes.spare(entry.payload) for entry in entries}
    await store.settle(
        writes.kind,
        {key: (number, kept[key]) for key, number in findings.found.items()},
        findings.unclear,
        [
            entry
            for entry in ripe
            if findings.complete and entry.key not in findings.found and entry.key not in findings.unclear
        ],
    )


def _doubt(entry: Entry) -> UnknownWrite:
    return UnknownWrite(
        key=entry.key,
        payload=entry.payload,
        notes=entry.notes,
        sent_from=entry.sent_from or entry.created_at,
        sent_until=entry.sent_until or entry.seen_at,
    )


class Search:
    """Looks again and again while somebody waits, with growing pauses.

    Args:
        store: what is in doubt.
        quiet_time: seconds; pauses are short beside it.
    """

    def __init__(self, store: Store, quiet_time: float) -> None:
        self._store = store
        self._longest_pause = max(_FIRST_PAUSE, min(_LONGEST_PAUSE, quiet_time / 10))
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
            self._task = asyncio.create_task(self._run(), name="kakaclo journal search")
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
        pause = _FIRST_PAUSE
        took = 0.0
        clock = asyncio.get_running_loop().time
        while True:
            await self._rest(pause, max(_FIRST_PAUSE, took * _TIMES_AS_LONG))
            pause = min(self._longest_pause, pause * _PAUSE_GROWTH)
            if not self._waiting:
                return
            waiting = dict(self._waiting)
            began = clock()
            failure: Exception | None = None
            try:
                await look(self._store, next(reversed(waiting.values())))
            except Exception as error:  # noqa: BLE001 - whatever it is, those who wait must not wait for ever
                failure = error
            took = clock() - began
            for done in waiting:
                if not done.done():
                    done.set_result(failure)

    async def _rest(self, pause: float, least: float) -> None:
        """Pause between two looks, and shorter if one of those who wait can be told sooner."""
        await asyncio.sleep(least)
        with suppress(TimeoutError):
            async with asyncio.timeout(pause - least):
                await self._ripe.wait()
        self._ripe.clear()


class Searches:
    """A search for each kind of write.

    Args:
        store: what is in doubt.
        quiet_time: seconds.
    """

    def __init__(self, store: Store, quiet_time: float) -> None:
        self._store = store
        self._quiet_time = quiet_time
        self._by_kind: dict[str, Search] = {}

    def of(self, kind: str) -> Search:
        """Return the search for a kind."""
        return self._by_kind.setdefault(kind, Search(self._store, self._quiet_time))
