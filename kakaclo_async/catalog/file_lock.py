"""The files of an SQLite mirror, and the lock beside them that keeps a second mirror out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from kakaclo_async.catalog.engines import sqlite_engine
from kakaclo_async.errors import ConfigurationError

if TYPE_CHECKING:
    from sqlalchemy.engine import URL
    from sqlalchemy.ext.asyncio import AsyncConnection


class FileLock:
    """Keeps a second mirror out of an SQLite file; the system gives it back when the process dies.

    It is an open transaction on a file beside the database, so that readers of the database are not held.

    Args:
        url: that file.
    """

    def __init__(self, url: URL) -> None:
        self._engine = sqlite_engine(url, "BEGIN EXCLUSIVE", timeout=0)
        self._holder: AsyncConnection | None = None

    async def take(self) -> bool:
        """Try to become the only writer."""
        try:
            self._holder = await self._engine.connect()
            await self._holder.execute(text("SELECT 1"))
        except DBAPIError as error:
            if "locked" in str(error.orig):
                return False
            raise
        return True

    async def release(self) -> None:
        """Let others write."""
        if self._holder is not None:
            await self._holder.close()
        await self._engine.dispose()


def check_path(url: URL) -> Path:
    """Return the file of an SQLite database, its links followed: a mirror has one lock, not one per name.

    The file itself is left to SQLite. To open and close it here would drop the locks that this process holds on
    it: they belong to the process, not to the one who took them.

    Raises:
        ConfigurationError: no database can be there.
    """
    path = Path(url.database or "")
    if path.is_dir():
        raise ConfigurationError(f"{path} is a folder, not a database file")
    if not path.parent.is_dir():
        raise ConfigurationError(f"the folder {path.parent} does not exist")
    return path.resolve()


def create(lock_file: Path) -> None:
    """Make the lock's file, unless it is there: then it is not touched, for the reason given in `check_path`.

    Raises:
        ConfigurationError: its folder cannot be written.
    """
    try:
        lock_file.touch(exist_ok=False)
    except FileExistsError:
        return
    except OSError as error:
        raise ConfigurationError(
            f"{lock_file} cannot be written, which keeps a second mirror out: {error.strerror}"
        ) from error
