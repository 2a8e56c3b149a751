"""Connect to PostgreSQL, and share the connections of an event loop for as long as any of them is in use.

PostgreSQL may be behind a pooler, which gives each transaction another connection, and each connection to other
programs in between. So nothing lives in a connection: no prepared statement has a name, and no setting or lock outlasts
its transaction.

While a transaction is under way, or somebody says that more will follow, a few connections are kept for the next ones;
then they are closed. So there is nothing to close afterwards, and no connection outlives its event loop, or is used by
a forked child.
"""

from __future__ import annotations

import asyncio
import os
import re
from contextlib import asynccontextmanager
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, TypeVar

import attrs
from sqlalchemy import Engine, create_engine, event
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.pool import NullPool
from sqlalchemy.util import greenlet_spawn

from kakaclo_async.database import PerLoop, run_to_completion
from kakaclo_async.database.engines import in_transaction, load_driver
from kakaclo_async.database.url import passing
from kakaclo_async.errors import ConfigurationError, DatabaseAway

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Mapping

    from sqlalchemy.engine import Connection, ExceptionContext
    from sqlalchemy.engine.interfaces import DBAPIConnection
    from sqlalchemy.pool import ConnectionPoolEntry

    from kakaclo_async.database.url import DatabaseUrl, Server

T = TypeVar("T")

MAX_CONNECTIONS: Final = 10
"""PostgreSQL connections of one process, for each event loop and database; its own limit is 100 by default."""


SET_UP: Final = "kakaclo_set_up"
"""The execution option with what begins a transaction in PostgreSQL."""

_KEPT: Final = 4
"""Connections that are kept between transactions: a fleet of ten workers may use most of a server's hundred."""

_LONGEST_IDLE: Final = 10.0
"""Seconds after which a kept connection is made anew: a ping would cost each transaction three round trips."""

_PATIENCE: Final = 30.0
"""Seconds that an answer may take, of transactions as short as those that share connections are."""

_REFUSED_BY_A_POOLER: Final = re.compile("unsupported startup|no such |config|required|allowed|password")
"""PgBouncer has one code for all its errors: these do not pass."""


def postgresql_engine(
    where: DatabaseUrl,
    server: Server,
    *,
    keep_open: int,
    settings: Mapping[str, str] | None = None,
    patience: float | None = None,
) -> Engine:
    """Make an engine for a PostgreSQL database, whose calls SQLAlchemy's `greenlet_spawn` makes.

    Args:
        where: the database, for errors.
        server: how to connect to it.
        keep_open: how many connections there are at most, of which a few are kept, and replaced when they were lost or
            not used for long; 0: each transaction opens its own, on whatever event loop it runs.
        settings: the server's settings for each transaction that brings none of its own: see `local_settings`.
        patience: seconds that an answer may take; then the connection is lost. None: for ever.
    """
    asyncpg = load_driver("asyncpg", "postgres")

    async def leave_types(*_: object, **__: object) -> None:
        """Do not look up JSON's, as SQLAlchemy would have it: outside a transaction."""

    async def connect() -> Any:
        try:
            return await asyncpg.connect(
                **server.arguments(),
                server_settings=dict(server.settings),
                statement_cache_size=0,
                command_timeout=patience,
                connection_class=type("Connection", (asyncpg.Connection,), {"set_type_codec": leave_types}),
            )
        except (OSError, asyncpg.InternalClientError) as error:
            raise DatabaseAway(_unreachable(where, error)) from None
        except (asyncpg.PostgresError, asyncpg.InterfaceError, ValueError) as error:
            passes = passing(error) and not _REFUSED_BY_A_POOLER.search(str(error))
            raise (DatabaseAway if passes else ConfigurationError)(_unreachable(where, error)) from None

    kept = min(keep_open, _KEPT)
    pool: dict[str, Any] = {"pool_size": kept, "max_overflow": keep_open - kept, "pool_use_lifo": True}

    def adapted() -> Any:
        dbapi: Any = engine.dialect.dbapi
        without_names = {"prepared_statement_cache_size": 0, "prepared_statement_name_func": str}
        return dbapi.connect(async_creator_fn=connect, **without_names)

    engine: Engine = create_engine(
        "postgresql+asyncpg://",
        creator=adapted,
        hide_parameters=True,
        # Rows are locked before they are judged: under a stricter level others' commits would be errors.
        isolation_level="READ COMMITTED",
        **(pool if keep_open else {"poolclass": NullPool}),
    )
    if keep_open:
        _replace_lost_ones(engine)
    if patience is not None:
        _lose_silent_ones(engine)
    set_up = local_settings(server, settings or {})

    @event.listens_for(engine, "begin")
    def start(connection: Connection) -> None:  # pyright: ignore[reportUnusedFunction]
        connection.exec_driver_sql(connection.get_execution_options().get(SET_UP, set_up))

    return engine


