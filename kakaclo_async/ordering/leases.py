"""Leases on writes, prolonged while their worker lives; and the attempts that are made under them."""

from __future__ import annotations

import asyncio
import os
import secrets
import time
from abc import ABC, abstractmethod
from contextlib import contextmanager
from copy import copy
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, ClassVar, Self

import attrs

from kakaclo_async.config import Options
from kakaclo_async.errors import ConfigurationError, KakaCloError, LeaseLost, OutcomeUnknown
from kakaclo_async.events import Lane
from kakaclo_async.models.common import Number
from kakaclo_async.ordering.accounts import mark_for, marking
from kakaclo_async.ordering.writes import Lease, WriteStatus, refuses_this
from kakaclo_async.sending import Sender

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from kakaclo_async.errors import Conflict
    from kakaclo_async.ordering.intents import Intents
    from kakaclo_async.ordering.writes import Entry, Reconciliation


class Leases:
    """The leases of one worker on one event loop.

    Args:
        store: where they are written down.
        seconds: how long a lease outlives its worker; it is prolonged three times in that time.
        now: tells the time, aware.
    """

    def __init__(self, store: Intents, seconds: float, now: Callable[[], datetime]) -> None:
        self._store = store
        self._seconds = seconds
        self._now = now
        self._held: dict[str, Lease] = {}
        self._keeper: asyncio.Task[None] | None = None

    def new(self, timeout: float, sent_with: str | None = None) -> Lease:
        """Return a lease to claim a write with.

        Args:
            timeout: seconds that one attempt takes at most.
            sent_with: a mark of the token that it will most likely be made with.
        """
        token = f"{os.getpid()}-{secrets.token_hex(8)}"
        return Lease(token, timeout, *self._end(), self._now, sent_with=sent_with)

    def keep(self, lease: Lease) -> None:
        """Prolong a lease from now on."""
        self._held[lease.token] = lease
        if self._keeper is None or self._keeper.done():
            self._keeper = asyncio.create_task(self._keep_all(), name="kakaclo journal leases")

    def drop(self, lease: Lease) -> None:
        """Prolong a lease no more."""
        self._held.pop(lease.token, None)
        if not self._held and self._keeper is not None:
            self._keeper.cancel()
            self._keeper = None  # it ends a little later, and must not be counted on by then

    def _end(self) -> tuple[float, float]:
        return self._now().timestamp() + self._seconds, asyncio.get_running_loop().time() + self._seconds

    async def _keep_all(self) -> None:
        while True:
            await asyncio.sleep(self._seconds / 3)
            until, deadline = self._end()
            held = dict(self._held)
            try:
                kept = await self._store.renew(held, until)
            except ConfigurationError:
                continue  # the database is away: `Lease.check` ends what lasts too long
            for token in kept & self._held.keys():
                held[token].until, held[token].deadline = until, deadline


class Writes(ABC):
    """One kind of write: how to send it, and how to find out what became of it.

    Args:
        sender: sends, and looks.
    """

    kind: ClassVar[str]

    def __init__(self, sender: Sender) -> None:
        self.sender = sender

    @property
    def timeout(self) -> float:
        """Seconds that one attempt takes at most, once its permit is granted."""
        return self.sender.options.timeout

    def at_leisure(self, *, for_all: bool = True) -> Self:
        """Return the same for a look: limits that are short for one call must not keep a doubt open.

        Args:
            for_all: whether the look serves others, too; otherwise the `max_wait` that a view names holds.
        """
        least, options = Options(), self.sender.options
        waits = for_all or not options.max_wait_for_all
        longer = attrs.evolve(
            options,
            lane=Lane.BULK,
            timeout=max(least.timeout, options.timeout),
            attempt_timeout=max(least.attempt_limit, options.attempt_limit),
            max_attempts=max(least.max_attempts, options.max_attempts),
            max_wait=None if waits else options.max_wait,
            max_wait_for_all=not waits,
        )
        other = copy(self)
        other.sender = Sender(self.sender.state, longer).bulk(urgent=True)
        return other

    @abstractmethod
    async def send(self, attempt: Attempt) -> str:
        """Carry the write out: one request, never repeated once it may have arrived.

        Returns:
            The number that KakaClo gave.

        Raises:
            OutcomeUnknown: it may have been carried out.
            KakaCloError: it surely was not.
        """

    @abstractmethod
    async def reconcile(self, unknown: Sequence[Entry], *, thorough: bool) -> Reconciliation:
        """Find out what became of unknown writes, all at once.

        Args:
            unknown: at least one.
            thorough: what is not found now will be sent again; otherwise a quick look for what was carried out will do.
        """

    def redact(self, payload: bytes) -> bytes:
        """Return what a journal keeps of a payload that was carried out: all of it, unless it holds an address."""
        return payload

    @abstractmethod
    def unknown(self, key: str, why: str, settles_at: datetime) -> OutcomeUnknown:
        """Make the error for an unknown write."""

    @abstractmethod
    def conflict(self, key: str, entry: Entry, payload: bytes) -> Conflict:
        """Make the error for an entry whose key came with another payload."""


