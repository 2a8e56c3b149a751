"""Several callers, one result: each with its own cancellation, its own patience, its own exception."""

from __future__ import annotations

import asyncio
import copy
from typing import TYPE_CHECKING, Generic, TypeVar

from kakaclo_async.errors import KakaCloError

if TYPE_CHECKING:
    from collections.abc import Callable


V = TypeVar("V")


def copy_error(error: BaseException) -> BaseException:
    """Return a copy of an error for one more caller.

    An exception object collects a traceback on its way up; the same one must not travel in several tasks.
    """
    if not isinstance(error, KakaCloError):
        return error
    other = copy.copy(error).with_traceback(error.__traceback__)
    other.__cause__ = error.__cause__
    return other


class SharedResult(Generic[V]):
    """Those who wait for one result.

    Attributes:
        under_way: whether the request has its permit: from then on nobody's `max_wait` matters.
    """

    def __init__(self) -> None:
        self.under_way = False
        self._settled = False
        self._seats: dict[asyncio.Future[V], None] = {}

    @property
    def deserted(self) -> bool:
        """Whether all have gone before there was a result."""
        return not self._seats and not self._settled

    async def join(
        self, *, max_wait: float | None = None, too_late: Callable[[], KakaCloError] | None = None
    ) -> V:
        """Wait for the result.

        Args:
            max_wait: seconds until the request must be under way; None for as long as it takes.
            too_late: makes the error to raise when it is not.
        """
        loop = asyncio.get_running_loop()
        seat: asyncio.Future[V] = loop.create_future()
        self._seats[seat] = None
        timer = None
        if max_wait is not None and too_late is not None:
            timer = loop.call_later(max_wait, self._give_up, seat, too_late)
        try:
            return await seat
        except asyncio.CancelledError:
            if seat.done() and not seat.cancelled():
                seat.exception()  # seen, though it came too late to be told
            raise
        finally:
            self._seats.pop(seat, None)
            if timer is not None:
                timer.cancel()

    def _give_up(self, seat: asyncio.Future[V], too_late: Callable[[], KakaCloError]) -> None:
        if not self.under_way and not seat.done():
            seat.set_exception(too_late())

    def succeed(self, value: V) -> None:
        """Give everybody the result."""
        self._settled = True
        for seat in self._seats:
            if not seat.done():
                seat.set_result(value)

    def fail(self, error: BaseException) -> None:
        """Give everybody a copy of the error; a cancellation cancels them."""
        self._settled = True
        for seat in self._seats:
            if isinstance(error, asyncio.CancelledError):
                seat.cancel()
            elif not seat.done():
                seat.set_exception(copy_error(error))
