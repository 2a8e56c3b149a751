"""Exactly once: claim and send, or wait for who does, or look for what may have been sent."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from kakaclo_async.ordering.attempt import Attempt
from kakaclo_async.ordering.entry import Entry, WriteStatus, digest_of

if TYPE_CHECKING:
    from kakaclo_async.errors import KakaCloError, OutcomeUnknown
    from kakaclo_async.ordering.leases import Leases
    from kakaclo_async.ordering.search import Search
    from kakaclo_async.ordering.store import Store
    from kakaclo_async.resources.writes import Writes


_FIRST_PAUSE = 0.1  # seconds between two looks at what another worker is sending
_LONGEST_PAUSE = 2.0

_MOST_ATTEMPTS = 5
"""Requests that one call may cost when each ends in doubt, and is found not to have arrived."""


class _Patience:
    """How long a doubt is waited for, counted from the first time that there is one."""

    def __init__(self, timeout: float | None) -> None:
        self._timeout = timeout
        self._deadline: float | None = None
        self._pause = _FIRST_PAUSE

    @property
    def left(self) -> float | None:
        """Seconds; None: as long as it takes."""
        if self._timeout is None:
            return None
        now = asyncio.get_running_loop().time()
        if self._deadline is None:
            self._deadline = now + self._timeout
        return self._deadline - now

    async def pause(self) -> None:
        """Wait a little, longer each time."""
        left = self.left
        await asyncio.sleep(self._pause if left is None else min(self._pause, left))
        self._pause = min(_LONGEST_PAUSE, self._pause * 1.5)


async def submit(
    writes: Writes,
    key: str,
    payload: bytes,
    *,
    store: Store,
    leases: Leases,
    search: Search,
    timeout: float | None,  # noqa: ASYNC109 - the error says what is in doubt
    orphan: bool = False,
) -> str:
    """Carry a write out exactly once, and return its number.

    Args:
        writes: how it is sent, and looked for.
        key: which one.
        payload: the JSON body.
        store: the journal's entries.
        leases: the claims of this worker.
        search: looks for what is in doubt.
        timeout: seconds to go on while it is in doubt.
        orphan: whether the journal alone has the payload, and keeps it unless KakaClo declines it.

    Raises:
        Conflict: the key came with another payload, which may have been sent.
        OutcomeUnknown: it is still in doubt.
        KakaCloError: it was surely not carried out.
    """
    digest = digest_of(payload)
    patience = _Patience(timeout)
    failure: KakaCloError | None = None
    attempts = 0
    looked = False
    while True:
        attempt = Attempt(writes, key, payload, store, leases, orphan=orphan)
        entry = await attempt.claim(digest)
        if entry.may_be_sent:
            if (outcome := await attempt.carry_out()) is not None:
                return outcome
            attempts, looked = attempts + 1, False
            continue
        if entry.digest != digest:
            raise writes.conflict(key)
        if entry.standing is WriteStatus.DONE:
            return entry.outcome or ""
        left = patience.left
        if looked or attempts == _MOST_ATTEMPTS or (left is not None and left <= 0):
            raise _in_doubt(writes, entry, failure)
        if entry.standing is WriteStatus.SENDING:
            await patience.pause()
        else:
            ripe_in = ((entry.settles_at or entry.seen_at) - entry.seen_at).total_seconds()
            failure = await search.next_look(writes, ripe_in=ripe_in, timeout=left)
            # A look that began when it could tell, and did not: no other will, unless KakaClo recovers.
            looked = entry.may_be_settled


def _in_doubt(writes: Writes, entry: Entry, failure: KakaCloError | None) -> OutcomeUnknown:
    if entry.standing is WriteStatus.SENDING:
        why = "another worker is sending it"
    else:
        why = entry.why or "the worker that sent it died"
    if failure is not None:
        why += f"; KakaClo could not be asked ({failure})"
    error = writes.in_doubt(entry.key, why, entry.settles_at or entry.seen_at)
    error.__cause__ = failure
    return error
