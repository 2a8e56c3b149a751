"""How several workers' engine runs statements: by procrastinate's connections, or by one for a transaction."""

from __future__ import annotations

import re
import select
from contextlib import asynccontextmanager
from functools import lru_cache
from time import monotonic
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

from kakaclo_async.errors import ConfigurationError, DatabaseAway, MissingExtra
from kakaclo_async.fleet.table import POSTGRESQL

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping, Sequence

    import psycopg

_POOL: Final[dict[str, Any]] = {"min_size": 1, "max_size": 4, "timeout": 10.0, "reconnect_timeout": 3.0}
"""Of connections. Having failed for so long it begins anew for whoever asks: its pauses double until then, and after a
long outage it would sleep on for as long."""

_REST: Final = 5.0  # seconds: a network may have forgotten a connection, and said so to nobody

_USED: Final[WeakKeyDictionary[Any, float]] = WeakKeyDictionary()
"""When connections were taken last."""

_PARAMETER: Final = re.compile(r"(?<!:):(\w+)")

_KEPT_ALIVE: Final[dict[str, Any]] = {
    "connect_timeout": 10,
    "keepalives": 1,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
    "application_name": "kakaclo fleet",
}
"""So that a network that loses packets is noticed: a connection that nobody ends would be waited for."""


@lru_cache
def _ready(statement: str) -> Any:
    return literal(_PARAMETER.sub(r"%(\1)s", POSTGRESQL.words(statement)))


def literal(statement: str) -> Any:
    """Return a statement as the driver wants it: written here, or by procrastinate, and made of no values."""
    return statement


async def _is_there(connection: psycopg.AsyncConnection[Any]) -> None:
    """Raise an error if the server has ended a connection.

    It is asked only after a rest, or if there is something to be read: it may be that it ends. Procrastinate asks
    before each statement, which takes as long as the statement.
    """
    now = monotonic()
    rested = now - _USED.get(connection, now)
    _USED[connection] = now
    if rested < _REST and hasattr(select, "poll"):  # not on Windows
        waiting = select.poll()
        waiting.register(connection.fileno(), select.POLLIN)
        if not waiting.poll(0):
            return
    await connection.execute("")


def _pool(**settings: Any) -> Any:
    from psycopg_pool import AsyncConnectionPool  # noqa: PLC0415 - an extra

    settings["check"] = _is_there
    return AsyncConnectionPool[Any](**settings)


async def _set_up(connection: psycopg.AsyncConnection[Any]) -> None:
    await connection.set_autocommit(True)  # a worker that freezes between two statements holds no lock


class Connections:
    """Runs statements by procrastinate's own connections."""

    def __init__(self, url: str) -> None:
        try:
            import procrastinate  # noqa: PLC0415 - an extra
            import psycopg  # noqa: PLC0415 - an extra
            from procrastinate.exceptions import ConnectorException  # noqa: PLC0415 - an extra
            from psycopg.rows import dict_row  # noqa: PLC0415 - an extra
        except ImportError as error:
            raise MissingExtra(f"this fleet needs {error.name}: pip install 'kakaclo[fleet]'") from None
        self._url = url
        self._trouble = (ConnectorException, psycopg.Error, OSError, TimeoutError)
        self._passing = (psycopg.OperationalError, OSError, TimeoutError)
        self._rows = dict_row
        self._connect = psycopg.AsyncConnection.connect
        self.connector = procrastinate.PsycopgConnector(
            pool_factory=_pool,
            conninfo=url,
            kwargs=dict(_KEPT_ALIVE),
            configure=_set_up,
            **_POOL,
        )
        self.app = procrastinate.App(connector=self.connector)

    async def __call__(self, statement: str, /, **values: object) -> Sequence[Mapping[str, Any]]:
        """Run a statement by one of procrastinate's connections."""
        query = _ready(statement)
        async with self.errors():
            if " RETURNING " in statement or statement.startswith("SELECT"):
                rows: list[dict[str, Any]] = await self.connector.execute_query_all_async(query, **values)
                return rows
            await self.connector.execute_query_async(query, **values)
        return []

    @asynccontextmanager
    async def errors(self) -> AsyncGenerator[None, None]:
        """Turn a driver's errors into this package's, without SQL, values or the password."""
        try:
            yield
        except self._trouble as error:
            cause = error.__cause__ or error
            passes = isinstance(cause, self._passing) or cause is error
            what = getattr(getattr(cause, "diag", None), "message_primary", None) or _reason(cause)
            kind = DatabaseAway if passes else ConfigurationError
            raise kind(f"the fleet's database cannot be used: {what}") from None

    async def apart(self, statement: str, /, **values: object) -> Sequence[Mapping[str, Any]]:
        """Run a statement by a connection of its own."""
        query = _ready(statement)
        async with self.transaction() as connection:
            done = await connection.cursor(row_factory=self._rows).execute(query, values)
            return [] if done.description is None else await done.fetchall()

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[psycopg.AsyncConnection[Any], None]:
        """Open a connection for one transaction."""
        async with self.errors(), await self._connect(self._url, **_KEPT_ALIVE) as connection:
            yield connection


def _reason(error: BaseException) -> str:
    """Return why a connection failed, without the address; of other errors the kind."""
    said = str(error).partition("\n")[0]
    found = re.search(r"failed: (?:FATAL: +)?([A-Z][A-Za-z ]+|timeout expired|(?<=FATAL:  )[a-z].*)$", said)
    return re.sub(r'host "[^"]*"', "host", found[1]) if found else type(error).__name__
