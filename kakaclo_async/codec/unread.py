"""Rows that cannot be read, kept as they came: for those who want the rest of the page all the same."""

from __future__ import annotations

from types import UnionType
from typing import TYPE_CHECKING, Union, get_args, get_origin

import attrs

from kakaclo_async.codec.scalars import Unreadable

if TYPE_CHECKING:
    from kakaclo_async.codec.records import Hook, HookOf

__all__ = ["Unread", "is_readable_or_not", "readable", "readable_or_not_hook"]


@attrs.frozen
class Unread:
    """What stands for a row that cannot be read: `Page[Product | Unread]` is read whatever its rows are.

    Attributes:
        document: the row as it was parsed.
        problem: what is wrong, with the path inside the row and without the value.
    """

    document: object = attrs.field(repr=False)
    problem: str


def is_readable_or_not(kind: object) -> bool:
    """Tell whether a type is that of a row or `Unread`."""
    return get_origin(kind) in {Union, UnionType} and Unread in get_args(kind)


def readable(kind: object) -> object:
    """Return the type of the row, without the `Unread` beside it."""
    return get_args(kind)[0] if is_readable_or_not(kind) else kind


def readable_or_not_hook(kind: object, hook_of: HookOf) -> Hook:
    """Make the function that reads `X | Unread`."""
    row = readable(kind)
    hook = hook_of(row)

    def read(value: object, _: object) -> object:
        try:
            return hook(value, row)
        except Unreadable as error:
            return Unread(value, f"{error.where(getattr(row, '__name__', 'row'))} {error.reason}")

    return read
