"""The tables of a journal, and what changed about them since version 1; they may stand beside other tables."""

from __future__ import annotations

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
)

from kakaclo_async.database.migrations import Migrations


class _Unseen(bytes):
    """Bytes that SQLAlchemy does not write into its log of rows."""

    def __repr__(self) -> str:
        return f"<{len(self)} bytes>"


class _Payload(TypeDecorator[bytes]):
    impl = LargeBinary
    cache_ok = True

    def process_result_value(self, value: bytes | None, dialect: Dialect) -> bytes | None:
        del dialect
        return None if value is None else _Unseen(value)


metadata = MetaData()

# Times are seconds since 1970, for leases are compared and prolonged in SQL.
write = Table(
    "kakaclo_write",
    metadata,
    Column("kind", String, primary_key=True),
    Column("key", String, primary_key=True),
    Column("digest", String(64), nullable=False),
    Column("payload", _Payload, nullable=False, comment="the JSON body, without its address once it is done"),
    Column("notes", Text, comment="what the endpoint noted on the way"),
    Column("state", String, nullable=False, comment="ready, lost, sent or done"),
    Column("outcome", String, comment="the number that KakaClo gave"),
    Column("why", Text, comment="what the last attempt or look ended with"),
    Column("attempts", Integer, nullable=False),
    Column("holder", String, comment="the claim of the worker that sends"),
    Column("held_until", Double),
    Column("sent_from", Double),
    Column("sent_until", Double),
    Column("created_at", Double, nullable=False),
    Column("done_at", Double),
    Index("kakaclo_write_state", "state"),
)

version = Table("kakaclo_journal", metadata, Column("version", Integer, nullable=False))

MIGRATIONS = Migrations(
    holds="journal",
    hint="submit an order first",
    metadata=metadata,
    version=version,
    steps=[],
    alone=False,
)
