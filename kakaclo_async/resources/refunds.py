"""Refunds: ask for one, for all or part of an order, and wait until it settled."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Final, cast

import attrs

from kakaclo_async.codec import RefundNumber, Undecodable, encode
from kakaclo_async.codec.outgoing import sealed
from kakaclo_async.errors import InvalidRequest, NotFound, OutcomeUnknown
from kakaclo_async.models._checks import as_list_of
from kakaclo_async.models.common import Page
from kakaclo_async.models.freight import Item
from kakaclo_async.models.refund import (
    NewRefund,
    Refund,
    RefundItem,
    RefundPlan,
    RefundReason,
    RefundStatus,
    check_refundable,
    expected_amount,
    fill_lines,
    order_label,
)
from kakaclo_async.paging.listing import Listing, Unread
from kakaclo_async.protocol import Request, path, tolerant
from kakaclo_async.resources._journal import RefundRequest
from kakaclo_async.resources._lookup import is_unlisted
from kakaclo_async.resources.orders import Orders
from kakaclo_async.resources.orders.placing import checked, naming, without_remark
from kakaclo_async.resources.orders.requests import check_order_id
from kakaclo_async.retry import poll
from kakaclo_async.travel import read

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from kakaclo_async.models.common import Number
    from kakaclo_async.resources._journal import WriteJournal
    from kakaclo_async.sending import Sender

REFUND_PATH: Final = "/v2/order/orders/{}/refund"
REFUNDS_PATH: Final = "/v2/order/orders/refund/{}"


class Refunds:
    """`kk.refunds`."""

    def __init__(self, sender: Sender) -> None:
        self._sender = sender

    async def plan(
        self,
        order_id: str,
        items: Iterable[Item | RefundItem | Mapping[str, object]] | None = None,
        reason: RefundReason | str = RefundReason.OTHER,
        remark: str | None = None,
    ) -> RefundPlan:
        """Return what `request` would send, and what it should bring; nothing is sent.

        `GET /v2/order/orders?ids=`, unless every item is a `RefundItem`

        Args:
            order_id: the order's number.
            items: what to refund; None for the whole order.
            reason: one of `RefundReason`.
            remark: free text for KakaClo's staff; the reason by default.

        Raises:
            InvalidRequest: a SKU that the order does not hold, or more pieces or money than are left.
            Rejected: the order is shipped, cancelled or refunded already.
            NotFound: no such order, when items are to be filled in; a new one may take some minutes to show up.
        """
        remark = sealed(remark)
        return await plan_refund(self._sender, _request(order_id, items, reason, remark))

    async def request(
        self,
        order_id: str,
        items: Iterable[Item | RefundItem | Mapping[str, object]] | None = None,
        reason: RefundReason | str = RefundReason.OTHER,
        remark: str | None = None,
        *,
        journal: WriteJournal | None = None,
        again: str = "",
        timeout: float | None = 30.0,  # noqa: ASYNC109 - the error says what is unknown
    ) -> str:
        """Ask for a refund, possible until the order is shipped: at most once, with a journal exactly once.

        Without a journal it is one POST, never repeated once it may have arrived. With one, the same refund of the
        same order is asked for once, however often it is requested; its remark then ends with a mark by which it
        is found again.

        `POST /v2/order/orders/{id}/refund`, after `GET /v2/order/orders?ids=` as in `plan`

        Args:
            order_id: the order's number.
            items: what to refund; None for the whole order. An `Item` names a SKU and a number of pieces; the
                order is then queried once to fill in item id and country. A `RefundItem` is sent as it is. Both may be
                plain data, with the names of their fields.
            reason: one of `RefundReason`.
            remark: free text for KakaClo's staff; the reason by default.
            journal: a `Journal`.
            again: with a journal: any text that tells this refund from an equal one before, when both are meant.
            timeout: with a journal: seconds to go on while the outcome is unknown; None: until it can be settled.

        Returns:
            The refund number, a `Number`: should KakaClo name several, its `all` has every one. It settles within 24
            hours, usually within 1: see `wait`.

        Raises:
            InvalidRequest: a SKU that the order does not hold, or more pieces or money than are left.
            Rejected: the order is shipped or refunded already, or KakaClo declined for another reason.
            NotFound: no such order, when items are to be filled in.
            OutcomeUnknown: the request left and no clear answer came; look at `of(order_id)`.
        """
        remark = sealed(remark)
        asked = _request(order_id, items, reason, remark, again)
        if journal is not None:
            return await checked(journal).once(self._sender, asked, timeout=timeout)
        sender = self._sender.for_call()
        plan = await plan_refund(sender, asked)
        body = encode(plan.refund)
        return await ask_for_refund(sender, plan.order_id, body, custom_order_id=plan.custom_order_id)

    async def of(self, order_id: str) -> tuple[Refund, ...]:
        """Return all refunds of an order, none if none was asked for.

        `GET /v2/order/orders/refund/{id}`, once for each page that the server makes of them

        Raises:
            IncompletePull: the server shows fewer than it counts.
            DecodeError: some cannot be read.
        """
        return await list_refunds(self._sender, REFUNDS_PATH, order_id)

    async def wait(self, order_id: str, timeout: float | None = None) -> tuple[Refund, ...]:  # noqa: ASYNC109 - the deadline is part of the promise, and its error says what is still pending
        """Wait until no refund of an order is pending, looking in the bulk lane with growing pauses.

        Nothing but the order's number is needed to go on after a restart.

        `GET /v2/order/orders/refund/{id}`

        Args:
            order_id: the order's number.
            timeout: seconds to wait at most; None for as long as it takes.

        Returns:
            The refunds, each settled or failed (`refund_status`).

        Raises:
            DeadlineExceeded: some refund is still pending after `timeout`.
        """
        # Looks are cut off when the time is up; the one look of timeout=0 is a call like any other.
        bulk = Refunds((self._sender if timeout != 0 else self._sender.for_call()).bulk())

        def too_late(refunds: tuple[Refund, ...] | None) -> str:
            pending = [refund.refund_no for refund in refunds or () if _is_pending(refund)]
            waits_for = f"refund {pending[0]} is pending" if pending else "no refund is known"
            return f"order {order_id}: {waits_for}; call wait again, KakaClo takes up to 24 h;"

        return await poll(
            lambda: bulk.of(order_id),
            lambda refunds: bool(refunds) and not any(map(_is_pending, refunds)),
            timeout=timeout,
            too_late=too_late,
        )


async def plan_refund(sender: Sender, asked: RefundRequest) -> RefundPlan:
    """Fill the lines of the order in, and refuse what KakaClo would refuse; see `Refunds.plan`."""
    items = asked.items or ()
    lines = tuple(item for item in items if isinstance(item, RefundItem))
    named = [item for item in items if isinstance(item, Item)]
    amount, custom_order_id = None, None
    if named or asked.items is None:
        try:
            order = await Orders(sender).get(asked.order_id)
        except NotFound as error:
            if named or not is_unlisted(error):
                raise
            # The index may not know a new order yet, and KakaClo needs no lines to refund all of it.
        else:
            check_refundable(order)
            custom_order_id = order.custom_order_id
            lines += fill_lines(order, named)
            amount = order.refundable_amount if asked.items is None else expected_amount(order, lines)
    refund = NewRefund(
        remark=str(asked.remark or asked.reason), refund_reason=asked.reason, order_items=lines
    )
    return RefundPlan(order_id=asked.order_id, refund=refund, amount=amount, custom_order_id=custom_order_id)


def _request(
    order_id: str,
    items: Iterable[Item | RefundItem | Mapping[str, object]] | None,
    reason: RefundReason | str,
    remark: str | None,
    again: str = "",
) -> RefundRequest:
    listed = None if items is None else _lines(items)
    if listed == ():
        raise InvalidRequest("pass items=None to refund the whole order, or at least one item")
    if not isinstance(cast("object", reason), str):
        raise InvalidRequest(f"reason must be a str, not {type(reason).__name__}")
    return RefundRequest(
        order_id=check_order_id(order_id), items=listed, reason=str(reason), remark=remark, again=again
    )


def _lines(
    items: Iterable[Item | RefundItem | Mapping[str, object]],
) -> tuple[Item | RefundItem, ...]:
    """Make lines of plain data: with an `item_id` they are the order's own, else a SKU and a number of pieces."""
    lines: list[Item | RefundItem] = []
    problems: list[str] = []
    for place, item in enumerate(as_list_of("Item or RefundItem", items, Item, RefundItem, Mapping)):
        own = isinstance(item, RefundItem) or (isinstance(item, Mapping) and "item_id" in item)
        found, wrong = read(RefundItem, item) if own else read(Item, item)
        if found is not None:
            lines.append(found)
        problems += (f"items[{place}].{path}: {text}" for path, text in wrong)
    if problems:
        raise InvalidRequest("; ".join(problems))
    return tuple(lines)


