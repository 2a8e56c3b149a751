"""Where a database is: its URL, its file, and the one place that turns its driver's errors into this package's."""

from __future__ import annotations

import re
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self
from urllib.parse import parse_qsl, unquote, urlencode

import attrs
from sqlalchemy.exc import DBAPIError, SQLAlchemyError, StatementError

from kakaclo_async.database import errors_of
from kakaclo_async.errors import ConfigurationError, DatabaseAway

if TYPE_CHECKING:
    from collections.abc import Iterable
    from contextlib import AbstractContextManager


CONNECT_TIMEOUT: Final = 30.0
"""Seconds to connect, unless the URL says otherwise."""

_SQLITE: Final = {"sqlite", "sqlite+aiosqlite"}
_POSTGRESQL: Final = {"postgresql", "postgres", "postgresql+asyncpg"}

_ADDRESS: Final = re.compile(
    r"(?:(?P<user>[^:@/]*)(?::(?P<password>[^@]*))?@)?(?P<hosts>[^@/?#]*)(?:/(?P<database>[^?]*))?(?:\?(?P<query>.*))?"
)

_OF_ASYNCPG: Final = {
    "dbname", "database", "gsslib", "host", "krbsrvname", "passfile", "password", "port", "service", "sslcert",
    "sslcrl", "sslkey", "sslmode", "sslnegotiation", "sslpassword", "sslrootcert", "ssl_max_protocol_version",
    "ssl_min_protocol_version", "target_session_attrs", "user",
}  # fmt: skip
"""Settings in the query of a URL that the driver reads as libpq does."""

_OF_THE_SERVER: Final = {"application_name", "options"}

_WITHOUT_EFFECT: Final = {
    # libpq's, for things that asyncpg does in its own way
    "channel_binding", "client_encoding", "gssdelegation", "gssencmode", "keepalives", "keepalives_count",
    "keepalives_idle", "keepalives_interval", "load_balance_hosts", "sslcertmode", "sslcompression", "sslsni",
    "tcp_user_timeout",
    # Prisma's and SQLAlchemy's, about pools and caches that are not used here
    "connection_limit", "max_inactive_connection_lifetime", "pgbouncer", "pool_timeout",
    "prepared_statement_cache_size", "socket_timeout", "statement_cache_size",
}  # fmt: skip

_SCHEMAS: Final = ("schema", "currentSchema", "search_path")

_PASSING: Final = re.compile(
    "08...|25006|25P0[34]|40001|40P01|53000|53200|53300|55006|55P03|57014|57P0[1235]"
)
"""PostgreSQL's codes of what passes: a lost or refused connection, a failover, a timeout, a lock, a deadlock."""

_BUSY: Final = {5, 6, 15}  # SQLITE_BUSY, SQLITE_LOCKED, SQLITE_PROTOCOL: others use the file


@attrs.frozen(kw_only=True)
class Server:
    """How to connect to a PostgreSQL database.

    Attributes:
        user: decoded; None: what the driver finds in its environment.
        password: likewise.
        hosts: tried in their order.
        ports: one for each host; None: the driver's.
        database: its name.
        query: what else the driver reads from a URL.
        settings: the server's, sent as a connection begins; only what the URL has, for a pooler may keep them.
        name: of the application, where the URL has none.
        schema: where the tables are; None: the first of the role's search path.
        timeout: seconds to connect.
    """

    user: str | None
    password: str | None = attrs.field(repr=False)
    hosts: tuple[str, ...]
    ports: tuple[int, ...]
    database: str | None
    query: str = attrs.field(repr=False)
    settings: tuple[tuple[str, str], ...]
    name: str | None
    schema: str | None
    timeout: float

    def arguments(self) -> dict[str, Any]:
        """Return what asyncpg's `connect` takes."""
        return {
            "dsn": f"postgresql://?{self.query}" if self.query else None,
            "user": self.user,
            "password": self.password,
            "host": list(self.hosts) or None,
            "port": list(self.ports) or None,
            "database": self.database,
            "timeout": self.timeout,
        }


