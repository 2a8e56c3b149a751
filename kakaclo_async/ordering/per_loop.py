"""Things of which each event loop needs its own: locks, tasks."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable


T = TypeVar("T")


class PerLoop(Generic[T]):
    """Keeps one object for each event loop that is not closed.

    Args:
        make: makes one, on its loop.
    """

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._made: dict[asyncio.AbstractEventLoop, T] = {}

    def get(self) -> T:
        """Return the running loop's."""
        loop = asyncio.get_running_loop()
        if loop not in self._made:
            self._made = {known: made for known, made in self._made.items() if not known.is_closed()}
            self._made[loop] = self._make()
        return self._made[loop]
