"""Carry out what waits in a journal: some at the same time, for some seconds, whoever else does so."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import attrs

from kakaclo_async.config import check_number
from kakaclo_async.database.postgresql import keeping_connections
from kakaclo_async.errors import (
    ClientClosed,
    ConfigurationError,
    KakaCloError,
    OutcomeUnknown,
    Rejected,
    Unauthorized,
)
from kakaclo_async.models.common import FrozenMapping, Number
from kakaclo_async.ordering.accounts import mark_for
from kakaclo_async.ordering.leases import Attempt
from kakaclo_async.ordering.orders import OrderWrites
from kakaclo_async.ordering.reconcile import reconcile
from kakaclo_async.ordering.refunds import DesignWrites, RefundWrites
from kakaclo_async.ordering.writes import WriteStatus, first_failure, refuses_this
from kakaclo_async.sending import sender_of
from kakaclo_async.travel.shown import Shown

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from kakaclo_async.client import KakaClo
    from kakaclo_async.ordering.intents import Intents, Standing
    from kakaclo_async.ordering.leases import Leases, Writes
    from kakaclo_async.ordering.writes import Entry


_LONGEST_PAUSE: Final = 30.0
"""Seconds between two looks for a doubt that no look can settle, at most; a tenth of the quiet time if that is less."""


@attrs.frozen(kw_only=True)
class Drained(Shown):
    """What a drain did, and what it left.

    Attributes:
        placed: the number of each write that was carried out, or found to be, by its key: a custom order id.
        declined: the error of each write that KakaClo declined, by its key. None of them is pending, or is returned
            again; the journal keeps the reason.
        still_declined: how many stand declined in the journal, those of this drain among them, until they are added
            again or withdrawn.
        left: how many writes wait still.
        due: when the earliest doubt may be settled, UTC: drain again then; None when nothing is in doubt.
        failure: what stopped it, or kept doubts from being looked for: a token that is refused, a guard, a failed
            connection, a balance that is too low. What waits stays. An error that is none of this package's, as of a
            token function, is its cause.
    """

    placed: Mapping[str, Number] = FrozenMapping()
    declined: Mapping[str, Rejected] = FrozenMapping()
    still_declined: int = 0
    left: int = 0
    due: datetime | None = None
    failure: KakaCloError | None = None


class Draining:
    """One drain.

    Args:
        kk: sends, and looks.
        store: the journal's.
        leases: the worker's.
        all_writes: how each kind is sent, and looked for.
        at_once: how many are sent at the same time, at most.
        seconds: after which no more is begun.

    Raises:
        ConfigurationError: a number that cannot be.
    """

    def __init__(
        self,
        kk: KakaClo,
        store: Intents,
        leases: Leases,
        all_writes: Iterable[Writes],
        at_once: int,
        seconds: float,
    ) -> None:
        check_number("at_once", at_once, least=1, whole=True)
        check_number("seconds", seconds, least=0)
        self._clock = asyncio.get_running_loop().time
        self._end = self._clock() + seconds
        self._sender = sender_of(kk)
        self._store = store
        self._leases = leases
        self._by_kind = {writes.kind: writes for writes in all_writes}
        self._at_once = at_once
        self._placed: dict[str, Number] = {}
        self._declined: dict[str, Rejected] = {}
        self._failure: KakaCloError | None = None
        self._is_stopped = False
        self._has_looked = False

    @keeping_connections()
    async def run(self) -> Drained:
        """Do it; see `Journal.drain`."""
        standing = before = await self._store.standing()
        try:
            if ripe := {doubt.kind for doubt in standing.doubts if doubt.is_ripe}:
                await self._settle(ripe)
                standing = await self._store.standing()
            if standing.left and not self._is_stopped:
                await self._send(min(self._at_once, standing.left))
            if self._has_looked or before.left:
                standing = await self._store.standing()
        except ConfigurationError as error:  # the database went away: what was done is told all the same
            self._stop(error)
        return Drained(
            placed=FrozenMapping(self._placed),
            declined=FrozenMapping(self._declined),
            still_declined=standing.declined,
            left=standing.left,
            due=self._due(standing),
            failure=self._failure,
        )

    async def _settle(self, kinds: Iterable[str]) -> None:
        """Look once for what is in doubt; what cannot be looked for keeps nothing from being sent."""
        self._has_looked = True
        for kind in kinds:
            try:
                found = await reconcile(self._store, self._by_kind[kind], for_all=False)
            except (Unauthorized, ClientClosed, ConfigurationError) as error:
                self._stop(error)
                return
            except Exception as error:  # noqa: BLE001 - it is returned
                self._failure = self._failure or self._told(error)
            else:
                self._placed.update({key: Number(number) for key, number in found.items()})

    async def _send(self, slots: int) -> None:
        tasks = [
            asyncio.create_task(self._slot(), name=f"kakaclo journal drain {number + 1}")
            for number in range(slots)
        ]
        # Cancelled, it waits for the slots, each of which records how far it came.
        for end in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(end, BaseException):
                raise end

    async def _slot(self) -> None:
        """Carry out one after the other."""
        while not self._is_stopped and self._clock() < self._end:
            try:
                entry, attempt = await self._claim()
                if entry is None or not await self._carry_out(entry, attempt):
                    return
            except Exception as error:
                if (task := asyncio.current_task()) is not None and task.cancelling():
                    raise asyncio.CancelledError from error  # the transport made an error of it
                self._stop(error)

    async def _claim(self) -> tuple[Entry | None, Attempt]:
        lease = self._leases.new(self._sender.options.timeout, mark_for(self._sender))
        now = self._sender.state.server_clock.now(loop_time=self._clock(), wall_time=time.time())
        try:
            entry = await self._store.claim(lease, now)
        except (ConfigurationError, GeneratorExit):
            raise  # nothing was claimed
        except BaseException as error:
            await self._store.release(
                lease.token, f"{type(error).__name__} before it was sent", WriteStatus.WAITING
            )
            raise
        kind, key, payload = (entry.kind, entry.key, entry.payload) if entry else ("order", "", b"")
        writes = self._by_kind[kind]
        orphan = WriteStatus.WAITING
        return entry, Attempt(writes, key, payload, self._store, self._leases, orphan=orphan, lease=lease)

    async def _carry_out(self, entry: Entry, attempt: Attempt) -> bool:
        """Send one write; tell whether to go on."""
        try:
            outcome = await attempt.carry_out()
        except Rejected as error:
            if not refuses_this(error):
                raise
            self._declined[entry.key] = error
            return True
        if outcome is not None:
            self._placed[entry.key] = Number(*Number.all_of(outcome))
        # Without an outcome and a doubt its lease was lost, and nothing was sent: the next would fare no better.
        return outcome is not None or attempt.doubt is not None

    def _stop(self, error: Exception) -> None:
        """Begin nothing more."""
        if not self._is_stopped:
            self._failure = self._told(error)
        self._is_stopped = True

    def _told(self, error: Exception) -> KakaCloError:
        """Return an error of this package's."""
        if isinstance(error, KakaCloError):
            return error
        told = KakaCloError(self._sender.state.token.scrub(f"{type(error).__name__}: {error}"))
        told.__cause__ = error
        return told

    def _due(self, standing: Standing) -> datetime | None:
        if not standing.doubts:
            return None
        pause = min(_LONGEST_PAUSE, self._store.quiet_time / 10)
        # One that is ripe after a look is for a later look to settle.
        settles_in = min(
            pause if self._has_looked and doubt.is_ripe else doubt.settles_in for doubt in standing.doubts
        )
        return datetime.fromtimestamp(standing.seen_at + settles_in, UTC)