@attrs.frozen
class DatabaseUrl:
    """The URL of a database, `sqlite:///file.db` or `postgresql://user:password@host/name`.

    As text it is what an error may show: it has no password, and no query, which may hold one as well.

    Attributes:
        holds: what is in the database, for errors: "mirror".
        shown: the text.
        file: of SQLite.
        server: of PostgreSQL.
    """

    holds: str
    shown: str
    file: str | None = None
    server: Server | None = attrs.field(default=None, repr=False)

    @classmethod
    def parse(cls, url: str, *, holds: str, example: str) -> Self:
        """Read a URL.

        Args:
            url: as the user, or a hoster, gave it.
            holds: what is in the database, for errors: "mirror".
            example: a name for an SQLite file, for errors: "catalog.db".

        Raises:
            ConfigurationError: another kind of database, SQLite in memory, or settings that are not known.
        """
        if not isinstance(url, str):  # pyright: ignore[reportUnnecessaryIsInstance] - callers err
            raise ConfigurationError(f"the {holds}'s database URL must be a str, not {type(url).__name__}")
        scheme, colon, rest = url.strip().partition("://")
        if not colon or not re.fullmatch(r"[\w+.-]+", scheme):
            raise ConfigurationError(
                f"the {holds}'s database URL cannot be read: it looks like sqlite:///{example}"
                " or postgresql://user:password@host/name"
            )
        if scheme in _POSTGRESQL:
            return cls._parse_server(rest, holds)
        if scheme not in _SQLITE:
            raise ConfigurationError(f"a {holds} lives in sqlite:/// or postgresql://, not in {scheme}")
        path, _, query = rest.partition("?")
        _refuse_settings(holds, parse_qsl(query, keep_blank_values=True), "an SQLite file has none")
        if not path.startswith("/") or path in {"/", "/:memory:"}:
            raise ConfigurationError(f"a {holds} needs a file: sqlite:///{example}")
        return cls(holds, f"sqlite://{path}", file=path[1:])

    @classmethod
    def _parse_server(cls, rest: str, holds: str) -> Self:
        address = _ADDRESS.fullmatch(rest)
        hosts, ports = _hosts(address["hosts"] or "") if address else ((), None)
        if address is None or ports is None:
            raise ConfigurationError(
                f"the {holds}'s database URL cannot be read: it looks like postgresql://user:password@host:5432/name;"
                " in a user's name or password, write @ as %40 and : as %3A"
            )
        user, password, database = address["user"], address["password"], address["database"]
        server = _server(
            holds,
            dict(parse_qsl(address["query"] or "", keep_blank_values=True)),
            user=unquote(user) if user else None,
            password=None if password is None else unquote(password),
            hosts=hosts,
            ports=ports,
            database=unquote(database) if database else None,
        )
        login = "" if user is None else f"{user}{'' if password is None else ':***'}@"
        return cls(holds, f"postgresql://{login}{address['hosts']}/{database or ''}", server=server)

    def __str__(self) -> str:
        return self.shown

    @property
    def is_sqlite(self) -> bool:
        """Whether it is a file; otherwise it is PostgreSQL."""
        return self.server is None

    @property
    def place(self) -> str:
        """Tell databases apart that look alike, by their schemas and settings; not to be shown."""
        server = self.server
        return (
            self.shown if server is None else f"{self.shown} {server.schema} {server.settings} {server.query}"
        )

    def path(self) -> Path:
        """Return the file of an SQLite database, its links followed: a database has one lock, not one per name.

        The file itself is left to SQLite. To open and close it here would drop the locks that this process holds
        on it: POSIX locks belong to the process, not to the file handle that took them.

        Raises:
            ConfigurationError: no database can be there.
        """
        path = Path(self.file or "")
        if path.is_dir():
            raise ConfigurationError(f"{path} is a folder, not a database file")
        if not path.parent.is_dir():
            raise ConfigurationError(f"the folder {path.parent} does not exist")
        return path.resolve()

    def errors(self, *also: type[Exception]) -> AbstractContextManager[None]:
        """Turn a driver's error into a `ConfigurationError` of one line, without SQL, rows or addresses.

        Args:
            also: further errors that can only be the database's, where no caller's code runs.

        Raises:
            DatabaseAway: it is locked, the connection was lost, or it may be back soon for another reason.
            ConfigurationError: any other error of the database.
        """
        return errors_of(self, *also)

    def known(self, error: Exception, also: tuple[type[Exception], ...]) -> ConfigurationError | None:
        """Return the error to raise in place of a driver's; None if it is not one."""
        if isinstance(error, DBAPIError):
            kind = DatabaseAway if error.connection_invalidated or passing(error.orig) else ConfigurationError
            # SQLAlchemy's own text shows the SQL, and further lines of the driver's may quote a row.
            return kind(f"the database {self} refused: {_without_rows(error, str(error.orig))}")
        if isinstance(error, (SQLAlchemyError, *also)):
            kind = DatabaseAway if passing(error) else ConfigurationError
            reason = _without_rows(error, str(error)) or type(error).__name__
            return kind(f"the database {self} cannot be used: {reason}")
        return None


