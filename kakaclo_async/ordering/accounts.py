"""Which account a write was sent to: a journal keeps a mark of the token with each attempt.

An account shows its own writes alone. So a look believes that a write is absent only with the token that this was sent
with, or with one that shows another order that was placed with that token: a new one of the same account.
"""

from __future__ import annotations

import hashlib
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import attrs

from kakaclo_async.errors import KakaCloError
from kakaclo_async.resources.orders.reads import list_orders
from kakaclo_async.sending import Sender

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence

    from kakaclo_async.codec.outgoing import Secret
    from kakaclo_async.config import Budget
    from kakaclo_async.ordering.intents import Intents
    from kakaclo_async.ordering.writes import Entry, Lease


_MARGIN: Final = timedelta(days=1)
"""How far KakaClo's times may be off for an earlier order to be found."""

_ELSEWHERE: Final = (
    "it was sent with another token than this one, and no order that was placed with that one shows with this one: look"
    " with a token of the account that it was sent from; if this is that account, see on KakaClo's pages whether it was"
    " carried out, and give it another number if it was not"
)
_UNREAD: Final = (
    "it was sent with another token than this one, and whether this one is of the same account could not be read: look"
    " again, or look with the token that it was sent with"
)


def mark_of(token: str) -> str:
    """Return what tells later whether a token is this one: a hash."""
    return hashlib.sha256(f"a token of a journal: {token}".encode()).hexdigest()[:32]


def mark_for(sender: Sender) -> str | None:
    """Return the mark of the token that a sender used last, and most likely uses next; None if there was none."""
    token = sender.state.token._latest  # noqa: SLF001 - packages share privates
    return mark_of(token) if token else None


@attrs.frozen(slots=True)
class _HeardSender(Sender):
    """Lets somebody hear each token before it is sent with."""

    heard: Callable[[str], Awaitable[None]] = attrs.field(kw_only=True, repr=False)

    async def _read_token(self, budget: Budget) -> Secret:
        token = await super()._read_token(budget)
        await self.heard(token)
        return token


def _heard(sender: Sender, hear: Callable[[str], Awaitable[None]]) -> Sender:
    return _HeardSender(sender.state, sender.options, sender.deadline, sender.job, heard=hear)


def marking(sender: Sender, store: Intents, lease: Lease) -> Sender:
    """Return the same sender, which notes durably before a request leaves with which token it does."""

    async def note(token: str) -> None:
        mark = mark_of(token)
        if lease.sent_with != mark:
            await store.mark(lease.token, mark)
            lease.sent_with = mark

    return _heard(sender, note)


def noting(sender: Sender, tokens: set[str]) -> Sender:
    """Return the same sender, which puts the tokens that a look uses into a set."""

    async def note(token: str) -> None:
        tokens.add(token)

    return _heard(sender, note)


async def sent_elsewhere(
    store: Intents, sender: Sender, absent: Sequence[Entry], tokens: Collection[str]
) -> Mapping[str, str]:
    """Return why writes may have been carried out by another account than the one that was asked, by key.

    Args:
        store: knows what was placed with which token.
        sender: asks.
        absent: what a look did not find.
        tokens: that the look used.
    """
    used = {mark_of(token) for token in (*tokens, sender.state.token._latest)}  # noqa: SLF001 - packages share privates
    marks = {entry.key: entry.sent_with for entry in absent if entry.sent_with and used != {entry.sent_with}}
    if not marks:
        return {}
    placed = await store.placed_with({*marks.values()})
    shown, why = set[str](), _ELSEWHERE
    try:
        shown = await _shown(sender, placed.values())
    except KakaCloError:
        why = _UNREAD
    return {
        key: why for key, mark in marks.items() if mark not in placed or shown.isdisjoint(placed[mark][1])
    }


async def _shown(sender: Sender, placed: Collection[tuple[float, Sequence[str]]]) -> set[str]:
    """Return which orders the account lists, of some that were placed at a time, each with all its numbers."""
    shown = set[str]()
    left = {numbers[0]: frozenset(numbers) for _, numbers in placed}
    if left:
        start = datetime.fromtimestamp(min(at for at, _ in placed), UTC) - _MARGIN
        async with aclosing(list_orders(sender.bulk(urgent=True), created_from=start).rows()) as orders:
            async for order in orders:
                for first in [first for first, numbers in left.items() if order.id in numbers]:
                    shown |= left.pop(first)
                if not left:
                    break
    return shown
