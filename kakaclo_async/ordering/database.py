"""The database of a journal: each piece of work is one transaction, durable when it returns.

Nothing is kept open between two transactions, so a journal belongs to no event loop, survives a fork, and leaves
nothing to close. Orders come at most a few per second; opening costs a millisecond or a few.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from sqlalchemy import create_engine, insert, inspect, select, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from kakaclo_async.database.engines import (
    load_driver,
    parse_url,
    postgresql_address,
    run_to_completion,
    set_up_sqlite,
    shown,
)
from kakaclo_async.errors import ConfigurationError
from kakaclo_async.ordering.per_loop import PerLoop
from kakaclo_async.ordering.schema import metadata, version

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from sqlalchemy.engine import Connection, Engine
    from sqlalchemy.ext.asyncio import AsyncEngine


T = TypeVar("T")

_VERSION = 1
_PATIENCE = 30.0  # seconds to wait for other workers' transactions, each of which takes a few milliseconds
# EXTRA also makes the end of a transaction durable; secure_delete wipes the addresses that are dropped.
_PRAGMAS = ("synchronous = EXTRA", "secure_delete = ON")
_MAKING = 0x6B616B61  # the advisory lock under which PostgreSQL's tables are made


class Database:
    """Where a journal lives.

    Args:
        url: `sqlite:///orders.db` or `postgresql://user:password@host/name`.

    Raises:
        ConfigurationError: no such kind of database, or a path that cannot be one.
    """

    def __init__(self, url: str) -> None:
        self._url = parse_url(url, "journal", "orders.db")
        self._is_sqlite = self._url.drivername == "sqlite"
        self._made = False
        self._turn = PerLoop(asyncio.Lock)

    def __repr__(self) -> str:
        return f"<Database {self}>"

    def __str__(self) -> str:
        return shown(self._url)

    async def run(self, work: Callable[[Connection], T], *, make: bool = True) -> T:
        """Do some work in one transaction; what was begun is finished, even when the caller is cancelled.

        Args:
            work: is given a connection, in a thread if need be.
            make: whether to make a journal where there is none.

        Raises:
            ConfigurationError: the database cannot be reached or written, or there is no journal.
        """
        return await run_to_completion(self._run(work, make=make))

    async def _run(self, work: Callable[[Connection], T], *, make: bool) -> T:
        def prepared(connection: Connection) -> T:
            if not self._made:
                _make_tables(connection, make=make)
            return work(connection)

        with self._errors():
            if self._is_sqlite:
                result = await self._run_on_sqlite(prepared, make=make)
            else:
                result = await self._run_on_postgresql(prepared)
        self._made = True
        return result

    async def _run_on_sqlite(self, work: Callable[[Connection], T], *, make: bool) -> T:
        if not self._made:
            _check_file(Path(self._url.database or ""), make=make)

        def run() -> T:
            with self._sqlite.begin() as connection:
                return work(connection)

        # SQLite lets others in one by one anyway, but wakes them in no order, and late.
        async with self._turn.get():
            return await asyncio.to_thread(run)

    async def _run_on_postgresql(self, work: Callable[[Connection], T]) -> T:
        async with self._postgresql.begin() as connection:
            return await connection.run_sync(work)

    @property
    def _sqlite(self) -> Engine:
        engine = create_engine(
            self._url, poolclass=NullPool, hide_parameters=True, connect_args={"timeout": _PATIENCE}
        )
        set_up_sqlite(engine, "BEGIN IMMEDIATE", *_PRAGMAS)
        return engine

    @property
    def _postgresql(self) -> AsyncEngine:
        asyncpg = load_driver("asyncpg", "postgres")
        address = postgresql_address(self._url)
        settings = {"synchronous_commit": "on", "application_name": "kakaclo journal"}

        async def connect() -> object:
            try:
                return await asyncpg.connect(address, server_settings=settings, timeout=_PATIENCE)
            except (asyncpg.PostgresError, asyncpg.InterfaceError, ValueError) as error:
                raise ConfigurationError(f"the journal {self} cannot be used: {error}") from None

        return create_async_engine(
            self._url,
            poolclass=NullPool,
            hide_parameters=True,
            # Rows are locked before they are judged: under a stricter level others' commits would be errors.
            isolation_level="READ COMMITTED",
            async_creator=connect,
        )

    @contextmanager
    def _errors(self) -> Generator[None, None, None]:
        try:
            yield
        except DBAPIError as error:
            # `orig` alone: the full text shows the SQL with its parameters, an address among them.
            # Its further lines may quote a row.
            reason = str(error.orig).partition("\n")[0]
            raise ConfigurationError(f"the journal {self} refused: {reason}") from None
        except (SQLAlchemyError, OSError) as error:
            raise ConfigurationError(f"the journal {self} cannot be used: {error}") from None


def _check_file(path: Path, *, make: bool) -> None:
    if path.is_dir():
        raise ConfigurationError(f"{path} is a folder, not a database file")
    if not path.parent.is_dir():
        raise ConfigurationError(f"the folder {path.parent} does not exist")
    if not path.exists():
        if not make:
            raise ConfigurationError(f"there is no journal in {path}")
        # It holds addresses: only for its owner, unless somebody decides otherwise.
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))


def _make_tables(connection: Connection, *, make: bool) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MAKING})
    if not inspect(connection).has_table(version.name):
        if not make:
            raise ConfigurationError("there is no journal in this database")
        metadata.create_all(connection)
        connection.execute(insert(version).values(version=_VERSION))
        return
    found = connection.scalar(select(version.c.version))
    if found != _VERSION:
        raise ConfigurationError(
            f"the journal is of version {found}; this package knows up to {_VERSION}: update kakaclo"
        )
