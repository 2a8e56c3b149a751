"""Reconcile unknown writes with what KakaClo has: one look serves all callers that wait for it."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from math import inf
from typing import TYPE_CHECKING, Final

import attrs

from kakaclo_async.errors import ClientClosed, ConfigurationError, KakaCloError, OutcomeUnknown, Unauthorized
from kakaclo_async.ordering.accounts import noting, sent_elsewhere
from kakaclo_async.ordering.writes import TheirClock, WriteStatus
from kakaclo_async.retry import Pauses
from kakaclo_async.sharing import Pace
from kakaclo_async.state import call_writes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from kakaclo_async.ordering.intents import Intents
    from kakaclo_async.ordering.leases import Writes
    from kakaclo_async.ordering.writes import Entry, Reconciliation, Resembling


_log = logging.getLogger("kakaclo.orders")

_FIRST_PAUSE: Final = 1.0
_LONGEST_PAUSE: Final = 30.0
_DATE_GRAIN: Final = 2.0
"""Seconds that two `Date` headers, cut to seconds, may be off together."""
_MOST_NAMED: Final = 5
_TIMES_AS_LONG: Final = (
    4.0  # as the last look took: a shop with many orders needs its permits for others, too
)


async def reconcile(store: Intents, writes: Writes, *, for_all: bool = True) -> Mapping[str, str]:
    """Look once for all unknown writes of a kind, with time of its own, and record what is certain.

    Args:
        store: has what is unknown.
        writes: how to look.
        for_all: see `Writes.at_leisure`.

    Returns:
        The numbers of what was carried out, by key.

    Raises:
        KakaCloError: KakaClo could not be asked, or the journal could not record what was found.
    """
    unknown = [entry for entry in await store.open(writes.kind) if entry.status is WriteStatus.UNKNOWN]
    if not unknown:
        return {}
    tokens = set[str]()
    writes = writes.at_leisure(for_all=for_all)
    writes.sender = noting(writes.sender, tokens)
    # Before the look: what it does not show was absent then, and could not arrive any more.
    ripe = [entry for entry in unknown if entry.may_be_settled]
    began = asyncio.get_running_loop().time()
    seen = await writes.reconcile(unknown, thorough=bool(ripe))
    left = [entry for entry in unknown if entry.key not in seen.found]
    server_time = writes.sender.state.server_clock.at(began)
    clocks = {} if server_time is None else _by_their_clock(left, server_time, store.quiet_time)
    ripe = [entry for entry in ripe if entry.key not in seen.found and not _is_early(entry, clocks)]
    unclear = await _unclear(store, writes, seen, ripe)
    absent = [entry for entry in ripe if entry.key not in unclear]
    unclear = {**unclear, **await sent_elsewhere(store, writes.sender, absent, tokens)}
    kept: dict[str, bytes] = {}
    pace = Pace()
    for entry in unknown:
        kept[entry.key] = writes.redact(entry.payload)
        await pace()
    absent = [entry for entry in absent if entry.key not in unclear]
    try:
        await store.settle(
            writes.kind,
            {key: (number, kept[key]) for key, number in seen.found.items()},
            unclear,
            absent,
            clocks,
        )
    except ConfigurationError as trouble:
        if not seen.found:
            raise
        found = ", ".join(f"{key!r} as {number}" for key, number in [*seen.found.items()][:_MOST_NAMED])
        raise type(trouble)(f"{trouble}; found, and not recorded: {found}") from None
    if seen.found or absent:
        _log.info(
            "of %d writes in doubt (%s) %d were found at KakaClo, and %d were surely not carried out",
            *(len(unknown), writes.kind, len(seen.found), len(absent)),
        )
    return seen.found


async def _unclear(
    store: Intents, writes: Writes, seen: Reconciliation, ripe: Sequence[Entry]
) -> Mapping[str, str]:
    """Return why writes cannot be called absent, by key."""
    unclear = dict(seen.unclear)
    if not seen.complete:
        why = f"KakaClo's list of {writes.kind}s could not be read to its end"
        return {entry.key: why for entry in ripe} | unclear
    resembling = {entry.key: seen.resembling[entry.key] for entry in ripe if entry.key in seen.resembling}
    if resembling:
        taken = await store.names_taken(writes.kind, _names(resembling))
        for key, many in resembling.items():
            if numbers := [one.number for one in many if not {one.number, one.name} & taken]:
                unclear[key] = (
                    f"order {', '.join(numbers[:_MOST_NAMED])} has these items under a custom order id that is cut,"
                    " changed or missing: look whether it is this one"
                )
    return unclear


def _names(resembling: Mapping[str, Iterable[Resembling]]) -> Iterator[str]:
    for many in resembling.values():
        for one in many:
            yield one.number
            if one.name:
                yield one.name


def _by_their_clock(unknown: Iterable[Entry], server_time: float, quiet_time: float) -> dict[str, TheirClock]:
    """Compare KakaClo's clock at the beginning of a look with ours, which may have been set since.

    A look that began while our clock still ran as it did tells when the attempt ended on KakaClo's; until then the two
    are taken to agree, as far as that makes no write settle sooner.
    """
    clocks: dict[str, TheirClock] = {}
    for entry in unknown:
        seen_at, sent_until = entry.seen_at.timestamp(), (entry.sent_until or entry.seen_at).timestamp()
        to_come = max(0.0, sent_until - seen_at)
        if entry.server_until is None:
            until = server_time + to_come - max(0.0, min(seen_at, server_time) - sent_until)
        else:
            until = min(entry.server_until, server_time + to_come)
        settles_in = until + quiet_time - server_time - _DATE_GRAIN
        by_ours = max(0.0, sent_until + quiet_time - seen_at)
        is_later = settles_in > by_ours and not entry.is_witnessed
        clocks[entry.key] = TheirClock(entry.attempts, until, settles_in if is_later else None)
    return clocks


def _is_early(entry: Entry, clocks: Mapping[str, TheirClock]) -> bool:
    return entry.key in clocks and clocks[entry.key].settles_in is not None


@attrs.frozen(eq=False)
class _Waiter:
    """Somebody who waits for a look, on the event loop's clock.

    Attributes:
        ripe_at: from when on a look is sure to tell; it may be past.
        leaves_at: when the wait ends.
    """

    writes: Writes
    done: asyncio.Future[Exception | None]
    ripe_at: float
    leaves_at: float


class Reconciler:
    """Looks again and again, with growing pauses, while somebody waits for writes of one kind.

    A look goes on when those who waited for it have left, and has time limits of its own: what it finds serves all.

    Args:
        store: has what is unknown.
        quiet_time: seconds; pauses are short beside it.
    """

    def __init__(self, store: Intents, quiet_time: float) -> None:
        self._store = store
        longest = max(_FIRST_PAUSE, min(_LONGEST_PAUSE, quiet_time / 10))
        self._pauses = Pauses(first=_FIRST_PAUSE, growth=1.5, longest=longest)
        self._waiting: dict[_Waiter, None] = {}  # a set that keeps its order
        self._owed: list[Writes] = []  # to one whose wait was cancelled before a look began
        self._task: asyncio.Task[None] | None = None
        self._newcomer = asyncio.Event()
        self._began, self._ended, self._took = -inf, -inf, 0.0  # of the last look

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
        now, limit = loop.time(), inf if timeout is None else timeout
        waiter = _Waiter(writes, loop.create_future(), now + ripe_in, now + limit)
        self._waiting[waiter] = None
        self._newcomer.set()
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name="kakaclo journal reconciler")
        try:
            await asyncio.wait([waiter.done], timeout=timeout)
            failure = waiter.done.result() if waiter.done.done() else None
        except asyncio.CancelledError:
            if waiter in self._waiting:
                self._owed = [writes]
            raise
        finally:
            self._waiting.pop(waiter, None)
        if failure is None or isinstance(failure, KakaCloError):
            return failure
        raise failure

    async def _run(self) -> None:
        clock = asyncio.get_running_loop().time
        for pause in self._pauses:
            await self._rest(pause)
            waiting, began = tuple(self._waiting), clock()
            asked = [waiter.writes for waiter in waiting] or self._owed
            if not asked:
                return
            self._waiting.clear()
            self._owed, self._began = [], began
            failure = await self._look(asked)
            self._ended = clock()
            self._took = self._ended - began
            for waiter in waiting:
                if not waiter.done.done():
                    waiter.done.set_result(failure)

    async def _look(self, waiting: Iterable[Writes]) -> Exception | None:
        """Look through one of the clients that wait: the last, or another if that was closed or is not let in."""
        failure: Exception | None = None
        clients = {id(writes.sender.state): writes for writes in waiting}
        last_first = list(reversed(clients.values()))
        for writes in sorted(last_first, key=lambda one: one.sender.state.gate.closed):
            try:
                await reconcile(self._store, writes)
            except (ClientClosed, Unauthorized) as error:
                failure = failure or error
            except Exception as error:  # noqa: BLE001 - whatever it is, the callers must not wait for ever
                return error
            else:
                return None
        return failure

    async def _rest(self, pause: float) -> None:
        clock = asyncio.get_running_loop().time
        began = clock()
        while (left := self._due(began, pause) - clock()) > 0:
            self._newcomer.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._newcomer.wait()

    def _due(self, began: float, pause: float) -> float:
        """Return when the next look begins: sooner when it can tell, and before somebody leaves who waits for one."""
        paced = self._ended + max(_FIRST_PAUSE, self._took * _TIMES_AS_LONG)
        first = max(began + pause, paced)
        for waiter in self._waiting:
            last_chance = max(began, waiter.leaves_at - max(_FIRST_PAUSE, self._took))
            due = min(began + pause, last_chance, max(waiter.ripe_at, began + _FIRST_PAUSE))
            # The pace is for those who come again and again. One whom no look could tell yet has his, however short.
            is_owed = self._began < waiter.ripe_at <= waiter.leaves_at < paced
            first = min(first, max(due, waiter.ripe_at if is_owed else paced))
        return first


def unknown_error(writes: Writes, entry: Entry, failure: KakaCloError | None) -> OutcomeUnknown:
    """Make the error for a write in doubt; a look for it may have failed."""
    if entry.status is WriteStatus.SENDING:
        why = "another worker is sending it"
    else:
        why = entry.why or "the worker that sent it died"
    if isinstance(failure, ConfigurationError):
        why += f"; the search for it failed ({failure})"
    elif failure is not None:
        why += f"; KakaClo could not be asked ({failure})"
    error = writes.unknown(entry.key, why, entry.settles_at or entry.seen_at)
    error.__cause__ = failure
    return error


def note_for_caller(writes: Writes, entry: Entry, failure: KakaCloError | None) -> None:
    """Tell a blocking caller, should it be interrupted now, what the journal knows."""
    notes = call_writes.get()
    if notes is None:
        return
    error = unknown_error(writes, entry, failure)
    if entry.status is WriteStatus.DONE:
        ids = {"custom_order_id": error.custom_order_id, "order_id": error.order_id}
        notes.done(entry.number, **ids)
    else:
        notes.not_executed()
        notes.unknown = error
