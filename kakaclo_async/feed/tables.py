"""The tables of a feed, beside those of the journal in its database; and what its readers do with them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

from sqlalchemy import (
    BigInteger,
    Column,
    Double,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    delete,
    exists,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.event import listen

from kakaclo_async.database.migrations import Migrations
from kakaclo_async.errors import InvalidRequest
from kakaclo_async.feed.events import FeedEvent, read_event

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection


metadata = MetaData()

# Times are seconds since 1970, as in the journal.
family = Table(
    "kakaclo_feed_family",
    metadata,
    Column("custom_order_id", String, primary_key=True),
    Column("placed_at", Double, nullable=False),
    Column("asked", Text, comment="pieces by SKU; empty: orders that KakaClo made of it are not looked for"),
    Column("looks", Integer, nullable=False, comment="in vain, for orders that KakaClo made of it"),
    Column("look_at", Double, comment="when to look for them next; empty: not"),
    Index("kakaclo_feed_family_look", "look_at"),
)

order = Table(
    "kakaclo_feed_order",
    metadata,
    Column("order_id", String, primary_key=True),
    Column("custom_order_id", String, nullable=False),
    Column("state", Text, nullable=False, comment="what was told of it, and what that depends on"),
    Column("changed_at", Double, nullable=False, comment="when something of it was told, or it was placed"),
    Column("due_at", Double, comment="when to look at it next; empty: it is over"),
    Index("kakaclo_feed_order_due", "due_at"),
    Index("kakaclo_feed_order_family", "custom_order_id"),
)

event = Table(
    "kakaclo_feed_event",
    metadata,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("lane", String, nullable=False, comment="events of one lane are delivered in order"),
    Column("at", Double, nullable=False),
    Column("document", Text, nullable=False),
    Index("kakaclo_feed_event_at", "at"),
)

consumer = Table(
    "kakaclo_feed_consumer",
    metadata,
    Column("name", String, primary_key=True),
    Column("seq", BigInteger, nullable=False, comment="the last event that it has, or that waits for it"),
    Column("at", Double, nullable=False),
)

post = Table(
    "kakaclo_feed_post",
    metadata,
    Column("consumer", String, primary_key=True, comment="a webhook"),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("lane", String, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("due_at", Double, nullable=False),
    Column("why", Text, comment="what the last attempt ended with"),
    Index("kakaclo_feed_post_lane", "consumer", "lane", "seq"),
    Index("kakaclo_feed_post_due", "consumer", "due_at"),
)

head = Table(
    "kakaclo_feed",
    metadata,
    Column("version", Integer, nullable=False),
    # One row that every writer of events locks: they are committed in the order of their numbers.
    Column("last_seq", BigInteger, nullable=False, server_default="0"),
    Column("balance_at", Double, nullable=False, server_default="0", comment="when to ask for it next"),
    Column("balance_low", Integer, nullable=False, server_default="0"),
)


def _index_journal(_: Table, connection: Connection, **__: object) -> None:
    """Let a turn find what was placed of late: a journal may hold the orders of years."""
    connection.exec_driver_sql("CREATE INDEX kakaclo_feed_placed ON kakaclo_write (state, done_at)")


listen(head, "after_create", _index_journal)

MIGRATIONS: Final = Migrations(
    holds="feed",
    hint="let a feed take a turn first",
    metadata=metadata,
    version=head,
    steps=[],
    alone=False,
)


def lock(connection: Connection) -> int:
    """Keep all others from writing until the transaction ends; return the number of the last event."""
    return cast("int", connection.scalar(select(head.c.last_seq).with_for_update()))


def read(connection: Connection, after: int, limit: int) -> tuple[FeedEvent, ...]:
    """Return events after a number, oldest first."""
    found = select(event.c.document).where(event.c.seq > after).order_by(event.c.seq).limit(limit)
    return tuple(read_event(text) for text in connection.scalars(found))


def cursor(connection: Connection, name: str) -> int:
    """Return the last event that a consumer has; 0 before the first."""
    return connection.scalar(select(consumer.c.seq).where(consumer.c.name == name)) or 0


def acknowledge(connection: Connection, name: str, seq: int, now: float) -> int:
    """Move the cursor of a consumer on, never back; return where it is.

    Raises:
        InvalidRequest: there is no such event yet: those before it would never be read.
    """
    last = lock(connection)
    if not 0 <= seq <= last:
        raise InvalidRequest(f"the feed has the events 1 to {last}: {name} cannot have had event {seq}")
    known = connection.scalar(select(consumer.c.seq).where(consumer.c.name == name))
    if known is None:
        connection.execute(insert(consumer).values(name=name, seq=seq, at=now))
    elif seq > known:
        connection.execute(update(consumer).where(consumer.c.name == name).values(seq=seq, at=now))
    return max(seq, known or 0)


def forget(connection: Connection, name: str) -> None:
    """Drop a consumer, with what waits for it."""
    connection.execute(delete(post).where(post.c.consumer == name))
    connection.execute(delete(consumer).where(consumer.c.name == name))


def prune(connection: Connection, before: float) -> int:
    """Drop events that are older and that every consumer has; return how many.

    Without a consumer nothing is dropped.
    """
    least = connection.scalar(select(func.min(consumer.c.seq)))
    if least is None:
        return 0
    waits = exists().where(post.c.seq == event.c.seq)
    gone = delete(event).where(event.c.seq <= least, event.c.at < before, ~waits)
    return connection.execute(gone).rowcount