class Attempt:
    """One attempt at a write.

    Whatever kills the worker, the journal knows enough: before `claim` nothing was sent; from then until the end
    was recorded, the write may have been sent, and the lease runs out.

    Attributes:
        key: which write.
        payload: the JSON body to send.
        lease: its claim; the request must not leave without it.
        orphan: what becomes of it when the journal alone has the payload, and could not send it; None: the submitter
            has it. What KakaClo declines is dropped.
        doubt: the error that says so, once it was sent and its outcome was recorded as unknown.
    """

    doubt: OutcomeUnknown | None = None

    def __init__(
        self,
        writes: Writes,
        key: str,
        payload: bytes,
        store: Intents,
        leases: Leases,
        *,
        orphan: WriteStatus | None = None,
        lease: Lease | None = None,
    ) -> None:
        self.key = key
        self.payload = payload
        self.orphan = orphan
        self._store = store
        self._leases = leases
        self._may_have_left = False
        self.lease = lease or leases.new(writes.sender.options.timeout, mark_for(writes.sender))
        self._writes = copy(writes)
        self._writes.sender = marking(writes.sender, store, self.lease)

    async def claim(self, digest: str) -> tuple[Entry, bool]:
        """Write the intent down unless it is there, and lease it if it may be sent.

        Returns:
            The entry as it was, and whether it was leased.
        """
        try:
            return await self._store.enter(
                self._writes.kind, self.key, self.payload, digest, self.lease, self._server_now()
            )
        except (ConfigurationError, GeneratorExit):
            raise  # nothing was written
        except BaseException as error:
            await self._release(error)
            raise

    def check(self) -> None:
        """Let the request leave, or raise `LeaseLost`."""
        self.lease.check()
        self._may_have_left = True

    async def note(self, text: str) -> None:
        """Keep a text with the write, durably: a later look is given it."""
        await self._store.note(self.lease.token, text)

    async def carry_out(self) -> str | None:
        """Send what was leased.

        Returns:
            Its number, or None when the journal has its status.

        Raises:
            OutcomeUnknown: it may have been carried out, and this task was cancelled, foreign code failed, or the
                journal could not record it.
            BaseException: it was surely not carried out.
        """
        self._leases.keep(self.lease)
        try:
            outcome = await self._writes.send(self)
        except LeaseLost as error:
            await self._release(error)
            return None
        except OutcomeUnknown as error:
            await self._unknown(error)
            return None
        except GeneratorExit:
            raise  # the event loop is gone: the lease runs out
        except (KakaCloError, asyncio.CancelledError) as error:
            await self._release(error)  # had any of it left, it would be an OutcomeUnknown
            raise
        except BaseException as error:
            # A token function, a guard, a listener: theirs is the error, and the caller's to see.
            if not self._may_have_left:
                await self._release(error)
                raise
            unknown = self._in_doubt(f"{type(error).__name__} while it was being sent")
            await self._unknown(unknown)
            raise unknown from error
        else:
            await self._record(outcome)
            return outcome
        finally:
            self._leases.drop(self.lease)

    async def _release(self, error: BaseException) -> None:
        self._store.forget(self._writes.kind, self.key)
        # The text of a foreign error may hold anything.
        why = str(error) if isinstance(error, KakaCloError) else f"{type(error).__name__} before it was sent"
        try:
            await self._store.release(self.lease.token, why, self._status_after(error))
        except Exception as trouble:  # noqa: BLE001 - the caller shall see the error that came first
            # The lease runs out, and the write counts as unknown until a look clears it.
            error.add_note(
                f"the journal takes it for sent until it is settled, for it could not record that: {trouble}"
            )

    def _status_after(self, error: BaseException) -> WriteStatus:
        if self.orphan is None:
            return WriteStatus.NOT_SENT
        return WriteStatus.DECLINED if refuses_this(error) else self.orphan

    def _in_doubt(self, why: str) -> OutcomeUnknown:
        settles_at = datetime.fromtimestamp(self.lease.now().timestamp(), UTC)
        settles_at += timedelta(seconds=self._store.quiet_time)
        return self._writes.unknown(self.key, why, settles_at)

    async def _unknown(self, error: OutcomeUnknown) -> None:
        self.lease.end()
        why = str(error.__cause__ or error)
        self.doubt = self._in_doubt(why)
        try:
            await self._store.unknown(self.lease.token, why, server_now=self._server_now())
        except asyncio.CancelledError:
            raise error from error.__cause__
        except Exception as trouble:  # noqa: BLE001 - whatever it is, the write is in doubt
            error.add_note(f"the journal could not record it: {trouble}")
            raise error from error.__cause__
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            # The transport turned the cancellation into this error: the caller waits for no look any more.
            raise error

    async def _record(self, outcome: str) -> None:
        try:
            await self._store.done(self._writes.kind, self.key, outcome, self._writes.redact(self.payload))
        except (Exception, asyncio.CancelledError, KeyboardInterrupt) as trouble:
            # The number must not be lost with an interrupt.
            if isinstance(trouble, asyncio.CancelledError):
                what = "this call was cancelled while that was recorded"
            else:
                how = trouble if isinstance(trouble, ConfigurationError) else type(trouble).__name__
                what = f"that could not be recorded ({how})"
            raise OutcomeUnknown(
                f"{self._writes.kind} {self.key!r} was carried out as {', '.join(Number.all_of(outcome))}, and {what};"
                " submit it again with the same journal: it will be found",
                custom_order_id=self.key if self._writes.kind == "order" else None,
            ) from trouble

    def _server_now(self) -> float | None:
        loop_time = asyncio.get_running_loop().time()
        return self._writes.sender.state.server_clock.now(loop_time=loop_time, wall_time=time.time())


@contextmanager
def still_in(doubt: OutcomeUnknown | None) -> Generator[None]:
    """Let whatever fails in a doubt say so: its own error would sound as if nothing had been sent."""
    try:
        yield
    except Exception as error:
        if doubt is None:
            raise
        doubt.args = (f"{doubt}; {error if isinstance(error, KakaCloError) else type(error).__name__}",)
        raise doubt from error