def refund_request(template: str, order_id: str, body: bytes) -> Request[RefundNumber]:
    """Build the request for a refund, in either version of the API."""
    return Request(
        method="POST",
        path=path(template, check_order_id(order_id)),
        route=template,
        body=body,
        result=RefundNumber,
        writes=True,
        order_id=str(order_id),
        scrub=partial(without_remark, body=json.loads(body)),
    )


async def ask_for_refund(
    sender: Sender,
    order_id: str,
    body: bytes,
    *,
    custom_order_id: str | None,
    template: str = REFUND_PATH,
    check_lease: Callable[[], None] = lambda: None,
) -> Number:
    """Ask for a refund with one POST, and return its number.

    Args:
        sender: sends it.
        order_id: KakaClo's order number.
        body: of the request.
        custom_order_id: your own number, for errors; None when it is not known.
        template: the path, of either version of the API.
        check_lease: raises if the request must not leave any more; called when its permit is granted, and as it leaves.
    """

    def build() -> Request[RefundNumber]:
        check_lease()
        return attrs.evolve(refund_request(template, order_id, body), check=check_lease)

    order = order_label(order_id, custom_order_id)
    try:
        with naming(f"no refund of {order} was asked for"):
            number = await sender.send(build)
    except OutcomeUnknown as error:
        raise _unknown(order, str(error.__cause__ or error), order_id, custom_order_id) from error.__cause__
    if not number or number == str(order_id):  # an object's `id` may be the order's
        raise _unknown(order, "KakaClo named no number", order_id, custom_order_id)
    return number


