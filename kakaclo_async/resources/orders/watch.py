"""Wait for orders: one poller serves all callers."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, Literal

import attrs

from kakaclo_async.config import check_timeout
from kakaclo_async.errors import DeadlineExceeded, KakaCloError, copy_error
from kakaclo_async.models.order import FinancialStatus, FulfillmentStatus, OrderStatus
from kakaclo_async.resources._lookup import is_unlisted
from kakaclo_async.retry import Pauses, may_pass

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from kakaclo_async.models.order import Order


_PAUSES: Final = Pauses(first=1.0, growth=1.5, longest=600.0)  # orders take hours and days

Stage = Literal["paid", "partially_shipped", "shipped", "completed"]

_ALL_SHIPPED: Final = {FulfillmentStatus.FULLY_SHIPPED, FulfillmentStatus.COMPLETED}

STAGES: Final[Mapping[str, Callable[[Order], bool]]] = {
    "paid": lambda order: order.financial_status is FinancialStatus.PAID,
    "partially_shipped": lambda order: (
        order.fulfillment_status in {FulfillmentStatus.PARTIALLY_SHIPPED, *_ALL_SHIPPED}
    ),
    "shipped": lambda order: order.fulfillment_status in _ALL_SHIPPED,
    "completed": lambda order: order.status is OrderStatus.COMPLETED,
}
"""What an order can be waited for, and how to tell."""


def has_reached(order: Order, stage: str) -> bool:
    """Tell whether an order is so far, or is over and will not get so far."""
    over = order.status in {OrderStatus.COMPLETED, OrderStatus.CANCEL}
    return over or STAGES[stage](order)


@attrs.define(eq=False)
class _Waiter:
    order_id: str
    stage: str
    done: asyncio.Future[Order]
    due: float
    looks: int = 1
    seen: Order | None = None


class OrderWatch:
    """Polls orders for all callers; orders that are due at about the same time share requests.

    Args:
        look: returns the orders with these numbers, or what is wrong with each.
    """

    def __init__(
        self, look: Callable[[tuple[str, ...]], Awaitable[Mapping[str, Order | KakaCloError]]]
    ) -> None:
        self._look = look
        self._waiters: set[_Waiter] = set()
        self._task: asyncio.Task[None] | None = None
        self._newcomer = asyncio.Event()

    async def wait(self, order_id: str, stage: Stage, timeout: float | None) -> Order:  # noqa: ASYNC109 - the error says how far the order is
        """Wait until an order has reached a stage, or is over.

        Raises:
            DeadlineExceeded: not within `timeout` seconds.
        """
        check_timeout(timeout)
        loop = asyncio.get_running_loop()
        waiter = _Waiter(order_id, stage, loop.create_future(), loop.time())
        self._waiters.add(waiter)
        self._newcomer.set()
        task = self._task
        if task is None or task.done():
            task = self._task = asyncio.create_task(self._run(), name="kakaclo order watch")
        try:
            async with asyncio.timeout(timeout):
                return await waiter.done
        except TimeoutError:
            raise DeadlineExceeded(
                f"order {order_id} is {_progress(waiter.seen)}, not {stage}, after {timeout:g} s; wait again to go on"
            ) from None
        finally:
            self._waiters.discard(waiter)
            if not self._waiters:
                task.cancel()
                self._task = None

    async def _run(self) -> None:
        clock = asyncio.get_running_loop().time
        while self._waiters:
            self._newcomer.clear()
            nap = min(waiter.due for waiter in self._waiters) - clock()
            if nap > 0:
                try:
                    async with asyncio.timeout(nap):
                        await self._newcomer.wait()
                except TimeoutError:
                    pass
                continue
            await asyncio.sleep(0)  # callers of the same turn of the loop share the request
            # Half a pause early is soon enough, and joins orders that are due a little later.
            due = [
                waiter for waiter in self._waiters if waiter.due - _PAUSES.after(waiter.looks) / 2 <= clock()
            ]
            await self._poll(due)
            for waiter in due:
                waiter.due = clock() + _PAUSES.after(waiter.looks)
                waiter.looks += 1

    async def _poll(self, due: list[_Waiter]) -> None:
        numbers = tuple(dict.fromkeys(waiter.order_id for waiter in due))
        found: Mapping[str, Order | Exception]
        try:
            found = await self._look(numbers)
        except Exception as error:  # noqa: BLE001 - it is raised in every caller, which would wait for ever otherwise
            found = dict.fromkeys(numbers, error)
        for waiter in due:
            seen = found[waiter.order_id]
            if waiter.done.done():
                continue
            if not isinstance(seen, Exception):
                waiter.seen = seen
                if has_reached(seen, waiter.stage):
                    waiter.done.set_result(seen)
            elif not _may_show_up(seen):
                waiter.done.set_exception(copy_error(seen))


def _may_show_up(error: Exception) -> bool:
    """Tell whether a later look may see the order: the index does not know it yet, or KakaClo is down."""
    return is_unlisted(error) or (isinstance(error, KakaCloError) and may_pass(error))


def _progress(order: Order | None) -> str:
    if order is None:
        return "not seen yet"
    if order.status is OrderStatus.ABNORMAL_ORDER:
        return str(order.status)
    return str(order.fulfillment_status or order.status)
