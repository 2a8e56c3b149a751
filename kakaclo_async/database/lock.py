"""Keep a second mirror from writing to the same database: by a locked file, or in PostgreSQL by a claim in a table.

A claim is checked and prolonged by each transaction that writes, which locks it until its end. So two mirrors never
write at once, whatever they believe. It ends with the connection of the mirror that holds it; behind a pooler, which
hides from the server whose connection has gone, it runs out.
"""

from __future__ import annotations

import os
import secrets
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Column, DateTime, Integer, MetaData, String, Table, text

from kakaclo_async.database import in_thread
from kakaclo_async.database.engines import LOCK_TIMEOUT, load_driver
from kakaclo_async.database.migrations import MIGRATING, make_schema
from kakaclo_async.errors import ConfigurationError, DatabaseAway

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from kakaclo_async.database.url import DatabaseUrl


CLAIM: Final = 60.0
"""Seconds that a claim outlives a mirror that was killed behind a pooler."""

GRACE: Final = 2.0
"""Seconds that a server may need to notice that a killed mirror has gone."""


class Claimed(DatabaseAway):
    """Another mirror is writing."""


class WriterLock:
    """The lock of an SQLite database: a file beside it, so that its readers are not held.

    Args:
        where: the database.
        path: its file.
    """

    def __init__(self, where: DatabaseUrl, path: Path) -> None:
        self._where = where
        self._path = path.with_name(f"{path.name}.lock")
        # Loaded here, because it registers hooks for forks, and `kakaclo_sync` holds forks up while it imports.
        filelock = load_driver("filelock", "catalog")
        self._taken_by_another: type[Exception] = filelock.Timeout
        # Threads of a pool take it and give it back. Without `flock` a killed process would leave the lock behind.
        self._lock = filelock.FileLock(self._path, blocking=False, thread_local=False, fallback_to_soft=False)

    async def take(self) -> None:
        """Become the only writer.

        Raises:
            Claimed: another mirror is.
            ConfigurationError: the lock's file cannot be written.
        """
        try:
            await in_thread(self._lock.acquire)
        except self._taken_by_another:
            raise Claimed(f"another mirror is writing to {self._where}") from None
        except OSError as error:
            raise ConfigurationError(
                f"{self._path} cannot be written, which keeps a second mirror out: {error.strerror}"
            ) from None

    async def release(self) -> None:
        """Let others write."""
        await in_thread(self._lock.release)


_metadata = MetaData()
_writer = Table(
    "mirror_writer",
    _metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("holder", String, nullable=False, comment="a random text"),
    Column("who", String, nullable=False, comment="for people"),
    Column("since", DateTime(timezone=True), nullable=False),
    Column("until", DateTime(timezone=True), nullable=False, comment="prolonged by each transaction"),
    Column("backend", Integer, comment="whose end is the holder's; none behind a pooler"),
    Column("backend_start", DateTime(timezone=True)),
)

# Not `ON CONFLICT DO NOTHING`, which waits for the holder's transaction, and that one may wait for `MIGRATING`.
_FIRST = text(
    "INSERT INTO mirror_writer (id, holder, who, since, until) SELECT 1, '', '', now(), now()"
    " WHERE NOT EXISTS (SELECT FROM mirror_writer)"
)
# Whose connections they are, a role may see only of its own, but that they exist, of all.
_FREE = text(
    "SELECT 1 FROM mirror_writer WHERE holder = :me OR until <= clock_timestamp() OR"
    " (backend IS NOT NULL AND NOT EXISTS (SELECT FROM pg_stat_activity a WHERE a.pid = backend"
    " AND (a.backend_start IS NULL OR a.backend_start = mirror_writer.backend_start))) FOR UPDATE SKIP LOCKED"
)
_TAKE = text(
    "UPDATE mirror_writer SET since = CASE WHEN holder = :me THEN since ELSE clock_timestamp() END,"
    " holder = :me, who = :who"
)
_PROLONG = text(
    "UPDATE mirror_writer SET until = clock_timestamp() + make_interval(secs => :seconds),"
    " backend = own.pid, backend_start = own.backend_start"
    " FROM (SELECT max(pid) AS pid, max(backend_start) AS backend_start FROM pg_stat_activity"
    " WHERE pid = pg_backend_pid() AND pid = :pid) own WHERE holder = :me"
)
_RELEASE = text("UPDATE mirror_writer SET until = clock_timestamp(), backend = NULL WHERE holder = :me")
_HOLDER = text(
    "SELECT who, since, ceil(extract(epoch FROM until - clock_timestamp())), backend IS NOT NULL FROM mirror_writer"
)


def writer_settings() -> dict[str, str]:
    """Return the server's settings for a writer's transactions."""
    return {"lock_timeout": f"{1000 * LOCK_TIMEOUT:.0f}"}


class WriterClaim:
    """The claim of one mirror to be the only writer of a PostgreSQL database's schema.

    Args:
        where: the database.
    """

    def __init__(self, where: DatabaseUrl) -> None:
        self._where = where
        self._me = secrets.token_hex(16)
        self._who = f"process {os.getpid()} on {socket.gethostname()}"

    def take(self, connection: Connection) -> None:
        """Become the only writer until `release`, or for as long as `hold` is called in time.

        Raises:
            Claimed: another mirror is.
        """
        make_schema(connection)
        connection.execute(MIGRATING)
        _metadata.create_all(connection)
        connection.execute(_FIRST)
        if connection.execute(_FREE, {"me": self._me}).first() is None:
            raise self._taken(connection)
        connection.execute(_TAKE, {"me": self._me, "who": self._who})
        self.hold(connection)

    def hold(self, connection: Connection) -> None:
        """Keep other mirrors out until the transaction ends, and for a minute more.

        Raises:
            Claimed: another mirror has taken over.
        """
        driver: Any = connection.connection.driver_connection
        # A pooler tells numbers of its own, not those of the server's processes.
        values = {"me": self._me, "seconds": CLAIM, "pid": driver.get_server_pid()}
        if connection.execute(_PROLONG, values).rowcount != 1:
            raise self._taken(connection)

    def release(self, connection: Connection) -> None:
        """Let others write."""
        connection.execute(_RELEASE, {"me": self._me})

    def _taken(self, connection: Connection) -> Claimed:
        who, since, seconds, is_direct = connection.execute(_HOLDER).one()
        what = f"another mirror is writing to {self._where}: {who}, since {since:%Y-%m-%d %H:%M:%S%z}"
        if is_direct:
            return Claimed(f"{what}; stop that one first")
        return Claimed(
            f"{what}; stop that one first, or if it was killed, start again in {max(1, int(seconds))} seconds"
        )


SQLITE_FILES: Final = ("-journal", "-wal", "-shm", ".lock")
"""How the files are called that are kept beside an SQLite database."""


def is_file_of(database: Path, path: Path) -> bool:
    """Tell whether a file is an SQLite database, under whatever name, or one that is kept beside it."""
    target = Path(os.path.realpath(path))
    for ending in ("", *SQLITE_FILES):
        kept = database.with_name(database.name + ending)
        if target == kept or (kept.exists() and target.exists() and target.samefile(kept)):
            return True
    return False
