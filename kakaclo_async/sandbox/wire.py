"""What goes over the wire: envelopes, exact money, times, refusals."""

from __future__ import annotations

import time
from datetime import datetime
from decimal import Decimal
from enum import IntEnum
from typing import TYPE_CHECKING, TypeVar

import msgspec
from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


SUCCESS = 10_000
"""The only code that means success."""

T = TypeVar("T")

encode = msgspec.json.Encoder(decimal_format="number").encode
"""Write a document as JSON; a Decimal becomes a number with all its digits (`6.1600`)."""


class Code(IntEnum):
    """The sandbox's own business codes: KakaClo publishes none, so no client may build on them."""

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
    """The sandbox says no.

    Attributes:
        code: The business code of the answer.
        message: What was wrong, in one sentence.
    """

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def success(data: object, message: str) -> bytes:
    """Write the envelope of a success."""
    return encode({"code": SUCCESS, "message": message, "data": data})


def error(code: int, message: str) -> bytes:
    """Write an error document."""
    return encode({"code": code, "message": message})


def iso(moment: float) -> str:
    """Write seconds since 1970 as `2022-01-07T03:29:18Z`."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment))


def page(rows: Sequence[object], total: int, number: int, size: int) -> dict[str, object]:
    """Build a page of `rows`."""
    return {"list": rows, "total": total, "pageNumber": number, "pageSize": size}


@frozen
class Call:
    """One request, with readers that refuse what the contract does not allow.

    Attributes:
        path: Variables of the path.
        query: The query string.
        body: The raw body.
    """

    path: Mapping[str, str]
    query: Mapping[str, str]
    body: bytes

    def text(self, name: str) -> str | None:
        """Read a parameter; None when it is absent or empty."""
        return self.query.get(name) or None

    def codes(self, name: str, at_most: int) -> list[str]:
        """Read a comma-separated list, without repetitions."""
        found = [code for part in self.query.get(name, "").split(",") if (code := part.strip())]
        if len(found) > at_most:
            raise Refusal(
                Code.BAD_PARAMETER, f"{name} holds {len(found)} codes, at most {at_most} are allowed"
            )
        return list(dict.fromkeys(found))

    def number(self, name: str, default: int, at_most: int | None = None) -> int:
        """Read a number from 1 up."""
        text = self.text(name)
        if text is None:
            return default
        number = int(text) if text.isascii() and text.isdigit() else 0
        if number < 1 or (at_most is not None and number > at_most):
            limit = "" if at_most is None else f" to {at_most}"
            raise Refusal(Code.BAD_PARAMETER, f"{name} must be a number from 1{limit}")
        return number

    def moment(self, name: str) -> float | None:
        """Read an ISO 8601 time with an offset, as seconds since 1970."""
        text = self.text(name)
        if text is None:
            return None
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            moment = None
        if moment is None or moment.tzinfo is None:
            raise Refusal(Code.BAD_PARAMETER, f"{name} must be a UTC time such as 2024-05-01T00:00:00Z")
        return moment.timestamp()

    def choice(self, name: str, allowed: Sequence[str], default: str) -> str:
        """Read one of the allowed words."""
        text = self.text(name) or default
        if text not in allowed:
            raise Refusal(Code.BAD_PARAMETER, f"{name} must be one of {', '.join(allowed)}")
        return text

    def read(self, shape: type[T]) -> T:
        """Read the JSON body.

        Raises:
            Refusal: It does not have the shape; the sentence names the place.
            msgspec.DecodeError: It is no JSON at all.
        """
        try:
            return msgspec.json.decode(self.body, type=shape)
        except msgspec.ValidationError as wrong:
            raise Refusal(Code.BAD_PARAMETER, str(wrong)) from None


@frozen
class Route:
    """One endpoint.

    Attributes:
        method: The verb.
        path: Below the base URL; `{id}` marks a variable.
        answer: Makes `data`, or raises `Refusal`. It never awaits, so each request takes effect wholly or not at all.
        message: The message of success, which differs between the published documents.
    """

    method: str
    path: str
    answer: Callable[[Call], object]
    message: str = "success"


def money(amount: Decimal, places: int = 4) -> Decimal:
    """Give an amount that many decimals, as the documents print it."""
    return amount.quantize(Decimal(1).scaleb(-places))
