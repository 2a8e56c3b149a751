"""The write-ahead log: what a journal writes down, a transaction each.

`ready` and `lost` entries were surely not carried out; `sent` ones may have been; `done` ones were. Only a lease makes
an entry sent, and only with it does a request leave; it ends with the record of what came of it, or with its time.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import attrs
from sqlalchemy import and_, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from kakaclo_async.errors import LeaseLost
from kakaclo_async.ordering.database import write
from kakaclo_async.ordering.writes import Entry, WriteStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from sqlalchemy import ColumnElement, Row
    from sqlalchemy.engine import Connection

    from kakaclo_async.ordering.database import Database


_READY, _LOST, _SENT, _DONE = "ready", "lost", "sent", "done"
_STATUSES: Final = {
    _READY: WriteStatus.NOT_SENT,
    _LOST: WriteStatus.NOT_EXECUTED,
    _DONE: WriteStatus.DONE,
}
_UNSENT: Final = {"holder": None, "held_until": None, "sent_until": None}
MAX_REASON_CHARS: Final = 500


@attrs.define(eq=False)
class Lease:
    """A claim on one write.

    Attributes:
        token: what the journal knows it by.
        timeout: seconds that one attempt takes at most.
        until: seconds since 1970; nothing is sent after.
        deadline: the same moment on the event loop's clock, which guards against wall-clock adjustments.
        now: tells the time, aware.
    """

    token: str
    timeout: float
    until: float
    deadline: float
    now: Callable[[], datetime]

    def check(self) -> None:
        """Raise `LeaseLost` unless the lease still holds."""
        if self.now().timestamp() >= self.until or asyncio.get_running_loop().time() >= self.deadline:
            raise LeaseLost("the lease in the journal ran out while the request waited for its turn")


class Store:
    """The entries of a journal.

    Args:
        database: where they are.
        quiet_time: seconds after which what was sent is surely seen, or surely was not carried out.
        now: tells the time, aware.
    """

    def __init__(self, database: Database, *, quiet_time: float, now: Callable[[], datetime]) -> None:
        self._database = database
        self._quiet_time = quiet_time
        self._now = now

    async def enter(
        self, kind: str, key: str, payload: bytes, digest: str, lease: Lease
    ) -> tuple[Entry, bool]:
        """Write an intent down unless it is there, and lease it if it may be sent.

        Returns:
            The entry as it was, and whether it was leased.
        """

        def work(connection: Connection) -> tuple[Entry, bool]:
            now = self._seconds()
            values = {"digest": digest, "payload": payload}
            new = {"kind": kind, "key": key, "state": _READY, "attempts": 0, "created_at": now, **values}
            connection.execute(_insert(connection).values(new).on_conflict_do_nothing())
            row = connection.execute(select(write).where(_same(kind, key)).with_for_update()).one()
            may_be_sent = row.state in {_READY, _LOST}
            if may_be_sent:
                leased = (
                    update(write)
                    .where(_same(kind, key))
                    .values(
                        **values,
                        notes=None,
                        state=_SENT,
                        attempts=row.attempts + 1,
                        holder=lease.token,
                        held_until=lease.until,
                        sent_from=now if row.sent_from is None else row.sent_from,
                        sent_until=lease.until + lease.timeout,
                    )
                )
                connection.execute(leased)
            return self._entry(row, now), may_be_sent

        return await self._database.run(work)

    async def note(self, token: str, text: str) -> None:
        """Keep a text with what is leased."""
        await self._update(write.c.holder == token, notes=text)

    async def renew(self, tokens: Iterable[str], until: float) -> set[str]:
        """Prolong leases, and return those that still hold."""
        held = write.c.holder.in_(list(tokens))

        def work(connection: Connection) -> set[str]:
            locked = select(write.c.holder).where(held).order_by(write.c.key).with_for_update()
            kept = set(connection.scalars(locked))
            later = write.c.sent_until + (until - write.c.held_until)
            connection.execute(update(write).where(held).values(held_until=until, sent_until=later))
            return {token for token in kept if token is not None}

        return await self._database.run(work)

    async def done(self, kind: str, key: str, outcome: str, payload: bytes) -> None:
        """Record the outcome; a worker that knows it may do so without a lease."""
        await self._update(and_(_same(kind, key), write.c.state != _DONE), **self._outcome(outcome, payload))

    async def unknown(self, token: str, why: str) -> None:
        """Give a lease up after sending: from now on nothing more of it can leave."""
        await self._update(
            write.c.holder == token, holder=None, held_until=None, sent_until=self._seconds(), why=_short(why)
        )

    async def release(self, token: str, why: str, *, keep: bool) -> None:
        """Give a lease up, for nothing was carried out.

        Args:
            token: the lease's.
            why: nothing was.
            keep: whether the journal alone has the payload, and keeps it.
        """
        fate = {"state": _LOST} if keep else {"state": _READY, "payload": b""}
        await self._update(write.c.holder == token, **fate, **_UNSENT, why=_short(why))

    async def settle(
        self,
        kind: str,
        found: Mapping[str, tuple[str, bytes]],
        unclear: Mapping[str, str],
        absent: Iterable[Entry],
    ) -> None:
        """Record what a look has brought.

        Args:
            kind: of the writes.
            found: number and what to keep of the payload, by key.
            unclear: why it cannot be told, by key.
            absent: what was surely not carried out, as it was when the look began.
        """
        gone = {entry.key: entry for entry in absent}

        def work(connection: Connection) -> None:
            sent = write.c.state == _SENT
            # Lock rows in key order so that concurrent reconciliations cannot deadlock.
            seen = and_(write.c.kind == kind, write.c.key.in_([*found, *unclear, *gone]), sent)
            connection.execute(select(write.c.key).where(seen).order_by(write.c.key).with_for_update())
            for key, (outcome, payload) in found.items():
                done = (
                    update(write).where(and_(_same(kind, key), sent)).values(self._outcome(outcome, payload))
                )
                connection.execute(done)
            for key, why in unclear.items():
                connection.execute(update(write).where(and_(_same(kind, key), sent)).values(why=_short(why)))
            for key, entry in gone.items():
                # Not if it was sent again since, as only another worker that looked as well may do.
                still = and_(
                    _same(kind, key), sent, write.c.attempts == entry.attempts, self._free(self._seconds())
                )
                lost = {"state": _LOST, **_UNSENT, "why": "KakaClo did not get it"}
                connection.execute(update(write).where(still).values(lost))

        await self._database.run(work)

    async def open(self, kind: str | None = None) -> tuple[Entry, ...]:
        """Return the entries that are being sent, unknown or not executed, oldest first."""

        def work(connection: Connection) -> tuple[Entry, ...]:
            found = select(write).where(write.c.state.in_([_SENT, _LOST]))
            if kind is not None:
                found = found.where(write.c.kind == kind)
            rows = connection.execute(found.order_by(write.c.created_at, write.c.key))
            return tuple(self._entry(row, self._seconds()) for row in rows)

        return await self._database.run(work, make=False)

    async def find(self, kind: str, key: str) -> Entry | None:
        """Return an entry, if there is one."""

        def work(connection: Connection) -> Entry | None:
            row = connection.execute(select(write).where(_same(kind, key))).one_or_none()
            return None if row is None else self._entry(row, self._seconds())

        return await self._database.run(work)

    async def _update(self, which: ColumnElement[bool], **values: object) -> None:
        await self._database.run(
            lambda connection: connection.execute(update(write).where(which).values(values))
        )

    def _outcome(self, outcome: str, payload: bytes) -> dict[str, object]:
        return {
            "state": _DONE,
            "outcome": outcome,
            "payload": payload,
            "holder": None,
            "held_until": None,
            "done_at": self._seconds(),
        }

    def _seconds(self) -> float:
        return self._now().timestamp()

    def _free(self, now: float) -> ColumnElement[bool]:
        return or_(write.c.holder.is_(None), write.c.held_until <= now)

    def _entry(self, row: Row[tuple[object, ...]], now: float) -> Entry:
        sent = row.state == _SENT
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
            settles_at=_moment((row.sent_until or now) + self._quiet_time) if sent else None,
            created_at=_moment(row.created_at),
            seen_at=_moment(now),
            payload=bytes(row.payload),
            digest=row.digest,
            notes=row.notes,
        )


def _same(kind: str, key: str) -> ColumnElement[bool]:
    return and_(write.c.kind == kind, write.c.key == key)


def _insert(connection: Connection) -> postgresql.Insert | sqlite.Insert:
    return sqlite.insert(write) if connection.dialect.name == "sqlite" else postgresql.insert(write)


def _short(why: str | None) -> str | None:
    return None if why is None else why[:MAX_REASON_CHARS]


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
