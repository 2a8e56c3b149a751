"""Where a database is: its URL, its file, and the one place that turns its driver's errors into this package's."""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Self

import attrs
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError, StatementError

from kakaclo_async.errors import ConfigurationError, DatabaseAway

if TYPE_CHECKING:
    from collections.abc import Generator


_DRIVERS = {
    "sqlite": "sqlite",
    "sqlite+aiosqlite": "sqlite",
    "postgresql": "postgresql+asyncpg",
    "postgresql+asyncpg": "postgresql+asyncpg",
    "postgres": "postgresql+asyncpg",
}

_LOCK_NOT_AVAILABLE = "55P03"
"""PostgreSQL's code for it, whatever the language of its messages."""


@attrs.frozen
class DatabaseUrl:
    """The URL of a database, `sqlite:///file.db` or `postgresql://user:password@host/name`.

    As text it is what an error may show: it has no password, and no query, which may hold one as well.

    Attributes:
        holds: what is in the database, for errors: "mirror".
        url: with the driver "sqlite" or "postgresql+asyncpg".
    """

    holds: str
    url: URL = attrs.field(repr=False)

    @classmethod
    def parse(cls, url: str, *, holds: str, example: str) -> Self:
        """Read a URL.

        Args:
            url: as the user gave it.
            holds: what is in the database, for errors: "mirror".
            example: a name for an SQLite file, for errors: "catalog.db".

        Raises:
            ConfigurationError: another kind of database, or SQLite in memory.
        """
        try:
            parsed = make_url(url)
        except (ArgumentError, ValueError):
            raise ConfigurationError(
                f"the {holds}'s database URL cannot be read: it looks like sqlite:///{example}"
                " or postgresql://user:password@host/name"
            ) from None
        driver = _DRIVERS.get(parsed.drivername)
        if driver is None:
            raise ConfigurationError(
                f"a {holds} lives in sqlite:/// or postgresql://, not in {parsed.drivername}"
            )
        if driver == "sqlite" and parsed.database in {None, "", ":memory:"}:
            raise ConfigurationError(f"a {holds} needs a file: sqlite:///{example}")
        return cls(holds, parsed.set(drivername=driver))

    def __str__(self) -> str:
        bare = self.url.set(drivername=self.url.get_backend_name(), query={})
        return bare.render_as_string(hide_password=True)

    @property
    def is_sqlite(self) -> bool:
        """Whether it is a file; otherwise it is PostgreSQL."""
        return self.url.drivername == "sqlite"

    @property
    def dsn(self) -> str:
        """What asyncpg connects to; it reads the query as PostgreSQL's own programs do (`?sslmode=require`)."""
        return self.url.set(drivername="postgresql").render_as_string(hide_password=False)

    def path(self) -> Path:
        """Return the file of an SQLite database, its links followed: a database has one lock, not one per name.

        The file itself is left to SQLite. To open and close it here would drop the locks that this process holds
        on it: POSIX locks belong to the process, not to the file handle that took them.

        Raises:
            ConfigurationError: no database can be there.
        """
        path = Path(self.url.database or "")
        if path.is_dir():
            raise ConfigurationError(f"{path} is a folder, not a database file")
        if not path.parent.is_dir():
            raise ConfigurationError(f"the folder {path.parent} does not exist")
        return path.resolve()

    @contextmanager
    def errors(self, *also: type[Exception]) -> Generator[None, None, None]:
        """Turn a driver's error into a `ConfigurationError` of one line, without SQL, rows or addresses.

        Args:
            also: further errors that can only be the database's, where no caller's code runs.

        Raises:
            DatabaseAway: it is locked, or the connection was lost.
            ConfigurationError: any other error of the database.
        """
        kinds: tuple[type[Exception], ...] = (SQLAlchemyError, *also)
        try:
            yield
        except DBAPIError as error:
            locked = (
                "database is locked" in str(error.orig)
                or getattr(error.orig, "sqlstate", None) == _LOCK_NOT_AVAILABLE
            )
            kind = DatabaseAway if locked or error.connection_invalidated else ConfigurationError
            # SQLAlchemy's own text shows the SQL, and further lines of the driver's may quote a row. `from None`
            # keeps both out of tracebacks, which loggers print.
            reason = _without_rows(error, str(error.orig))
            raise kind(f"the database {self} refused: {reason}") from None
        except kinds as error:
            reason = _without_rows(error, str(error)) or type(error).__name__
            raise ConfigurationError(f"the database {self} cannot be used: {reason}") from None


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


def prepare_shop_file(path: Path, *, make: bool) -> bool:
    """Tell whether a shop's journal is there, or can be: with `make`, its folder is made for its owner only.

    Raises:
        ConfigurationError: it is not there, and another journal may know this shop's orders; or no folder can be made.
    """
    if path.exists():
        return True
    # A refreshed token gives a shop another name, and earlier versions kept `orders.db` in whatever folder. Both know
    # orders that a new journal would place, and pay for, once more.
    name, earlier = path.name.rpartition("-")[0], Path("orders.db")
    others = [] if name.startswith("local") else sorted(path.parent.glob(f"{name}-*.db"))
    with suppress(OSError):
        others += [earlier.absolute()] if b"kakaclo_write" in earlier.read_bytes() else []
    if others:
        raise ConfigurationError(
            f"this token has no journal yet, and {others[0]} may be the one of this shop: give --journal {others[0]}"
            f" to go on with it, or --journal {path} to begin another, which knows none of its orders"
        )
    try:
        for folder in reversed([path.parent, *path.parent.parents]) if make else ():
            folder.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(
            f"the journal's folder {path.parent} cannot be made ({error.strerror}): give --journal, or set"
            " KAKACLO_JOURNAL"
        ) from None
    return make


SQLITE_FILES = ("-journal", "-wal", "-shm", ".lock")
"""How the files are called that are kept beside an SQLite database."""


def is_file_of(database: Path, path: Path) -> bool:
    """Tell whether a file is an SQLite database, under whatever name, or one that is kept beside it."""
    target = Path(os.path.realpath(path))
    for ending in ("", *SQLITE_FILES):
        kept = database.with_name(database.name + ending)
        if target == kept or (kept.exists() and target.exists() and target.samefile(kept)):
            return True
    return False
