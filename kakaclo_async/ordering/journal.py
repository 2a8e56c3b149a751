"""The journal: what was asked for, what may have been sent, what came of it; shared by all workers."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, assert_never

from kakaclo_async.codec import encode
from kakaclo_async.config import check_number, check_timeout
from kakaclo_async.errors import ClientClosed, ConfigurationError, OutcomeUnknown, Unauthorized
from kakaclo_async.models._checks import check_code
from kakaclo_async.models.custom import NewDesign
from kakaclo_async.models.new_order import NewOrder
from kakaclo_async.ordering.database import Database, PerLoop
from kakaclo_async.ordering.leases import Attempt, Leases, still_in
from kakaclo_async.ordering.orders import OrderWrites
from kakaclo_async.ordering.reconcile import Reconciler, reconcile
from kakaclo_async.ordering.refunds import DesignWrites, RefundWrites, prepare_refund
from kakaclo_async.ordering.store import Store
from kakaclo_async.ordering.writes import WriteStatus, digest_of, first_failure, is_same
from kakaclo_async.resources._journal import RefundRequest
from kakaclo_async.resources.custom import design_key
from kakaclo_async.retry import Pauses
from kakaclo_async.sending import sender_of
from kakaclo_async.state import call_writes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from kakaclo_async.client import KakaClo
    from kakaclo_async.errors import KakaCloError
    from kakaclo_async.ordering.leases import Writes
    from kakaclo_async.ordering.writes import Entry
    from kakaclo_async.sending import Sender


_PAUSES: Final = Pauses(first=0.1, growth=1.5, longest=2.0)  # between two looks at what another worker sends
_YEAR: Final = 31_536_000.0  # more makes times that no calendar knows
_MOST_ATTEMPTS: Final = 5
"""Requests that one call may cost when each ends unknown, and is found not to have arrived."""


def wall_clock() -> datetime:
    """Return the time, UTC. With this clock a journal also counts seconds that no setting of it can skip."""
    return datetime.now(UTC)


class Journal:
    """A write-ahead log: makes orders, refunds and designs exactly-once.

    Workers, processes and machines may share one. It holds the payloads, addresses among them, until they were
    carried out or declined. Nothing is kept open between two calls, so it needs no closing.

    Args:
        url: `sqlite:///orders.db` or `postgresql://user:password@host/name`.
        quiet_time: seconds from the moment when a request was given up until a look can say that KakaClo did not
            get it. It must cover how long a request may travel on without us, and then the index lag, of
            which we assume that it is 5 minutes at most for orders, too. A shorter one is quicker and less safe: a
            request that arrives later is a second order.
        lease: seconds after which a worker that died loses what it was sending.
        now: tells the time, aware. Workers on several machines keep their clocks in step; KakaClo's may differ.
            Another one than the default is believed when it is stepped, unless KakaClo's `Date` contradicts it.

    Raises:
        ConfigurationError: a URL that is neither, or a time that cannot be.
    """

    def __init__(
        self,
        url: str,
        *,
        quiet_time: float = 600.0,
        lease: float = 60.0,
        now: Callable[[], datetime] = wall_clock,
    ) -> None:
        check_number("quiet_time", quiet_time, most=_YEAR)
        check_number("lease", lease, above=0, most=_YEAR)
        self._database = Database(url)
        store = self._store = Store(
            self._database, quiet_time=quiet_time, now=now, has_witnesses=now is wall_clock
        )
        self._leases = PerLoop(lambda: Leases(store, lease, now))
        # One for each kind: a long look for orders must not keep a refund waiting.
        self._reconcilers = PerLoop(
            lambda: defaultdict[str, Reconciler](lambda: Reconciler(store, quiet_time))
        )

    def __repr__(self) -> str:
        return f"<Journal {self._database}>"

    async def pending(self) -> tuple[Entry, ...]:
        """Return what is being sent, unknown or not executed, oldest first, with the reasons.

        Raises:
            ConfigurationError: the URL leads to no journal.
        """
        return await self._store.open()

    async def find(self, custom_order_id: str) -> Entry | None:
        """Return what became of an order; None when none was placed, nor may have been, under this id.

        Raises:
            InvalidRequest: no order can have this id.
        """
        return await self.recall(OrderWrites.kind, check_code(custom_order_id, "custom_order_id"))

    async def recall(self, kind: str, key: str) -> Entry | None:
        """Return what was carried out, or may have been; None when nothing was.

        Args:
            kind: "order", "refund" or "design".
            key: which one.
        """
        entry = await self._store.find(kind, key)
        return None if entry is None or entry.may_be_sent else entry

    async def settle(self, kk: KakaClo) -> tuple[Entry, ...]:
        """Look once at KakaClo for everything unknown, and return what is pending still.

        Nothing is sent: what KakaClo did not get is not executed until it is submitted again, or `finish` sends it.

        Raises:
            ConfigurationError: the URL leads to no journal.
            KakaCloError: KakaClo could not be asked.
        """
        failures = await self._settle_all(kk)
        if failures:
            raise first_failure(failures)
        return await self.pending()

    async def _settle_all(self, kk: KakaClo) -> list[Exception]:
        """Look once for the unknown writes of each kind; return what kept that of a kind from being settled."""
        failures: list[Exception] = []
        for writes in _all_writes(kk):
            try:
                await reconcile(self._store, writes, for_all=False)
            except Exception as error:  # noqa: BLE001 - it is raised once the other kinds were looked for
                failures.append(error)
        return failures

    async def finish(self, kk: KakaClo, *, only: Iterable[Entry] | None = None) -> tuple[Entry, ...]:
        """Settle everything that can be by now, send again what was not executed, and return what is pending still.

        Recovers writes whose workers died, re-sending the journal's copy.

        What fails keeps no other write from being sent, unless it would meet them all: a bad token, a closed client,
        a database that is away. The error that is raised in the end carries the others as its notes.

        Args:
            kk: a client of the shop.
            only: what may be sent again, as `pending` or `settle` returned it, and somebody has agreed to; None: all.

        Raises:
            ConfigurationError: the URL leads to no journal.
            Rejected: KakaClo declined some of it, which is not pending any more; the others were sent.
            Exception: what else kept a write from being sent, or an unknown one from being looked for: a guard, a
                failed connection; it waits for the next call.
        """
        by_kind = {writes.kind: writes for writes in _all_writes(kk)}
        agreed = None if only is None else {_identity(entry) for entry in only}
        failures = await self._settle_all(kk)
        for entry in await self.pending():
            is_agreed = agreed is None or _identity(entry) in agreed
            if entry.status is not WriteStatus.NOT_EXECUTED or not is_agreed:
                continue
            try:
                await self._submit(by_kind[entry.kind], entry.key, entry.payload, timeout=0.0, orphan=True)
            except OutcomeUnknown:
                if (task := asyncio.current_task()) is not None and task.cancelling():
                    raise  # the transport turned the cancellation into this error: send no more
                continue  # pending again, and returned
            except (Unauthorized, ConfigurationError, ClientClosed) as error:
                failures.append(error)
                break
            except Exception as error:  # noqa: BLE001 - it is raised once the others were sent
                failures.append(error)
        if failures:
            raise first_failure(failures)
        return await self.pending()

    async def once(
        self,
        sender: Sender,
        write: NewOrder | RefundRequest | NewDesign,
        *,
        timeout: float | None = None,  # noqa: ASYNC109 - the error says what is unknown
    ) -> str:
        """Carry a write out exactly once, and return its number; `kk.orders.submit` and others call it.

        Args:
            sender: sends it, and reads back what may have been sent.
            write: the same key and the same content is the same write.
            timeout: seconds to go on while the outcome is unknown, None until it can be settled.

        Raises:
            Conflict: the key came with another write, which may have been sent.
            OutcomeUnknown: it is still unknown.
            KakaCloError: it was surely not carried out.
        """
        check_timeout(timeout)
        writes: Writes
        match write:
            case NewOrder():
                key = check_code(write.custom_order_id, "custom_order_id")
                writes, payload = OrderWrites(sender, write), encode(write)
            case NewDesign():
                writes, payload = DesignWrites(sender, write, timeout), encode(write)
                key = design_key(payload)
            case RefundRequest():
                writes, key, payload = await prepare_refund(sender, write, self.recall)
            case _:
                assert_never(write)
        return await self._submit(writes, key, payload, timeout=timeout)

    async def _submit(
        self,
        writes: Writes,
        key: str,
        payload: bytes,
        *,
        timeout: float | None,  # noqa: ASYNC109 - see `once`
        orphan: bool = False,
    ) -> str:
        """Lease it and send it, or wait for the worker that does, or reconcile it; until one of them settles it.

        Args:
            writes: how it is sent, and read back.
            key: which one.
            payload: the JSON body.
            timeout: seconds to go on while the outcome is unknown.
            orphan: whether the journal alone has the payload, and keeps it unless KakaClo declines it.
        """
        digest = digest_of(payload)
        leases = self._leases.get()
        clock = asyncio.get_running_loop().time
        deadline: float | None = None
        failure: KakaCloError | None = None
        attempts, waits = 0, 0
        looked = False
        doubt: OutcomeUnknown | None = None
        while True:
            attempt = Attempt(writes, key, payload, self._store, leases, orphan=orphan)
            with still_in(doubt):
                entry, is_leased = await attempt.claim(digest)
            if is_leased:
                if (notes := call_writes.get()) is not None:
                    notes.not_executed()
                if (outcome := await attempt.carry_out()) is not None:
                    return outcome
                attempts, looked, doubt = attempts + 1, False, attempt.doubt
                continue
            if not is_same(entry, payload):
                raise writes.conflict(key, entry, payload)
            _note(writes, entry, failure)
            if entry.status is WriteStatus.DONE:
                return entry.number
            left: float | None = None
            if timeout is not None:
                # Counted from the first time that the outcome is unknown: sending has a time limit of its own.
                deadline = clock() + timeout if deadline is None else deadline
                left = deadline - clock()
            # A look that began when it could tell, and did not: no other will, unless KakaClo recovers. Nor will one
            # through a closed client; its clock may also have said that it was too early.
            is_over = (looked and entry.may_be_settled) or isinstance(failure, ClientClosed)
            doubt = _unknown(writes, entry, failure)
            if is_over or attempts == _MOST_ATTEMPTS or (left is not None and left <= 0):
                raise doubt
            if entry.status is WriteStatus.SENDING:
                waits += 1
                pause = _PAUSES.after(waits)
                await asyncio.sleep(pause if left is None else min(pause, left))
            else:
                ripe_in = ((entry.settles_at or entry.seen_at) - entry.seen_at).total_seconds()
                reconciler = self._reconcilers.get()[writes.kind]
                with still_in(doubt):
                    failure = await reconciler.next_look(writes, ripe_in=ripe_in, timeout=left)
                looked = entry.may_be_settled


def _identity(entry: Entry) -> tuple[str, str, str]:
    return entry.kind, entry.key, entry.digest


def _unknown(writes: Writes, entry: Entry, failure: KakaCloError | None) -> OutcomeUnknown:
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


def _note(writes: Writes, entry: Entry, failure: KakaCloError | None) -> None:
    """Tell a blocking caller, should it be interrupted now, what the journal knows."""
    notes = call_writes.get()
    if notes is None:
        return
    error = _unknown(writes, entry, failure)
    if entry.status is WriteStatus.DONE:
        ids = {"custom_order_id": error.custom_order_id, "order_id": error.order_id}
        notes.done(entry.number, **ids)
    else:
        notes.not_executed()
        notes.unknown = error


def own_journal(journal: Journal) -> Journal:
    """Return a journal of this face: a blocking one has one, which works on any event loop.

    Raises:
        ConfigurationError: it is none.
    """
    own: object = getattr(journal, "_target", lambda: journal)()
    if isinstance(own, Journal):
        return own
    raise ConfigurationError(f"journal must be a Journal, not {type(journal).__name__}")


def _all_writes(kk: KakaClo) -> tuple[Writes, ...]:
    sender = sender_of(kk)
    return OrderWrites(sender), RefundWrites(sender), DesignWrites(sender)
