"""Open a mirror's database: SQLite or PostgreSQL, one writer at a time, errors in one sentence."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from sqlalchemy import event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import create_async_engine

from kakaclo_async.catalog.migrations import check_version, migrate
from kakaclo_async.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Generator

    from sqlalchemy.engine import Connection
    from sqlalchemy.engine.interfaces import DBAPIConnection
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
    from sqlalchemy.pool import ConnectionPoolEntry

__all__ = ["Database"]

T = TypeVar("T")

_DRIVERS = {
    "sqlite": "sqlite+aiosqlite",
    "postgresql": "postgresql+asyncpg",
    "postgres": "postgresql+asyncpg",
}

_WRITER_PRAGMAS = ("journal_mode = WAL", "synchronous = NORMAL", "foreign_keys = ON")

_WRITER_LOCK = 0x6B616B61636C6F  # "kakaclo": the advisory lock that a mirror holds on PostgreSQL


class Database:
    """A database that holds a mirror, or will.

    Args:
        url: `sqlite:///path` or `postgresql://user:password@host/name`.

    Raises:
        ConfigurationError: no such kind of database, or a path that cannot be one.
    """

    def __init__(self, url: str) -> None:
        self._url = _parse(url)
        self.is_sqlite = self._url.drivername.startswith("sqlite")
        self._writer: AsyncEngine | None = None
        self._lock: WriterLock | None = None
        self._turn = asyncio.Lock()

    def __repr__(self) -> str:
        return f"<Database {_shown(self._url)}>"

    async def open(self) -> None:
        """Connect, become the only writer, and make or migrate the tables.

        Raises:
            ConfigurationError: the database cannot be reached or written, is not ours, is newer than this
                package, or another mirror writes to it.
        """
        self._lock = WriterLock(self._url)
        try:
            with self.errors():
                if self.is_sqlite:
                    check_file(Path(self._url.database or ""))
                await self._lock.take()
                self._writer = make_engine(self._url, "BEGIN IMMEDIATE", *_WRITER_PRAGMAS)
                await self.write(lambda connection: connection.run_sync(migrate))
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Close all connections and give the lock back, even if the caller is cancelled meanwhile."""
        await _to_its_end(self._close())

    async def _close(self) -> None:
        writer, self._writer = self._writer, None
        lock, self._lock = self._lock, None
        if writer is not None:
            await writer.dispose()
        if lock is not None:
            await lock.release()

    async def write(self, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        """Run `work` in a transaction: stored as a whole or not at all, one at a time.

        It ends before a cancellation goes on: a driver that is interrupted may keep its lock.
        """
        return await _to_its_end(self._write(work))

    async def _write(self, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        if self._writer is None:
            raise RuntimeError("the database is not open for writing")
        # Waiting here leaves the event loop free; waiting for SQLite's own lock is a thread that sleeps.
        async with self._turn:
            with self.errors():
                async with self._writer.begin() as connection:
                    return await work(connection)

    @asynccontextmanager
    async def reading(self) -> AsyncGenerator[AsyncConnection, None]:
        """Give a connection for reading, whether or not somebody writes meanwhile.

        Raises:
            ConfigurationError: there is no mirror, or one of a newer version.
        """
        with self.errors():
            if self.is_sqlite:
                check_file(Path(self._url.database or ""), must_exist=True)
            engine = make_engine(self._url, "BEGIN")
            try:
                async with engine.connect() as connection:
                    await connection.run_sync(check_version)
                    yield connection
            finally:
                await engine.dispose()

    @contextmanager
    def errors(self) -> Generator[None, None, None]:
        """Turn what the database complains about into one clear error."""
        try:
            yield
        except DBAPIError as error:
            # `orig` alone: the full text shows the SQL with its parameters.
            raise ConfigurationError(f"the database {_shown(self._url)} refused: {error.orig}") from error
        except (SQLAlchemyError, OSError) as error:
            raise ConfigurationError(f"the database {_shown(self._url)} cannot be used: {error}") from error


class WriterLock:
    """Keeps a second mirror out; the system gives it back when the process dies.

    Args:
        url: the database.
    """

    def __init__(self, url: URL) -> None:
        self._url = url
        self._engine: AsyncEngine | None = None
        self._holder: AsyncConnection | None = None

    async def take(self) -> None:
        """Become the only writer.

        Raises:
            ConfigurationError: another mirror is.
        """
        if self._url.drivername == _DRIVERS["sqlite"]:
            taken = await self._take_file()
        else:
            self._engine = make_engine(self._url, "")
            self._holder = await self._engine.connect()
            taken = await self._holder.scalar(
                text("SELECT pg_try_advisory_lock(:key)"), {"key": _WRITER_LOCK}
            )
            await self._holder.commit()
        if not taken:
            raise ConfigurationError(f"another mirror is writing to {_shown(self._url)}")

    async def release(self) -> None:
        """Let others write."""
        if self._holder is not None:
            await self._holder.close()
        if self._engine is not None:
            await self._engine.dispose()

    async def _take_file(self) -> bool:
        # An open transaction on a file beside the database, so that readers of the database are not held.
        url = URL.create(self._url.drivername, database=f"{self._url.database}.lock")
        self._engine = make_engine(url, "BEGIN EXCLUSIVE", timeout=0)
        try:
            self._holder = await self._engine.connect()
            await self._holder.execute(text("SELECT 1"))
        except DBAPIError as error:
            if "locked" in str(error.orig):
                return False
            raise
        return True


async def _to_its_end(work: Coroutine[object, object, T]) -> T:
    task = asyncio.create_task(work)
    try:
        await asyncio.wait((task,))
    finally:
        while not task.done():  # cancelled
            with suppress(asyncio.CancelledError):
                await asyncio.wait((task,))
        failure = task.exception()
    if failure is not None:
        raise failure
    return task.result()


def _parse(url: str) -> URL:
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise ConfigurationError(
            "the database URL cannot be read: it looks like sqlite:///catalog.db"
            " or postgresql://user:password@host/name"
        ) from None
    kind, _, driver = parsed.drivername.partition("+")
    wanted = _DRIVERS.get(kind)
    if wanted is None or (driver and f"{kind}+{driver}" != wanted):
        raise ConfigurationError(f"a mirror lives in sqlite:/// or postgresql://, not in {parsed.drivername}")
    if kind == "sqlite" and parsed.database in {None, "", ":memory:"}:
        raise ConfigurationError("a mirror needs a file: sqlite:///catalog.db")
    return parsed.set(drivername=wanted)


def _shown(url: URL) -> str:
    return url.set(drivername=url.get_backend_name()).render_as_string(hide_password=True)


def check_file(path: Path, *, must_exist: bool = False) -> None:
    """Refuse a path that cannot be an SQLite database, before anything is made there.

    Args:
        path: the file.
        must_exist: there has to be a database already.
    """
    if path.is_dir():
        raise ConfigurationError(f"{path} is a folder, not a database file")
    if not path.parent.is_dir():
        raise ConfigurationError(f"the folder {path.parent} does not exist")
    size = path.stat().st_size if path.is_file() else 0
    if size:
        with path.open("rb") as file:
            if file.read(16) != b"SQLite format 3\0":
                raise ConfigurationError(f"{path} is not an SQLite database")
    elif must_exist:
        raise ConfigurationError(f"there is no mirror in {path} yet: run one first")


def make_engine(url: URL, begin: str, *pragmas: str, timeout: float = 30.0) -> AsyncEngine:
    """Make an engine.

    Args:
        url: the database.
        begin: how SQLite's transactions begin.
        pragmas: settings of each SQLite connection.
        timeout: seconds to wait for SQLite's own locks.
    """
    if url.drivername != _DRIVERS["sqlite"]:
        return create_async_engine(url, pool_pre_ping=True)
    engine = create_async_engine(url, connect_args={"timeout": timeout})

    @event.listens_for(engine.sync_engine, "connect")
    def set_up(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:  # pyright: ignore[reportUnusedFunction]
        # The driver would begin a transaction at the first write only; ours begin when they are told to.
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in pragmas:
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def start(connection: Connection) -> None:  # pyright: ignore[reportUnusedFunction]
        connection.exec_driver_sql(begin)

    return engine
