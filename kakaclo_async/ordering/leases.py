"""Claims on writes: kept up while their worker lives, lost soon after it died."""

from __future__ import annotations

import asyncio
import os
import secrets
from typing import TYPE_CHECKING

import attrs

from kakaclo_async.errors import ConfigurationError, LeaseLost as LeaseLost  # noqa: PLC0414

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from kakaclo_async.ordering.store import Store


@attrs.define(eq=False)
class Lease:
    """A claim on one write.

    Attributes:
        token: what the journal knows it by.
        timeout: seconds that one attempt takes at most.
        until: seconds since 1970; nothing is sent after.
        deadline: the same moment on the event loop's clock, in case that somebody sets the other one back.
    """

    token: str
    timeout: float
    until: float
    deadline: float


class Leases:
    """The claims of one worker on one event loop.

    Args:
        store: where they are written down.
        seconds: how long a claim outlives its worker; it is prolonged three times in that time.
        now: tells the time, aware.
    """

    def __init__(self, store: Store, seconds: float, now: Callable[[], datetime]) -> None:
        self._store = store
        self._seconds = seconds
        self._now = now
        self._held: dict[str, Lease] = {}
        self._keeper: asyncio.Task[None] | None = None

    def new(self, timeout: float) -> Lease:
        """Return a claim to make.

        Args:
            timeout: seconds that one attempt takes at most.
        """
        token = f"{os.getpid()}-{secrets.token_hex(8)}"
        return Lease(token, timeout, *self._end())

    def keep(self, lease: Lease) -> None:
        """Keep a claim up from now on."""
        self._held[lease.token] = lease
        if self._keeper is None or self._keeper.done():
            self._keeper = asyncio.create_task(self._keep_all(), name="kakaclo journal leases")

    def drop(self, lease: Lease) -> None:
        """Keep a claim up no more."""
        self._held.pop(lease.token, None)
        if not self._held and self._keeper is not None:
            self._keeper.cancel()
            self._keeper = None  # it ends a little later, and must not be counted on by then

    def check(self, lease: Lease) -> None:
        """Raise `LeaseLost` unless a claim still holds."""
        now = self._now().timestamp()
        if now >= lease.until or asyncio.get_running_loop().time() >= lease.deadline:
            raise LeaseLost("the claim in the journal ran out while the request waited for its turn")

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
                continue  # the database is away: those who send find out by the time
            for token in kept & self._held.keys():
                held[token].until, held[token].deadline = until, deadline
