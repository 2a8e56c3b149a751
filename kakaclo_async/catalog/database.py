"""A mirror's database: one writer at a time, whole transactions, errors in one sentence."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, TypeVar

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from kakaclo_async.catalog.engines import (
    DatabaseAway,
    postgresql_engine,
    sqlite_engine,
    sqlite_thread_engine,
)
from kakaclo_async.catalog.file_lock import FileLock, check_path, create
from kakaclo_async.catalog.migrations import check_version, migrate, refuse_foreign
from kakaclo_async.catalog.writers import LoopWriter, ThreadWriter
from kakaclo_async.database.engines import parse_url, run_to_completion, shown
from kakaclo_async.errors import ClientClosed, ConfigurationError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Generator

    from sqlalchemy.engine import Connection
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

    from kakaclo_async.catalog.writers import Writer


T = TypeVar("T")

_LOCK_NOT_AVAILABLE = "55P03"
"""What PostgreSQL calls it, whatever the language of its messages."""

_WRITER_PRAGMAS = ("journal_mode = WAL", "synchronous = NORMAL", "foreign_keys = ON")


class Database:
    """A database that holds a mirror, or will.

    Args:
        url: `sqlite:///path` or `postgresql://user:password@host/name`.

    Raises:
        ConfigurationError: no such kind of database.
    """

    def __init__(self, url: str) -> None:
        self._url = parse_url(url, "mirror", "catalog.db")
        self.is_sqlite = self._url.drivername == "sqlite"
        self._users = 0
        self._door = asyncio.Lock()
        self._writer: Writer | None = None
        self._lock: FileLock | None = None
        self._turn = asyncio.Lock()

    def __repr__(self) -> str:
        return f"<Database {shown(self._url)}>"

    async def open(self) -> None:
        """Connect, become the only writer, and make or migrate the tables; or share what is open already.

        Raises:
            ConfigurationError: the database cannot be reached or written, is not ours, is newer than this
                package, or another mirror writes to it.
        """
        async with self._door:
            if self._writer is None:
                try:
                    await self._open()
                except BaseException:
                    await run_to_completion(self._release())
                    raise
            self._users += 1

    async def _open(self) -> None:
        with self.errors(OSError):
            if self.is_sqlite:
                path = await asyncio.to_thread(check_path, self._url)
                if path.is_file():  # before a lock file appears beside a file that is not ours
                    await self._look(refuse_foreign)
                lock_file = path.with_name(f"{path.name}.lock")
                self._lock = FileLock(self._url.set(database=str(lock_file)))
                await asyncio.to_thread(create, lock_file)
                if not await self._lock.take():
                    raise DatabaseAway(f"another mirror is writing to {shown(self._url)}")
                self._writer = ThreadWriter(
                    sqlite_thread_engine(self._url, "BEGIN IMMEDIATE", *_WRITER_PRAGMAS)
                )
            else:
                self._writer = LoopWriter(postgresql_engine(self._url, sole_writer=True))
        await self.write(migrate)

    async def close(self, *, for_all: bool = False) -> None:
        """Close the connections when nobody else uses them, even if the caller is cancelled meanwhile.

        Args:
            for_all: close them whoever uses them.
        """
        self._users = 0 if for_all else max(0, self._users - 1)
        await run_to_completion(self._close())

    async def _close(self) -> None:
        async with self._door:
            if not self._users:
                await self._release()

    async def _release(self) -> None:
        async with self._turn:  # not under a transaction: its connection would be left over
            writer, self._writer = self._writer, None
            lock, self._lock = self._lock, None
            if writer is not None:
                await writer.close()
            if lock is not None:
                await lock.release()

    async def write(self, work: Callable[[Connection], T]) -> T:
        """Run `work` in a transaction: stored as a whole or not at all, one at a time.

        It ends before a cancellation goes on: a driver that is interrupted may keep its lock.

        Raises:
            ConfigurationError: the database cannot be written any more.
            ClientClosed: it was closed meanwhile.
        """
        return await run_to_completion(self._write(work))

    async def _write(self, work: Callable[[Connection], T]) -> T:
        # Waiting here leaves the event loop free; waiting for SQLite's own lock is a thread that sleeps.
        async with self._turn:
            if self._writer is None:
                raise ClientClosed("the mirror was closed")
            with self.errors(OSError, OverflowError):  # the latter is SQLite's of numbers beyond 64 bits
                return await self._writer.run(work)

    @asynccontextmanager
    async def reading(self) -> AsyncGenerator[AsyncConnection, None]:
        """Give a connection for reading, whether or not somebody writes meanwhile.

        Raises:
            ConfigurationError: there is no mirror, or one of a newer version.
        """
        with self.errors():
            if self.is_sqlite:
                path = await asyncio.to_thread(check_path, self._url)
                if not path.is_file() or not path.stat().st_size:
                    raise ConfigurationError(f"there is no mirror in {path} yet: run one first")
            engine = self._reader()
            try:
                async with engine.connect() as connection:
                    await connection.run_sync(check_version)
                    yield connection
            finally:
                await engine.dispose()

    def _reader(self) -> AsyncEngine:
        return sqlite_engine(self._url, "BEGIN") if self.is_sqlite else postgresql_engine(self._url)

    async def _look(self, check: Callable[[Connection], object]) -> None:
        engine = self._reader()
        try:
            async with engine.connect() as connection:
                await connection.run_sync(check)
        finally:
            await engine.dispose()

    @contextmanager
    def errors(self, *also: type[Exception]) -> Generator[None, None, None]:
        """Turn what the database complains about into one clear error.

        Args:
            also: further errors that can only be the database's, where no caller's code runs.
        """
        kinds: tuple[type[Exception], ...] = (SQLAlchemyError, *also)
        try:
            yield
        except DBAPIError as error:
            locked = "database is locked" in str(error.orig) or _sqlstate(error) == _LOCK_NOT_AVAILABLE
            kind = DatabaseAway if locked or error.connection_invalidated else ConfigurationError
            # `orig` alone: the full text shows the SQL with its parameters.
            raise kind(f"the database {shown(self._url)} refused: {error.orig}") from error
        except kinds as error:
            raise ConfigurationError(f"the database {shown(self._url)} cannot be used: {error}") from error


def _sqlstate(error: DBAPIError) -> object:
    return getattr(error.orig, "sqlstate", None)
