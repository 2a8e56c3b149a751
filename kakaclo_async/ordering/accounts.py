"""Which account a write was sent to: a journal keeps a mark of the token with each attempt.

What an account does not show was not carried out by it. So a look believes that a write is absent only with the token
that this was sent with, or with one that shows what the journal placed before: a new token of the same account.
"""

from __future__ import annotations

import hashlib
import secrets
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
    "it was sent with another token than this one, and with this one the last order that the journal placed before does"
    " not show: look with a token of the account that it was sent from; if this is that account, see on KakaClo's pages"
    " whether it was carried out, and give it another number if it was not"
)
_UNREAD: Final = (
    "it was sent with another token than this one, and whether this one is of the same account could not be read: look"
    " again, or look with the token that it was sent with"
)


def mark_of(token: str) -> str:
    """Return what tells later whether a token is this one: a salted hash."""
    salt = secrets.token_hex(8)
    return f"{salt}:{_hash(salt, token)}"


def is_mark_of(mark: str | None, token: str) -> bool:
    """Tell whether a mark was made of a token."""
    salt, _, found = (mark or "").partition(":")
    return bool(found) and found == _hash(salt, token)


def _hash(salt: str, token: str) -> str:
    return hashlib.sha256(f"{salt}:{token}".encode()).hexdigest()[:32]


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
        if not is_mark_of(lease.sent_with, token):
            mark = mark_of(token)
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
        store: knows what was placed before them.
        sender: asks.
        absent: what a look did not find.
        tokens: that the look used.
    """
    used = {*tokens, sender.state.token._latest}  # noqa: SLF001 - packages share privates
    others = [
        entry
        for entry in absent
        if entry.sent_with is not None and not all(is_mark_of(entry.sent_with, token) for token in used)
    ]
    if not others:
        return {}
    earlier = await store.placed_before(others)
    shown, why = set[str](), _ELSEWHERE
    try:
        shown = await _shown(sender, earlier.values())
    except KakaCloError:
        why = _UNREAD
    return {
        entry.key: why for entry in others if entry.key not in earlier or not shown & {*earlier[entry.key][1]}
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
