"""Custom order ids of our own: unique without asking anybody, and sorted by time as text."""

from __future__ import annotations

import secrets
import time

__all__ = ["made_at", "new_custom_order_id"]

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's base 32: no I, L, O, U to misread aloud
_RANDOM_BITS = 80


def new_custom_order_id(milliseconds: int | None = None, entropy: int | None = None) -> str:
    """Return an id of 28 characters: "KK", 10 of the time, 16 of chance.

    Args:
        milliseconds: since 1970; the present by default.
        entropy: below 2**80; from the system's secure source by default.
    """
    if milliseconds is None:
        milliseconds = time.time_ns() // 1_000_000
    if entropy is None:
        entropy = secrets.randbits(_RANDOM_BITS)
    number = milliseconds << _RANDOM_BITS | entropy
    return "KK" + "".join(_ALPHABET[number >> shift & 31] for shift in range(125, -1, -5))


def made_at(custom_order_id: str) -> float | None:
    """Return when an id of our own was made, in seconds since 1970; None for any other id."""
    digits = custom_order_id.removeprefix("KK")
    if len(custom_order_id) != 28 or len(digits) != 26 or not set(digits) <= set(_ALPHABET):
        return None
    number = 0
    for digit in digits:
        number = number << 5 | _ALPHABET.index(digit)
    return (number >> _RANDOM_BITS) / 1000
