"""Refunds for a journal: ask for one, and find out whether KakaClo got it.

A refund that is queried shows its remark, and not its items: the journal's refunds carry a mark in the remark.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Final

import attrs

from kakaclo_async.codec import to_wire_time
from kakaclo_async.errors import Conflict, OutcomeUnknown
from kakaclo_async.models.common import Page
from kakaclo_async.models.refund import Refund, RefundItem
from kakaclo_async.protocol import Request, path
from kakaclo_async.resources._checks import check_code
from kakaclo_async.resources.orders.errors import naming, order_name
from kakaclo_async.resources.writes import Reconciliation

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from kakaclo_async.models.freight import Item
    from kakaclo_async.models.refund import NewRefund
    from kakaclo_async.resources.writes import Attempt, UnknownWrite
    from kakaclo_async.sending import Sender


REFUND_PATH: Final = "/v2/order/orders/{}/refund"
REFUNDS_PATH: Final = "/v2/order/orders/refund/{}"


def post_refund(template: str, order_id: str, body: bytes) -> Request[str]:
    """Build the request for a refund, in either version of the API."""
    return Request(
        method="POST",
        path=path(template, check_code(str(order_id), "order id")),
        body=body,
        result=str,
        writes=True,
        order_id=str(order_id),
    )


async def ask(
    sender: Sender,
    order_id: str,
    body: bytes,
    *,
    custom_order_id: str | None,
    may_leave: Callable[[], None] = lambda: None,
) -> str:
    """Ask for a refund with one POST, and return its number.

    Args:
        sender: sends it.
        order_id: KakaClo's order number.
        body: of the request.
        custom_order_id: your own number, for errors; None when it is not known.
        may_leave: raises if the request must not leave any more; called when its permit is there.
    """

    def build() -> Request[str]:
        may_leave()
        return post_refund(REFUND_PATH, order_id, body)

    order = order_name(order_id, custom_order_id)
    try:
        with naming(f"no refund of {order} was asked for"):
            number = await sender.send(build)
    except OutcomeUnknown as error:
        raise _unknown(order, str(error.__cause__ or error), order_id, custom_order_id) from error.__cause__
    if not number.strip():
        raise _unknown(order, "KakaClo named no number", order_id, custom_order_id)
    return number


def _unknown(order: str, why: str, order_id: str, custom_order_id: str | None) -> OutcomeUnknown:
    return OutcomeUnknown(
        f"a refund of {order} may or may not have been asked for: {why}; look at refunds.of before asking again",
        custom_order_id=custom_order_id,
        order_id=order_id,
    )


def refunds_query(template: str, order_id: str) -> Request[Page[Refund]]:
    """Build the request for the refunds of an order, in either version of the API."""
    order_id = check_code(str(order_id), "order id")
    return Request(method="GET", path=path(template, order_id), result=Page[Refund])


def refund_key(
    order_id: str, items: Sequence[Item | RefundItem] | None, reason: str, remark: str | None, again: str
) -> str:
    """Return what a journal knows a refund by: the order, and what was asked, in whatever order."""
    lines = None if items is None else sorted(json.dumps(attrs.asdict(item)) for item in items)
    asked = json.dumps([lines, reason, remark, again])
    return f"{order_id}/{hashlib.sha256(asked.encode()).hexdigest()[:16]}"


def marked(refund: NewRefund, key: str) -> NewRefund:
    """Return a refund whose remark carries the mark of its key."""
    return attrs.evolve(refund, remark=f"{refund.remark} [{_mark(key)}]")


def _mark(key: str) -> str:
    return "ref " + key.partition("/")[2]


class RefundWrites:
    """Asks for refunds; a key is what `refund_key` makes, a payload the body of the POST.

    Args:
        sender: sends, and looks.
        custom_order_id: your own number of the one order that they are about, if it is known.
    """

    kind = "refund"

    def __init__(self, sender: Sender, custom_order_id: str | None = None) -> None:
        self._sender = sender
        self._custom_order_id = custom_order_id

    @property
    def timeout(self) -> float:
        """Seconds that one attempt takes at most."""
        return self._sender.options.timeout

    async def send(self, attempt: Attempt) -> str:
        """Ask for the refund and return its number."""
        return await ask(
            self._sender,
            _order_id(attempt.key),
            attempt.payload,
            custom_order_id=self._custom_order_id,
            may_leave=attempt.may_leave,
        )

    async def look(self, doubts: Sequence[UnknownWrite], *, thorough: bool) -> Reconciliation:
        """Read the refunds of the orders concerned, and match the marks in their remarks.

        `GET /v2/order/orders/refund/{id}`, once for each order, in the bulk lane
        """
        del thorough  # a list of one order's refunds is always whole
        bulk = self._sender.bulk()
        found: dict[str, str] = {}
        unclear: dict[str, str] = {}
        for order_id in dict.fromkeys(_order_id(doubt.key) for doubt in doubts):
            refunds = await bulk.send(refunds_query(REFUNDS_PATH, order_id))
            for doubt in doubts:
                for refund in refunds if _order_id(doubt.key) == order_id else ():
                    if refund.remark is None:
                        unclear[doubt.key] = f"refund {refund.refund_no} of order {order_id} shows no remark"
                    elif _mark(doubt.key) in refund.remark and refund.refund_no is not None:
                        found[doubt.key] = refund.refund_no
        return Reconciliation(
            found=found, unclear={key: why for key, why in unclear.items() if key not in found}
        )

    def spare(self, payload: bytes) -> bytes:
        """Return all of it: there is no address in it."""
        return payload

    def in_doubt(self, key: str, text: str, settles_at: datetime) -> OutcomeUnknown:
        """Make the error for a refund in doubt."""
        order_id = _order_id(key)
        return OutcomeUnknown(
            f"a refund of {order_name(order_id, self._custom_order_id)} may or may not have been asked for: {text};"
            f" ask for it again with the same journal: it can be settled at {to_wire_time(settles_at)}",
            custom_order_id=self._custom_order_id,
            order_id=order_id,
            settles_at=settles_at,
        )

    def conflict(self, key: str) -> Conflict:
        """Make the error for a refund that the journal has with other lines."""
        order_id = _order_id(key)
        return Conflict(
            f"the journal has the same refund of {order_name(order_id, self._custom_order_id)} with other lines:"
            " the order has changed since; look at refunds.of, and pass again= if another is meant",
            custom_order_id=self._custom_order_id,
            order_id=order_id,
        )


def _order_id(key: str) -> str:
    return key.partition("/")[0]
