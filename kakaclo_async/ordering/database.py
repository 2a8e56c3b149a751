"""The database of a journal: each piece of work is one transaction, durable when it returns.

A journal belongs to no event loop, survives a fork, and leaves nothing to close: SQLite is opened for each transaction,
and PostgreSQL's connections are kept only while more transactions are under way, or known to follow. However many
orders are submitted at once, few transactions are under way: others wait for their turn.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from sqlalchemy import (
    Column,
    Dialect,
    Double,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    and_,
    text,
)
from sqlalchemy.dialects import postgresql, sqlite

from kakaclo_async.codec.outgoing import SecretBytes
from kakaclo_async.database import PerLoop, SameFile, errors_of, in_thread, run_to_completion
from kakaclo_async.database.engines import Transactions, sqlite_engine
from kakaclo_async.database.migrations import Migrations
from kakaclo_async.database.postgresql import MAX_CONNECTIONS, SharedTransactions, keeping_connections
from kakaclo_async.database.url import DatabaseUrl
from kakaclo_async.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

    from sqlalchemy import ColumnElement
    from sqlalchemy.engine import Connection

T = TypeVar("T")


class _Payload(TypeDecorator[bytes]):
    impl = LargeBinary
    cache_ok = True

    def process_result_value(self, value: bytes | None, dialect: Dialect) -> bytes | None:
        del dialect
        return None if value is None else SecretBytes(value)


metadata = MetaData()

IN_LINE: Final = text("(state || '') IN ('lost', 'waiting')")
"""What waits to be sent: in the very words of its index, or SQLite would not use it, and not in those of the index of
states, or SQLite would use that one, and sort all that waits."""

# Times are seconds since 1970, for leases are compared and prolonged in SQL.
write = Table(
    "kakaclo_write",
    metadata,
    Column("kind", String, primary_key=True),
    Column("key", String, primary_key=True),
    Column("digest", String(64), nullable=False),
    Column("payload", _Payload, nullable=False, comment="the JSON body, without its address once it is done"),
    Column("notes", Text, comment="what the endpoint noted on the way"),
    Column("state", String, nullable=False, comment="ready, waiting, lost, sent, declined or done"),
    Column("outcome", String, comment="the number that KakaClo gave"),
    Column("why", Text, comment="what the last attempt or look ended with"),
    Column("attempts", Integer, nullable=False),
    Column("holder", String, comment="the claim of the worker that sends"),
    Column("held_until", Double),
    Column("sent_from", Double),
    Column("sent_until", Double),
    Column("server_until", Double, comment="sent_until on KakaClo's clock, from its Date header"),
    Column("marks", Text, comment="a byte of a hash for each field of the payload"),
    Column("sent_with", Text, comment="a hash of the token that the last attempt was made with"),
    Column("created_at", Double, nullable=False),
    Column("done_at", Double),
    Column("queued_at", Double, comment="its place in the line of what waits: first that of its intent"),
    Index("kakaclo_write_state", "state"),
    Index("kakaclo_write_line", "queued_at", sqlite_where=IN_LINE, postgresql_where=IN_LINE),
)


def same(kind: str, key: str) -> ColumnElement[bool]:
    """Return the condition that an entry is this one."""
    return and_(write.c.kind == kind, write.c.key == key)


def insert_into(connection: Connection) -> postgresql.Insert | sqlite.Insert:
    """Begin an INSERT of entries that may be there already."""
    return sqlite.insert(write) if connection.dialect.name == "sqlite" else postgresql.insert(write)


told = Table(
    "kakaclo_told",
    metadata,
    Column("target", String, primary_key=True, comment="the kind of file that tells a shop"),
    Column("key", String, primary_key=True, comment="an item in a package"),
    Column("order_id", String, nullable=False, comment="KakaClo's number of its order"),
    Column("holder", String, comment="the run that is about to tell it: host, process and a random text"),
    Column("held_until", Double),
    Column("part", Text, comment="the file that it writes, under the name that it has at first"),
    Column("written_at", Double, comment="since when that file is whole, and may have got its name"),
    Column("told_at", Double),
    Index("kakaclo_told_order", "target", "order_id"),
    Index("kakaclo_told_holder", "holder"),
)

version = Table("kakaclo_journal", metadata, Column("version", Integer, nullable=False))


def _to_2(connection: Connection) -> None:
    """Keep KakaClo's own clock beside ours, and what names the fields that differ once the address is gone."""
    for column in ("server_until DOUBLE PRECISION", "marks TEXT"):
        connection.exec_driver_sql(f"ALTER TABLE kakaclo_write ADD COLUMN {column}")


def _to_3(connection: Connection) -> None:
    """Keep what shops were told of packages."""
    connection.exec_driver_sql(
        "CREATE TABLE kakaclo_told (target VARCHAR NOT NULL, key VARCHAR NOT NULL, order_id VARCHAR NOT NULL,"
        " holder VARCHAR, held_until DOUBLE PRECISION, part TEXT, written_at DOUBLE PRECISION,"
        " told_at DOUBLE PRECISION, PRIMARY KEY (target, key))"
    )
    connection.exec_driver_sql("CREATE INDEX kakaclo_told_order ON kakaclo_told (target, order_id)")
    connection.exec_driver_sql("CREATE INDEX kakaclo_told_holder ON kakaclo_told (holder)")


def _to_4(connection: Connection) -> None:
    """Let intents wait in a line."""
    for statement in (
        "ALTER TABLE kakaclo_write ADD COLUMN queued_at DOUBLE PRECISION",
        "UPDATE kakaclo_write SET queued_at = created_at WHERE state <> 'done'",
        f"CREATE INDEX kakaclo_write_line ON kakaclo_write (queued_at) WHERE {IN_LINE}",
    ):
        connection.exec_driver_sql(statement)