def all_writes(kk: KakaClo) -> tuple[Writes, ...]:
    """Return how each kind of write is sent, and looked for."""
    sender = sender_of(kk)
    return OrderWrites(sender), RefundWrites(sender), DesignWrites(sender)


async def settle_all(store: Intents, kinds: Iterable[Writes]) -> list[Exception]:
    """Look once for the unknown writes of each kind; return what kept that of a kind from being settled."""
    failures: list[Exception] = []
    for writes in kinds:
        try:
            await reconcile(store, writes, for_all=False)
        except Exception as error:  # noqa: BLE001 - it is raised once the other kinds were looked for
            failures.append(error)
    return failures


async def finish_all(
    store: Intents,
    kinds: Iterable[Writes],
    submit: Callable[[Writes, Entry], Awaitable[str]],
    *,
    only: Iterable[Entry] | None,
) -> None:
    """Settle what can be, and send what waits or was not executed; see `Journal.finish`.

    Args:
        store: has what is pending.
        kinds: how each kind is sent, and looked for.
        submit: sends one.
        only: what may be sent; None: all.
    """
    by_kind = {writes.kind: writes for writes in kinds}
    agreed = None if only is None else {_identity(entry) for entry in only}
    failures = await settle_all(store, by_kind.values())
    for entry in await store.open():
        if not entry.may_be_sent or (agreed is not None and _identity(entry) not in agreed):
            continue
        try:
            await submit(by_kind[entry.kind], entry)
        except OutcomeUnknown:
            if (task := asyncio.current_task()) is not None and task.cancelling():
                raise  # the transport turned the cancellation into this error: send no more
            continue  # it is pending again
        except (Unauthorized, ConfigurationError, ClientClosed) as error:
            failures.append(error)
            break
        except Exception as error:  # noqa: BLE001 - it is raised once the others were sent
            failures.append(error)
    if failures:
        raise first_failure(failures)


def _identity(entry: Entry) -> tuple[str, str, str]:
    return entry.kind, entry.key, entry.digest
