"""Values as text for people: exact, on one line, and harmless to a terminal."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum


def one_line(text: str) -> str:
    """Return `text` on one line; what could steer a terminal becomes a blank."""
    return " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())


def cell(value: object) -> str:
    """Return how a table shows a value; nothing is "-"."""
    match value:
        case None | "":
            return "-"
        case bool():
            return "yes" if value else "no"
        case Enum():
            return one_line(_member(value))
        case Decimal():
            return format(value, "f")
        case datetime():
            return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ")
        case _:
            return one_line(str(value))


def is_number(value: object) -> bool:
    """Whether a table aligns a value to the right."""
    return isinstance(value, int | Decimal) and not isinstance(value, bool | Enum)


def _member(value: Enum) -> str:
    if isinstance(value, str):
        return value
    name = value.name.lower().replace("_", " ")
    return name if name != "unknown" else f"unknown {value.value}"