def _to_5(connection: Connection) -> None:
    """Keep a mark of the token that a write was sent with."""
    connection.exec_driver_sql("ALTER TABLE kakaclo_write ADD COLUMN sent_with TEXT")


MIGRATIONS = Migrations(
    holds="journal",
    hint="submit an order first",
    metadata=metadata,
    version=version,
    steps=[_to_2, _to_3, _to_4, _to_5],
    alone=False,
)


_turns_of: Final[dict[str, PerLoop[asyncio.Semaphore]]] = {}
"""By server and database: all journals of a process share them, whatever their schemas."""

_files: Final[dict[Path, SameFile]] = {}
"""The SQLite files that journals of this process have used: none of them is made anew."""

_GONE: Final = (
    "put it back, for it knows which orders were placed; a program that is started anew would begin another, which"
    " knows none"
)

# EXTRA also makes the end of a transaction durable; secure_delete wipes the addresses that are dropped.
_PRAGMAS = ("synchronous = EXTRA", "secure_delete = ON")
# Whoever freezes within a transaction, or whose machine is lost, keeps the others waiting no longer than that.
_SETTINGS = {"synchronous_commit": "on", "idle_in_transaction_session_timeout": "15s"}


class Database:
    """Where a journal lives.

    Args:
        url: `sqlite:///orders.db` or `postgresql://user:password@host/name`.

    Attributes:
        place: tells journals apart, also those in two schemas of one database; not to be shown.

    Raises:
        ConfigurationError: another kind of database, or SQLite in memory.
    """

    def __init__(self, url: str) -> None:
        self._url = DatabaseUrl.parse(url, holds="journal", example="orders.db")
        self.place = self._url.place
        self._transactions: Transactions | SharedTransactions | None = None
        self._file: SameFile | None = None
        self._is_ready = False
        # SQLite lets others in one by one anyway, but wakes them in no order, and late.
        self._turn: PerLoop[asyncio.Lock] | PerLoop[asyncio.Semaphore] = PerLoop(asyncio.Lock)
        if self._url.server is not None:
            turns = PerLoop(lambda: asyncio.Semaphore(MAX_CONNECTIONS))
            self._turn = _turns_of.setdefault(str(self._url), turns)

    def __repr__(self) -> str:
        return f"<Database {self}>"

    def __str__(self) -> str:
        return str(self._url)

    async def run(self, work: Callable[[Connection], T], *, make: bool = True) -> T:
        """Do some work in one transaction; what was begun is finished, even when the caller is cancelled.

        Args:
            work: is given a connection, in a thread if need be.
            make: whether to make a journal where there is none.

        Raises:
            ConfigurationError: the database cannot be reached or written, or there is no journal.
        """
        return await run_to_completion(self._run(work, make=make))

    def kept(self) -> AbstractAsyncContextManager[None]:
        """Keep its connections, if it has any, from one transaction to the next, until the end."""
        return nullcontext() if self._url.server is None else keeping_connections()

    async def _run(self, work: Callable[[Connection], T], *, make: bool) -> T:
        def prepared(connection: Connection) -> T:
            if not self._is_ready:
                MIGRATIONS.migrate(connection, make=make)
            return work(connection)

        with errors_of(self._url, OSError, OverflowError, UnicodeError):
            if self._transactions is None:
                self._transactions = self._connect()  # threads that come first together may make one each
            if self._file is not None and not self._is_ready:
                await in_thread(self._check_file, self._file, make)
            async with self._turn.get():
                result = await self._transactions.run(prepared)
            if self._file is not None and not self._is_ready:
                await in_thread(self._file.remember)
        self._is_ready = True
        return result

    def _connect(self) -> Transactions | SharedTransactions:
        if self._url.server is None:
            path = self._url.path()
            file = self._file = _files.setdefault(path, SameFile(path, "the journal", _GONE))
            # Never made by SQLite: a journal that is gone must not be forgotten, and is not for all to read.
            engine = sqlite_engine(path, *_PRAGMAS, keep_open=False, make=False)
            return Transactions(engine, file.check)
        return SharedTransactions(self._url, self._url.server, _SETTINGS)

    def _check_file(self, file: SameFile, make: bool) -> None:
        file.check()
        path = self._url.path()
        if not path.exists():
            if not make:
                raise ConfigurationError(f"there is no journal in {path}")
            # It holds addresses: only for its owner, unless the owner decides otherwise.
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))


def prepare_shop_file(path: Path, *, make: bool) -> bool:
    """Tell whether a shop's journal is there, or can be: with `make`, its folder is made for its owner only.

    Raises:
        ConfigurationError: it is not there, and another journal may know this shop's orders; or no folder can be made.
    """
    if path.exists():
        return True
    # A refreshed token gives a shop another name, and earlier versions kept `orders.db` in whatever folder. Both know
    # orders that a new journal would place, and pay for, once more.
    name, earlier = path.name.rpartition("-")[0], Path("orders.db")
    others = [] if name.startswith("local") else sorted(path.parent.glob(f"{name}-*.db"))
    with suppress(OSError):
        others += [earlier.absolute()] if b"kakaclo_write" in earlier.read_bytes() else []
    if others:
        raise ConfigurationError(
            f"this token has no journal yet, and {others[0]} may be the one of this shop: give --journal {others[0]}"
            f" to go on with it, or --journal {path} to begin another, which knows none of its orders"
        )
    try:
        for folder in reversed([path.parent, *path.parent.parents]) if make else ():
            folder.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(
            f"the journal's folder {path.parent} cannot be made ({error.strerror}): give --journal, or set"
            " KAKACLO_JOURNAL"
        ) from None
    return make
