"""Bring a database's tables to this package's version; and a condition that both kinds of database understand."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

import attrs
from sqlalchemy import Text, bindparam, insert, inspect, select, text, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import NULLTYPE, TypeDecorator

from kakaclo_async.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from sqlalchemy import BindParameter, ColumnElement, Dialect, MetaData, Table
    from sqlalchemy.engine import Connection
    from sqlalchemy.sql.compiler import SQLCompiler
    from sqlalchemy.types import TypeEngine


MIGRATING: Final = text(
    "SELECT pg_advisory_xact_lock(hashtextextended('kakaclo ' || coalesce(current_schema(), ''), 0))"
)
"""Workers that meet an empty or older schema of PostgreSQL at once take their turns."""

_ONE_SCHEMA: Final = re.compile(r'"(?:[^"]|"")+"|[A-Za-z_][A-Za-z0-9_]*')
"""A search path that names one schema alone, as SQL has it."""


def make_schema(connection: Connection) -> None:
    """Make PostgreSQL's schema that the URL names, if it is not there; others who do the same take their turns."""
    if connection.scalar(text("SELECT current_schema()")) is not None:
        return
    connection.execute(MIGRATING)
    name = str(connection.scalar(text("SELECT current_setting('search_path')")))
    if _ONE_SCHEMA.fullmatch(name) and name != '"$user"':
        # `current_schema` and `IF NOT EXISTS` are answered from a cache, which another's commit may not have reached.
        known = connection.execute(text("SELECT quote_ident(nspname) FROM pg_catalog.pg_namespace")).scalars()
        if name not in set(known):
            connection.exec_driver_sql(f"CREATE SCHEMA IF NOT EXISTS {name}")


_STAND_IN: Final = "\ufdd0"
"""For a NUL, where SQLite's JSON has no room for one; no text contains it."""


@attrs.frozen(kw_only=True, eq=False)
class Migrations:
    """The tables of a mirror or a journal, and the steps that older ones lack.

    Attributes:
        holds: what the tables are, for errors: "mirror".
        hint: how they come into being, for errors.
        metadata: the tables as they are now.
        version: the one among them that holds the version.
        steps: what changed since version 1, in order: the first step leads to version 2. Steps are never edited.
        alone: whether the database must hold nothing else, in PostgreSQL no table of another program with a name of
            ours; otherwise the tables may stand beside others.
    """

    holds: str
    hint: str
    metadata: MetaData
    version: Table
    steps: Sequence[Callable[[Connection], None]]
    alone: bool

    @property
    def newest(self) -> int:
        """The version that this package knows."""
        return 1 + len(self.steps)

    def migrate(self, connection: Connection, *, make: bool = True) -> None:
        """Make the tables in an empty database, or take the steps that one of an older version lacks.

        Args:
            connection: in a transaction that may write.
            make: whether to make tables where there are none.

        Raises:
            ConfigurationError: the database belongs to another program or a newer version, tables were lost, or there
                are none and `make` is false.
        """
        if connection.dialect.name == "postgresql":
            if make:
                make_schema(connection)
            connection.execute(MIGRATING)
        self.refuse_foreign(connection)
        if make and not inspect(connection).has_table(self.version.name):
            self.metadata.create_all(connection)
            connection.execute(insert(self.version).values(version=self.newest))
            return
        found = self.check_version(connection)
        for step in self.steps[found - 1 :]:
            step(connection)
        if found != self.newest:
            connection.execute(update(self.version).values(version=self.newest))
        if lost := set(self.metadata.tables) - set(inspect(connection).get_table_names()):
            raise ConfigurationError(
                f"the {self.holds}'s tables {', '.join(sorted(lost))} are missing:"
                f" restore them, or make a new {self.holds}"
            )

    def refuse_foreign(self, connection: Connection) -> None:
        """Refuse a database that belongs to another program; read only.

        Raises:
            ConfigurationError: it does, or it is of a newer version.
        """
        present = set(inspect(connection).get_table_names())
        if self.version.name in present:
            self.check_version(connection)
            return
        is_sqlite = connection.dialect.name == "sqlite"
        foreign = present if is_sqlite and self.alone else present & set(self.metadata.tables)
        if foreign:
            raise ConfigurationError(
                f"the database holds tables that no {self.holds} made ({', '.join(sorted(foreign)[:3])}):"
                f" give the {self.holds} a database of its own"
            )

    def check_version(self, connection: Connection) -> int:
        """Return the version of the tables.

        Raises:
            ConfigurationError: there are none, or they are newer than this package.
        """
        if not inspect(connection).has_table(self.version.name):
            raise ConfigurationError(f"there is no {self.holds} in the database yet: {self.hint}")
        found = connection.scalar(select(self.version.c.version)) or 0
        if found < 1:
            raise ConfigurationError(
                f"no {self.holds} made the table {self.version.name}: give it a database of its own"
            )
        if found > self.newest:
            raise ConfigurationError(
                f"the {self.holds} is of version {found}; this package knows up to {self.newest}: update kakaclo"
            )
        return found


class _Codes(TypeDecorator["Collection[str]"]):
    """Many texts as one parameter: databases limit the number of parameters."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(ARRAY(Text()) if dialect.name == "postgresql" else Text())

    def process_bind_param(self, value: Collection[str] | None, dialect: Dialect) -> object:
        stand_in = "\ufffd" if dialect.name == "postgresql" else _STAND_IN
        codes = [code.replace("\0", stand_in) if "\0" in code else code for code in value or ()]
        return codes if dialect.name == "postgresql" else json.dumps(codes)


class _Among(FunctionElement[Any]):
    type = NULLTYPE  # as a Boolean, SQLite would be asked whether it equals 1, and would use no index
    inherit_cache = True


@compiles(_Among, "postgresql")
def _among_array(element: _Among, compiler: SQLCompiler, **options: Any) -> str:  # pyright: ignore[reportUnusedFunction]
    column, codes = (compiler.process(part, **options) for part in element.clauses)
    return f"{column} = ANY ({codes})"


@compiles(_Among, "sqlite")
def _among_json(element: _Among, compiler: SQLCompiler, **options: Any) -> str:  # pyright: ignore[reportUnusedFunction]
    column, codes = (compiler.process(part, **options) for part in element.clauses)
    values = f"SELECT replace(value, char({ord(_STAND_IN)}), char(0)) FROM json_each({codes})"  # noqa: S608 - compiled
    return f"{column} IN ({values})"


def among(column: ColumnElement[Any], codes: str | Collection[str]) -> ColumnElement[bool]:
    """Return the condition that a column is one of any number of texts.

    Args:
        column: of texts.
        codes: the texts, or the name of the parameter that will hold them.
    """
    named: BindParameter[Any]
    named = bindparam(codes, type_=_Codes()) if isinstance(codes, str) else bindparam(None, codes, _Codes())
    return _Among(column, named)
