"""The seam between the two ways of reading a window and the pull that runs many of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

import attrs

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import datetime

    from kakaclo_async.models import Page
    from kakaclo_async.pulling.windows import Window

__all__ = ["EXACT_TOTALS", "Checkpoint", "Job", "Source", "Step"]

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

EXACT_TOTALS = 10_000
"""A search index may count, and page, only this far: totals from here on are treated as unknown."""


@attrs.frozen(kw_only=True)
class Source(Generic[T]):
    """An endpoint that lists rows by update time, page by page.

    Attributes:
        name: what the rows are, for messages: "products".
        read: asks for one page of a window, counted from 1; where rows carry times, newest first.
        key: what makes a row one row: its SPU or SKU code.
        time: a row's update time; None as a function when the rows carry none.
    """

    name: str
    read: Callable[[Window, int], Awaitable[Page[T]]]
    key: Callable[[T], str]
    time: Callable[[T], datetime | None] | None = None


@attrs.frozen(kw_only=True)
class Checkpoint:
    """Where the reading of a window stands: what must be stored to go on after a crash.

    Attributes:
        window: what is left of it.
        page: the next page of a window read from last to first; None for one not begun, or read by key.
        clock: the total that the last accepted page told.
        page_size: rows on a full page.
        distinct: distinct rows counted so far.
    """

    window: Window
    page: int | None = None
    clock: int | None = None
    page_size: int | None = None
    distinct: int = 0


class Job(Protocol[T_co]):
    """A window, and how far its reading has come; immutable."""

    @property
    def window(self) -> Window:
        """What is left to read."""
        ...

    @property
    def total(self) -> int | None:
        """The rows thought to be left, None when nobody has asked yet."""
        ...

    @property
    def pause(self) -> float:
        """Seconds to leave before the next request."""
        ...

    @property
    def checkpoint(self) -> Checkpoint:
        """What to store to go on from here."""
        ...


@attrs.frozen(kw_only=True)
class Step(Generic[T]):
    """What one page brought.

    Attributes:
        rows: those that the pull has not given out before.
        left: what remains to be read of the job's window: nothing, one job, or several.
        reread: the answer could not be used, or the page had been asked for before.
        failed: why the window cannot be certified this way, None while it can.
        known: keys given out that another reading of the window may meet again.
        coarse: the server was seen to filter by whole days.
        certified: the job came to a proven end.
    """

    rows: tuple[T, ...] = ()
    left: tuple[Job[T], ...] = ()
    reread: bool = False
    failed: str | None = None
    known: frozenset[str] = frozenset()
    coarse: bool = False
