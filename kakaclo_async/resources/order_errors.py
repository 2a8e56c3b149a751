"""What the errors of an order say: which one, and what to do next; never where it goes."""

from __future__ import annotations

import json
import re
from contextlib import contextmanager
from copy import copy
from typing import TYPE_CHECKING, Final, cast

from kakaclo_async.errors import (
    APIError,
    ConnectionFailed,
    DeadlineExceeded,
    InvalidRequest,
    KakaCloError,
    OutcomeUnknown,
    RateLimited,
    Rejected,
)

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping

__all__ = ["about_order", "naming", "order_name", "without_address"]

_SHORTEST: Final = 3  # characters that can tell anything about anybody
_PHONE_DIGITS: Final = 5  # with fewer, other numbers would be taken for the phone's


@contextmanager
def about_order(custom_order_id: str, body: bytes) -> Generator[None]:
    """Let the errors of placing an order name it, and not repeat its address as KakaClo may do.

    Args:
        custom_order_id: the order.
        body: of the request that places it.
    """
    given = cast("dict[str, dict[str, object]]", json.loads(body))["orderAddresses"]
    address = {
        field: value
        for field, value in given.items()
        if isinstance(value, str) and value.casefold() not in custom_order_id.casefold()
    }
    try:
        with naming(f"order {custom_order_id!r} was not placed"):
            yield
    except KakaCloError as error:
        _clear(error, address)
        raise


@contextmanager
def naming(what: str) -> Generator[None]:
    """Let errors that are sure of it say what was not done, and what to do next.

    Args:
        what: "order 'A' was not placed".
    """
    try:
        yield
    except (InvalidRequest, OutcomeUnknown):
        raise  # they say it themselves
    except KakaCloError as error:
        named = copy(error)  # those who shared the request that failed have their own to name
        named.args = (f"{what}: {error}{_then(error)}",)
        raise named.with_traceback(error.__traceback__) from error.__cause__


def _then(error: KakaCloError) -> str:
    match error:
        case Rejected():
            return "; put that right, and try again"
        case RateLimited() | ConnectionFailed() | DeadlineExceeded():
            return "; try again later"
        case _:
            return ""


def order_name(order_id: str, custom_order_id: str | None) -> str:
    """Return how errors name an order that KakaClo has numbered."""
    own = "" if custom_order_id is None else f" (custom order id {custom_order_id!r})"
    return f"order {order_id}{own}"


def without_address(text: str, address: Mapping[str, str]) -> str:
    """Return a text with the parts of an address replaced by the names of their fields."""
    for field, value in sorted(address.items(), key=lambda part: -len(part[1])):
        for pattern in _patterns(field, value.strip()):
            text = re.sub(pattern, f"[{field}]", text, flags=re.IGNORECASE)
    return text


def _patterns(field: str, value: str) -> Iterator[str]:
    if len(value) >= _SHORTEST:
        yield rf"(?<!\w){re.escape(value)}(?!\w)"
    digits = re.sub(r"\D", "", value)
    if field == "phone" and len(digits) >= _PHONE_DIGITS:
        yield r"\W{0,2}".join(digits)


def _clear(error: BaseException | None, address: Mapping[str, str]) -> None:
    while isinstance(error, KakaCloError):
        error.args = tuple(without_address(str(part), address) for part in error.args)
        if isinstance(error, APIError):
            error.message = without_address(error.message, address)
        error = error.__cause__ or error.__context__
