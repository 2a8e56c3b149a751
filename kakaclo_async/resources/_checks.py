"""What the contract limits, checked before a permit is spent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kakaclo_async.codec import to_wire_time
from kakaclo_async.errors import InvalidRequest
from kakaclo_async.models._checks import as_list_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime


CODES_PER_REQUEST = 30
"""The most SPU or SKU codes that one product or stock request takes."""

_CODE_LENGTH = 64


def check_code(code: object, what: str) -> str:
    """Return a code that can stand in a comma-separated list, or refuse it."""
    if not isinstance(code, str):
        raise InvalidRequest(f"{what} must be a str, not {type(code).__name__}")
    if not code or code != code.strip() or "," in code or not code.isprintable():
        raise InvalidRequest(f"{what} {code!r} is empty or holds a comma, blanks around it or a line break")
    if len(code) > _CODE_LENGTH:
        raise InvalidRequest(f"{what} {code[:16]!r}... is longer than {_CODE_LENGTH} characters")
    return code


def check_codes(codes: Iterable[str], what: str, *, at_most: int | None = None) -> tuple[str, ...]:
    """Return codes once each, in their order; refuse a bad one, none at all, or more than `at_most`."""
    listed = codes if isinstance(codes, tuple) else as_list_of(f"{what} codes", codes)
    found = tuple(dict.fromkeys(check_code(code, what) for code in listed))
    if at_most is not None and not 1 <= len(found) <= at_most:
        raise InvalidRequest(f"one request takes 1 to {at_most} {what} codes, not {len(found)}")
    return found


def check_number(value: object, what: str, *, at_least: int = 1, at_most: int | None = None) -> int:
    """Return a whole number within its limits, or refuse it."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidRequest(f"{what} must be an int, not {type(value).__name__}")
    if value < at_least or (at_most is not None and value > at_most):
        limits = f"at least {at_least}" if at_most is None else f"{at_least} to {at_most}"
        raise InvalidRequest(f"{what} must be {limits}, not {value}")
    return value


def time_range(start: datetime | None, end: datetime | None, what: str) -> tuple[str, str] | None:
    """Return both ends in the API's notation, None when neither is given; refuse half or reversed ranges."""
    if start is None and end is None:
        return None
    if start is None or end is None:
        raise InvalidRequest(f"{what}_from and {what}_to go together")
    wire = to_wire_time(start), to_wire_time(end)
    if start > end:
        raise InvalidRequest(f"{what}_from {wire[0]} is after {what}_to {wire[1]}")
    return wire


def chunks(codes: Sequence[str], size: int = CODES_PER_REQUEST) -> Iterator[tuple[str, ...]]:
    """Cut codes into groups that fit one request each."""
    for start in range(0, len(codes), size):
        yield tuple(codes[start : start + size])
