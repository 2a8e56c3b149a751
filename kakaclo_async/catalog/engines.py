"""A mirror's connections to SQLite and PostgreSQL: who may write, and how long others are waited for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import create_engine
from sqlalchemy.ext.asyncio import create_async_engine

from kakaclo_async.database.engines import load_driver, postgresql_address, set_up_sqlite, shown
from kakaclo_async.errors import ConfigurationError, DatabaseAway as DatabaseAway  # noqa: PLC0414

if TYPE_CHECKING:
    from sqlalchemy.engine import URL, Engine
    from sqlalchemy.ext.asyncio import AsyncEngine


_WRITER_LOCK: Final = 0x6B616B61636C6F
"""The advisory lock that a mirror holds on PostgreSQL: "kakaclo"."""

_LOCK_PATIENCE: Final = 2.0
"""Seconds that the server may need to notice that a killed mirror has gone."""

_PATIENCE: Final = 30.0
"""Seconds to wait for a table or file that another program has locked."""

_CONNECT_TIMEOUT: Final = 15.0


def sqlite_engine(url: URL, begin: str, *pragmas: str, timeout: float = _PATIENCE) -> AsyncEngine:
    """Make an engine for an SQLite file.

    Args:
        url: the database.
        begin: how transactions begin.
        pragmas: settings of each connection.
        timeout: seconds to wait for SQLite's own locks.
    """
    load_driver("aiosqlite", "catalog")
    engine = create_async_engine(url.set(drivername="sqlite+aiosqlite"), connect_args={"timeout": timeout})
    set_up_sqlite(engine.sync_engine, begin, *pragmas)
    return engine


def sqlite_thread_engine(url: URL, begin: str, *pragmas: str, timeout: float = _PATIENCE) -> Engine:
    """Make an engine for an SQLite file that is used in one thread, and blocks it; see `sqlite_engine`."""
    engine = create_engine(url, connect_args={"timeout": timeout})
    set_up_sqlite(engine, begin, *pragmas)
    return engine


def postgresql_engine(url: URL, *, sole_writer: bool = False) -> AsyncEngine:
    """Make an engine for a PostgreSQL database.

    Args:
        url: the database.
        sole_writer: its one connection holds the writer's lock as long as it lives, and so does one that
            replaces it: who has lost the lock cannot write.
    """
    asyncpg = load_driver("asyncpg", "postgres")
    address = postgresql_address(url)

    async def connect() -> Any:
        try:
            connection = await asyncpg.connect(address, timeout=_CONNECT_TIMEOUT)
        except (asyncpg.CannotConnectNowError, asyncpg.TooManyConnectionsError, OSError) as error:
            raise DatabaseAway(_unreachable(url, error)) from None
        except (asyncpg.PostgresError, asyncpg.InterfaceError, ValueError) as error:
            raise ConfigurationError(_unreachable(url, error)) from None
        if sole_writer:
            await _become_writer(connection)
        return connection

    async def _become_writer(connection: Any) -> None:
        try:
            await connection.execute(f"SET lock_timeout = {int(1000 * _LOCK_PATIENCE)}")
            await connection.execute(f"SELECT pg_advisory_lock({_WRITER_LOCK})")
            await connection.execute(f"SET lock_timeout = {int(1000 * _PATIENCE)}")
        except asyncpg.LockNotAvailableError:
            await connection.close()
            raise DatabaseAway(f"another mirror is writing to {shown(url)}") from None

    return create_async_engine(
        url.set(query={}), async_creator=connect, pool_pre_ping=True, pool_size=1, max_overflow=0
    )


def _unreachable(url: URL, error: Exception) -> str:
    return f"the database {shown(url)} cannot be reached: {str(error) or type(error).__name__}"
