"""Times on their way to the API."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from kakaclo_async.errors import InvalidRequest

__all__ = ["to_millis", "to_wire_time"]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def to_wire_time(moment: datetime) -> str:
    """Write a moment as the API does, in UTC and to the second: "2022-01-07T03:29:18Z".

    Args:
        moment: an aware datetime of any zone; parts of a second are cut off.

    Raises:
        InvalidRequest: a naive datetime.
    """
    return _aware(moment).astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds") + "Z"


def to_millis(moment: datetime) -> int:
    """Write a moment as milliseconds since 1970, as the custom-product area does.

    Args:
        moment: an aware datetime of any zone; parts of a millisecond are cut off.

    Raises:
        InvalidRequest: a naive datetime.
    """
    return (_aware(moment) - _EPOCH) // timedelta(milliseconds=1)


def _aware(moment: datetime) -> datetime:
    if moment.utcoffset() is None:
        raise InvalidRequest(
            "a datetime without a time zone was given, and nobody can tell which moment it means; "
            "use datetime.now(UTC), or .replace(tzinfo=...) with the zone it was taken in"
        )
    return moment