def _unknown(order: str, why: str, order_id: str, custom_order_id: str | None) -> OutcomeUnknown:
    return OutcomeUnknown(
        f"a refund of {order} may or may not have been asked for: {why}; look at refunds.of before asking again",
        custom_order_id=custom_order_id,
        order_id=order_id,
    )


async def list_refunds(sender: Sender, template: str, order_id: str) -> tuple[Refund, ...]:
    """Return all refunds of an order, in either version of the API, in the order of the list.

    Raises:
        IncompletePull: the server shows fewer than it counts.
        DecodeError: some cannot be read.
    """
    unread = Unread()
    found: tuple[Refund, ...] = unread.sift(await refund_rows(sender, template, order_id))
    unread.check(f"refunds of order {order_id}")
    return found


async def refund_rows(sender: Sender, template: str, order_id: str) -> Sequence[Refund | Undecodable]:
    """Return all refunds of an order, with those that cannot be read.

    The documents name no page number, and every list of the API takes one: only what page 1 lacks is asked for by it.
    """
    sender, where = sender.for_call(), path(template, check_order_id(order_id))
    shown: dict[int, tuple[Refund | Undecodable, ...]] = {}

    async def read(number: int) -> Page[Refund | Undecodable]:
        query = () if number == 1 else (("pageNumber", str(number)),)
        asked = Request(method="GET", path=where, route=template, query=query, result=Page[Refund])
        page = await sender.send(tolerant(asked))
        shown[number] = page.list
        return page

    found = {_key(refund): refund for refund in await Listing("refunds", read, _key).all()}
    in_order = (_key(refund) for number in sorted(shown) for refund in shown[number])
    return [found[key] for key in dict.fromkeys(in_order)]


def _key(refund: Refund | Undecodable) -> object:
    if isinstance(refund, Undecodable):
        return repr(refund.document)
    return refund.refund_no or (refund.remark, refund.refund_status)


def _is_pending(refund: Refund) -> bool:
    return refund.refund_status is RefundStatus.PENDING_REVIEW
