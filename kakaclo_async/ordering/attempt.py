"""One attempt at a write: claim it, send it, record how that ended."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from kakaclo_async.errors import ConfigurationError, KakaCloError, OutcomeUnknown, Rejected
from kakaclo_async.ordering.leases import LeaseLost

if TYPE_CHECKING:
    from kakaclo_async.ordering.entry import Entry
    from kakaclo_async.ordering.leases import Leases
    from kakaclo_async.ordering.store import Store
    from kakaclo_async.resources.writes import Writes


class Attempt:
    """One attempt at a write.

    Whatever kills the worker, the journal knows enough: before `claim` nothing was sent; from then until the end
    was recorded, the write may have been sent, and the claim runs out.

    Attributes:
        key: which write.
        payload: the JSON body to send.
        orphan: whether the journal alone has the payload, and keeps it unless KakaClo declines it.
    """

    def __init__(
        self, writes: Writes, key: str, payload: bytes, store: Store, leases: Leases, *, orphan: bool = False
    ) -> None:
        self.key = key
        self.payload = payload
        self.orphan = orphan
        self._writes = writes
        self._store = store
        self._leases = leases
        self._lease = leases.new(writes.timeout)

    async def claim(self, digest: str) -> Entry:
        """Write the intent down unless it is there, and claim it if it may be sent.

        Returns:
            The entry as it was; it was claimed if and only if it might be sent.
        """
        try:
            return await self._store.enter(self._writes.kind, self.key, self.payload, digest, self._lease)
        except asyncio.CancelledError as error:
            await self._release(error)
            raise

    def may_leave(self) -> None:
        """Raise `LeaseLost` if the request must not leave any more."""
        self._leases.check(self._lease)

    async def note(self, text: str) -> None:
        """Keep a text with the write, durably."""
        await self._store.note(self._lease.token, text)

    async def carry_out(self) -> str | None:
        """Send what was claimed.

        Returns:
            Its number, or None when the journal tells how it stands.

        Raises:
            OutcomeUnknown: this task was cancelled, and it is in doubt.
            KakaCloError: it was surely not carried out.
        """
        self._leases.keep(self._lease)
        try:
            outcome = await self._writes.send(self)
        except LeaseLost as error:
            await self._release(error)
            return None
        except OutcomeUnknown as error:
            await self._doubt(error)
            return None
        except (KakaCloError, asyncio.CancelledError) as error:
            await self._release(error)
            raise
        else:
            await self._record(outcome)
            return outcome
        finally:
            self._leases.drop(self._lease)

    async def _release(self, error: BaseException) -> None:
        why = str(error) or "cancelled before it was sent"
        try:
            await self._store.release(
                self._lease.token, why, lost=self.orphan and not isinstance(error, Rejected)
            )
        except ConfigurationError:
            return  # the claim runs out, and the write counts as in doubt until a look clears it

    async def _doubt(self, error: OutcomeUnknown) -> None:
        try:
            await self._store.doubt(self._lease.token, str(error.__cause__ or error))
        except ConfigurationError as trouble:
            error.add_note(str(trouble))
            raise error from None
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            # The transport turned the cancellation into this error: nobody waits for a look any more.
            raise error

    async def _record(self, outcome: str) -> None:
        try:
            await self._store.done(self._writes.kind, self.key, outcome, self._writes.spare(self.payload))
        except ConfigurationError as trouble:
            raise OutcomeUnknown(
                f"{self._writes.kind} {self.key!r} was carried out as {outcome}, and that could not be recorded"
                f" ({trouble}); submit it again with the same journal: it will be found",
                custom_order_id=self.key if self._writes.kind == "order" else None,
            ) from trouble