def passing(error: BaseException | None) -> bool:
    """Whether an error of a driver may be gone soon: a lock, a lost connection, a server that restarts."""
    code = getattr(error, "sqlite_errorcode", None)
    return (
        isinstance(error, (ConnectionError, TimeoutError))
        or _PASSING.fullmatch(getattr(error, "sqlstate", None) or "") is not None
        or (code is not None and code & 0xFF in _BUSY)
        or "database is locked" in str(error)
        or "connection is closed" in str(error)
        or "max clients" in str(error)  # of several poolers, which have no code for it
    )


def _hosts(text: str) -> tuple[tuple[str, ...], tuple[int, ...] | None]:
    """Return hosts and ports; no port where the text cannot be read."""
    found = [re.fullmatch(r"(\[[0-9A-Fa-f:.%]+\]|[^:\[\]]*)(?::(\d*))?", part) for part in text.split(",")]
    if not text:
        return (), ()
    if not all(match and match[1] and int(match[2] or 5432) < 65536 for match in found):
        return (), None
    hosts = tuple(unquote(match[1]).strip("[]") for match in found if match)
    has_ports = any(match and match[2] for match in found)
    return hosts, tuple(int(match[2] or 5432) for match in found if match) if has_ports else ()


def _server(holds: str, given: dict[str, str], **address: Any) -> Server:
    """Sort the settings of a query: the driver's, the server's and ours."""
    ssl = given.pop("ssl", None)  # SQLAlchemy's word, and that of several hosters
    if ssl is not None:
        given.setdefault(
            "sslmode", {"true": "require", "1": "require", "false": "disable"}.get(ssl.lower(), ssl)
        )
    schemas = [given.pop(name) for name in _SCHEMAS if name in given]
    name = given.pop("fallback_application_name", None) or f"kakaclo {holds}"
    host = given.pop("hostaddr", None)
    if host and not address["hosts"]:
        given.setdefault("host", host)
    wait = given.pop("connect_timeout", "0")
    if not re.fullmatch(r"-?\d+", wait):
        raise ConfigurationError(f"connect_timeout in the {holds}'s database URL must be whole seconds")
    known = {*_OF_ASYNCPG, *_OF_THE_SERVER, *_WITHOUT_EFFECT}
    why = "server settings go into options=-c%20name%3Dvalue"
    _refuse_settings(holds, [pair for pair in given.items() if pair[0] not in known], why)
    query = urlencode({name: value for name, value in given.items() if name in _OF_ASYNCPG and value})
    return Server(
        query=query,
        settings=tuple((name, value) for name, value in given.items() if name in _OF_THE_SERVER and value),
        name=None if given.get("application_name") else name,
        schema=schemas[0].partition(",")[0].strip(' "') or None if schemas else None,
        timeout=float(wait) if int(wait) > 0 else CONNECT_TIMEOUT,
        **address,
    )


def _refuse_settings(holds: str, given: Iterable[tuple[str, str]], why: str) -> None:
    # Names that are no words may be part of a password with an unquoted question mark.
    names = sorted(name if re.fullmatch(r"\w{1,40}", name) else "..." for name, _ in given)
    if names:
        raise ConfigurationError(
            f"the {holds}'s database URL has settings that are not known here ({', '.join(names)}): leave them out;"
            f" {why}"
        )


def _without_rows(error: Exception, text: str) -> str:
    """Return the first line of a driver's error, and keep no more than it in the error: it stays a `__context__`."""
    error.args = (reason,) = (text.partition("\n")[0],)
    error.__cause__ = error.__context__ = None
    if isinstance(error, StatementError):
        error.statement = error.params = error.orig = None
    return reason


def sqlite_url(place: str) -> str:
    """Return the URL of a database that was given by its file; a URL as it is."""
    return place if "://" in place else f"sqlite:///{Path(place).expanduser().absolute()}"


def shop_file(folder: Path, environment: str, token: str) -> Path:
    """Return where a shop's journal lies unless its user says otherwise; the name tells nothing about the token.

    Args:
        folder: the user's own, whatever the folder that a command is run in.
        environment: the name, or the base URL, of where the shop is.
        token: stands for the shop, whose number the API does not tell.
    """
    if "://" in environment:
        environment = f"other-{_digest(environment)[:8]}"
    return folder / f"{environment}-{_digest(token)[:12]}.db"


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()
