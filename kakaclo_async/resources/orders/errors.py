"""What the errors of an order say: which one, and what to do next; never where it goes."""

from __future__ import annotations

import json
import re
from contextlib import contextmanager
from copy import copy
from decimal import Decimal
from typing import TYPE_CHECKING, Final, cast

from kakaclo_async.errors import (
    APIError,
    ConnectionFailed,
    DeadlineExceeded,
    InvalidRequest,
    KakaCloError,
    OutcomeUnknown,
    RateLimited,
    Rejected,
)
from kakaclo_async.models.freight import ChannelType, Item
from kakaclo_async.resources.freight import Freight
from kakaclo_async.resources.products import Products

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping

    from kakaclo_async.sending import Sender


_SHORTEST: Final = 3  # characters that can tell anything about anybody
_PHONE_DIGITS: Final = 5  # with fewer, other numbers would be taken for the phone's


@contextmanager
def about_order(custom_order_id: str, body: bytes) -> Generator[None]:
    """Let the errors of placing an order name it, and not repeat its address as KakaClo may do.

    Args:
        custom_order_id: the order.
        body: of the request that places it.
    """
    given = cast("dict[str, dict[str, object]]", json.loads(body))["orderAddresses"]
    address = {
        field: value
        for field, value in given.items()
        if isinstance(value, str) and value.casefold() not in custom_order_id.casefold()
    }
    try:
        with naming(f"order {custom_order_id!r} was not placed"):
            yield
    except KakaCloError as error:
        _clear(error, address)
        raise


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
        named = copy(error)  # those who shared the request that failed have their own to name
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


def order_name(order_id: str, custom_order_id: str | None) -> str:
    """Return how errors name an order that KakaClo has numbered."""
    own = "" if custom_order_id is None else f" (custom order id {custom_order_id!r})"
    return f"order {order_id}{own}"


def without_address(text: str, address: Mapping[str, str]) -> str:
    """Return a text with the parts of an address replaced by the names of their fields."""
    for field, value in sorted(address.items(), key=lambda part: -len(part[1])):
        for pattern in _patterns(field, value.strip()):
            text = re.sub(pattern, f"[{field}]", text, flags=re.IGNORECASE)
    return text


def _patterns(field: str, value: str) -> Iterator[str]:
    if len(value) >= _SHORTEST:
        yield rf"(?<!\w){re.escape(value)}(?!\w)"
    digits = re.sub(r"\D", "", value)
    if field == "phone" and len(digits) >= _PHONE_DIGITS:
        yield r"\W{0,2}".join(digits)


def _clear(error: BaseException | None, address: Mapping[str, str]) -> None:
    while isinstance(error, KakaCloError):
        error.args = tuple(without_address(str(part), address) for part in error.args)
        if isinstance(error, APIError):
            error.message = without_address(error.message, address)
        error = error.__cause__ or error.__context__


async def check_price(sender: Sender, custom_order_id: str, body: bytes) -> None:
    """Refuse an order that costs more than the client's guards allow; ask nobody where they allow anything.

    `GET /v1/product/products` and `POST /v2/order/orders/channel/automationSplit`

    Args:
        sender: asks, and has the guards.
        custom_order_id: names the order in errors.
        body: of the request that would place it.

    Raises:
        InvalidRequest: it costs more, or its price cannot be told; nothing was sent.
    """
    limit = sender.state.guard.max_order_amount
    if limit is None:
        return
    price = await _price(sender, body)
    if price is None:
        raise InvalidRequest(
            f"order {custom_order_id!r} was not sent: this client's guards allow {limit} USD per order, and its"
            " price cannot be told; see orders.check"
        )
    if price > limit:
        raise InvalidRequest(
            f"order {custom_order_id!r} was not sent: it costs {price} USD, and this client's guards allow {limit}"
        )


async def _price(sender: Sender, body: bytes) -> Decimal | None:
    order = json.loads(body)
    items = [Item(line["sku"], line["quantity"]) for line in order["orderItemsList"]]
    products = await Products(sender).get_many(skus=list(dict.fromkeys(item.sku for item in items)))
    prices = {sku.sku: sku.price for product in products for sku in product.sku_details}
    quote = await Freight(sender).quote(items, order["orderAddresses"]["country"])
    option = quote.by_channel(order.get("channelType", ChannelType.STANDARD))
    freight = None if option is None else option.estimated_freight
    costs = [freight]
    for item in items:
        price = prices.get(item.sku)
        costs.append(None if price is None else price * item.quantity)
    known = [cost for cost in costs if cost is not None]
    return sum(known, Decimal(0)) if len(known) == len(costs) else None
