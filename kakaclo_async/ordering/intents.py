"""What a journal writes down of writes that nobody sends now: what waits, and what was carried out without it.

And how it refuses an order because of the one that it has.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final, cast

import attrs
from sqlalchemy import and_, func, or_, select, tuple_, update

from kakaclo_async.errors import Conflict
from kakaclo_async.ordering.database import IN_LINE, insert_into, same, write
from kakaclo_async.ordering.store import DECLINED, DONE, LOST, READY, SENT, WAITING, Store, leased_by
from kakaclo_async.ordering.writes import Moment, WriteStatus, field_marks, flat_fields, is_same

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy.engine import Connection

    from kakaclo_async.ordering.writes import Entry, Lease


_ORDER: Final = "order"
_WITNESSES: Final = 3
"""Orders that may vouch for a token."""

_IS_DECLINED: Final = write.c.state == DECLINED

_TOLD: Final = json.dumps({"told": True})
"""The note of what was declined, once somebody has heard of it."""

_WITHDRAWN: Final = {"state": READY, "payload": b"", "marks": None, "why": "it was withdrawn"}


@attrs.frozen
class Doubt:
    """What may have been sent.

    Attributes:
        kind: of the write.
        settles_in: seconds until a look can tell.
        is_free: whether no worker holds its lease.
    """

    kind: str
    settles_in: float
    is_free: bool

    @property
    def is_ripe(self) -> bool:
        """Whether a look can tell by now."""
        return self.is_free and self.settles_in <= 0


@attrs.frozen
class Standing:
    """How a journal stands.

    Attributes:
        left: how many writes wait to be sent.
        declined: how many KakaClo declined, and nobody added again.
        doubts: what may have been sent.
        seen_at: when it was read, in seconds since 1970.
    """

    left: int
    declined: int
    doubts: Sequence[Doubt]
    seen_at: float


class Intents(Store):
    """The entries of a journal, and the line of those that wait."""

    async def add(self, key: str, payload: bytes, digest: str) -> Entry:
        """Let an order wait, unless it waits already, or may have been sent; return its entry.

        Raises:
            Conflict: the entry is of another order.
        """
        moment = Moment()

        def work(connection: Connection) -> Entry:
            now = self._seconds()
            marks = json.dumps(field_marks(key, payload))
            values = {"digest": digest, "payload": payload, "marks": marks}
            row = self._locked(connection, _ORDER, key, now, values)
            if row.state in {READY, DECLINED}:
                why = row.why if row.state == DECLINED else None  # it may well be declined once more
                waiting = {**values, "state": WAITING, "notes": None, "why": why, "queued_at": now}
                connection.execute(update(write).where(same(_ORDER, key)).values(waiting))
                row = connection.execute(select(write).where(same(_ORDER, key))).one()
            return self._entry(row, now, moment)

        entry = await self._database.run(work)
        if not is_same(entry, payload):
            raise order_conflict(key, entry, payload)
        return entry

    async def withdraw(self, key: str) -> Entry | None:
        """Take an order back that waits or was declined; return the entry as it was, None when there is none to take.

        Raises:
            Conflict: it may have been sent.
        """
        moment = Moment()

        def work(connection: Connection) -> Entry | None:
            found = select(write).where(same(_ORDER, key)).with_for_update()
            row = connection.execute(found).one_or_none()
            if row is None:
                return None
            if row.state in {WAITING, LOST, DECLINED}:
                connection.execute(update(write).where(same(_ORDER, key)).values(_WITHDRAWN))
            return self._entry(row, self._seconds(), moment)

        entry = await self._database.run(work)
        if entry is None or entry.status is WriteStatus.NOT_SENT:
            return None
        if not entry.may_be_sent:
            raise too_late(key, entry)
        return entry

    async def claim(self, lease: Lease, server_now: float | None) -> Entry | None:
        """Lease what has waited longest, and return it; None when nothing waits that no other worker takes now.

        One statement claims it, and passes over what others are claiming: workers neither wait for each other nor meet.
        """
        moment = Moment()
        first = select(write.c.kind, write.c.key).where(IN_LINE).order_by(write.c.queued_at).limit(1)
        head = first.with_for_update(skip_locked=True).scalar_subquery()
        taken = update(write).where(tuple_(write.c.kind, write.c.key) == head)

        def work(connection: Connection) -> Entry | None:
            now = self._seconds()
            if not connection.execute(taken.values(leased_by(lease, now, server_now))).rowcount:
                return None
            mine = select(write).where(write.c.state == SENT, write.c.holder == lease.token)
            return self._entry(connection.execute(mine).one(), now, moment)

        entry = await self._database.run(work)
        if entry is not None:
            self._witness(entry.kind, entry.key, entry.attempts, lease, moment)
        return entry

    async def standing(self, *, make: bool = True) -> Standing:
        """Tell how the journal stands, without reading what is done."""
        moment = Moment()
        columns = ("kind", "key", "attempts", "sent_until", "holder", "held_until")
        sent = select(*(write.c[name] for name in columns)).where(write.c.state == SENT)
        counted = select(func.count()).select_from(write)
        waiting, refused = (counted.where(one).scalar_subquery() for one in (IN_LINE, _IS_DECLINED))
        counts = select(waiting, refused)

        def work(connection: Connection) -> Standing:
            now = self._seconds()
            left, declined = connection.execute(counts).one()
            doubts = [
                Doubt(
                    row.kind,
                    self._settles_at(row, now, moment)[0] - now,
                    row.holder is None or row.held_until <= now,
                )
                for row in connection.execute(sent)
            ]
            return Standing(left, declined, doubts, now)

        return await self._database.run(work, make=make)

    async def declined(self, *, untold: bool = False) -> tuple[Entry, ...]:
        """Return what KakaClo declined and nobody added again, oldest first; with `untold` what nobody heard of."""
        moment = Moment()
        found = select(write).where(_IS_DECLINED).order_by(write.c.created_at, write.c.key)
        if untold:
            found = found.where(or_(write.c.notes.is_(None), write.c.notes != _TOLD))

        def work(connection: Connection) -> tuple[Entry, ...]:
            now = self._seconds()
            return tuple(self._entry(row, now, moment) for row in connection.execute(found))

        return await self._database.run(work, make=False)

    async def told(self, declined: Entry) -> None:
        """Note that somebody has heard of what was declined; it is told again if it is declined once more."""
        attempt = write.c.attempts == declined.attempts
        await self._update(and_(same(declined.kind, declined.key), _IS_DECLINED, attempt), notes=_TOLD)

    async def mark(self, token: str, sent_with: str) -> None:
        """Keep the mark of the token that a leased write is about to be sent with."""
        await self._update(write.c.holder == token, sent_with=sent_with)

    async def placed_with(self, marks: Iterable[str]) -> dict[str, tuple[float, tuple[str, ...]]]:
        """Return since when the last orders placed with each token may be there, and their numbers; by its mark."""
        moment = Moment()
        placed = select(write).where(write.c.kind == _ORDER, write.c.state == DONE, write.c.attempts > 0)

        def work(connection: Connection) -> dict[str, tuple[float, tuple[str, ...]]]:
            found: dict[str, tuple[float, tuple[str, ...]]] = {}
            for mark in marks:
                # Several, for the list may lack the very last; each may have been in doubt for long before it was done.
                last = (
                    placed.where(write.c.sent_with == mark).order_by(write.c.done_at.desc()).limit(_WITNESSES)
                )
                rows = connection.execute(last).all()
                entries = [self._entry(row, self._seconds(), moment) for row in rows]
                if rows:
                    since = min(row.sent_from or row.created_at for row in rows)
                    found[mark] = since, tuple(number for entry in entries for number in entry.number.all)
            return found

        return await self._database.run(work)

    async def has_sent(self, kind: str) -> bool:
        """Tell whether a journal that is there was ever used to send a write of a kind, rather than told of it."""
        first = select(write.c.key).where(write.c.kind == kind, write.c.attempts > 0).limit(1)
        return await self._database.run(lambda on: on.execute(first).first() is not None, make=False)

    async def adopt(self, kind: str, found: Mapping[str, tuple[str, bytes, str]]) -> None:
        """Record at once what was carried out before there was this journal: number, payload and digest by key."""
        new = {"kind": kind, "attempts": 0, "created_at": self._seconds(), "notes": None}
        rows = [
            {**new, "key": key, "digest": digest, **self._outcome(outcome, payload)}
            for key, (outcome, payload, digest) in found.items()
        ]
        await self._database.run(lambda on: on.execute(insert_into(on).on_conflict_do_nothing(), rows))


def order_conflict(key: str, entry: Entry, payload: bytes) -> Conflict:
    """Make the error for a custom order id that came with another order: how that stands, and what differs."""
    fate, then = _fate(entry)
    return Conflict(
        f"the journal knows another order under the custom order id {key!r}: {fate}; this one differs in"
        f" {_differences(entry, payload)}, and was not sent; {then}",
        custom_order_id=key,
        order_id=entry.outcome,
    )


def too_late(key: str, entry: Entry) -> Conflict:
    """Make the error for an order that cannot be taken back."""
    fate, _ = _fate(entry)
    return Conflict(f"order {key!r} cannot be withdrawn: {fate}", custom_order_id=key, order_id=entry.outcome)


def _fate(entry: Entry) -> tuple[str, str]:
    """Return how an order stands, and what to do to correct it."""
    match entry.status:
        case WriteStatus.DONE:
            return (
                f"it is placed, as order {entry.outcome}",
                f"to correct it, have order {entry.outcome} changed by KakaClo's staff, or refund it",
            )
        case WriteStatus.SENDING:
            return "another worker is sending it", "wait for its outcome before you correct it"
        case WriteStatus.UNKNOWN:
            return (
                "it may have been placed, and is in doubt",
                "submit it as it was to settle that before you correct it",
            )
        case _:
            return "it waits to be placed", "to correct it, withdraw it first"


_WIRE_NAMES: Final = {"orderAddresses": "address", "orderItemsList": "items"}


def _differences(entry: Entry, payload: bytes) -> str:
    """Name the fields in which a payload differs from that of an entry, without any value of them."""
    kept, given = flat_fields(entry.payload), flat_fields(payload)
    names = {name for name in kept.keys() & given.keys() if kept[name] != given[name]}
    if "customOrderId" in kept:  # all of it is there
        names |= kept.keys() ^ given.keys()
    elif entry.marks is not None:
        marks = cast("dict[str, str]", json.loads(entry.marks))
        marks_given = field_marks(entry.key, payload)
        names |= {name for name in marks.keys() | marks_given if marks.get(name) != marks_given.get(name)}
    if not names:
        return "something that the journal no longer has: its address, channel, remark or platform"
    own = (
        _WIRE_NAMES.get(whole, whole) + dot + part for whole, dot, part in (n.partition(".") for n in names)
    )
    said = sorted(re.sub(r"(?<=[a-z])([A-Z])", r"_\1", name).lower() for name in own)
    items = f"items ({_items(entry.payload)} there, {_items(payload)} here)"
    return ", ".join(items if name == "items" else name for name in said)


def _items(payload: bytes) -> str:
    lines = json.loads(payload)["orderItemsList"]
    return " + ".join(f"{line['quantity']} {line['sku']}" for line in lines) or "none"
