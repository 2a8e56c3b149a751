"""Place one order: at most once, within the client's guards, and with errors that name it without its address."""

from __future__ import annotations

import json
import logging
import re
from contextlib import contextmanager
from copy import copy
from functools import partial
from typing import TYPE_CHECKING, Final

import attrs

from kakaclo_async.codec import OrderNumber, encode
from kakaclo_async.codec.outgoing import spellings
from kakaclo_async.errors import (
    ConnectionFailed,
    DeadlineExceeded,
    InvalidRequest,
    KakaCloError,
    OutcomeUnknown,
    RateLimited,
    Rejected,
    scrub_error,
)
from kakaclo_async.protocol import Request
from kakaclo_async.resources.freight import Freight
from kakaclo_async.resources.orders.check import price_order
from kakaclo_async.resources.orders.requests import ORDERS_PATH, new_custom_order_id
from kakaclo_async.resources.products import Products

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Mapping

    from kakaclo_async.models.common import Number
    from kakaclo_async.models.freight import Item
    from kakaclo_async.models.new_order import NewOrder
    from kakaclo_async.resources._journal import WriteJournal
    from kakaclo_async.sending import Sender


_log = logging.getLogger("kakaclo.orders")

_SHORTEST: Final = 3  # characters that can tell anything about anybody
_START: Final = (
    r"(?:(?<!\w)|(?<=%[0-9a-f]{2})|(?<=\\[bfnrt]))"  # of a word, also after an escape of a URL or JSON
)
_PHONE_DIGITS: Final = 5  # with fewer, other numbers would be taken for the phone's


def with_custom_order_id(order: NewOrder) -> tuple[NewOrder, str]:
    """Return an order that has a custom order id, and this id: its own, or "KK" and a new ULID."""
    if order.custom_order_id is not None:
        return order, order.custom_order_id
    custom_order_id = new_custom_order_id()
    return attrs.evolve(order, custom_order_id=custom_order_id), custom_order_id


async def place(
    sender: Sender,
    order: NewOrder,
    body: bytes,
    *,
    path: str = ORDERS_PATH,
    check_lease: Callable[[], None] = lambda: None,
) -> Number:
    """Place an order with one POST, and return its number.

    Args:
        sender: sends it.
        order: it has a custom order id.
        body: the same order as it is sent.
        path: of either version of the API.
        check_lease: raises if the request must not leave any more; called when its permit is granted, and as it leaves.
    """
    custom_order_id = order.custom_order_id or ""
    sender = sender.for_call()
    with _about_order(order):
        if path == ORDERS_PATH:  # the guard of prices refuses the other, without a request
            await _check_price(sender, order)
        number = await _send(sender, order, body, path, check_lease)
        if not number:
            raise OutcomeUnknown(
                f"KakaClo took order {custom_order_id!r} and named no number: look for this custom order id before"
                " sending it again",
                custom_order_id=custom_order_id,
            )
    return number


_ADDRESS: Final = "orderAddresses"  # in the documents' example
_OTHER_ADDRESS: Final = "orderAddress"  # in a table of theirs
_MISSES_OTHER: Final = (
    re.compile(r"(?<!\w)order_?address(?!\w|\.\w|\[)", re.ASCII | re.IGNORECASE),
    re.compile(
        r"requir|mandatory|miss|lack|null|nil\b|empty|blank|absent|undefined|必|缺|空"
        r"|(?:not|must) (?:be )?(?:present|provided|given|set|found|exist)",
        re.IGNORECASE,
    ),
)


async def _send(
    sender: Sender, order: NewOrder, body: bytes, path: str, check_lease: Callable[[], None]
) -> Number:
    """Send an order, and once more if it surely was not placed because KakaClo names the address otherwise.

    The name that it wants is kept for the life of the client. `channelType` is named by one table among the fields of
    each item, and stays at the top, where the example and the release notes have it: a server that looked for it
    elsewhere need not refuse the order, but could send it by another channel, so there is nothing to learn from.
    """
    known = sender.state.address_fields
    sent_as = {_ADDRESS}

    def build(*, again: bool = False) -> Request[OrderNumber]:
        check_lease()
        name = known.get(path, _ADDRESS)
        sent_as.add(name)
        sent = body if name == _ADDRESS else _renamed(body, name)
        return attrs.evolve(place_request(path, order, sent), again=again, check=check_lease)

    try:
        return await sender.send(build)
    except Rejected as refusal:
        misses_other = all(pattern.search(refusal.message) for pattern in _MISSES_OTHER)
        if not refusal.declined or not misses_other or _OTHER_ADDRESS in sent_as:
            raise
    if path not in known:
        known[path] = _OTHER_ADDRESS
        _log.warning(
            "POST %s wants the address of an order as %s, not %s: this client names it so from now on",
            *(path, _OTHER_ADDRESS, _ADDRESS),
        )
    return await sender.send(partial(build, again=True))


