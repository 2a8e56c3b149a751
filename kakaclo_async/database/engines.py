"""What the mirror's and the journal's databases have in common: URLs, drivers, how transactions begin and end."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from kakaclo_async.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from sqlalchemy.engine import Connection, Engine
    from sqlalchemy.engine.interfaces import DBAPIConnection
    from sqlalchemy.pool import ConnectionPoolEntry


T = TypeVar("T")

_KINDS = {
    "sqlite": "sqlite",
    "sqlite+aiosqlite": "sqlite",
    "postgresql": "postgresql+asyncpg",
    "postgresql+asyncpg": "postgresql+asyncpg",
    "postgres": "postgresql+asyncpg",
}


def parse_url(url: str, holds: str, example: str) -> URL:
    """Read the URL of a database.

    Args:
        url: `sqlite:///file.db` or `postgresql://user:password@host/name`.
        holds: what it is for, for errors: "mirror".
        example: a name for an SQLite file, likewise: "catalog.db".

    Returns:
        It, with the driver "sqlite" or "postgresql+asyncpg".

    Raises:
        ConfigurationError: it is neither, or SQLite in memory.
    """
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise ConfigurationError(
            f"the {holds}'s database URL cannot be read: it looks like sqlite:///{example}"
            " or postgresql://user:password@host/name"
        ) from None
    driver = _KINDS.get(parsed.drivername)
    if driver is None:
        raise ConfigurationError(
            f"a {holds} lives in sqlite:/// or postgresql://, not in {parsed.drivername}"
        )
    if driver == "sqlite" and parsed.database in {None, "", ":memory:"}:
        raise ConfigurationError(f"a {holds} needs a file: sqlite:///{example}")
    return parsed.set(drivername=driver)


def shown(url: URL) -> str:
    """Return a URL for an error: without its password, nor its query, which may hold one as well."""
    bare = url.set(drivername=url.get_backend_name(), query={})
    return bare.render_as_string(hide_password=True)


def postgresql_address(url: URL) -> str:
    """Return what asyncpg connects to, which reads the query as PostgreSQL's own programs do (`?sslmode=require`)."""
    return url.set(drivername="postgresql").render_as_string(hide_password=False)


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


def set_up_sqlite(engine: Engine, begin: str, *pragmas: str) -> None:
    """Let an engine's transactions begin when they are told to; the driver would wait for the first write.

    Args:
        engine: for SQLite.
        begin: how they begin: "BEGIN IMMEDIATE".
        pragmas: settings of each connection.
    """

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
