"""Column types that keep money exact and times in UTC, on every database."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from sqlalchemy import DateTime, Numeric, String, Text
from sqlalchemy.types import TypeDecorator

if TYPE_CHECKING:
    from sqlalchemy.engine import Dialect
    from sqlalchemy.types import TypeEngine

__all__ = ["AnyCode", "AnyText", "ExactDecimal", "UtcTime"]


class _AsSent(TypeDecorator[str]):
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Write."""
        del dialect
        return value if value is None or "\0" not in value else value.replace("\0", "\ufffd")


class AnyText(_AsSent):
    """A text as KakaClo sends it; a NUL, which PostgreSQL has no room for, becomes a replacement character."""

    impl = Text
    cache_ok = True


class AnyCode(_AsSent):
    """Likewise, for codes of products, SKUs and warehouses."""

    impl = String
    cache_ok = True


class ExactDecimal(TypeDecorator[Decimal]):
    """A Decimal with all its digits: `6.1600` stays `6.1600`.

    NUMERIC where the database keeps the scale; SQLite has no such type, and stores the text.
    """

    impl = Numeric
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Decimal] | TypeEngine[str]:
        """Choose the database's type."""
        if dialect.name == "sqlite":
            return dialect.type_descriptor(String())
        return dialect.type_descriptor(Numeric())

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> Decimal | str | None:
        """Write."""
        # Without an exponent, so that SQLite's CAST(price AS REAL) reads every text.
        return value if value is None or dialect.name != "sqlite" else format(value, "f")

    def process_result_value(self, value: object, dialect: Dialect) -> Decimal | None:
        """Read."""
        del dialect
        return None if value is None else Decimal(str(value))


class UtcTime(TypeDecorator[datetime]):
    """An aware UTC time, to the second.

    `timestamptz` where there is one; SQLite stores `2024-01-07 03:29:18`, which sorts, and which its date
    functions read.
    """

    impl = DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[datetime] | TypeEngine[str]:
        """Choose the database's type."""
        if dialect.name == "sqlite":
            return dialect.type_descriptor(String(19))
        return dialect.type_descriptor(DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | str | None:
        """Write."""
        if value is None:
            return None
        value = value.astimezone(UTC).replace(microsecond=0)
        return value if dialect.name != "sqlite" else value.isoformat(" ")[:19]

    def process_result_value(self, value: object, dialect: Dialect) -> datetime | None:
        """Read."""
        del dialect
        if value is None:
            return None
        moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
        # Without a zone come SQLite's texts, and what asyncpg makes of the year 1, others' word for "never".
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