def local_settings(server: Server, settings: Mapping[str, str]) -> str:
    """Return the statement that begins a transaction: as the execution option `SET_UP` it stands in for the engine's.

    Args:
        server: names the schema.
        settings: the server's, for this transaction.
    """
    # Only one schema's tables are ours, whatever else the role's path shows.
    schema = "current_schema()" if server.schema is None else _quoted(server.schema)
    path = f"coalesce(quote_ident({schema}), current_setting('search_path'))"
    local = [f"set_config('search_path', {path}, true)"]
    local += [f"set_config({_quoted(name)}, {_quoted(value)}, true)" for name, value in settings.items()]
    return f"SELECT {', '.join(local)}"


def _replace_lost_ones(engine: Engine) -> None:
    """Let no transaction begin on a connection that is known to be lost, or that a network may have forgotten."""

    @event.listens_for(engine, "checkin")
    def note(_: DBAPIConnection | None, entry: ConnectionPoolEntry) -> None:  # pyright: ignore[reportUnusedFunction]
        entry.info["used_at"] = monotonic()

    @event.listens_for(engine, "checkout")
    def check(connection: DBAPIConnection, entry: ConnectionPoolEntry, _: object) -> None:  # pyright: ignore[reportUnusedFunction]
        used_at = entry.info.pop("used_at", None)
        lost: bool = connection.driver_connection.is_closed()
        if lost or (used_at is not None and monotonic() - used_at > _LONGEST_IDLE):
            raise DisconnectionError


def _lose_silent_ones(engine: Engine) -> None:
    """Speak no more on a connection without an answer: a balancer or a pooler may pass nothing on, and end nothing."""

    @event.listens_for(engine, "handle_error")
    def lose(context: ExceptionContext) -> None:  # pyright: ignore[reportUnusedFunction]
        if isinstance(context.original_exception, TimeoutError):
            context.is_disconnect = True


def _quoted(text: str) -> str:
    return "'{}'".format(text.replace("'", "''"))


def _unreachable(where: DatabaseUrl, error: Exception) -> str:
    what = f"the database {where} cannot be reached: {str(error) or type(error).__name__}"
    if "unsupported startup parameter" in str(error):
        what += ": a pooler takes no server settings; leave options out, and choose a schema by ?schema=NAME"
    return what.partition("\n")[0]


class _Kept:
    """The connections of one event loop."""

    def __init__(self) -> None:
        self._process = os.getpid()
        self._users = 0
        self._turn = asyncio.Lock()
        self._engines: dict[Server, Engine] = {}

    @property
    def is_ours(self) -> bool:
        """Whether this process made them: a forked child has the same loop, and must not speak on the same sockets."""
        return self._process == os.getpid()

    def engine(self, where: DatabaseUrl, server: Server) -> Engine:
        """Return the engine of a database, whatever the schema."""
        server = attrs.evolve(server, schema=None)
        if server not in self._engines:
            self._engines[server] = postgresql_engine(
                where, server, keep_open=MAX_CONNECTIONS, patience=_PATIENCE
            )
        return self._engines[server]

    async def enter(self) -> None:
        async with self._turn:
            self._users += 1

    async def leave(self) -> None:
        if not self.is_ours:
            return
        async with self._turn:  # nobody enters while they are closed
            self._users -= 1
            if not self._users:
                for engine in self._engines.values():
                    await greenlet_spawn(engine.dispose)


_kept: Final = PerLoop(_Kept)
_of_parents: Final[list[_Kept]] = []
"""What a forked child has inherited: it is never touched again, for to close it would end the parent's connections."""


def _of_loop() -> _Kept:
    kept = _kept.get()
    if not kept.is_ours:
        _of_parents.append(kept)
        _kept.forget()
        kept = _kept.get()
    return kept


@asynccontextmanager
async def keeping_connections() -> AsyncGenerator[None, None]:
    """Keep a few connections of this event loop open between transactions, until the end; it may be nested."""
    kept = _of_loop()
    await kept.enter()
    try:
        yield
    finally:
        await run_to_completion(kept.leave())


class SharedTransactions:
    """Runs functions that take a blocking connection, each in a transaction, on connections that others share.

    Args:
        where: the database, for errors.
        server: how to connect to it, and the schema.
        settings: the server's settings for each transaction.
    """

    def __init__(self, where: DatabaseUrl, server: Server, settings: Mapping[str, str]) -> None:
        self._where = where
        self._server = server
        self._options = {SET_UP: local_settings(server, settings)}

    async def run(self, work: Callable[[Connection], T]) -> T:
        """Run `work` in a transaction; it is rolled back when `work` raises."""
        async with keeping_connections():
            engine = _of_loop().engine(self._where, self._server).execution_options(**self._options)
            return await greenlet_spawn(in_transaction, engine, work)
