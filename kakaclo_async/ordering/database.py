"""The database of a journal: each piece of work is one transaction, durable when it returns.

Nothing is kept open between two transactions, so a journal belongs to no event loop, survives a fork, and leaves
nothing to close. Orders come at most a few per second; opening costs a millisecond or a few.
"""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, TypeVar

from kakaclo_async.database.engines import (
    Transactions,
    postgresql_engine,
    run_to_completion,
    sqlite_engine,
)
from kakaclo_async.database.url import DatabaseUrl
from kakaclo_async.errors import ConfigurationError
from kakaclo_async.ordering import schema
from kakaclo_async.ordering.per_loop import PerLoop

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.engine import Connection


T = TypeVar("T")

# EXTRA also makes the end of a transaction durable; secure_delete wipes the addresses that are dropped.
_PRAGMAS = ("synchronous = EXTRA", "secure_delete = ON")
_SETTINGS = {"synchronous_commit": "on", "application_name": "kakaclo journal"}


class Database:
    """Where a journal lives.

    Args:
        url: `sqlite:///orders.db` or `postgresql://user:password@host/name`.

    Raises:
        ConfigurationError: another kind of database, or SQLite in memory.
    """

    def __init__(self, url: str) -> None:
        self._url = DatabaseUrl.parse(url, holds="journal", example="orders.db")
        self._transactions: Transactions | None = None
        self._is_ready = False
        self._turn = PerLoop(asyncio.Lock)

    def __repr__(self) -> str:
        return f"<Database {self}>"

    def __str__(self) -> str:
        return str(self._url)

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
            if not self._is_ready:
                schema.MIGRATIONS.migrate(connection, make=make)
            return work(connection)

        with self._url.errors(OSError):
            if self._transactions is None:
                self._transactions = self._connect()  # threads that come first together may make one each
            if self._url.is_sqlite:
                if not self._is_ready:
                    self._check_file(make=make)
                # SQLite lets others in one by one anyway, but wakes them in no order, and late.
                async with self._turn.get():
                    result = await self._transactions.run(prepared)
            else:
                result = await self._transactions.run(prepared)
        self._is_ready = True
        return result

    def _connect(self) -> Transactions:
        if self._url.is_sqlite:
            return Transactions(sqlite_engine(self._url, *_PRAGMAS, keep_open=False))
        return Transactions(postgresql_engine(self._url, keep_open=False, settings=_SETTINGS))

    def _check_file(self, *, make: bool) -> None:
        path = self._url.path()
        if path.exists():
            return
        if not make:
            raise ConfigurationError(f"there is no journal in {path}")
        # It holds addresses: only for its owner, unless the owner decides otherwise.
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
