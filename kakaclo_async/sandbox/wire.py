"""What the contract fixes for every area: envelopes, refusals, exact money, times."""

from __future__ import annotations

import time
from decimal import Decimal
from enum import IntEnum

import msgspec

SUCCESS = 10_000
"""The only code that means success."""

encode = msgspec.json.Encoder(decimal_format="number").encode
"""Write a document as JSON; a Decimal becomes a number with all its digits (`6.1600`)."""


class Code(IntEnum):
    """The sandbox's own business codes. KakaClo publishes none, so no client may depend on them."""

    BAD_PARAMETER = 40001
    UNKNOWN_SKU = 40002
    UNKNOWN_COUNTRY = 40003
    UNKNOWN_WAREHOUSE = 40004
    OUT_OF_STOCK = 40005
    OFF_THE_SHELF = 40006
    BALANCE_TOO_LOW = 40007
    UNKNOWN_ORDER = 40008
    NOT_REFUNDABLE = 40009
    UNKNOWN_MODEL = 40010
    TOO_DEEP = 40011
    UNAUTHORIZED = 401
    NO_SUCH_PATH = 404
    TOO_MANY_REQUESTS = 429


class Refusal(Exception):
    """The sandbox refuses a request.

    Attributes:
        code: The business code of the answer.
        message: What was wrong, in one sentence.
        status: HTTP status of the answer.
    """

    def __init__(self, code: int, message: str, status: int = 200) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status


_MOST_DIGITS = 18
"""Of a whole number: more than any of the API has, and no work to read."""


def whole(text: str) -> int | None:
    """Read a whole number of ASCII digits; None for anything else."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS else None


def success(data: object, message: str) -> bytes:
    """Write the envelope of a success."""
    return encode({"code": SUCCESS, "message": message, "data": data})


def error(code: int, message: str) -> bytes:
    """Write an error document."""
    return encode({"code": code, "message": message})


def iso(moment: float) -> str:
    """Write seconds since 1970 as `2022-01-07T03:29:18Z`."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment))


def money(amount: Decimal, places: int = 4) -> Decimal:
    """Give an amount that many decimals, as the documents print it."""
    return amount.quantize(Decimal(1).scaleb(-places))
