"""Bring a database's tables to this package's version."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import insert, inspect, select, update

from kakaclo_async.catalog.schema import metadata, mirror_schema
from kakaclo_async.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.engine import Connection

__all__ = ["STEPS", "check_version", "migrate"]

STEPS: list[Callable[[Connection], None]] = []
"""What changed since version 1, in order: the first step leads to version 2. Steps are never edited."""


def migrate(connection: Connection) -> None:
    """Make the tables in an empty database, or take the steps that one of an older version lacks.

    Raises:
        ConfigurationError: the database belongs to something else, or to a newer version.
    """
    present = set(inspect(connection).get_table_names())
    if mirror_schema.name not in present:
        _refuse_foreign(present if connection.dialect.name == "sqlite" else present & set(metadata.tables))
        metadata.create_all(connection)
        connection.execute(insert(mirror_schema).values(version=_newest()))
        return
    version = check_version(connection)
    for step in STEPS[version - 1 :]:
        step(connection)
    if version < _newest():
        connection.execute(update(mirror_schema).values(version=_newest()))


def check_version(connection: Connection) -> int:
    """Return the version of a mirror's tables.

    Raises:
        ConfigurationError: there are none, or they are newer than this package.
    """
    if not inspect(connection).has_table(mirror_schema.name):
        raise ConfigurationError("there is no mirror in the database yet: run one first")
    version = connection.scalar(select(mirror_schema.c.version)) or 0
    if not 1 <= version <= _newest():
        raise ConfigurationError(
            f"the database is of version {version}; this package knows up to {_newest()}: update kakaclo"
        )
    return version


def _newest() -> int:
    return 1 + len(STEPS)


def _refuse_foreign(tables: set[str]) -> None:
    if tables:
        raise ConfigurationError(
            f"the database holds tables that no mirror made ({', '.join(sorted(tables)[:3])}):"
            " give the mirror a database of its own"
        )
