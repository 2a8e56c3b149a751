"""The names of `kakaclo_async.ordering`, blocking (`pip install kakaclo[catalog]`)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from kakaclo_async import ordering
from kakaclo_async.ordering import Drained, Entry, WriteStatus
from kakaclo_async.ordering.journal import wall_clock
from kakaclo_sync._proxy import BlockingProxy, Bridge, blocking, nothing_to_close
from kakaclo_sync.client import own_client

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from kakaclo_async.models.custom import NewDesign
    from kakaclo_async.models.new_order import NewOrder
    from kakaclo_async.resources._journal import RefundRequest
    from kakaclo_async.sending import Sender
    from kakaclo_sync.client import KakaClo


__all__ = ["Drained", "Entry", "Journal", "WriteStatus"]


class Journal(BlockingProxy[ordering.Journal]):
    """Writes down what shall be carried out exactly once, before it is sent.

    Threads, processes and machines may share one. It holds the payloads, addresses among them, until they were
    carried out or declined. Nothing is kept open between two calls: there is nothing to close.

    Args:
        url: `sqlite:///orders.db` or `postgresql://user:password@host/name`.
        quiet_time: seconds from the moment when a request was given up until a look can say that KakaClo did not
            get it. It must cover how long a request may travel on without us, and then the index lag, of
            which we assume that it is 5 minutes at most for orders, too. A shorter one is quicker and less safe: a
            request that arrives later is a second order.
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
        now: Callable[[], datetime] = wall_clock,
    ) -> None:
        make = partial(ordering.Journal, url, quiet_time=quiet_time, lease=lease, now=now)
        super().__init__(Bridge(make, nothing_to_close), lambda journal: journal)

    pending = blocking(ordering.Journal.pending)
    find = blocking(ordering.Journal.find)
    add = blocking(ordering.Journal.add)
    withdraw = blocking(ordering.Journal.withdraw)

    def drain(self, kk: KakaClo, *, at_once: int = 4, seconds: float = 5.0) -> Drained:
        """Settle what can be, and carry out what waits or was not executed, oldest first.

        Drains of one journal, in several threads, processes and machines, share the work. What is in doubt keeps
        nobody: it is left for a later drain. A journal that is not there is made.

        Args:
            kk: sends, and looks.
            at_once: how many are sent at the same time, at most.
            seconds: after which no more is begun.

        Returns:
            What was done, what is left, and the error that stopped it, if any: it is not raised.

        Raises:
            ConfigurationError: the journal cannot be used, or `at_once` or `seconds` cannot be.
        """
        return kk._bridge.thread().run(  # noqa: SLF001 - the package's own
            lambda: self._target().drain(kk._target(), at_once=at_once, seconds=seconds)  # noqa: SLF001
        )

    def settle(self, kk: KakaClo) -> tuple[Entry, ...]:
        """Look once at KakaClo for everything in doubt, and return what is pending still.

        Nothing is sent: what KakaClo did not get is lost until it is submitted again, or `finish` sends it.

        Raises:
            ConfigurationError: there is no journal.
            KakaCloError: KakaClo could not be asked.
        """
        # On the client's loop: an async client knows no other, and a journal any.
        kk = own_client(kk)
        return kk._bridge.thread().run(lambda: self._target().settle(kk._target()))  # noqa: SLF001 - the package's own

    def finish(self, kk: KakaClo, *, only: Iterable[Entry] | None = None) -> tuple[Entry, ...]:
        """Settle everything that can be by now, send what waits or is lost, and return what is pending still.

        For what was submitted by workers that will not come back: it is sent as the journal has it.

        Args:
            kk: a client of the shop.
            only: what may be sent again, as `pending` or `settle` returned it, and somebody has agreed to; None: all.

        Raises:
            ConfigurationError: there is no journal.
            Rejected: KakaClo declined some of it, which is not pending any more; the others were sent.
            OutcomeUnknown: it was interrupted; the error names what was carried out. Call it again to go on.
            KakaCloError: KakaClo could not be asked; what was not sent is lost until the next call.
        """
        kk = own_client(kk)
        return kk._bridge.thread().run(lambda: self._target().finish(kk._target(), only=only))  # noqa: SLF001 - the package's own

    async def once(
        self,
        sender: Sender,
        write: NewOrder | RefundRequest | NewDesign,
        *,
        timeout: float | None = None,  # noqa: ASYNC109 - see below
    ) -> str:
        """Carry a write out on the client's loop; it is `kk.orders.submit` that calls and blocks."""
        return await self._target().once(sender, write, timeout=timeout)

    async def recall(self, kind: str, key: str) -> Entry | None:
        """Return what was carried out, or may have been; like `once`, for the client's loop."""
        return await self._target().recall(kind, key)

    def __repr__(self) -> str:
        return repr(self._target())
