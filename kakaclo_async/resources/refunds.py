"""Refunds: asking for one, for all or part of an order, and waiting until it settled."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from kakaclo_async.codec import encode
from kakaclo_async.errors import DeadlineExceeded, InvalidRequest
from kakaclo_async.models import Item, NewRefund, Page, Refund, RefundItem, RefundReason, RefundStatus
from kakaclo_async.protocol import Request, path
from kakaclo_async.resources.checks import check_code
from kakaclo_async.resources.orders import Orders
from kakaclo_async.resources.refund_lines import fill_lines

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from kakaclo_async.caller import Caller

__all__ = ["Refunds", "refund_request", "refunds_query"]

_FIRST_PAUSE = 1.0  # seconds between two looks of `wait`, growing to the longest
_LONGEST_PAUSE = 60.0
_PAUSE_GROWTH = 1.5


def refund_request(template: str, order_id: str, refund: NewRefund) -> Request[str]:
    """Build the request for a refund, in either version of the API."""
    return Request(
        method="POST",
        path=path(template, check_code(str(order_id), "order id")),
        body=encode(refund),
        result=str,
        writes=True,
        order_id=str(order_id),
    )


def refunds_query(template: str, order_id: str) -> Request[Page[Refund]]:
    """Build the request for the refunds of an order, in either version of the API."""
    order_id = check_code(str(order_id), "order id")
    return Request(method="GET", path=path(template, order_id), result=Page[Refund])


class Refunds:
    """`kk.refunds`."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def request(
        self,
        order_id: str,
        items: Iterable[Item | RefundItem] | None = None,
        reason: RefundReason | str = RefundReason.OTHER,
        remark: str | None = None,
    ) -> str:
        """Ask for a refund, possible until the order is shipped: one POST, never repeated once it may have arrived.

        `POST /v2/order/orders/{id}/refund`

        Args:
            order_id: the order's number.
            items: what to refund; None for the whole order. An `Item` names a SKU and a number of pieces; the
                order is then queried once to fill in item id and country. A `RefundItem` is sent as it is.
            reason: one of `RefundReason`.
            remark: free text for KakaClo's staff; the reason by default.

        Returns:
            The refund number. It settles within 24 hours, usually within 1: see `wait`.

        Raises:
            InvalidRequest: a SKU that the order does not hold, or more pieces of it than were bought.
            NotFound: no such order, when items are to be filled in.
            Rejected: KakaClo declined: shipped, or refunded already.
            OutcomeUnknown: the request left and no clear answer came; look at `of(order_id)`.
        """
        lines: Sequence[RefundItem] = ()
        if items is not None:
            lines = await self._lines(order_id, tuple(items))
        refund = NewRefund(remark=remark or str(reason), refund_reason=str(reason), order_items=lines)
        return await self._caller.send(refund_request("/v2/order/orders/{}/refund", order_id, refund))

    async def _lines(self, order_id: str, items: tuple[Item | RefundItem, ...]) -> tuple[RefundItem, ...]:
        if not items:
            raise InvalidRequest("pass items=None to refund the whole order, or at least one item")
        ready = tuple(item for item in items if isinstance(item, RefundItem))
        named = [item for item in items if isinstance(item, Item)]
        if len(ready) + len(named) != len(items):
            raise InvalidRequest("items must be Item or RefundItem")
        if not named:
            return ready
        order = await Orders(self._caller).get(order_id)
        return ready + fill_lines(order, named)

    async def of(self, order_id: str) -> tuple[Refund, ...]:
        """Return the refunds of an order, none if none was asked for.

        `GET /v2/order/orders/refund/{id}`
        """
        return (await self._caller.send(refunds_query("/v2/order/orders/refund/{}", order_id))).list

    async def wait(self, order_id: str, timeout: float | None = None) -> tuple[Refund, ...]:  # noqa: ASYNC109 - the deadline is part of the promise, and its error says what is still pending
        """Wait until no refund of an order is pending, looking in the bulk lane with growing pauses.

        `GET /v2/order/orders/refund/{id}`

        Args:
            order_id: the order's number.
            timeout: seconds to wait at most; None for as long as it takes.

        Returns:
            The refunds, each settled or failed (`refund_status`).

        Raises:
            DeadlineExceeded: some refund is still pending after `timeout`.
        """
        patient = Refunds(self._caller.bulk())
        clock = asyncio.get_running_loop().time
        deadline = None if timeout is None else clock() + timeout
        pause = _FIRST_PAUSE
        while True:
            refunds = await patient.of(order_id)
            pending = [refund for refund in refunds if refund.refund_status is RefundStatus.PENDING_REVIEW]
            if refunds and not pending:
                return refunds
            left = pause if deadline is None else deadline - clock()
            if left <= 0:
                waits_for = f"refund {pending[0].refund_no} is pending" if pending else "no refund is known"
                raise DeadlineExceeded(
                    f"order {order_id}: {waits_for} after {timeout:g} s; call wait again, KakaClo takes up to 24 h"
                )
            await asyncio.sleep(min(pause, left))
            pause = min(pause * _PAUSE_GROWTH, _LONGEST_PAUSE)
