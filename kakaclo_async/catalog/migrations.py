"""Bring a database's tables to this package's version."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import insert, inspect, select, update

from kakaclo_async.catalog.schema import metadata, mirror_schema
from kakaclo_async.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.engine import Connection


def migrate(connection: Connection) -> None:
    """Make the tables in an empty database, or take the steps that one of an older version lacks.

    Raises:
        ConfigurationError: the database belongs to something else, or to a newer version.
    """
    refuse_foreign(connection)
    if not inspect(connection).has_table(mirror_schema.name):
        metadata.create_all(connection)
        connection.execute(insert(mirror_schema).values(version=_newest()))
        return
    for step in STEPS[check_version(connection) - 1 :]:
        step(connection)
    # Also when it is the newest already: a database that cannot be written is found out before a request is spent.
    connection.execute(update(mirror_schema).values(version=_newest()))
    if lost := set(metadata.tables) - set(inspect(connection).get_table_names()):
        raise ConfigurationError(
            f"the mirror's tables {', '.join(sorted(lost))} are missing: restore them, or make a new mirror"
        )


def refuse_foreign(connection: Connection) -> None:
    """Refuse a database that belongs to something else; read only.

    In SQLite any table of others is a reason, in PostgreSQL one with a name of ours.

    Raises:
        ConfigurationError: it does, or it is of a newer version.
    """
    present = set(inspect(connection).get_table_names())
    if mirror_schema.name in present:
        check_version(connection)
    elif foreign := present if connection.dialect.name == "sqlite" else present & set(metadata.tables):
        raise ConfigurationError(
            f"the database holds tables that no mirror made ({', '.join(sorted(foreign)[:3])}):"
            " give the mirror a database of its own"
        )


def check_version(connection: Connection) -> int:
    """Return the version of a mirror's tables.

    Raises:
        ConfigurationError: there are none, or they are newer than this package.
    """
    if not inspect(connection).has_table(mirror_schema.name):
        raise ConfigurationError("there is no mirror in the database yet: run one first")
    version = connection.scalar(select(mirror_schema.c.version)) or 0
    if version < 1:
        raise ConfigurationError(
            f"no mirror made the table {mirror_schema.name}: give it a database of its own"
        )
    if version > _newest():
        raise ConfigurationError(
            f"the database is of version {version}; this package knows up to {_newest()}: update kakaclo"
        )
    return version


def _newest() -> int:
    return 1 + len(STEPS)


def _to_2(connection: Connection) -> None:
    """Index prices; hold numbers that 32 bits do not."""
    lite = connection.dialect.name == "sqlite"
    price = "CAST(price AS REAL)" if lite else "price"
    for table in ("product", "sku"):
        connection.exec_driver_sql(f"CREATE INDEX ix_{table}_price ON {table} ({price})")
    if lite:  # there every number has 64
        return
    for table, columns in {
        "product": ("spu_status", "sales_volume", "stock"),
        "sku": ("sku_status", "stock"),
        "stock": ("qty",),
    }.items():
        wider = ", ".join(f"ALTER COLUMN {column} TYPE bigint" for column in columns)
        connection.exec_driver_sql(f"ALTER TABLE {table} {wider}")


STEPS: list[Callable[[Connection], None]] = [_to_2]
"""What changed since version 1, in order: the first step leads to version 2. Steps are never edited."""
