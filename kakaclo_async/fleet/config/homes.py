"""Where the journals and mirrors of a fleet's shops lie."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl, urlencode

from kakaclo_async.database import in_thread
from kakaclo_async.database.postgresql import SharedTransactions
from kakaclo_async.database.url import DatabaseUrl
from kakaclo_async.errors import ConfigurationError
from kakaclo_async.fleet.values import CATALOG, is_name

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from kakaclo_async.fleet.config.settings import FleetSettings

_FILES: Final = {"journal": "orders.db", "mirror": "catalog.db"}
_PORT: Final = 5432
_PLACES: Final = {"host", "port", "dbname", "database", "service"}  # what a URL's query may say of the place
_ANY: Final = "<any>"  # no name of a shop
_SCHEMAS: Final = (
    "SELECT n.nspname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
    " WHERE c.relname = 'kakaclo_write' AND starts_with(n.nspname, 'shop_')"
)
"""Those that have a journal."""


def home_of(settings: FleetSettings, shop: str, holds: str) -> str:
    """Return the URL of a shop's journal or mirror.

    Args:
        settings: of the fleet.
        shop: its name, or `CATALOG`.
        holds: "journal" or "mirror".
    """
    home = settings.home.replace("{shop}", shop)
    if home.startswith("sqlite:///"):
        folder = settings.folder / Path(home.removeprefix("sqlite:///"))
        return f"sqlite:///{folder / _FILES[holds]}"
    if home != settings.home:
        return home
    schema = CATALOG if shop == CATALOG else f"shop_{shop}"
    return f"{home}{'&' if '?' in home else '?'}schema={schema}"


def place_of(settings: FleetSettings) -> str:
    """Return where all homes are, without a user and a password: other text, other journals.

    Files are beside the local engine's own, and move with it; with an engine elsewhere the folder counts.
    """
    if settings.home.startswith("sqlite:///"):
        path = Path(settings.home.removeprefix("sqlite:///"))
        return f"sqlite:///{(path if settings.is_local else (settings.folder / path).resolve()).as_posix()}"
    server = DatabaseUrl.parse(settings.home, holds="journal", example="orders.db").server
    if server is None:
        return ""
    hosts = ",".join(server.hosts)
    ports = "".join(f":{port}" for port in dict.fromkeys(server.ports) if port != _PORT)
    asked = [(key, value) for key, value in parse_qsl(server.query) if key in _PLACES]
    asked += [("schema", server.schema)] if server.schema else []
    return (
        f"postgresql://{hosts}{ports}/{server.database or ''}{'?' if asked else ''}{urlencode(sorted(asked))}"
    )


async def homes(settings: FleetSettings) -> set[str]:
    """Return the names under which there are journals, also those that no shop has any more.

    Of a `home` that puts each shop into a PostgreSQL database of its own, none can be told.

    Raises:
        ConfigurationError: the database cannot be read.
    """
    if settings.home.startswith("sqlite:///"):
        return await in_thread(_folders, settings)
    where = DatabaseUrl.parse(settings.home, holds="journal", example="orders.db")
    if where.server is None or "{shop}" in settings.home:
        return set()

    def read(connection: Connection) -> set[str]:
        return {str(name).removeprefix("shop_") for name in connection.exec_driver_sql(_SCHEMAS).scalars()}

    with where.errors(OSError):
        return await SharedTransactions(where, where.server, {}).run(read)


def _folders(settings: FleetSettings) -> set[str]:
    def file(name: str) -> Path:
        return Path(home_of(settings, name, "journal").removeprefix("sqlite:///"))

    parts = file(_ANY).parts
    place = next(place for place, part in enumerate(parts) if _ANY in part)
    before, after = parts[place].split(_ANY)[0], parts[place].split(_ANY)[-1]
    listed = [path.name for path in Path(*parts[:place]).glob(f"{before}*{after}")]
    names = {name[len(before) : len(name) - len(after)] for name in listed}
    return {name for name in names if is_name(name) and file(name).is_file()}


def prepared(url: str) -> str:
    """Make the folder of an SQLite database; return its URL.

    Raises:
        ConfigurationError: it cannot be made.
    """
    if url.startswith("sqlite:///"):
        folder = Path(url.removeprefix("sqlite:///")).parent
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigurationError(f"the folder {folder} cannot be made: {error.strerror}") from None
    return url


def check_home(url: str) -> None:
    """Find out whether a folder is, or could be, where an SQLite database shall be; make nothing.

    Raises:
        ConfigurationError: it could not, or could not be written.
    """
    if not url.startswith("sqlite:///"):
        return
    folder = Path(url.removeprefix("sqlite:///")).parent
    there = next(path for path in (folder, *folder.parents) if path.exists())
    if not there.is_dir():
        raise ConfigurationError(f"the folder {folder} cannot be made: {there} is a file")
    if not os.access(there, os.W_OK | os.X_OK):
        raise ConfigurationError(f"the folder {there} cannot be written")
