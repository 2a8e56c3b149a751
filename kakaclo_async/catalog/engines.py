"""Connections to SQLite and PostgreSQL: what a URL means, which driver it needs, how transactions begin."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.asyncio import create_async_engine

from kakaclo_async.errors import ConfigurationError

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection, Engine
    from sqlalchemy.engine.interfaces import DBAPIConnection
    from sqlalchemy.ext.asyncio import AsyncEngine
    from sqlalchemy.pool import ConnectionPoolEntry

__all__ = [
    "DatabaseAway",
    "is_sqlite",
    "parse_url",
    "postgresql_engine",
    "shown",
    "sqlite_engine",
    "sqlite_thread_engine",
]

_DRIVERS: Final = {
    "sqlite": "sqlite+aiosqlite",
    "postgresql": "postgresql+asyncpg",
    "postgres": "postgresql+asyncpg",
}

_WRITER_LOCK: Final = 0x6B616B61636C6F
"""The advisory lock that a mirror holds on PostgreSQL: "kakaclo"."""

_LOCK_PATIENCE: Final = 2.0
"""Seconds that the server may need to notice that a killed mirror has gone."""

_PATIENCE: Final = 30.0
"""Seconds to wait for a table or file that another program has locked."""

_CONNECT_TIMEOUT: Final = 15.0


class DatabaseAway(ConfigurationError):
    """The database cannot be used at the moment; it may be back soon."""


def parse_url(url: str) -> URL:
    """Read a mirror's URL.

    Raises:
        ConfigurationError: it is not `sqlite:///path` or `postgresql://user:password@host/name`.
    """
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


def is_sqlite(url: URL) -> bool:
    """Whether it is SQLite; PostgreSQL otherwise."""
    return url.drivername == _DRIVERS["sqlite"]


def shown(url: URL) -> str:
    """Return the URL for an error: without its password, nor its query, which may hold one as well."""
    bare = url.set(drivername=url.get_backend_name(), query={})
    return bare.render_as_string(hide_password=True)


def sqlite_engine(url: URL, begin: str, *pragmas: str, timeout: float = _PATIENCE) -> AsyncEngine:
    """Make an engine for an SQLite file.

    Args:
        url: the database.
        begin: how transactions begin.
        pragmas: settings of each connection.
        timeout: seconds to wait for SQLite's own locks.
    """
    _need("aiosqlite", "catalog")
    engine = create_async_engine(url, connect_args={"timeout": timeout})
    _set_up_sqlite(engine.sync_engine, begin, pragmas)
    return engine


def sqlite_thread_engine(url: URL, begin: str, *pragmas: str, timeout: float = _PATIENCE) -> Engine:
    """Make an engine for an SQLite file that is used in one thread, and blocks it; see `sqlite_engine`."""
    engine = create_engine(url.set(drivername="sqlite"), connect_args={"timeout": timeout})
    _set_up_sqlite(engine, begin, pragmas)
    return engine


def _set_up_sqlite(engine: Engine, begin: str, pragmas: tuple[str, ...]) -> None:
    @event.listens_for(engine, "connect")
    def set_up(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:  # pyright: ignore[reportUnusedFunction]
        # The driver would begin a transaction at the first write only; ours begin when they are told to.
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


def postgresql_engine(url: URL, *, sole_writer: bool = False) -> AsyncEngine:
    """Make an engine for a PostgreSQL database.

    Args:
        url: the database; its query is read as PostgreSQL's own programs read it (`?sslmode=require`).
        sole_writer: its one connection holds the writer's lock as long as it lives, and so does one that
            replaces it: who has lost the lock cannot write.
    """
    asyncpg = _need("asyncpg", "postgres")
    address = url.set(drivername="postgresql").render_as_string(hide_password=False)

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


def _need(driver: str, extra: str) -> Any:
    try:
        import_module("greenlet")  # what SQLAlchemy's asyncio part runs on
        return import_module(driver)
    except ImportError as error:
        raise ConfigurationError(
            f"this database needs {error.name}: pip install 'kakaclo[{extra}]'"
        ) from None