def place_request(path: str, order: NewOrder, body: bytes) -> Request[OrderNumber]:
    """Build the request that places an order, in either version of the API."""
    return Request(
        method="POST",
        path=path,
        body=body,
        result=OrderNumber,
        writes=True,
        custom_order_id=order.custom_order_id,
        scrub=partial(without_address, address=_secrets(order)),
    )


def _renamed(body: bytes, name: str) -> bytes:
    return encode({name if field == _ADDRESS else field: held for field, held in json.loads(body).items()})


async def _check_price(sender: Sender, order: NewOrder) -> None:
    """Refuse an order that costs more than the client's guards allow; without that guard nothing is requested.

    `GET /v1/product/products` and `POST /v2/order/orders/channel/automationSplit`

    Raises:
        InvalidRequest: it costs more, or its price is not known; nothing was sent.
    """
    limit = sender.state.guard.max_order_amount
    if limit is None:
        return
    skus = list(dict.fromkeys(item.sku for item in order.items))
    products = await Products(sender).get_many(skus=skus)
    quote = await Freight(sender).quote(order.items, order.address.country)
    price = price_order(order, products, quote).total
    if price is None:
        raise InvalidRequest(
            f"order {order.custom_order_id!r} was not sent: this client's guards allow {limit} USD per order, and its"
            " price cannot be told; see orders.check"
        )
    if price > limit:
        raise InvalidRequest(
            f"order {order.custom_order_id!r} was not sent: it costs {price} USD, and this client's guards allow"
            f" {limit}"
        )


@contextmanager
def _about_order(order: NewOrder) -> Generator[None]:
    """Let the errors of placing an order name it, and not repeat its address as KakaClo may do."""
    try:
        with naming(f"order {order.custom_order_id or ''!r} was not placed"):
            yield
    except KakaCloError as error:
        scrub_error(error, partial(without_address, address=_secrets(order)))
        raise


def _secrets(order: NewOrder) -> dict[str, str]:
    # An id that holds a part of the address, a zip code perhaps, must still name the order.
    custom_order_id = (order.custom_order_id or "").casefold()
    parts = {"remark": order.remark, **attrs.asdict(order.address)}
    return {
        field: value
        for field, value in parts.items()
        if value is not None and value.casefold() not in custom_order_id
    }


@contextmanager
def naming(what: str) -> Generator[None]:
    """Let errors that are sure of it say what was not done, and what to do next.

    Args:
        what: "order 'A' was not placed".
    """
    try:
        yield
    except (InvalidRequest, OutcomeUnknown):
        raise  # they say it themselves
    except KakaCloError as error:
        named = copy(error)  # callers that shared the failed request name their own order
        named.args = (f"{what}: {error}{_then(error)}",)
        raise named.with_traceback(error.__traceback__) from error.__cause__


def _then(error: KakaCloError) -> str:
    match error:
        case Rejected():
            return "; put that right, and try again"
        case RateLimited() | ConnectionFailed() | DeadlineExceeded():
            return "; try again later"
        case _:
            return ""


def without_address(text: str, address: Mapping[str, str]) -> str:
    """Return a text with the parts of an address replaced by the names of their fields."""
    for field, value in sorted(address.items(), key=lambda part: -len(part[1])):
        for pattern in _patterns(field, value.strip()):
            text = re.sub(pattern, f"[{field}]", text, flags=re.IGNORECASE)
    return text


def without_remark(text: str, body: Mapping[str, str]) -> str:
    """Return a text without the remark of a refund, unless that is the reason: a journal adds a mark to it."""
    remark = body.get("remark") or body.get("Remark") or ""
    own = re.sub(r" \[ref \w+\]$", "", remark)
    for shown in (remark, own) if own != body.get("refundReason") else ():
        text = without_address(text, {"remark": shown})
    return text


def _patterns(field: str, value: str) -> Iterator[str]:
    if len(value) >= _SHORTEST:
        yield rf"{_START}{spellings(value)}(?!\w)"
    digits = re.sub(r"\D", "", value)
    if field == "phone" and len(digits) >= _PHONE_DIGITS:
        yield r"(?:\W|%[0-9a-f]{2}){0,2}".join(digits)


def drop_quotes(sender: Sender, items: Iterable[Item]) -> None:
    """Drop the freight quotes of carts with these SKUs: their stock, and so the warehouses, changed."""
    changed = {item.sku for item in items}
    sender.state.freight.drop(lambda cart: any(item.sku in changed for item in cart.items))


def checked(journal: WriteJournal) -> WriteJournal:
    """Return a journal.

    Raises:
        InvalidRequest: it is none; its address alone makes none.
    """
    if not hasattr(journal, "once"):
        raise InvalidRequest(
            "journal must be a Journal, such as Journal('sqlite:///orders.db'); nothing was sent"
        )
    return journal
