"""Between the endpoints and a journal: what it takes to carry a write out exactly once.

The journal knows when to send and when to look; an endpoint knows how. Neither knows the other's part.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import attrs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from kakaclo_async.errors import Conflict, OutcomeUnknown


@attrs.frozen(kw_only=True)
class UnknownWrite:
    """A write that may have been carried out.

    Attributes:
        key: which one.
        payload: the JSON body that was sent; it may hold an address and is never shown.
        notes: what was noted on the way.
        sent_from: no attempt was made before; on our clock, like `sent_until`.
        sent_until: no byte of any attempt left after.
    """

    key: str
    payload: bytes = attrs.field(repr=False)
    notes: str | None = None
    sent_from: datetime
    sent_until: datetime


@attrs.frozen(kw_only=True)
class Reconciliation:
    """What a look at KakaClo brought.

    Attributes:
        found: numbers of what was carried out, by key.
        unclear: why nobody can tell, by key: neither found nor absent.
        complete: whether everything was seen, so that what was not found is absent.
    """

    found: Mapping[str, str]
    unclear: Mapping[str, str] = attrs.field(factory=dict[str, str])
    complete: bool = True


class Attempt(Protocol):
    """One attempt at a write, for the endpoint that makes it."""

    @property
    def key(self) -> str:
        """Which write."""
        ...

    @property
    def payload(self) -> bytes:
        """The JSON body to send."""
        ...

    def may_leave(self) -> None:
        """Raise if the request must not leave any more; to be called when its permit is there."""
        ...

    async def note(self, text: str) -> None:
        """Keep a text with the write, durably: a later look is given it."""
        ...


class Writes(Protocol):
    """One kind of write, and how to find out what became of it."""

    @property
    def kind(self) -> str:
        """What the journal calls it."""
        ...

    @property
    def timeout(self) -> float:
        """Seconds that one attempt takes at most, once its permit is there."""
        ...

    async def send(self, attempt: Attempt) -> str:
        """Carry the write out: one request, never repeated once it may have arrived.

        Returns:
            The number that KakaClo gave.

        Raises:
            OutcomeUnknown: it may have been carried out.
            KakaCloError: it surely was not.
        """
        ...

    async def look(self, doubts: Sequence[UnknownWrite], *, thorough: bool) -> Reconciliation:
        """Find out what became of writes in doubt, all at once.

        Args:
            doubts: at least one.
            thorough: what is not found now will be sent again; else a quick look for what was carried out will do.
        """
        ...

    def spare(self, payload: bytes) -> bytes:
        """Return what a journal keeps of a payload that was carried out: no address."""
        ...

    def in_doubt(self, key: str, text: str, settles_at: datetime) -> OutcomeUnknown:
        """Make the error for a write in doubt."""
        ...

    def conflict(self, key: str) -> Conflict:
        """Make the error for a key that came with another payload."""
        ...


class Recalled(Protocol):
    """What a journal knows of a write."""

    @property
    def payload(self) -> bytes:
        """The JSON body, without an address once it was carried out."""
        ...

    @property
    def sent_from(self) -> datetime | None:
        """No attempt was made before."""
        ...


class WriteJournal(Protocol):
    """What `journal=` takes: `kakaclo_async.ordering.Journal`."""

    async def recall(self, kind: str, key: str) -> Recalled | None:
        """Return what was carried out, or may have been, under a key."""
        ...

    async def once(self, writes: Writes, key: str, payload: bytes, *, timeout: float | None = None) -> str:  # noqa: ASYNC109 - the journal says what is in doubt when it ends
        """Carry a write out exactly once, across crashes and workers, and return its number.

        Args:
            writes: how.
            key: which one; the same key and payload is the same write.
            payload: the JSON body.
            timeout: seconds to go on while it is in doubt, None until that can be settled.

        Raises:
            Conflict: the key came with another payload before.
            OutcomeUnknown: it is still in doubt.
            KakaCloError: it was surely not carried out.
        """
        ...
