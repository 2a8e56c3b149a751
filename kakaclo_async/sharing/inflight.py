"""Share one in-flight result among several waiters (single-flight)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Generic, TypeVar

from kakaclo_async.errors import copy_error

if TYPE_CHECKING:
    from collections.abc import Callable

    from kakaclo_async.errors import KakaCloError


V = TypeVar("V")


class SharedResult(Generic[V]):
    """A result that several callers wait for, each with its own cancellation, `max_wait` and exception.

    Attributes:
        under_way: whether the request has its permit: from then on no waiter's `max_wait` matters.
    """

    def __init__(self) -> None:
        self.under_way = False
        self._settled = False
        self._waiters: dict[asyncio.Future[V], None] = {}

    @property
    def abandoned(self) -> bool:
        """Whether every waiter has left before there was a result."""
        return not self._waiters and not self._settled

    async def wait(
        self, *, max_wait: float | None = None, too_late: Callable[[], KakaCloError] | None = None
    ) -> V:
        """Wait for the result.

        Args:
            max_wait: seconds until the request must be under way; None for as long as it takes.
            too_late: makes the error that is raised when it is not.
        """
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[V] = loop.create_future()
        self._waiters[waiter] = None
        timer = None
        if max_wait is not None and too_late is not None:
            timer = loop.call_later(max_wait, self._give_up, waiter, too_late)
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled():
                waiter.exception()  # marks it as retrieved: the waiter was cancelled in the same turn of the loop
            raise
        finally:
            self._waiters.pop(waiter, None)
            if timer is not None:
                timer.cancel()

    def _give_up(self, waiter: asyncio.Future[V], too_late: Callable[[], KakaCloError]) -> None:
        if not self.under_way and not waiter.done():
            waiter.set_exception(too_late())

    def succeed(self, value: V) -> None:
        """Give every waiter the result."""
        self._settled = True
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(value)

    def fail(self, error: BaseException) -> None:
        """Give every waiter a copy of the error; a cancellation cancels them."""
        self._settled = True
        for waiter in self._waiters:
            if isinstance(error, asyncio.CancelledError):
                waiter.cancel()
            elif not waiter.done():
                waiter.set_exception(copy_error(error))
