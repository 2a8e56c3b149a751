"""Rows as a database holds them: plain tuples in the order of the columns, read and written many at a time.

A page is hundreds of rows, and SQLAlchemy takes longer to bind one than SQLite to store it. So here it makes each
statement's text, once, and the driver gets the values as they are: money is the text of its digits in either database,
and what did not change is found by comparing two tuples.
"""

from __future__ import annotations

from decimal import Decimal
from functools import cache
from itertools import chain
from typing import TYPE_CHECKING, Any, Final, overload

import attrs
import msgspec
from sqlalchemy import make_url, type_coerce
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import NULLTYPE

from kakaclo_async.catalog.rows import (
    WHEN_SEEN,
    ExactDecimal,
    UtcTime,
    as_utc,
    in_text,
    in_whole_seconds,
    is_unchanged,
    without_nul,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import Column, Executable, Table
    from sqlalchemy.engine import Connection, Dialect
    from sqlalchemy.sql.compiler import SQLCompiler
    from sqlalchemy.sql.elements import ColumnElement

    from kakaclo_async.catalog.rows import Row, Values


_AT_ONCE: Final = (32, 4, 1)
"""Rows in one of SQLite's statements: to start one costs as much as a row."""

_SQLITE: Final[Dialect] = make_url("sqlite://").get_dialect()()
_POSTGRESQL: Final[Dialect] = make_url("postgresql+asyncpg://").get_dialect()()

_NUL: Final = b"\\u0000"


class _Digits(FunctionElement[Any]):
    """Money as the text of its digits, which PostgreSQL's driver would make a Decimal of."""

    type = NULLTYPE
    inherit_cache = True


@compiles(_Digits, "sqlite")
def _digits_as_they_are(element: _Digits, compiler: SQLCompiler, **options: Any) -> str:  # pyright: ignore[reportUnusedFunction]
    return compiler.process(element.clauses, **options)


@compiles(_Digits, "postgresql")
def _digits_of_a_number(element: _Digits, compiler: SQLCompiler, **options: Any) -> str:  # pyright: ignore[reportUnusedFunction]
    return f"CAST({compiler.process(element.clauses, **options)} AS TEXT)"


def as_held(columns: Iterable[ColumnElement[Any]]) -> list[ColumnElement[Any]]:
    """Return columns to be read as they are held."""
    return [
        (_Digits(column) if isinstance(column.type, ExactDecimal) else type_coerce(column, NULLTYPE)).label(
            column.key
        )
        for column in columns
    ]


def read(connection: Connection, statement: Executable, **codes: Sequence[str]) -> list[Values]:
    """Return what a statement finds by one list of codes; without any, nothing is there to be asked for."""
    if not all(codes.values()):
        return []
    return [tuple(row) for row in connection.execute(statement, codes).all()]


@attrs.frozen(eq=False)
class Held:
    """How a table's rows are held in one kind of database.

    Attributes:
        names: of the columns, without a number that the database gives.
        key: the places of the key's columns; none where each row is new.
        seen: the place of the time at which a row was seen, which is not compared; behind the last where there is none.
        statements: for SQLite: by the number of rows; for PostgreSQL: the one that takes them as JSON.
        readers: what makes of a value what the column's type gives, by place.
        time: makes of a time what is held.
    """

    names: tuple[str, ...]
    key: tuple[int, ...]
    seen: int
    statements: dict[int, str]
    readers: dict[int, Callable[[Any], Any]]
    time: Callable[[datetime | None], Any]

    def place(self, name: str) -> int:
        """Return the place of a column."""
        return self.names.index(name)

    def is_same(self, old: Values, new: Values) -> bool:
        """Tell whether a stored row says the same, to the digit; when that was seen does not count."""
        seen = self.seen
        return old[:seen] == new[:seen] and old[seen + 1 :] == new[seen + 1 :]

    def news(self, stored: Mapping[str, Values], come: Mapping[str, Values]) -> list[Values]:
        """Return the rows to be written: those that do not say what is stored, by the same codes."""
        return [
            row
            for code, row in come.items()
            if (old := stored.get(code)) is None
            # Else the tuples may differ in what is the same for PostgreSQL, which holds no NUL.
            or not (self.is_same(old, row) or is_unchanged(self.row(old), self.row(row)))
        ]

    @overload
    def row(self, values: Values) -> Row: ...
    @overload
    def row(self, values: Values | None) -> Row | None: ...
    def row(self, values: Values | None) -> Row | None:
        """Return a row under its columns' names, with money and times as the columns' types give them."""
        if values is None:
            return None
        found: Row = dict(zip(self.names, values, strict=True))
        for place, make in self.readers.items():
            if values[place] is not None:
                found[self.names[place]] = make(values[place])
        return found

    def write(self, connection: Connection, rows: Iterable[Values]) -> None:
        """Insert rows, or replace those with their keys; no key comes twice."""
        left = list(rows)
        if not left:
            return
        if self.key:
            left.sort(key=lambda row: [row[place] for place in self.key])
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql(self.statements[0], (self._json(left),))
            return
        start = 0
        for size in _AT_ONCE:
            end = len(left) - (len(left) - start) % size
            if parts := [tuple(chain.from_iterable(left[at : at + size])) for at in range(start, end, size)]:
                connection.exec_driver_sql(self.statements[size], parts)
            start = end

    def _json(self, rows: Sequence[Values]) -> str:
        text = msgspec.json.encode([dict(zip(self.names, row, strict=True)) for row in rows])
        if _NUL in text:  # perhaps: it may follow a backslash
            text = msgspec.json.encode(
                [dict(zip(self.names, map(without_nul, row), strict=True)) for row in rows]
            )
        return text.decode()


@cache
def how_held(table: Table, dialect: str) -> Held:
    """Return how a table's rows are held in "sqlite" or "postgresql"."""
    lite = dialect == "sqlite"
    columns = [column for column in table.c if column is not table.autoincrement_column]
    names = tuple(column.name for column in columns)
    return Held(
        names=names,
        key=tuple(place for place, column in enumerate(columns) if column.primary_key),
        seen=next((place for place, name in enumerate(names) if name in WHEN_SEEN), len(names)),
        statements={size: _insert(table, columns, size) for size in _AT_ONCE}
        if lite
        else {0: _insert_json(table, columns)},
        readers={
            place: Decimal if isinstance(column.type, ExactDecimal) else as_utc
            for place, column in enumerate(columns)
            if isinstance(column.type, (ExactDecimal, UtcTime))
        },
        time=in_text if lite else in_whole_seconds,
    )


def _insert(table: Table, columns: Sequence[Column[Any]], rows: int) -> str:
    """Write the statement that takes so many rows after one another."""
    row = f"({', '.join('?' * len(columns))})"
    return _upsert(table, columns, f"VALUES {', '.join([row] * rows)}", _SQLITE)


def _insert_json(table: Table, columns: Sequence[Column[Any]]) -> str:
    """Write the statement that takes any number of rows as one text."""
    quoted = _POSTGRESQL.identifier_preparer.quote
    types = ", ".join(f"{quoted(column.name)} {column.type.compile(_POSTGRESQL)}" for column in columns)
    names = ", ".join(quoted(column.name) for column in columns)
    rows = f"SELECT {names} FROM json_to_recordset($1) AS come({types})"  # noqa: S608 - our own names
    return _upsert(table, columns, rows, _POSTGRESQL)


def _upsert(table: Table, columns: Sequence[Column[Any]], rows: str, dialect: Dialect) -> str:
    quoted = dialect.identifier_preparer.quote
    names = ", ".join(quoted(column.name) for column in columns)
    insert = f"INSERT INTO {quoted(table.name)} ({names}) {rows}"
    key = ", ".join(quoted(column.name) for column in columns if column.primary_key)
    if not key:
        return insert
    others = (quoted(column.name) for column in columns if not column.primary_key)
    replaced = ", ".join(f"{name} = excluded.{name}" for name in others)
    return f"{insert} ON CONFLICT ({key}) DO UPDATE SET {replaced}"
