"""The journal: what was asked for, what may have been sent, what came of it; shared by all workers."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from kakaclo_async.errors import ConfigurationError, OutcomeUnknown, Rejected
from kakaclo_async.ordering.database import Database
from kakaclo_async.ordering.entry import Entry, WriteStatus
from kakaclo_async.ordering.leases import Leases
from kakaclo_async.ordering.per_loop import PerLoop
from kakaclo_async.ordering.search import Searches, look
from kakaclo_async.ordering.store import Store
from kakaclo_async.ordering.submit import submit
from kakaclo_async.resources.design_writes import DesignWrites
from kakaclo_async.resources.orders.writes import OrderWrites
from kakaclo_async.resources.refund_writes import RefundWrites

if TYPE_CHECKING:
    from collections.abc import Callable

    from kakaclo_async.client import KakaClo
    from kakaclo_async.resources.writes import Writes


class Journal:
    """Writes down what shall be carried out exactly once, before it is sent.

    Workers, processes and machines may share one. It holds the payloads, addresses among them, until they were
    carried out or declined. Nothing is kept open between two calls: there is nothing to close.

    Args:
        url: `sqlite:///orders.db` or `postgresql://user:password@host/name`.
        quiet_time: seconds from the moment when a request was given up until a look can say that KakaClo did not
            get it. It must cover how long a request may travel on without us, and then the index lag of up to 5
            minutes. A shorter one is quicker and less safe: a request that arrives later is a second order.
        lease: seconds after which a worker that died loses what it was sending.
        now: tells the time, aware. Workers on several machines keep their clocks in step; KakaClo's may differ.

    Raises:
        ConfigurationError: a URL that is neither, or a time that cannot be.
    """

    def __init__(
        self,
        url: str,
        *,
        quiet_time: float = 600.0,
        lease: float = 60.0,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        if not quiet_time >= 0 or not lease > 0:
            raise ConfigurationError(
                f"quiet_time must be 0 seconds or more and lease above 0, not {quiet_time!r} and {lease!r}"
            )
        self._database = Database(url)
        store = self._store = Store(self._database, quiet_time=quiet_time, now=now)
        self._leases = PerLoop(lambda: Leases(store, lease, now))
        self._searches = PerLoop(lambda: Searches(store, quiet_time))

    def __repr__(self) -> str:
        return f"<Journal {self._database}>"

    async def pending(self) -> tuple[Entry, ...]:
        """Return what is being sent, in doubt or lost, oldest first, with the reasons.

        Raises:
            ConfigurationError: there is no journal.
        """
        return await self._store.open()

    async def find(self, custom_order_id: str) -> Entry | None:
        """Return what became of an order; None when none was placed, or in doubt, under this id."""
        return await self.recall(OrderWrites.kind, custom_order_id)

    async def recall(self, kind: str, key: str) -> Entry | None:
        """Return what was carried out, or may have been; None when nothing was.

        Args:
            kind: "order", "refund" or "design".
            key: which one.
        """
        entry = await self._store.find(kind, key)
        return None if entry is None or entry.may_be_sent else entry

    async def settle(self, kk: KakaClo) -> tuple[Entry, ...]:
        """Look once at KakaClo for everything in doubt, and return what is pending still.

        Nothing is sent: what KakaClo did not get is lost until it is submitted again, or `finish` sends it.

        Raises:
            ConfigurationError: there is no journal.
            KakaCloError: KakaClo could not be asked.
        """
        for writes in _all_writes(kk):
            await look(self._store, writes)
        return await self.pending()

    async def finish(self, kk: KakaClo) -> tuple[Entry, ...]:
        """Settle everything that can be by now, send again what is lost, and return what is pending still.

        For what was submitted by workers that will not come back: it is sent as the journal has it.

        Raises:
            ConfigurationError: there is no journal.
            Rejected: KakaClo declined some of it, which is not pending any more; the others were sent.
            KakaCloError: KakaClo could not be asked; what was not sent is lost until the next call.
        """
        by_kind = {writes.kind: writes for writes in _all_writes(kk)}
        declined: Rejected | None = None
        for entry in await self.settle(kk):
            if entry.standing is WriteStatus.LOST:
                try:
                    await self._submit(
                        by_kind[entry.kind], entry.key, entry.payload, timeout=0.0, orphan=True
                    )
                except OutcomeUnknown:
                    continue  # pending again, and returned
                except Rejected as error:
                    if declined is None:
                        declined = error
                    else:
                        declined.add_note(str(error))
        if declined is not None:
            raise declined
        return await self.pending()

    async def once(self, writes: Writes, key: str, payload: bytes, *, timeout: float | None = None) -> str:  # noqa: ASYNC109 - the error says what is in doubt
        """Carry a write out exactly once, and return its number; `kk.orders.submit` and others call it.

        Args:
            writes: how it is sent, and looked for.
            key: which one; the same key and payload is the same write.
            payload: the JSON body.
            timeout: seconds to go on while it is in doubt, None until that can be settled.

        Raises:
            Conflict: the key came with another payload, which may have been sent.
            OutcomeUnknown: it is still in doubt.
            KakaCloError: it was surely not carried out.
        """
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
        return await submit(
            writes,
            key,
            payload,
            store=self._store,
            leases=self._leases.get(),
            search=self._searches.get().of(writes.kind),
            timeout=timeout,
            orphan=orphan,
        )


def _all_writes(kk: KakaClo) -> tuple[Writes, ...]:
    sender = kk._sender  # noqa: SLF001 - packages share privates
    return OrderWrites(sender), RefundWrites(sender), DesignWrites(kk.custom)
