"""Keep a second mirror from writing to the same database; the lock goes when its process dies."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from kakaclo_async.database.engines import LOCK_TIMEOUT, load_driver, run_to_completion
from kakaclo_async.errors import ConfigurationError, DatabaseAway

if TYPE_CHECKING:
    from pathlib import Path

    from kakaclo_async.database.url import DatabaseUrl


_ADVISORY_LOCK: Final = 0x6B616B61636C6F
"""PostgreSQL's number of the lock: "kakaclo"."""

ADVISORY_LOCK_TIMEOUT: Final = 2.0
"""Seconds that a server may need to notice that a killed mirror has gone."""


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
            DatabaseAway: another mirror is.
            ConfigurationError: the lock's file cannot be written.
        """
        try:
            await run_to_completion(asyncio.to_thread(self._lock.acquire))
        except self._taken_by_another:
            raise _taken(self._where) from None
        except OSError as error:
            raise ConfigurationError(
                f"{self._path} cannot be written, which keeps a second mirror out: {error.strerror}"
            ) from None

    async def release(self) -> None:
        """Let others write."""
        await asyncio.to_thread(self._lock.release)


async def take_advisory_lock(where: DatabaseUrl, connection: Any) -> None:
    """Make a connection of asyncpg the only writer's for as long as it lives, and let it wait for locks not longer.

    A connection that replaces a lost one takes the lock again: a mirror that has lost it cannot write.

    Raises:
        DatabaseAway: another mirror is writing.
    """
    asyncpg = load_driver("asyncpg", "postgres")
    try:
        await connection.execute(f"SET lock_timeout = {int(1000 * ADVISORY_LOCK_TIMEOUT)}")
        await connection.execute(f"SELECT pg_advisory_lock({_ADVISORY_LOCK})")
        await connection.execute(f"SET lock_timeout = {int(1000 * LOCK_TIMEOUT)}")
    except asyncpg.LockNotAvailableError:
        await connection.close()
        raise _taken(where) from None


def _taken(where: DatabaseUrl) -> DatabaseAway:
    return DatabaseAway(f"another mirror is writing to {where}")
