"""Texts from the command line as values."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from kakaclo_async.errors import InvalidRequest
from kakaclo_async.models.freight import Item

if TYPE_CHECKING:
    from collections.abc import Iterable


def read_items(texts: Iterable[str]) -> tuple[Item, ...]:
    """Read `SKU:QTY` texts; a SKU alone is one piece.

    Raises:
        InvalidRequest: a quantity that is no whole number above 0, or no SKU.
    """
    return tuple(_item(text) for text in texts)


def _item(text: str) -> Item:
    sku, _, quantity = text.partition(":")
    if not sku.strip() or not (quantity or "1").isdecimal():
        raise InvalidRequest(f"{text!r} is not SKU:QTY, for example AMN00432_B_M:2")
    return Item(sku, int(quantity or "1"))


def read_countries(texts: Iterable[str]) -> tuple[str, ...]:
    """Read country codes, with or without commas between them, once each."""
    codes = [code.strip().upper() for text in texts for code in text.split(",")]
    return tuple(dict.fromkeys(code for code in codes if code))


def read_time(text: str, option: str) -> datetime:
    """Read an ISO 8601 time.

    Raises:
        InvalidRequest: no such time, or one without a time zone.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidRequest(
            f"{option} {text!r} is no ISO 8601 time, for example 2024-05-01T00:00:00Z"
        ) from None
    if moment.tzinfo is None:
        raise InvalidRequest(f"{option} {text!r} has no time zone: write {moment.isoformat()}Z if it is UTC")
    return moment.astimezone(UTC)
