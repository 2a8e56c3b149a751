"""Connect to SQLite, and run whole transactions: in a thread, or on the event loop."""

from __future__ import annotations

from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, TypeVar

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool
from sqlalchemy.util import greenlet_spawn

from kakaclo_async.database import in_thread, run_to_completion
from kakaclo_async.errors import ConfigurationError, MissingExtra

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
    from pathlib import Path

    from sqlalchemy import Executable, Row
    from sqlalchemy.engine import Connection, Result
    from sqlalchemy.engine.interfaces import DBAPIConnection
    from sqlalchemy.pool import ConnectionPoolEntry


T = TypeVar("T")

LOCK_TIMEOUT: Final = 30.0
"""Seconds to wait for what another transaction or program has locked."""

_UNWRITABLE: Final = {8, 14}  # SQLITE_READONLY, SQLITE_CANTOPEN: what a WAL needs cannot be made


def load_driver(name: str, extra: str) -> Any:
    """Import a driver and what SQLAlchemy's asyncio part runs on.

    Raises:
        ConfigurationError: one of them is not installed; names the extra that brings it.
    """
    try:
        import_module("greenlet")
        return import_module(name)
    except ImportError as error:
        raise MissingExtra(f"this database needs {error.name}: pip install 'kakaclo[{extra}]'") from None


def sqlite_engine(path: Path, *pragmas: str, keep_open: bool, make: bool) -> Engine:
    """Make an engine for an SQLite file, whose transactions take the write lock when they begin.

    Args:
        path: the file.
        pragmas: settings of each connection.
        keep_open: whether connections are pooled; otherwise each transaction opens its own.
        make: whether SQLite makes the file where there is none, for all to read.
    """
    sqlite3 = import_module("sqlite3")
    where, timeout = f"{path.as_uri()}?mode={'rwc' if make else 'rw'}", LOCK_TIMEOUT
    engine = create_engine(
        URL.create("sqlite", database=str(path)),
        creator=lambda: sqlite3.connect(where, uri=True, timeout=timeout, check_same_thread=False),
        poolclass=None if keep_open else NullPool,
        hide_parameters=True,
    )
    _set_up_sqlite(engine, "BEGIN IMMEDIATE", *pragmas)
    return engine


def sqlite_reader(path: Path) -> Engine:
    """Make an engine that reads an SQLite file; a writer may be at work meanwhile, and the disk be read-only."""
    load_driver("aiosqlite", "catalog")

    def connect(mode: str = "mode=rw") -> Any:
        dbapi: Any = engine.dialect.dbapi
        connection = dbapi.connect(f"{path.as_uri()}?{mode}", uri=True, timeout=LOCK_TIMEOUT)
        try:
            connection.cursor().execute("PRAGMA schema_version")  # opens the file
        except dbapi.Error as error:
            connection.close()
            code = getattr(getattr(error, "orig", error), "sqlite_errorcode", 0)
            if code & 0xFF not in _UNWRITABLE or mode != "mode=rw":
                raise
            log = path.with_name(f"{path.name}-wal")
            if log.exists() and log.stat().st_size:
                raise ConfigurationError(
                    f"{path} was left by a mirror that did not end: run the mirror once more, or read it as a user who"
                    " may write to its folder"
                ) from None
            return connect("immutable=1")  # whoever writes to it has such a log
        return connection

    engine = create_engine(
        URL.create("sqlite+aiosqlite", database=str(path)), creator=connect, hide_parameters=True
    )
    _set_up_sqlite(engine, "BEGIN")
    return engine


