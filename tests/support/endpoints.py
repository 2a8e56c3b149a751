"""Every endpoint of the API: the call that sends it, the request as it leaves, and the answers that are published."""

from __future__ import annotations

import asyncio
import re
import warnings
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import attrs

from kakaclo_async import Item, KakaClo, KakaCloError, NewDesign, NewOrder, RefundItem
from kakaclo_async.protocol import Answer, Request
from support.shop import ADDRESS, UNLIMITED

SAMPLES: Final = Path(__file__).parents[1] / "samples"
CODE: Final = "AMN00003"
NUMBER: Final = "1000000371651"
BALANCE: Final = b'{"code":10000,"message":"ok","data":{"balance":120.5000,"storeId":77}}'
LONG_AGO: Final = datetime(2024, 1, 1, tzinfo=UTC)
ORDER: Final = NewOrder(address=ADDRESS, items=[Item(CODE, 1)], custom_order_id="KA1")
DESIGN: Final = NewDesign(model_id=1, en_name="a dinosaur", image_url="https://x/1.png")
LINE: Final = RefundItem(item_id="1", sku_code=CODE, quantity=1, country_code="CN")

Call = Callable[[KakaClo], Awaitable[object]]


async def every(stream: Any) -> list[object]:
    return [row async for row in stream]


# What sends it, and the published answers to it (the beginning of their names). The tests compare the keys with the
# documented methods and with the sandbox's routes: a new endpoint without a line here fails.
CALLS: Final[dict[str, tuple[Call, str]]] = {
    "GET /v1/product/category": (lambda kk: kk.categories.tree(), "v1_product_category"),
    "GET /v1/product/countryAndWarehouse": (lambda kk: kk.warehouses.all(), "v1_product_countryAndWarehouse"),
    "GET /v1/product/products": (lambda kk: kk.products.page(spus=[CODE]), "v1_product_products"),
    "GET /v1/product/stocks": (lambda kk: kk.stocks.page(skus=[CODE]), "v1_product_stocks"),
    "POST /v2/order/orders/channel/automationSplit": (
        lambda kk: kk.freight.quote([Item(CODE, 1)], "US"),
        "v2_order_channel_automationSplit",
    ),
    "POST /v2/order/orders/channel": (
        lambda kk: kk.freight.channels([Item(CODE, 1)], "US"),
        "v2_order_channel(_without_type)?$",
    ),
    "POST /v2/order/orders": (lambda kk: kk.orders.create(ORDER), "v2_order_create"),
    "GET /v2/order/orders": (lambda kk: kk.orders.page(ids=[NUMBER]), "v2_order_orders"),
    "POST /v2/order/orders/{id}/refund": (
        lambda kk: kk.refunds.request(NUMBER, [LINE]),
        "v2_order_refund_create",
    ),
    "GET /v2/order/orders/refund/{id}": (lambda kk: kk.refunds.of(NUMBER), "v2_order_refund_query"),
    "POST /v1/order/orders/channel": (
        lambda kk: kk.v1.freight.channels([Item(CODE, 1)], "US"),
        "v1_order_channel",
    ),
    "POST /v1/order/orders": (lambda kk: kk.v1.orders.create(ORDER), "v1_order_create"),
    "GET /v1/order/orders": (lambda kk: kk.v1.orders.page(ids=[NUMBER]), "v1_order_orders"),
    "POST /v1/order/orders/{id}/refund": (
        lambda kk: kk.v1.refunds.request(NUMBER, "sent twice"),
        "v1_order_refund_create",
    ),
    "GET /v1/order/orders/refund/{id}": (lambda kk: kk.v1.refunds.of(NUMBER), "v1_order_refund_query"),
    "GET /v1/payment/balance": (lambda kk: kk.payment.balance(), "$none"),
    "GET /v1/product/custom/modelCategoryName/search": (
        lambda kk: kk.custom.category_names(),
        "v1_custom_modelCategoryName_search",
    ),
    "POST /v1/product/custom/designModel/search": (
        lambda kk: every(kk.custom.models()),
        "v1_custom_designModel_search",
    ),
    "GET /v1/product/custom/designModel/detail/{id}": (
        lambda kk: kk.custom.model(1),
        "v1_custom_designModel_detail",
    ),
    "POST /v1/product/custom/customDesigned/search": (
        lambda kk: every(kk.custom.designs()),
        "v1_custom_customDesigned_search",
    ),
    "POST /v1/product/custom/customDesigned/addProduct": (
        lambda kk: kk.custom.add_design(DESIGN, timeout=0),
        "v1_custom_customDesigned_addProduct",
    ),
}


@attrs.frozen
class Endpoint:
    """One endpoint.

    Attributes:
        name: "GET /v1/order/orders".
        call: sends it.
        request: as it leaves.
        answers: published answers, by their names.
    """

    name: str
    call: Call
    request: Request[Any]
    answers: dict[str, bytes]


@attrs.define
class Answers:
    """Stands in for a client's transport: an answer for each endpoint, and the requests that came.

    Attributes:
        special: answers of a test, by endpoint.
        left: how often they are given: a stream asks until it is no longer throttled.
        requests: the last request to each endpoint.
    """

    special: dict[str, Answer] = attrs.field(factory=dict)
    left: int = 5
    requests: dict[str, Request[Any]] = attrs.field(factory=dict)
    connections: int = 100

    async def send(self, request: Request[Any], token: str, *, timeout: float) -> Answer:
        name = next(name for name in CALLS if _pattern(name).fullmatch(f"{request.method} {request.path}"))
        self.requests[name] = request
        if name in self.special and self.left:
            self.left -= 1
            return self.special[name]
        return Answer(200, {}, next(iter(published(name).values())))

    async def aclose(self) -> None:
        """There is nothing to close."""


def _pattern(name: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\{\w+\}", "[^/]+", name))


def published(name: str) -> dict[str, bytes]:
    """Return the published answers of an endpoint, by their names."""
    start = re.compile(CALLS[name][1])
    paths = [path for path in sorted(SAMPLES.glob("*.json")) if not path.stem.endswith(".request")]
    return {path.stem: path.read_bytes() for path in paths if start.match(path.stem)} or {"none": BALANCE}


def client(answers: Answers) -> KakaClo:
    """Return a client that sends nothing, and is given these answers."""
    kk = KakaClo("a-token", base_url="http://127.0.0.1:1", rate_limit=UNLIMITED, max_attempts=1)
    kk._sender.state.transport = answers  # type: ignore[assignment]
    return kk


async def call(name: str, answers: Answers) -> object:
    """Make the call of an endpoint."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # V1 is outdated
        async with client(answers) as kk:
            return await CALLS[name][0](kk)


def endpoints() -> tuple[Endpoint, ...]:
    """List every endpoint, with the request that its call sends."""

    async def record() -> Answers:
        answers = Answers()
        for name in CALLS:
            try:
                await call(name, answers)
            except KakaCloError:
                assert name.endswith("addProduct")  # no such design shows up
        return answers

    requests = asyncio.run(record()).requests
    return tuple(Endpoint(name, call, requests[name], published(name)) for name, (call, _) in CALLS.items())
