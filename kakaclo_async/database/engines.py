"""Connect to SQLite and PostgreSQL, and run whole transactions: in a thread, or on the event loop."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, TypeVar

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from kakaclo_async.errors import ConfigurationError, DatabaseAway

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Mapping
    from concurrent.futures import Executor

    from sqlalchemy.engine import Connection
    from sqlalchemy.engine.interfaces import DBAPIConnection
    from sqlalchemy.pool import ConnectionPoolEntry

    from kakaclo_async.database.url import DatabaseUrl


T = TypeVar("T")

LOCK_TIMEOUT: Final = 30.0
"""Seconds to wait for what another transaction or program has locked."""

CONNECT_TIMEOUT: Final = 30.0


def load_driver(name: str, extra: str) -> Any:
    """Import a driver and what SQLAlchemy's asyncio part runs on.

    Raises:
        ConfigurationError: one of them is not installed; names the extra that brings it.
    """
    try:
        import_module("greenlet")
        return import_module(name)
    except ImportError as error:
        raise ConfigurationError(
            f"this database needs {error.name}: pip install 'kakaclo[{extra}]'"
        ) from None


def sqlite_engine(where: DatabaseUrl, *pragmas: str, keep_open: bool) -> Engine:
    """Make an engine for an SQLite file, whose transactions take the write lock when they begin.

    Args:
        where: the database.
        pragmas: settings of each connection.
        keep_open: whether connections are pooled; otherwise each transaction opens its own.
    """
    engine = create_engine(
        where.url,
        poolclass=None if keep_open else NullPool,
        hide_parameters=True,
        connect_args={"timeout": LOCK_TIMEOUT},
    )
    _set_up_sqlite(engine, "BEGIN IMMEDIATE", *pragmas)
    return engine


def sqlite_reader(where: DatabaseUrl) -> AsyncEngine:
    """Make an engine that reads an SQLite file; a writer may be at work meanwhile."""
    load_driver("aiosqlite", "catalog")
    engine = create_async_engine(
        where.url.set(drivername="sqlite+aiosqlite"),
        hide_parameters=True,
        connect_args={"timeout": LOCK_TIMEOUT},
    )
    _set_up_sqlite(engine.sync_engine, "BEGIN")
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


def postgresql_engine(
    where: DatabaseUrl,
    *,
    keep_open: bool,
    settings: Mapping[str, str] | None = None,
    on_connect: Callable[[Any], Awaitable[None]] | None = None,
) -> AsyncEngine:
    """Make an engine for a PostgreSQL database.

    Args:
        where: the database.
        keep_open: whether one connection is kept, and replaced when it was lost; otherwise each transaction opens its
            own, on whatever event loop it runs.
        settings: the server's settings for each connection.
        on_connect: called with each new connection of asyncpg.
    """
    asyncpg = load_driver("asyncpg", "postgres")

    async def connect() -> Any:
        try:
            connection = await asyncpg.connect(
                where.dsn, server_settings=dict(settings or {}), timeout=CONNECT_TIMEOUT
            )
        except (asyncpg.CannotConnectNowError, asyncpg.TooManyConnectionsError, OSError) as error:
            raise DatabaseAway(_unreachable(where, error)) from None
        except (asyncpg.PostgresError, asyncpg.InterfaceError, ValueError) as error:
            raise ConfigurationError(_unreachable(where, error)) from None
        if on_connect is not None:
            await on_connect(connection)
        return connection

    pool: dict[str, Any] = (
        {"pool_pre_ping": True, "pool_size": 1, "max_overflow": 0} if keep_open else {"poolclass": NullPool}
    )
    return create_async_engine(
        where.url.set(query={}),
        async_creator=connect,
        hide_parameters=True,
        # Rows are locked before they are judged: under a stricter level others' commits would be errors.
        isolation_level="READ COMMITTED",
        **pool,
    )


def _unreachable(where: DatabaseUrl, error: Exception) -> str:
    return f"the database {where} cannot be reached: {str(error) or type(error).__name__}"


class Transactions:
    """Runs functions that take a blocking connection, each in a transaction.

    SQLite's whole transactions go to a thread: to pass each statement there and back costs more than the statements.
    PostgreSQL's run on the event loop, where SQLAlchemy switches greenlets instead of blocking.

    Args:
        engine: connects.
        threads: where SQLite's transactions run; None: the event loop's own threads.
    """

    def __init__(self, engine: Engine | AsyncEngine, threads: Executor | None = None) -> None:
        self._engine = engine
        self._threads = threads

    async def run(self, work: Callable[[Connection], T]) -> T:
        """Run `work` in a transaction; it is rolled back when `work` raises."""
        if isinstance(self._engine, AsyncEngine):
            async with self._engine.begin() as connection:
                return await connection.run_sync(work)
        return await asyncio.get_running_loop().run_in_executor(
            self._threads, _in_transaction, self._engine, work
        )

    async def close(self) -> None:
        """Close the connections; no work is under way."""
        if isinstance(self._engine, AsyncEngine):
            await self._engine.dispose()
            return
        await asyncio.get_running_loop().run_in_executor(self._threads, self._engine.dispose)
        if self._threads is not None:
            self._threads.shutdown()


def _in_transaction(engine: Engine, work: Callable[[Connection], T]) -> T:
    with engine.begin() as connection:
        return work(connection)


async def run_to_completion(work: Coroutine[object, object, T]) -> T:
    """Await `work`; a cancellation goes on only once it has ended."""
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
