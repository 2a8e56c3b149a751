"""The journal: what was asked for, what may have been sent, what came of it; shared by all workers."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, assert_never

from kakaclo_async.codec import encode
from kakaclo_async.config import check_number, check_timeout
from kakaclo_async.database import PerLoop
from kakaclo_async.errors import (
    ClientClosed,
    ConfigurationError,
    InvalidRequest,
    OutcomeUnknown,
)
from kakaclo_async.models._checks import as_model, check_code
from kakaclo_async.models.custom import NewDesign
from kakaclo_async.models.new_order import NewOrder
from kakaclo_async.ordering.database import Database
from kakaclo_async.ordering.drain import Drained, Draining, all_writes, finish_all, settle_all
from kakaclo_async.ordering.intents import Intents
from kakaclo_async.ordering.leases import Attempt, Leases, still_in
from kakaclo_async.ordering.orders import OrderWrites
from kakaclo_async.ordering.reconcile import Reconciler, note_for_caller, unknown_error
from kakaclo_async.ordering.refunds import DesignWrites, prepare_refund
from kakaclo_async.ordering.writes import WriteStatus, digest_of, first_failure, is_same
from kakaclo_async.resources._journal import RefundRequest
from kakaclo_async.resources.custom import design_key
from kakaclo_async.retry import Pauses
from kakaclo_async.state import call_writes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from kakaclo_async.client import KakaClo
    from kakaclo_async.errors import KakaCloError
    from kakaclo_async.ordering.leases import Writes
    from kakaclo_async.ordering.writes import Entry
    from kakaclo_async.sending import Sender

_PAUSES: Final = Pauses(first=0.1, growth=1.5, longest=2.0)  # between two looks at what another worker sends
_YEAR: Final = 31_536_000.0  # more makes times that no calendar knows
_WITH_THE_SUBMITTER: Final = {WriteStatus.NOT_SENT, WriteStatus.NOT_EXECUTED}
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
        store = self._store = Intents(
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
        """Return what waits, is being sent, unknown or not executed, oldest first, with the reasons.

        Raises:
            ConfigurationError: the URL leads to no journal.
        """
        return await self._store.open()

    async def find(self, custom_order_id: str) -> Entry | None:
        """Return what became of an order; None when none waits or was placed, nor may have been, under this id.

        An order that was added and that KakaClo declined is there, with the reason.

        Raises:
            InvalidRequest: no order can have this id.
        """
        key = check_code(custom_order_id, "custom_order_id")
        entry = await self._store.find(OrderWrites.kind, key)
        return None if entry is None or entry.status in _WITH_THE_SUBMITTER else entry

    async def add(self, order: NewOrder | Mapping[str, object]) -> Entry:
        """Write an order down that shall be placed; nothing is sent until `drain`, `finish` or a submit takes it.

        Adding it again is no second one, whatever became of it meanwhile; only what KakaClo declined waits once more.

        Args:
            order: what, where to and how, as for `kk.orders.submit`, with a `custom_order_id`.

        Returns:
            The entry; its status says whether it waits, or is placed already.

        Raises:
            Conflict: the journal knows another order under its custom order id that waits, or may have been sent.
            InvalidRequest: it breaks a documented limit, or has no custom order id.
            ConfigurationError: the journal cannot be written.
        """
        given = as_model(NewOrder, order)
        if isinstance(given, InvalidRequest):
            raise given
        key, payload = check_code(given.custom_order_id, "custom_order_id"), encode(given)
        return await self._store.add(key, payload, digest_of(payload))

    async def withdraw(self, custom_order_id: str) -> Entry | None:
        """Take an order back that waits, that KakaClo surely did not get, or that it declined; its address is wiped.

        Returns:
            The entry as it was; None when no order waits under this id, or was declined.

        Raises:
            Conflict: it is placed, or may have been sent.
            ConfigurationError: the journal cannot be written.
        """
        return await self._store.withdraw(check_code(custom_order_id, "custom_order_id"))

    async def drain(self, kk: KakaClo, *, at_once: int = 4, seconds: float = 5.0) -> Drained:
        """Settle what can be, and carry out what waits or was not executed, oldest first.

        Drains of one journal, in several tasks, processes and machines, share the work. What is in doubt keeps nobody:
        it is left for a later drain. With nothing to do it costs one transaction of two statements. A journal that is
        not there is made.

        Args:
            kk: sends, and looks.
            at_once: how many are sent at the same time, at most.
            seconds: after which no more is begun.

        Returns:
            What was done, what is left, and the error that stopped it, if any: it is not raised.

        Raises:
            ConfigurationError: the journal cannot be used, or `at_once` or `seconds` cannot be.
        """
        return await Draining(kk, self._store, self._leases.get(), all_writes(kk), at_once, seconds).run()

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
        if failures := await settle_all(self._store, all_writes(kk)):
            raise first_failure(failures)
        return await self.pending()

    async def finish(self, kk: KakaClo, *, only: Iterable[Entry] | None = None) -> tuple[Entry, ...]:
        """Settle everything that can be by now, send what waits or was not executed, and return what is pending still.

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

        async def submit(writes: Writes, entry: Entry) -> str:
            return await self._submit(writes, entry.key, entry.payload, timeout=0.0, orphan=entry.status)

        await finish_all(self._store, all_writes(kk), submit, only=only)
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
        async with self._database.kept():
            return await self._submit(writes, key, payload, timeout=timeout)

    async def _submit(
        self,
        writes: Writes,
        key: str,
        payload: bytes,
        *,
        timeout: float | None,  # noqa: ASYNC109 - see `once`
        orphan: WriteStatus | None = None,
    ) -> str:
        """Lease it and send it, or wait for the worker that does, or reconcile it; until one of them settles it.

        Args:
            writes: how it is sent, and read back.
            key: which one.
            payload: the JSON body.
            timeout: seconds to go on while the outcome is unknown.
            orphan: see `Attempt`.
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
            note_for_caller(writes, entry, failure)
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
            doubt = unknown_error(writes, entry, failure)
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


def own_journal(journal: Journal) -> Journal:
    """Return a journal of this face: a blocking one has one, which works on any event loop.

    Raises:
        ConfigurationError: it is none.
    """
    own: object = getattr(journal, "_target", lambda: journal)()
    if isinstance(own, Journal):
        return own
    raise ConfigurationError(f"journal must be a Journal, not {type(journal).__name__}")
