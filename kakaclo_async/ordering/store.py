"""The write-ahead log: what a journal writes down, a transaction each.

`sent` entries may have been carried out; `done` ones were; all others surely were not: `waiting` and `lost` ones are
still to be sent, `ready` and `declined` ones only if they are submitted or added again. Only a lease makes
an entry sent, and only with it does a request leave; it ends with the record of what came of it, or with its time.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from sqlalchemy import and_, func, or_, select, update

from kakaclo_async.database.migrations import among
from kakaclo_async.models.common import Number
from kakaclo_async.ordering.database import insert_into, same, write
from kakaclo_async.ordering.writes import Entry, Moment, Witness, WriteStatus, field_marks, is_same, witnesses

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from sqlalchemy import ColumnElement, Row
    from sqlalchemy.engine import Connection

    from kakaclo_async.ordering.database import Database
    from kakaclo_async.ordering.writes import Lease, TheirClock


READY, WAITING, LOST, DECLINED = "ready", "waiting", "lost", "declined"
SENT, DONE = "sent", "done"
_STATUSES: Final = {
    READY: WriteStatus.NOT_SENT,
    WAITING: WriteStatus.WAITING,
    LOST: WriteStatus.NOT_EXECUTED,
    DECLINED: WriteStatus.DECLINED,
    DONE: WriteStatus.DONE,
}
_STATES: Final = {status: state for state, status in _STATUSES.items()}
_UNSENT: Final = {"holder": None, "held_until": None, "sent_until": None, "server_until": None}
MAX_REASON_CHARS: Final = 500


class Store:
    """The entries of a journal.

    Args:
        database: where they are.
        quiet_time: seconds after which what was sent is surely seen, or surely was not carried out.
        now: tells the time, aware.
        has_witnesses: whether the monotonic clock decides about attempts of this process; otherwise `now` is to be
            believed: it may be stepped.
    """

    def __init__(
        self,
        database: Database,
        *,
        quiet_time: float,
        now: Callable[[], datetime],
        has_witnesses: bool = False,
    ) -> None:
        self._database = database
        self.quiet_time = quiet_time
        self._now = now
        self._has_witnesses = has_witnesses

    async def enter(
        self,
        kind: str,
        key: str,
        payload: bytes,
        digest: str,
        lease: Lease,
        server_now: float | None = None,
    ) -> tuple[Entry, bool]:
        """Write an intent down unless it is there, and lease it if it may be sent.

        `digest` is what equal payloads have in common, `server_now` KakaClo's time, if known.

        Returns:
            The entry as it was, and whether it was leased.
        """
        moment = Moment()

        def work(connection: Connection) -> tuple[Entry, bool]:
            now = self._seconds()
            marks = json.dumps(field_marks(key, payload))
            values = {"digest": digest, "payload": payload, "marks": marks}
            row = self._locked(connection, kind, key, now, values)
            entry = self._entry(row, now, moment)
            # What waits is not replaced: whoever added it counts on it.
            may_be_sent = entry.may_be_sent and (row.state != WAITING or is_same(entry, payload))
            if may_be_sent:
                leased = {**values, **leased_by(lease, now, server_now)}
                connection.execute(update(write).where(same(kind, key)).values(leased))
            return entry, may_be_sent

        entry, is_leased = await self._database.run(work)
        if is_leased:
            self._witness(kind, key, entry.attempts + 1, lease, moment)
        return entry, is_leased

    @staticmethod
    def _locked(
        connection: Connection, kind: str, key: str, now: float, values: Mapping[str, object]
    ) -> Row[tuple[object, ...]]:
        """Write an entry down unless it is there, and lock it."""
        new = {"kind": kind, "key": key, "state": READY, "attempts": 0, "created_at": now, "queued_at": now}
        connection.execute(insert_into(connection).values({**new, **values}).on_conflict_do_nothing())
        return connection.execute(select(write).where(same(kind, key)).with_for_update()).one()

    def _witness(self, kind: str, key: str, attempt: int, lease: Lease, moment: Moment) -> None:
        witnesses[self._name(kind, key)] = Witness(attempt, lease, moment)

    async def note(self, token: str, text: str) -> None:
        """Keep a text with what is leased."""
        await self._update(write.c.holder == token, notes=text)

    async def renew(self, tokens: Iterable[str], until: float) -> set[str]:
        """Prolong leases, and return those that still hold."""
        held = among(write.c.holder, list(tokens))

        def work(connection: Connection) -> set[str]:
            locked = select(write.c.holder).where(held).order_by(write.c.key).with_for_update()
            kept = set(connection.scalars(locked))
            longer = until - write.c.held_until
            later = {name: write.c[name] + longer for name in ("sent_until", "server_until")}
            connection.execute(update(write).where(held).values(held_until=until, **later))
            return {token for token in kept if token is not None}

        return await self._database.run(work)

    async def done(self, kind: str, key: str, outcome: str, payload: bytes) -> None:
        """Record the outcome; a worker that knows it may do so without a lease."""
        await self._update(and_(same(kind, key), write.c.state != DONE), **self._outcome(outcome, payload))
        witnesses.pop(self._name(kind, key), None)

    async def unknown(self, token: str, why: str, server_now: float | None = None) -> None:
        """Give a lease up after sending: from now on nothing more of it can leave."""
        values = {"holder": None, "held_until": None, "sent_until": self._seconds(), "why": _short(why)}
        await self._update(write.c.holder == token, **values, server_until=server_now)

    async def release(self, token: str, why: str, status: WriteStatus) -> None:
        """Give a lease up, for nothing was carried out.

        Args:
            token: the lease's.
            why: nothing was.
            status: of the write from now on; the payload of what does not wait to be sent is dropped.
        """
        fate: dict[str, object] = {"state": _STATES[status]}
        if status in {WriteStatus.WAITING, WriteStatus.NOT_EXECUTED}:
            fate["queued_at"] = (
                self._seconds()
            )  # to the end of the line: it must not keep others from their turn
        else:
            fate |= {"payload": b"", "marks": None}
        await self._update(write.c.holder == token, **fate, **_UNSENT, why=_short(why))

    async def settle(
        self,
        kind: str,
        found: Mapping[str, tuple[str, bytes]],
        unclear: Mapping[str, str],
        absent: Iterable[Entry],
        clocks: Mapping[str, TheirClock] | None = None,
    ) -> None:
        """Record what a look has brought.

        Args:
            kind: of the writes.
            found: number and what to keep of the payload, by key.
            unclear: why it cannot be told, by key.
            absent: what was surely not carried out, as it was when the look began.
            clocks: what KakaClo's clock says of what is left, by key.
        """
        gone = {entry.key: entry for entry in absent}
        clocks = clocks or {}

        def work(connection: Connection) -> None:
            now = self._seconds()
            sent = and_(write.c.kind == kind, write.c.state == SENT)
            # Lock rows in key order so that concurrent reconciliations cannot deadlock.
            seen = and_(sent, among(write.c.key, [*found, *unclear, *gone, *clocks]))
            connection.execute(select(write.c.key).where(seen).order_by(write.c.key).with_for_update())

            def change(key: str, values: Mapping[str, object], attempts: int | None = None) -> None:
                which = and_(sent, write.c.key == key)
                if attempts is not None:
                    # Not if it was sent again since, as only another worker that looked as well may do.
                    free = or_(write.c.holder.is_(None), write.c.held_until <= now)
                    which = and_(which, write.c.attempts == attempts, free)
                connection.execute(update(write).where(which).values(values))

            for key, (outcome, payload) in found.items():
                change(key, self._outcome(outcome, payload))
            for key, why in unclear.items():
                change(key, {"why": _short(why)})
            for key, entry in gone.items():
                change(key, {"state": LOST, **_UNSENT, "why": "KakaClo did not get it"}, entry.attempts)
            for key, clock in clocks.items():
                values = {"server_until": clock.until}
                if clock.settles_in is not None:  # our own clock was set, or runs ahead of theirs
                    values["sent_until"] = now + clock.settles_in - self.quiet_time
                change(key, values, clock.attempts)

        await self._database.run(work)
        for key in (*found, *gone):
            witnesses.pop(self._name(kind, key), None)

    async def open(self, kind: str | None = None) -> tuple[Entry, ...]:
        """Return what may have been sent of a kind; of None, of all kinds, and what waits as well; oldest first."""
        moment = Moment()

        def work(connection: Connection) -> tuple[Entry, ...]:
            found = select(write).where(write.c.state.in_([SENT, LOST, WAITING]))
            if kind is not None:
                found = select(write).where(write.c.state == SENT, write.c.kind == kind)
            rows = connection.execute(found.order_by(write.c.created_at, write.c.key))
            return tuple(self._entry(row, self._seconds(), moment) for row in rows)

        return await self._database.run(work, make=False)

    async def find(self, kind: str, key: str) -> Entry | None:
        """Return an entry, if there is one."""
        moment = Moment()

        def work(connection: Connection) -> Entry | None:
            row = connection.execute(select(write).where(same(kind, key))).one_or_none()
            return None if row is None else self._entry(row, self._seconds(), moment)

        return await self._database.run(work)

    async def names_taken(self, kind: str, names: Iterable[str]) -> set[str]:
        """Return those of some keys and numbers that the journal knows: keys of any write, numbers of done ones."""
        wanted = list(names)

        def work(connection: Connection) -> set[str]:
            known = or_(among(write.c.key, wanted), among(write.c.outcome, wanted))
            rows = connection.execute(select(write.c.key, write.c.outcome).where(write.c.kind == kind, known))
            return {name for row in rows for name in row if name is not None}

        return await self._database.run(work)

    def forget(self, kind: str, key: str) -> None:
        """Drop what this process knows of an attempt: nothing of it left."""
        witnesses.pop(self._name(kind, key), None)

    def _name(self, kind: str, key: str) -> tuple[str, str, str]:
        return self._database.place, kind, key

    async def _update(self, which: ColumnElement[bool], **values: object) -> None:
        await self._database.run(
            lambda connection: connection.execute(update(write).where(which).values(values))
        )

    def _outcome(self, outcome: str, payload: bytes) -> dict[str, object]:
        several = Number.all_of(outcome)[1:]
        return {
            **({"notes": json.dumps({"numbers": Number.all_of(outcome)})} if several else {}),
            "state": DONE,
            "outcome": str(outcome),
            "payload": payload,
            "holder": None,
            "held_until": None,
            "done_at": self._seconds(),
        }

    def _seconds(self) -> float:
        return self._now().timestamp()

    def _settles_at(self, row: Row[tuple[object, ...]], now: float, moment: Moment) -> tuple[float, bool]:
        """Return when a look can tell, and whether the monotonic clock says so: it alone, for it cannot be set."""
        witness = witnesses.get(self._name(row.kind, row.key)) if self._has_witnesses else None
        if witness is None or witness.attempt != row.attempts:
            return (row.sent_until or now) + self.quiet_time, False
        return now + self.quiet_time - witness.seconds_since_the_end(moment), True

    def _entry(self, row: Row[tuple[object, ...]], now: float, moment: Moment) -> Entry:
        sent = row.state == SENT
        settles_at, is_witnessed = self._settles_at(row, now, moment) if sent else (now, False)
        status = _STATUSES.get(row.state, WriteStatus.UNKNOWN)
        if sent and row.holder is not None and row.held_until > now:
            status = WriteStatus.SENDING
        return Entry(
            kind=row.kind,
            key=row.key,
            status=status,
            outcome=row.outcome,
            why=row.why,
            attempts=row.attempts,
            sent_from=None if row.sent_from is None else _moment(row.sent_from),
            sent_until=None if row.sent_until is None else _moment(row.sent_until),
            settles_at=_moment(settles_at) if sent else None,
            created_at=_moment(row.created_at),
            seen_at=_moment(now),
            payload=row.payload,
            digest=row.digest,
            notes=row.notes,
            marks=row.marks,
            server_until=row.server_until,
            is_witnessed=is_witnessed,
            sent_with=row.sent_with,
        )


def leased_by(lease: Lease, now: float, server_now: float | None) -> dict[str, object]:
    """Return what a lease makes of an entry."""
    last = lease.until + lease.timeout
    return {
        "notes": None,
        "state": SENT,
        "attempts": write.c.attempts + 1,
        "holder": lease.token,
        "sent_with": lease.sent_with,
        "held_until": lease.until,
        "sent_from": func.coalesce(write.c.sent_from, now),
        "sent_until": last,
        "server_until": None if server_now is None else server_now + last - now,
    }


def _short(why: str | None) -> str | None:
    return None if why is None else why[:MAX_REASON_CHARS]


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
