"""Column types that keep money exact and times in UTC, on every database.

They give SQLAlchemy a function per dialect, or none: a page of products binds thousands of values.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Protocol, TypeVar, cast

from sqlalchemy import DateTime, Numeric, String, Text
from sqlalchemy.types import TypeDecorator

if TYPE_CHECKING:
    from sqlalchemy.engine import Dialect


T = TypeVar("T")
T_contra = TypeVar("T_contra", contravariant=True)


class _Binder(Protocol[T_contra]):
    """Makes of a value what the driver takes."""

    def __call__(self, value: T_contra | None) -> object: ...


class AnyCode(TypeDecorator[str]):
    """A code as KakaClo sends it; in PostgreSQL, which has no room for a NUL, that becomes a replacement character."""

    impl = String
    cache_ok = True

    def bind_processor(self, dialect: Dialect) -> _Binder[str] | None:
        """Write."""
        return None if dialect.name == "sqlite" else without_nul


class AnyText(AnyCode):
    """Likewise, for texts of any length."""

    impl = Text
    cache_ok = True


def without_nul(value: T) -> T:
    """Return a text as PostgreSQL holds it, and anything else as it is."""
    if not isinstance(value, str) or "\0" not in value:
        return value
    return cast("T", value.replace("\0", "\ufffd"))


class ExactDecimal(TypeDecorator[Decimal]):
    """A Decimal with all its digits: `6.1600` stays `6.1600`.

    NUMERIC where the database keeps the scale; SQLite has no such type, and stores the text.
    """

    impl = Numeric().with_variant(String(), "sqlite")
    cache_ok = True

    def bind_processor(self, dialect: Dialect) -> _Binder[Decimal] | None:
        """Write."""
        return _plain if dialect.name == "sqlite" else super().bind_processor(dialect)

    def process_result_value(self, value: object, dialect: Dialect) -> Decimal | None:
        """Read."""
        del dialect
        return None if value is None else Decimal(str(value))


def _plain(value: Decimal | None) -> str | None:
    # Without an exponent, so that SQLite's CAST(price AS REAL) reads every text.
    return None if value is None else format(value, "f")


class UtcTime(TypeDecorator[datetime]):
    """An aware UTC time, to the second.

    `timestamptz` where there is one; SQLite stores `2024-01-07 03:29:18`, which sorts, and which its date
    functions read.
    """

    impl = DateTime(timezone=True).with_variant(String(19), "sqlite")
    cache_ok = True

    def bind_processor(self, dialect: Dialect) -> _Binder[datetime] | None:
        """Write."""
        return _sqlite_time if dialect.name == "sqlite" else _whole_second

    def process_result_value(self, value: object, dialect: Dialect) -> datetime | None:
        """Read."""
        del dialect
        if value is None:
            return None
        moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
        # Without a zone come SQLite's texts, and what asyncpg makes of the year 1, others' word for "never".
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _whole_second(value: datetime | None) -> datetime | None:
    return None if value is None else value.astimezone(UTC).replace(microsecond=0)


@lru_cache(maxsize=1024)  # the rows of a page share most of their times
def _sqlite_time(value: datetime | None) -> str | None:
    moment = _whole_second(value)
    return None if moment is None else moment.isoformat(" ")[:19]