def _set_up_sqlite(engine: Engine, begin: str, *pragmas: str) -> None:
    """Let transactions begin explicitly: the driver's own would begin with the first write, and by then be too late."""

    @event.listens_for(engine, "connect")
    def set_up(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:  # pyright: ignore[reportUnusedFunction]
        connection.isolation_level = None
        cursor = connection.cursor()
        try:
            for pragma in pragmas:
                cursor.execute(f"PRAGMA {pragma}")
        except BaseException:
            connection.close()  # the pool does not know it yet
            raise
        cursor.close()

    @event.listens_for(engine, "begin")
    def start(connection: Connection) -> None:  # pyright: ignore[reportUnusedFunction]
        connection.exec_driver_sql(begin)


def leave_one_file(engine: Engine) -> None:
    """Put all into the SQLite file itself, unless others are reading: what has a log cannot be read without writing."""
    with suppress(
        engine.dialect.loaded_dbapi.Error
    ):  # it stays as it is, and the last reader's end empties the log
        connection = engine.raw_connection()
        try:
            cursor = connection.cursor()
            cursor.execute("PRAGMA busy_timeout = 0")
            cursor.execute("PRAGMA journal_mode = DELETE")
        finally:
            connection.invalidate()


class Transactions:
    """Runs functions that take a blocking connection, each in a transaction.

    SQLite's whole transactions go to a thread: to pass each statement there and back costs more than the statements.
    PostgreSQL's run on the event loop, where SQLAlchemy switches greenlets instead of blocking.

    Args:
        engine: connects.
        before: called before each of SQLite's transactions, in its thread.
    """

    def __init__(self, engine: Engine, before: Callable[[], object] = lambda: None) -> None:
        self._engine = engine
        self._before = before

    async def run(self, work: Callable[[Connection], T]) -> T:
        """Run `work` in a transaction; it is rolled back when `work` raises."""
        if self._engine.dialect.is_async:
            return await greenlet_spawn(in_transaction, self._engine, work)

        def in_a_thread() -> T:
            self._before()
            return in_transaction(self._engine, work)

        return await in_thread(in_a_thread)

    async def close(self) -> None:
        """Close the connections; no work is under way. SQLite is left as one file, if it is still there."""
        if self._engine.dialect.is_async:
            await greenlet_spawn(self._engine.dispose)
        else:
            await in_thread(self._close)

    def _close(self) -> None:
        try:
            with suppress(ConfigurationError, OSError):  # it was moved away: what is there now is not ours
                self._before()
                leave_one_file(self._engine)
        finally:
            self._engine.dispose()


def in_transaction(engine: Engine, work: Callable[[Connection], T]) -> T:
    """Run `work` in a transaction; it is rolled back when `work` raises."""
    with engine.connect() as connection:
        try:
            transaction = connection.begin()
        except DBAPIError:
            if not engine.dialect.is_async:
                raise
            # The server has ended it, and the loop is about to hear of that; nothing was done yet, so take another.
            connection.invalidate()
            transaction = connection.begin()
        with transaction:
            return work(connection)


class Reader:
    """A connection that reads. Each of its calls ends before a cancellation goes on: what a driver forgets holds on.

    Args:
        engine: connects; the reader closes it.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._connection: Connection | None = None

    async def start(self) -> None:
        """Connect."""
        await run_to_completion(greenlet_spawn(self._start))

    def _start(self) -> None:
        self._connection = self._engine.connect()  # here: a cancelled start has one to close, too

    async def close(self) -> None:
        """Give the connection back."""
        await run_to_completion(greenlet_spawn(self._close))

    def _close(self) -> None:
        try:
            if self._connection is not None:
                self._connection.close()
        finally:
            self._engine.dispose()

    async def run_sync(self, work: Callable[..., T], *arguments: object) -> T:
        """Run a function that takes a blocking connection."""
        return await run_to_completion(greenlet_spawn(work, self._connection, *arguments))

    async def execute(self, statement: Executable, values: Mapping[str, object] | None = None) -> Result[Any]:
        """Read all rows."""

        def read(connection: Connection) -> Result[Any]:
            return connection.execute(statement, values)

        return await self.run_sync(read)

    async def scalar(self, statement: Executable) -> Any:
        """Read one value."""

        def read(connection: Connection) -> Any:
            return connection.scalar(statement)

        return await self.run_sync(read)

    async def batches(self, statement: Executable, size: int) -> AsyncGenerator[Sequence[Row[Any]], None]:
        """Read rows as they are asked for, so many at a time."""
        found: Result[Any] | None = None

        def read(connection: Connection) -> Sequence[Row[Any]]:
            nonlocal found
            if found is None:
                found = connection.execute(statement, execution_options={"stream_results": True})
            return found.fetchmany(size)

        try:
            while rows := await self.run_sync(read):
                yield rows
        finally:
            if found is not None:
                # An open cursor keeps the database's lock.
                await run_to_completion(greenlet_spawn(found.close))
